//! Believing nothing that the log's key and the tree don't prove.

use std::collections::HashMap;

use cairnlog_verify::Hash;
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::proof::{Plan, verify_consistency, verify_inclusion};
use cairnlog_verify::receipt::{Receipt, Verified};
use cairnlog_verify::tile::Tile;

use crate::audit::{Audit, Progress, run};
use crate::error::{Error, VerificationError};
use crate::tiles::TileLog;

/// A log with the keys to check it by.
#[derive(Debug, Clone)]
pub struct Verifier {
    log: TileLog,
    keys: Vec<VerifierKey>,
}

/// A checkpoint whose signature was checked, with the note that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note, as served. Keep it: it is what convinces others.
    pub note: String,
}

impl Verifier {
    /// Checks `log` by `key`, which must come from elsewhere than from the log.
    #[must_use]
    pub fn new(log: TileLog, key: VerifierKey) -> Self {
        Self::with_keys(log, vec![key])
    }

    /// Checks `log` by any of several keys, as while it rotates them: what one of them has signed is believed, provided
    /// that no signature by another of them is wrong.
    #[must_use]
    pub fn with_keys(log: TileLog, keys: Vec<VerifierKey>) -> Self {
        Self { log, keys }
    }

    /// The log that it checks.
    #[must_use]
    pub fn log(&self) -> &TileLog {
        &self.log
    }

    /// The log's current checkpoint, its signature checked.
    ///
    /// # Errors
    /// [`Error::Verification`] if the log's key did not sign it; [`Error::Missing`], or no usable answer.
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, Error> {
        let note = self.log.checkpoint().await?;
        let checkpoint = self.open(&note)?;
        Ok(SignedCheckpoint { checkpoint, note })
    }

    /// What a note says, if it is a checkpoint signed by the log's key. No I/O.
    ///
    /// # Errors
    /// [`VerificationError::Checkpoint`] if not.
    pub fn open(&self, note: &str) -> Result<Checkpoint, VerificationError> {
        Ok(Checkpoint::open(note, &self.keys)?)
    }

    /// Checks from the log's tiles that the tree of `new` begins with the tree of `old`: that nothing which was in the
    /// log then was altered or removed since. Both must have been opened with [`Verifier::open`] or come from
    /// [`Verifier::checkpoint`].
    ///
    /// # Errors
    /// [`Error::Verification`] if it does not; [`Error::Missing`] if the log lacks a tile; or no usable answer.
    pub async fn check_consistency(&self, old: &Checkpoint, new: &Checkpoint) -> Result<(), Error> {
        if old.origin != new.origin {
            return Err(VerificationError::OtherLog.into());
        }
        let (from, to) = (old.size, new.size);
        if from > to {
            let shrank = VerificationError::Shrank { old: from, new: to };
            return Err(shrank.into());
        }
        let proof = self.evaluate(&Plan::consistency(from, to)?).await?;
        verify_consistency(from, to, &proof, &old.root, &new.root)?;
        Ok(())
    }

    /// Checks from the log's tiles that the leaf is at that index of the checkpoint's tree.
    ///
    /// # Errors
    /// [`Error::Verification`] if it is not; [`Error::Missing`] if the log lacks a tile; or no usable answer.
    pub async fn check_inclusion(
        &self,
        index: u64,
        leaf: &Hash,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        let size = checkpoint.size;
        let proof = self.evaluate(&Plan::inclusion(index, size)?).await?;
        verify_inclusion(index, size, leaf, &proof, &checkpoint.root)?;
        Ok(())
    }

    /// Checks a receipt (C2SP tlog-proof) by the log's key. No I/O. The entry is taken from the receipt where it carries
    /// it; where it is given as well, both must be the same.
    ///
    /// # Errors
    /// [`VerificationError::Receipt`] if the receipt does not hold.
    pub fn receipt(&self, text: &str, entry: Option<&[u8]>) -> Result<Verified, VerificationError> {
        let receipt = Receipt::parse(text)?;
        Ok(receipt.verify(entry, &self.keys)?)
    }

    /// Downloads every bundle and every tile of the checkpoint's tree and recomputes each hash up to the signed root.
    /// Bundles are fetched a few ahead, so memory is bounded, whatever the size of the log. `report` is called after
    /// each bundle and each tile above level 0.
    ///
    /// A busy or restarting server is asked again a few times before the verdict is
    /// [`CannotTell`](crate::audit::Verdict::CannotTell).
    pub async fn audit(&self, checkpoint: &Checkpoint, report: impl FnMut(Progress)) -> Audit {
        run::audit(&self.log, checkpoint, report).await
    }

    async fn evaluate(&self, plan: &Plan) -> Result<Vec<Hash>, Error> {
        let mut tiles: HashMap<Tile, Vec<u8>> = HashMap::new();
        for tile in plan.tiles() {
            tiles.insert(tile, self.log.tile(tile).await?.to_vec());
        }
        Ok(plan.evaluate(&tiles)?)
    }
}
