//! The keys of a log, by when they sign.

use cairnlog_verify::{
    checkpoint::Checkpoint,
    note::{self, KeyKind, NoteError, SigningKey, VerifierKey},
};

/// A key that signs a log's heads.
pub struct Signer {
    /// The key.
    pub key: SigningKey,
    /// The size of the smallest tree whose head it signs.
    pub begins: u64,
    /// The size of the largest tree whose head it signs; `None` where it goes on.
    pub ends: Option<u64>,
}

impl From<SigningKey> for Signer {
    fn from(key: SigningKey) -> Signer {
        Signer { key, begins: 0, ends: None }
    }
}

impl Signer {
    fn signs(&self, size: u64) -> bool {
        self.begins <= size && self.ends.is_none_or(|ends| size <= ends)
    }
}

/// The keys of a log.
///
/// Ed25519 over the note's text is cheap and the same whenever it is made, so it goes into every batch. The other kinds
/// carry a time, and ML-DSA-44 takes a hundred times as long: those sign a head that somebody asks for, not each one.
pub(crate) struct Signers {
    with_head: Vec<Signer>,
    when_asked: Vec<Signer>,
}

impl Signers {
    pub(crate) fn new(keys: Vec<Signer>) -> Signers {
        let (with_head, when_asked) =
            keys.into_iter().partition(|signer| signer.key.kind() == KeyKind::Ed25519);
        Signers { with_head, when_asked }
    }

    /// Whether one of them is the log's own, for good: every client can verify Ed25519 (C2SP tlog-tiles).
    pub(crate) fn are_of(&self, origin: &str) -> bool {
        self.with_head.iter().any(|signer| signer.key.name() == origin && signer.ends.is_none())
    }

    /// Whether a client that trusts the log's own keys of `before` can verify what these sign of a tree of this size.
    pub(crate) fn overlap(&self, before: &Signers, origin: &str, size: u64) -> bool {
        let own = self.with_head.iter().filter(|signer| signer.key.name() == origin && signer.signs(size));
        own.into_iter().any(|signer| {
            let mut old = before.with_head.iter().filter(|old| old.signs(size));
            old.any(|old| old.key.verifier_key() == signer.key.verifier_key())
        })
    }

    /// The keys that verify what [`Signers::sign`] makes, or made before some of them ended.
    pub(crate) fn verifier_keys(&self) -> Vec<VerifierKey> {
        self.with_head.iter().map(|signer| signer.key.verifier_key().clone()).collect()
    }

    /// Whether this is one of them and signs a tree of this size.
    pub(crate) fn sign_with(&self, key: &VerifierKey, size: u64) -> bool {
        let mut all = self.with_head.iter().chain(&self.when_asked);
        all.any(|signer| signer.key.verifier_key() == key && signer.signs(size))
    }

    /// The note to be stored.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> Result<String, NoteError> {
        let signing = self.with_head.iter().filter(|signer| signer.signs(checkpoint.size));
        let keys: Vec<&SigningKey> = signing.map(|signer| &signer.key).collect();
        note::sign(&checkpoint.to_text(), &keys, 0)
    }

    /// Whether there is more to sign of a tree of this size than what is stored.
    pub(crate) fn sign_when_asked(&self, size: u64) -> bool {
        self.asked_of(size).next().is_some()
    }

    /// Whether a signature that names its time is one of those that sign when asked.
    pub(crate) fn tell_time(&self, size: u64) -> bool {
        self.asked_of(size).any(|key| key.kind() == KeyKind::MlDsa44)
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
        for key in self.asked_of(checkpoint.size) {
            note.push_str(&key.sign(&text, time)?.to_string());
            note.push('\n');
        }
        Ok(note)
    }

    /// The log's own Ed25519 key that signs a tree of this size: the first, as they were given.
    pub(crate) fn own(&self, origin: &str, size: u64) -> Option<&SigningKey> {
        let own = self.with_head.iter().find(|signer| signer.key.name() == origin && signer.signs(size));
        own.map(|signer| &signer.key)
    }

    fn asked_of(&self, size: u64) -> impl Iterator<Item = &SigningKey> {
        self.when_asked.iter().filter(move |signer| signer.signs(size)).map(|signer| &signer.key)
    }
}
