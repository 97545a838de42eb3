//! The keys of a log, by when they sign.

use cairnlog_verify::{
    checkpoint::Checkpoint,
    note::{self, KeyKind, NoteError, SigningKey, VerifierKey},
};

/// The keys of a log.
///
/// Ed25519 over the note's text is cheap and the same whenever it is made, so it goes into every batch. The other kinds
/// carry a time, and ML-DSA-44 takes a hundred times as long: those sign a head that somebody asks for, not each one.
pub(crate) struct Signers {
    with_head: Vec<SigningKey>,
    when_asked: Vec<SigningKey>,
}

impl Signers {
    pub(crate) fn new(keys: Vec<SigningKey>) -> Signers {
        let (with_head, when_asked) = keys.into_iter().partition(|key| key.kind() == KeyKind::Ed25519);
        Signers { with_head, when_asked }
    }

    /// Whether one of them is the log's own: every client can verify Ed25519 (C2SP tlog-tiles).
    pub(crate) fn are_of(&self, origin: &str) -> bool {
        self.with_head.iter().any(|key| key.name() == origin)
    }

    /// Whether a client that trusts the log's own keys of `before` can verify what these sign.
    pub(crate) fn overlap(&self, before: &Signers, origin: &str) -> bool {
        let own = self.with_head.iter().filter(|key| key.name() == origin);
        own.into_iter().any(|key| before.with_head.iter().any(|old| old.verifier_key() == key.verifier_key()))
    }

    /// The keys that verify what [`Signers::sign`] makes.
    pub(crate) fn verifier_keys(&self) -> Vec<VerifierKey> {
        self.with_head.iter().map(|key| key.verifier_key().clone()).collect()
    }

    /// The note to be stored.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> Result<String, NoteError> {
        note::sign(&checkpoint.to_text(), &self.with_head.iter().collect::<Vec<_>>(), 0)
    }

    /// Whether there is more to sign than what is stored.
    pub(crate) fn sign_when_asked(&self) -> bool {
        !self.when_asked.is_empty()
    }

    /// Whether a signature that names its time is one of those that sign when asked.
    pub(crate) fn tell_time(&self) -> bool {
        self.when_asked.iter().any(|key| key.kind() == KeyKind::MlDsa44)
    }

    /// The stored note with the signatures that are made when asked for. Takes up to milliseconds.
    pub(crate) fn complete(
        &self,
        stored: &str,
        checkpoint: &Checkpoint,
        time: u64,
    ) -> Result<String, NoteError> {
        let text = checkpoint.to_text();
        let mut note = stored.to_owned();
        for key in &self.when_asked {
            note.push_str(&key.sign(&text, time)?.to_string());
            note.push('\n');
        }
        Ok(note)
    }
}
