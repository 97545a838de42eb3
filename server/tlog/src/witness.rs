//! The witnesses of a log (c2sp.org/tlog-witness), and what is asked of one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use cairnlog_verify::note::{NoteSignature, VerifierKey, parse_signatures};
use cairnlog_verify::proof::Plan;
use cairnlog_verify::witness::AddCheckpoint;

use crate::{
    head::Head,
    limits::{WITNESS_TRIES_MAX, WITNESS_WAIT_MAX},
    patience::Patience,
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
pub enum WitnessError {
    /// It can't be reached, or its answer is none.
    #[error("{0}")]
    Failed(String),
    /// It asks to come again later (429 or 503).
    #[error("it asks to come again later")]
    Busy {
        /// How much later, where it says so.
        after: Option<Duration>,
    },
}

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
    /// The keys by which the policy knows the log, one of which must be its own; empty where it names none.
    pub log_keys: Vec<VerifierKey>,
    /// How long starts wait for witnesses, all logs that share it together.
    pub patience: Arc<Patience>,
}

/// What came of asking one witness to cosign a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has cosigned.
    Cosigned,
    /// It can't be reached, or refuses.
    Failed,
    /// It asks to come again later.
    Busy,
    /// What it answers is not its cosignature.
    Invalid,
    /// It says that it has cosigned a larger tree.
    Ahead,
    /// It has not answered in time.
    Silent,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 6] =
        [Self::Cosigned, Self::Failed, Self::Busy, Self::Invalid, Self::Ahead, Self::Silent];

    /// Its name, as in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cosigned => "cosigned",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Invalid => "invalid",
            Self::Ahead => "ahead",
            Self::Silent => "silent",
        }
    }
}

/// Why a witness has not cosigned a head.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) outcome: Outcome,
    /// For the server's own log.
    pub(crate) words: String,
    /// When it wants to be asked again, if it says so.
    pub(crate) after: Option<Duration>,
}

/// What came of asking one witness.
pub(crate) struct Asked {
    /// The size that it has cosigned last, as far as is known.
    pub(crate) size: u64,
    /// Its cosignature, verified.
    pub(crate) cosigned: Result<NoteSignature, Trouble>,
}

impl Trouble {
    pub(crate) fn new(outcome: Outcome, words: impl Into<String>) -> Trouble {
        Trouble { outcome, words: words.into(), after: None }
    }
}

impl From<WitnessError> for Trouble {
    fn from(error: WitnessError) -> Trouble {
        let words = error.to_string();
        match error {
            WitnessError::Failed(_) => Trouble::new(Outcome::Failed, words),
            WitnessError::Busy { after } => Trouble { outcome: Outcome::Busy, words, after },
        }
    }
}

/// Asks one witness, which is thought to have cosigned `size` last, to cosign `target`. Ends within
/// [`WITNESS_WAIT_MAX`].
pub(crate) async fn ask(
    reader: TileReader,
    cosigner: Cosigner,
    mut size: u64,
    target: Arc<Head>,
    note: Arc<str>,
) -> Asked {
    let asking = tries(&reader, &cosigner, &mut size, &target, &note);
    let answer = tokio::time::timeout(WITNESS_WAIT_MAX, asking).await;
    let silent = |_| Err(Trouble::new(Outcome::Silent, "it has not answered in time"));
    Asked { cosigned: answer.unwrap_or_else(silent), size }
}

/// Asks until it cosigns, from the size on that it names; `size` is then what it has cosigned last.
async fn tries(
    reader: &TileReader,
    cosigner: &Cosigner,
    size: &mut u64,
    target: &Head,
    note: &str,
) -> Result<NoteSignature, Trouble> {
    let wanted = target.checkpoint.size;
    for _ in 0..WITNESS_TRIES_MAX {
        match try_once(reader, cosigner, (*size).min(wanted), target, note).await? {
            WitnessAnswer::Cosigned(lines) => {
                let cosignature = cosignature(&cosigner.key, target, &lines);
                let invalid = || Trouble::new(Outcome::Invalid, "its answer is not its cosignature");
                *size = if cosignature.is_some() { wanted } else { *size };
                return cosignature.ok_or_else(invalid);
            }
            WitnessAnswer::OtherSize(other) if other > wanted => {
                let words = format!("it has cosigned {other} entries, the head to cosign has {wanted}");
                return Err(Trouble::new(Outcome::Ahead, words));
            }
            WitnessAnswer::OtherSize(other) => *size = other,
        }
    }
    Err(Trouble::new(Outcome::Failed, "it does not go on from the size that it names"))
}

async fn try_once(
    reader: &TileReader,
    cosigner: &Cosigner,
    old: u64,
    target: &Head,
    note: &str,
) -> Result<WitnessAnswer, Trouble> {
    let size = target.checkpoint.size;
    let mut hashes = Vec::new();
    if old > 0 && old < size {
        let unproven = |error: &dyn std::fmt::Display| Trouble::new(Outcome::Failed, error.to_string());
        let plan = Plan::consistency(old, size).map_err(|error| unproven(&error))?;
        let proven = proofs::prove(reader, target, size, plan).await;
        hashes = proven.map_err(|error| unproven(&error))?;
    }
    let body = AddCheckpoint { old, hashes, checkpoint: note.to_owned() }.to_string();
    Ok(cosigner.witness.add_checkpoint(body).await?)
}

/// The cosignature by `key` among these lines, if it holds for the head.
fn cosignature(key: &VerifierKey, target: &Head, lines: &str) -> Option<NoteSignature> {
    let signatures = parse_signatures(lines).ok()?;
    let named = |signature: &NoteSignature| signature.name == key.name() && signature.id == key.id();
    let signature = signatures.into_iter().find(named)?;
    key.accepts(&target.checkpoint.to_text(), &signature).then_some(signature)
}
