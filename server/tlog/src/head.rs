//! The signed tree head, and how one follows another.

use std::fmt;

use cairnlog_verify::{
    checkpoint::Checkpoint,
    note::{self, NoteError, SigningKey},
    tree,
};

use crate::edge::Edge;

/// A signed tree head (C2SP tlog-checkpoint) that is durable.
#[derive(Clone)]
pub struct Head {
    /// What it states: origin, size and root.
    pub checkpoint: Checkpoint,
    /// The signed note, byte for byte as stored and served.
    pub note: String,
    /// The right edge of the tree that it states, which reads of the edge are answered from.
    pub(crate) edge: Edge,
}

impl Head {
    /// What a log grows from before its first entry. It is never signed, stored or shown.
    pub(crate) fn before_first(origin: &str) -> Head {
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: 0,
            root: tree::empty_root(),
            extensions: Vec::new(),
        };
        Head { checkpoint, note: String::new(), edge: Edge::default() }
    }

    /// Signs the head of `edge`, which must have grown out of this head's edge; the first head of a log may be
    /// of size 0.
    ///
    /// # Panics
    /// If the tree would not grow, or if the edge contradicts itself: such a head must never exist.
    pub(crate) fn sign_next(&self, edge: Edge, signers: &[SigningKey]) -> Result<Head, NoteError> {
        let is_first = self.note.is_empty();
        assert!(is_first || edge.size() > self.checkpoint.size, "a tree head that does not grow the tree");
        assert_eq!(self.edge.size(), self.checkpoint.size, "a tree head without its own edge");
        let checkpoint = Checkpoint {
            origin: self.checkpoint.origin.clone(),
            size: edge.size(),
            root: edge.root(),
            extensions: Vec::new(),
        };
        let signers: Vec<&SigningKey> = signers.iter().collect();
        let note = note::sign(&checkpoint.to_text(), &signers, 0)?;
        Ok(Head { checkpoint, note, edge })
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head").field("checkpoint", &self.checkpoint).finish_non_exhaustive()
    }
}
