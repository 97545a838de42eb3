//! Tree heads, proofs, entries, receipts and disclosures of a log, as the API gives them.

use std::time::{Duration, Instant};

use cairnlog_verify::Hash;
use cairnlog_verify::b64;
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::disclosure::Disclosure;
use cairnlog_verify::proof::{verify_consistency, verify_inclusion};
use cairnlog_verify::tree::leaf_hash;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::error::{Error, VerificationError};
use crate::limits;
use crate::logs::Log;
use crate::transport::{Answer, Call};

/// `GET …/sth`: the published tree head. Unverified: open `checkpoint` with the log's key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TreeHead {
    /// The log's identity.
    pub origin: String,
    /// Entries in the tree.
    pub tree_size: u64,
    /// The tree's root.
    pub root_hash: Hash,
    /// Where the log signs with a kind of key that signs a time: that time, RFC 3339 UTC.
    #[serde(default)]
    pub timestamp: Option<String>,
    /// The signed note that says so (C2SP tlog-checkpoint).
    pub checkpoint: String,
}

/// `GET …/proofs/inclusion`. Unverified: see [`InclusionProof::verify`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InclusionProof {
    /// The entry's index.
    pub leaf_index: u64,
    /// The entry's leaf hash.
    pub leaf_hash: Hash,
    /// The size of the tree that it is proved to be in.
    pub tree_size: u64,
    /// That tree's root.
    pub root_hash: Hash,
    /// The path, the leaf's sibling first (RFC 6962 §2.1.1).
    pub hashes: Vec<Hash>,
    /// The signed note of that size, where that is the published head.
    #[serde(default)]
    pub checkpoint: Option<String>,
}

impl InclusionProof {
    /// Checks that the leaf is in the tree that the checkpoint signs.
    ///
    /// # Errors
    /// [`VerificationError::OtherProof`] if sizes differ, [`VerificationError::Proof`] if the path does not lead to
    /// the checkpoint's root.
    pub fn verify(&self, leaf: &Hash, checkpoint: &Checkpoint) -> Result<(), VerificationError> {
        if self.tree_size != checkpoint.size || self.leaf_hash != *leaf {
            return Err(VerificationError::OtherProof);
        }
        let (size, root) = (checkpoint.size, &checkpoint.root);
        verify_inclusion(self.leaf_index, size, leaf, &self.hashes, root)?;
        Ok(())
    }
}

/// `GET …/proofs/consistency`. Unverified: see [`ConsistencyProof::verify`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ConsistencyProof {
    /// The earlier size.
    pub from: u64,
    /// The later size.
    pub to: u64,
    /// The proof (RFC 6962 §2.1.2).
    pub hashes: Vec<Hash>,
}

impl ConsistencyProof {
    /// Checks that the tree of `new` begins with the tree of `old`. Both must have been opened with the log's key.
    ///
    /// # Errors
    /// [`VerificationError`]: other logs, other sizes than the proof's, or a proof that does not hold.
    pub fn verify(&self, old: &Checkpoint, new: &Checkpoint) -> Result<(), VerificationError> {
        if old.origin != new.origin {
            return Err(VerificationError::OtherLog);
        }
        if (self.from, self.to) != (old.size, new.size) {
            return Err(VerificationError::OtherProof);
        }
        verify_consistency(self.from, self.to, &self.hashes, &old.root, &new.root)?;
        Ok(())
    }
}

/// `GET …/entries/{index}`, its bytes decoded and their hash checked against the server's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAnswer {
    /// The entry's index.
    pub index: u64,
    /// `SHA-256(0x00 || entry)`.
    pub leaf_hash: Hash,
    /// The exact bytes of the leaf.
    pub entry: Vec<u8>,
}

#[derive(Deserialize)]
struct EntryWire {
    index: u64,
    leaf_hash: Hash,
    entry: String,
}

/// How to name an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// By its index.
    Index(u64),
    /// By its leaf hash.
    Hash(Hash),
}

/// What is to be disclosed.
#[derive(Serialize)]
struct Wanted<'a> {
    fields: &'a [String],
    raw: bool,
}

impl Log {
    /// `GET …/sth`.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn tree_head(&self) -> Result<TreeHead, Error> {
        let call = self.api("reading the tree head", Method::GET, &["sth"]);
        self.send(call).await?.json()
    }

    /// `GET …/proofs/inclusion`, for the published head or for the given size.
    ///
    /// # Errors
    /// A problem (`not-found` for an unknown leaf hash, `bad-request` beyond the head), or no usable answer.
    pub async fn inclusion(&self, leaf: Leaf, tree_size: Option<u64>) -> Result<InclusionProof, Error> {
        let call = self.api("asking for an inclusion proof", Method::GET, &["proofs", "inclusion"]);
        let call = match leaf {
            Leaf::Index(index) => call.query("index", Some(index)),
            Leaf::Hash(hash) => call.query("leaf_hash", Some(hash.to_hex())),
        };
        let call = call.query("tree_size", tree_size);
        self.send(call).await?.json()
    }

    /// `GET …/proofs/consistency` from one size to another, the published head where `to` is none.
    ///
    /// # Errors
    /// A problem (`bad-request` beyond the head), or no usable answer.
    pub async fn consistency(&self, from: u64, to: Option<u64>) -> Result<ConsistencyProof, Error> {
        let call = self
            .api("asking for a consistency proof", Method::GET, &["proofs", "consistency"])
            .query("from", Some(from))
            .query("to", to);
        self.send(call).await?.json()
    }

    /// `GET …/entries/{index}`.
    ///
    /// # Errors
    /// A problem, or an answer that can't be used: of the wrong shape, or whose bytes don't have the stated hash.
    pub async fn entry(&self, index: u64) -> Result<EntryAnswer, Error> {
        let what = "reading the entry";
        let call = self.api(what, Method::GET, &["entries", &index.to_string()]);
        let wire: EntryWire = self.send(call).await?.json()?;
        let malformed = |detail: &str| Error::Malformed { what, detail: detail.to_owned() };
        let entry = b64::decode(&wire.entry).map_err(|_| malformed("the entry is not base64"))?;
        if leaf_hash(&entry) != wire.leaf_hash || wire.index != index {
            return Err(malformed("the entry is not the one that was asked for"));
        }
        Ok(EntryAnswer { index, leaf_hash: wire.leaf_hash, entry })
    }

    /// `GET …/entries/{index}/receipt`: the text of a C2SP tlog-proof. Until the published head covers the entry the
    /// server answers 202; this asks again, as often as it says, for at most `wait`.
    ///
    /// # Errors
    /// [`Error::NotYet`] when the wait is over, a problem, or no usable answer.
    pub async fn receipt(&self, index: u64, wait: Duration) -> Result<String, Error> {
        self.receipt_answer(|| self.receipt_call(index), wait).await?.text()
    }

    /// The same as a COSE receipt (draft-ietf-cose-merkle-tree-proofs): the bytes of a `COSE_Sign1`.
    ///
    /// # Errors
    /// As [`Log::receipt`].
    pub async fn cose_receipt(&self, index: u64, wait: Duration) -> Result<Vec<u8>, Error> {
        let accept = HeaderValue::from_static("application/cose");
        let answer = self.receipt_answer(|| self.receipt_call(index).header("accept", accept.clone()), wait);
        Ok(answer.await?.body.into())
    }

    /// `POST …/records/{index}/disclosures` (role auditor): the fields at these paths with all that proves them, and with
    /// `raw` the salt of the raw record. Unverified: see [`Disclosure::verify`].
    ///
    /// # Errors
    /// A problem (`not-found` for a path that the entry does not have, `conflict` where the salt is not kept), or an answer
    /// that is no disclosure.
    pub async fn disclose(&self, index: u64, fields: &[String], raw: bool) -> Result<Disclosure, Error> {
        let what = "asking for a disclosure";
        let call = Call::new(what, Method::POST, limits::DISCLOSURE_BYTES_MAX)
            .at(["api", "v1", "logs", &self.name, "records"])
            .at([index.to_string(), "disclosures".to_owned()])
            .json(&Wanted { fields, raw })?;
        let text = self.send(call).await?.text()?;
        Disclosure::parse(&text).map_err(|error| Error::Malformed { what, detail: error.to_string() })
    }

    /// Asks until the answer is there.
    async fn receipt_answer(&self, call: impl Fn() -> Call, wait: Duration) -> Result<Answer, Error> {
        let started = Instant::now();
        loop {
            let answer = self.send(call()).await?;
            if answer.status != StatusCode::ACCEPTED {
                return Ok(answer);
            }
            let asked = answer.retry_after.unwrap_or(limits::RETRY_PAUSE_DEFAULT);
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(Error::NotYet { retry_after: asked });
            }
            let pause = asked.clamp(limits::RETRY_PAUSE_MIN, limits::RETRY_PAUSE_MAX);
            tokio::time::sleep(pause.min(left)).await;
        }
    }

    fn receipt_call(&self, index: u64) -> Call {
        Call::get("asking for a receipt", limits::RECEIPT_BYTES_MAX)
            .at(["api", "v1", "logs", &self.name, "entries"])
            .at([index.to_string(), "receipt".to_owned()])
    }
}
