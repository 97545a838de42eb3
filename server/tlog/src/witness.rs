//! The witnesses of a log (c2sp.org/tlog-witness), and what is asked of one.

use std::sync::Arc;

use async_trait::async_trait;
use cairnlog_verify::note::{NoteSignature, VerifierKey, parse_signatures};
use cairnlog_verify::proof::Plan;
use cairnlog_verify::witness::AddCheckpoint;

use crate::{
    head::Head,
    limits::{WITNESS_TRIES_MAX, WITNESS_WAIT_MAX},
    proofs,
    reader::TileReader,
};

/// A way to reach a witness.
#[async_trait]
pub trait Witness: Send + Sync + 'static {
    /// Sends this body to its `add-checkpoint`.
    ///
    /// # Errors
    /// [`WitnessError`]: it can't be reached, or answers anything but 200 and a 409 with its size.
    async fn add_checkpoint(&self, body: String) -> Result<WitnessAnswer, WitnessError>;
}

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessAnswer {
    /// It has cosigned: its signature lines, not yet verified.
    Cosigned(String),
    /// It has last cosigned another size than it was told (409, `text/x.tlog.size`).
    OtherSize(u64),
}

/// Why a witness has not cosigned, in words for the server's own log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WitnessError(pub String);

/// A witness by name.
#[derive(Clone)]
pub struct Cosigner {
    /// What the policy calls it.
    pub name: String,
    /// The key that it cosigns with.
    pub key: VerifierKey,
    /// How it is reached.
    pub witness: Arc<dyn Witness>,
}

/// Whether these keys, by having cosigned, are enough to publish a head.
pub type Quorum = Arc<dyn Fn(&[&VerifierKey]) -> bool + Send + Sync>;

/// Who cosigns the heads of a log before they are published.
#[derive(Clone)]
pub struct Witnesses {
    /// All that are asked.
    pub cosigners: Vec<Cosigner>,
    /// Whose cosignatures are enough.
    pub quorum: Quorum,
}

/// What came of asking one witness.
pub(crate) struct Asked {
    /// Its place among the cosigners.
    pub(crate) who: usize,
    /// The size of the head that it was asked to cosign.
    pub(crate) target: u64,
    /// The size that it has cosigned last, as far as is known.
    pub(crate) size: u64,
    /// Its cosignature, verified.
    pub(crate) cosignature: Option<NoteSignature>,
}

/// Asks one witness, which is thought to have cosigned `size` last, to cosign `target`. Ends within
/// [`WITNESS_WAIT_MAX`].
pub(crate) async fn ask(
    reader: TileReader,
    cosigner: Cosigner,
    who: usize,
    mut size: u64,
    target: Arc<Head>,
    note: Arc<str>,
) -> Asked {
    let name = cosigner.name.clone();
    let asking = async {
        for _ in 0..WITNESS_TRIES_MAX {
            match try_once(&reader, &cosigner, size, &target, &note).await {
                Ok(WitnessAnswer::Cosigned(lines)) => {
                    let cosignature = cosignature(&cosigner.key, &target, &lines);
                    if cosignature.is_none() {
                        tracing::warn!(witness = name, "the answer of a witness is not its cosignature");
                    } else {
                        size = target.checkpoint.size;
                    }
                    return cosignature;
                }
                Ok(WitnessAnswer::OtherSize(other)) if other != size => size = other,
                Ok(WitnessAnswer::OtherSize(_)) => {
                    tracing::warn!(witness = name, size, "a witness contradicts itself");
                    return None;
                }
                Err(error) => {
                    tracing::warn!(witness = name, %error, "a witness has not cosigned");
                    return None;
                }
            }
        }
        None
    };
    let cosignature = tokio::time::timeout(WITNESS_WAIT_MAX, asking).await.unwrap_or_else(|_| {
        tracing::warn!(witness = name, "a witness has not answered in time");
        None
    });
    Asked { who, target: target.checkpoint.size, size, cosignature }
}

async fn try_once(
    reader: &TileReader,
    cosigner: &Cosigner,
    old: u64,
    target: &Head,
    note: &str,
) -> Result<WitnessAnswer, WitnessError> {
    let size = target.checkpoint.size;
    if old > size {
        return Err(WitnessError(format!("it has cosigned {old} entries, the head to cosign has {size}")));
    }
    let mut hashes = Vec::new();
    if old > 0 && old < size {
        let plan = Plan::consistency(old, size).map_err(|error| WitnessError(error.to_string()))?;
        let proven = proofs::prove(reader, target, size, plan).await;
        hashes = proven.map_err(|error| WitnessError(error.to_string()))?;
    }
    let body = AddCheckpoint { old, hashes, checkpoint: note.to_owned() }.to_string();
    cosigner.witness.add_checkpoint(body).await
}

/// The cosignature by `key` among these lines, if it holds for the head.
fn cosignature(key: &VerifierKey, target: &Head, lines: &str) -> Option<NoteSignature> {
    let signatures = parse_signatures(lines).ok()?;
    let named = |signature: &NoteSignature| signature.name == key.name() && signature.id == key.id();
    let signature = signatures.into_iter().find(named)?;
    key.accepts(&target.checkpoint.to_text(), &signature).then_some(signature)
}
