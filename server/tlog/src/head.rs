//! The signed tree head, and how one follows another.

use std::{fmt, sync::Arc};

use cairnlog_verify::{checkpoint::Checkpoint, note::NoteError, tree};
use tokio::sync::OnceCell;

use crate::{edge::Edge, error::HeadError, signers::Signers};

/// The latest time that a signature may carry (C2SP tlog-cosignature).
pub(crate) const TIME_MAX: u64 = i64::MAX as u64;

/// A signed tree head (C2SP tlog-checkpoint) that is durable.
#[derive(Clone)]
pub struct Head {
    /// What it states: origin, size and root.
    pub checkpoint: Checkpoint,
    /// When it was signed, in POSIX seconds: what signatures that carry a time say. Never less than that of an
    /// earlier head.
    pub time: u64,
    /// The signed note, byte for byte as stored. What is served is [`Log::checkpoint`](crate::Log::checkpoint)'s
    /// answer.
    pub note: String,
    /// The right edge of the tree that it states, which reads of the edge are answered from.
    pub(crate) edge: Edge,
    pub(crate) signers: Arc<Signers>,
    /// The note as it is served, once somebody has asked for it.
    pub(crate) served: OnceCell<String>,
}

impl Head {
    /// What a log grows from before its first entry. It is never signed or stored, and
    /// seen only as the published head of a log none of whose heads has been cosigned yet.
    pub(crate) fn before_first(origin: &str, signers: &Arc<Signers>) -> Head {
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: 0,
            root: tree::empty_root(),
            extensions: Vec::new(),
        };
        Head {
            checkpoint,
            time: 0,
            note: String::new(),
            edge: Edge::default(),
            signers: Arc::clone(signers),
            served: OnceCell::new(),
        }
    }

    /// Signs the head of `edge`, which must have grown out of this head's edge, at `now`; where the clock has stepped
    /// back, at the time of this head. The first head of a log may be of size 0, and
    /// other keys may sign a head anew, with its own time.
    ///
    /// # Panics
    /// If the tree would not grow, or if the edge contradicts itself: such a head must never exist.
    pub(crate) fn sign_next(&self, edge: Edge, now: u64, signers: &Arc<Signers>) -> Result<Head, NoteError> {
        let is_first = self.note.is_empty();
        let grows = is_first || edge.size() > self.checkpoint.size;
        assert!(grows || !Arc::ptr_eq(signers, &self.signers), "a tree head that does not grow the tree");
        assert_eq!(self.edge.size(), self.checkpoint.size, "a tree head without its own edge");
        let checkpoint = Checkpoint {
            origin: self.checkpoint.origin.clone(),
            size: edge.size(),
            root: edge.root(),
            extensions: Vec::new(),
        };
        let note = signers.sign(&checkpoint)?;
        let time = if grows { self.time.max(now.min(TIME_MAX)) } else { self.time };
        Ok(Head { checkpoint, time, note, edge, signers: Arc::clone(signers), served: OnceCell::new() })
    }
}

impl Head {
    /// The time that the ML-DSA-44 signature of this head says; `None` where the log has no such key.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        self.signers.tell_time(self.checkpoint.size).then_some(self.time)
    }

    /// This head as it is published: with the signatures of `served`.
    pub(crate) fn cosigned(&self, served: String) -> Head {
        Head { served: OnceCell::new_with(Some(served)), ..self.clone() }
    }

    /// The note as it is served. It is made once, off the async threads; who asks meanwhile waits for that one.
    pub(crate) async fn to_serve(&self) -> Result<String, HeadError> {
        if let Some(served) = self.served.get() {
            return Ok(served.clone());
        }
        if self.note.is_empty() {
            return Err(HeadError::Unpublished);
        }
        if !self.signers.sign_when_asked(self.checkpoint.size) {
            return Ok(self.note.clone());
        }
        let complete = || async {
            let (signers, note) = (Arc::clone(&self.signers), self.note.clone());
            let (checkpoint, time) = (self.checkpoint.clone(), self.time);
            let signing = move || signers.complete(&note, &checkpoint, time);
            tokio::task::spawn_blocking(signing)
                .await
                .map_err(|_| HeadError::Panicked)?
                .map_err(HeadError::Sign)
        };
        self.served.get_or_try_init(complete).await.cloned()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head").field("checkpoint", &self.checkpoint).finish_non_exhaustive()
    }
}
