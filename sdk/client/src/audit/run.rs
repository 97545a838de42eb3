//! An audit over the network: fetches ahead, feeds the recomputation, keeps count.

use std::future::Future;

use bytes::Bytes;
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::tile::{BundleId, Tile};
use futures_util::{StreamExt, stream};

use super::{Fault, Need, Recompute};
use crate::error::Error;
use crate::limits;
use crate::tiles::TileLog;

/// How far an audit has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries in the tree.
    pub entries_total: u64,
    /// Entries downloaded and hashed.
    pub entries: u64,
    /// Tiles downloaded and compared, bundles not counted.
    pub tiles: u64,
    /// Bytes of tiles and bundles downloaded.
    pub bytes: u64,
}

/// What an audit came to.
#[derive(Debug)]
pub struct Audit {
    /// How far it came: all of it, where the verdict is good.
    pub progress: Progress,
    /// The verdict.
    pub verdict: Verdict,
}

/// Whether a log is what its checkpoint says.
#[derive(Debug)]
pub enum Verdict {
    /// Every entry, every tile and the signed root agree.
    Good,
    /// They do not.
    Tampered(Fault),
    /// What came agrees, but something that the tree must have is not there.
    Incomplete {
        /// Its path below the log's prefix.
        resource: String,
    },
    /// The log could not be read to the end.
    CannotTell(Error),
}

impl From<Fault> for Verdict {
    fn from(fault: Fault) -> Self {
        Self::Tampered(fault)
    }
}

/// Audits the log's tree at the checkpoint. `report` is called after each bundle.
pub(crate) async fn audit(log: &TileLog, checkpoint: &Checkpoint, report: impl FnMut(Progress)) -> Audit {
    let mut progress = Progress { entries_total: checkpoint.size, ..Progress::default() };
    let verdict = match feed(log, checkpoint, &mut progress, report).await {
        Ok(()) => Verdict::Good,
        Err(verdict) => verdict,
    };
    Audit { progress, verdict }
}

async fn feed(
    log: &TileLog,
    checkpoint: &Checkpoint,
    progress: &mut Progress,
    mut report: impl FnMut(Progress),
) -> Result<(), Verdict> {
    let mut recompute = Recompute::new(checkpoint);
    let mut leaves = stream::iter(BundleId::for_size(checkpoint.size))
        .map(|id| fetch_leaves(log, id))
        .buffered(limits::AUDIT_FETCHES_MAX);
    while let Some(need) = recompute.need() {
        match need {
            Need::Leaves { .. } => {
                let fetched = leaves.next().await.ok_or(Fault::OutOfOrder)?;
                let (bundle, tile) = fetched.map_err(|e| unfetched(&recompute, e))?;
                progress.count(&[&bundle, &tile]);
                recompute.leaves(&bundle, &tile)?;
            }
            Need::Tile(tile) => {
                let fetched = patiently(|| log.tile(tile)).await;
                let bytes =
                    fetched.map_err(|e| with_path(e, tile.path())).map_err(|e| unfetched(&recompute, e))?;
                progress.count(&[&bytes]);
                recompute.tile(&bytes)?;
            }
        }
        progress.entries = recompute.entries();
        report(*progress);
    }
    Ok(recompute.finish()?)
}

impl Progress {
    fn count(&mut self, resources: &[&Bytes]) {
        self.tiles += 1;
        self.bytes += resources.iter().map(|r| r.len() as u64).sum::<u64>();
    }
}

/// A fetch that failed, or came back longer than the resource can be.
enum Unfetched {
    Failed(Error),
    TooLong { path: String, limit: usize },
}

fn with_path(error: Error, path: String) -> Unfetched {
    match error {
        Error::TooLarge { limit, .. } => Unfetched::TooLong { path, limit },
        error => Unfetched::Failed(error),
    }
}

async fn fetch_leaves(log: &TileLog, id: BundleId) -> Result<(Bytes, Bytes), Unfetched> {
    let tile = Tile { level: 0, index: id.index, width: id.width };
    let bundle = patiently(|| log.bundle(id)).await.map_err(|e| with_path(e, id.path()))?;
    let hashes = patiently(|| log.tile(tile)).await.map_err(|e| with_path(e, tile.path()))?;
    Ok((bundle, hashes))
}

/// A difference that was already seen is evidence, whatever else is missing.
fn unfetched(recompute: &Recompute, unfetched: Unfetched) -> Verdict {
    match (unfetched, recompute.first_difference()) {
        (Unfetched::TooLong { path, limit }, _) => {
            Verdict::Tampered(Fault::Malformed { path, reason: format!("it is longer than {limit} bytes") })
        }
        (Unfetched::Failed(_), Some(difference)) => Verdict::Tampered(Fault::Disagree(difference)),
        (Unfetched::Failed(Error::Missing { resource }), None) => Verdict::Incomplete { resource },
        (Unfetched::Failed(error), None) => Verdict::CannotTell(error),
    }
}

/// Asks again, a few times, where that may help: an audit of a long log outlasts a restart of the server.
async fn patiently<T, F>(fetch: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = limits::RETRY_PAUSE_DEFAULT;
    for _ in 1..limits::AUDIT_TRIES_MAX {
        match fetch().await {
            Err(e) if e.is_transient() => {
                let asked = e.retry_after().unwrap_or(pause);
                tokio::time::sleep(asked.min(limits::RETRY_PAUSE_MAX)).await;
                pause = pause.saturating_mul(2);
            }
            outcome => return outcome,
        }
    }
    fetch().await
}
