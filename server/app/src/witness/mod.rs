//! A C2SP witness for other logs: it cosigns a checkpoint that extends the last one it cosigned, and nothing else.
//!
//! All that it keeps is, of each log, the newest checkpoint that it cosigned, a file named by the hex SHA-256 of the
//! origin. That file is replaced, atomically and on stable storage, before the cosignature is handed out, and looking at
//! it, signing and replacing it is one step for each log. So whatever happens, nobody ever holds cosignatures of two
//! trees of which one does not begin with the other.

mod http;
mod judge;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairnlog_ledger::handles::Clock;
use cairnlog_store::durable;
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::limits::NOTE_BYTES_MAX;
use cairnlog_verify::note::{KeyKind, Note, SigningKey, VerifierKey};
use cairnlog_verify::witness::{AddCheckpoint, SignSubtree};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

pub(crate) use http::router;
use judge::{Refusal, check_range, contains, cosign, follows, origin_of};

/// A witness and what it has cosigned.
pub(crate) struct Witness {
    keys: Arc<[SigningKey]>,
    own: Vec<VerifierKey>,
    /// The logs by the hex SHA-256 of their origin.
    logs: BTreeMap<String, Arc<WitnessedLog>>,
    clock: Arc<dyn Clock>,
    /// Held for as long as this lives, so that no other process signs from the same files.
    _lock: File,
}

struct WitnessedLog {
    keys: Vec<VerifierKey>,
    file: PathBuf,
    /// Held from the look at it until it is on disk.
    last: Mutex<Option<Last>>,
}

/// The newest checkpoint that was cosigned.
#[derive(Clone)]
struct Last {
    checkpoint: Checkpoint,
    note: String,
    time: u64,
}

/// Why a witness does not start. Each is one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WitnessError {
    #[error(
        "a witness needs cosignature keys (types 0x04 and 0x06), all of one name, which is not a log's; make them with `cairnlog witness keygen`"
    )]
    Keys,
    #[error("{0} is in use by another witness; stop that one first")]
    Locked(PathBuf),
    #[error(
        "{path} is not what this witness wrote ({what}); restore it, for without it a fork could be cosigned"
    )]
    Damaged { path: PathBuf, what: String },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// What a request came to besides being answered.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    /// Nothing was signed, or what was is not handed out.
    Internal(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Witness {
    /// A witness of the logs with these keys, which goes on from what the directory holds. Blocks on the disk.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub(crate) fn open(
        dir: &Path,
        keys: Vec<SigningKey>,
        logs: Vec<VerifierKey>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WitnessError> {
        check_keys(&keys, &logs)?;
        durable::create_dir(dir).map_err(at(dir))?;
        let lock = lock(dir)?;
        let own: Vec<VerifierKey> = keys.iter().map(|key| key.verifier_key().clone()).collect();
        let mut by_origin: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for key in logs {
            by_origin.entry(key.name().to_owned()).or_default().push(key);
        }
        let mut witnessed = BTreeMap::new();
        for (origin, keys) in by_origin {
            let id = hex_of(&origin);
            let file = dir.join(&id);
            let last = Mutex::new(read_last(&file, &origin, &own)?);
            witnessed.insert(id, Arc::new(WitnessedLog { keys, file, last }));
        }
        Ok(Self { keys: keys.into(), own, logs: witnessed, clock, _lock: lock })
    }

    /// The public keys.
    pub(crate) fn verifier_keys(&self) -> &[VerifierKey] {
        &self.own
    }

    /// `add-checkpoint`: cosigns, if the checkpoint follows the last one. The answer is the witness's signature lines.
    ///
    /// Once begun it is carried through, though its caller be gone.
    pub(crate) async fn add_checkpoint(&self, body: &str) -> Result<String, Failure> {
        let request = AddCheckpoint::parse(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let log = self.log(&origin_of(&request.checkpoint)?)?;
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now_ms() / 1_000);
        let added = tokio::spawn(async move { log.add(request, keys, now).await }).await;
        added.map_err(|gone| Failure::Internal(format!("signing was cut off: {gone}")))?
    }

    /// `sign-subtree`: signs a subtree of a tree that this witness has cosigned.
    pub(crate) async fn sign_subtree(&self, body: &str) -> Result<String, Failure> {
        let request = SignSubtree::parse(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
        check_range(&request)?;
        self.log(&origin_of(&request.checkpoint)?)?;
        let checkpoint = contains(&request, &self.own)?;
        let keys = Arc::clone(&self.keys);
        let SignSubtree { start, end, hash, .. } = request;
        let signing = tokio::task::spawn_blocking(move || {
            keys.iter()
                .filter(|key| key.kind() == KeyKind::MlDsa44)
                .map(|key| Ok(format!("{}\n", key.sign_subtree(&checkpoint.origin, start, end, &hash)?)))
                .collect::<Result<String, cairnlog_verify::note::NoteError>>()
        });
        let signed =
            signing.await.map_err(|gone| Failure::Internal(format!("signing was cut off: {gone}")))?;
        signed.map_err(|error| Failure::Internal(error.to_string()))
    }

    /// Whether it can sign subtrees, which takes a key of a kind that can.
    pub(crate) fn signs_subtrees(&self) -> bool {
        self.keys.iter().any(|key| key.kind() == KeyKind::MlDsa44)
    }

    /// The newest cosigned checkpoint of the log whose origin has this hex SHA-256.
    pub(crate) async fn checkpoint(&self, id: &str) -> Option<String> {
        self.logs.get(id)?.last.lock().await.as_ref().map(|last| last.note.clone())
    }

    fn log(&self, origin: &str) -> Result<Arc<WitnessedLog>, Refusal> {
        self.logs.get(&hex_of(origin)).cloned().ok_or(Refusal::UnknownLog)
    }
}

impl WitnessedLog {
    /// Judges, signs, persists and only then answers, with the log held throughout.
    async fn add(
        self: Arc<Self>,
        request: AddCheckpoint,
        keys: Arc<[SigningKey]>,
        now: u64,
    ) -> Result<String, Failure> {
        let mut last = self.last.lock().await;
        let checkpoint = follows(&request, &self.keys, last.as_ref().map(|last| &last.checkpoint))?;
        // A clock that was set back must not make a smaller tree look newer. Zero would claim nothing.
        let time = now.max(last.as_ref().map_or(1, |last| last.time));
        let log = Arc::clone(&self);
        let signing = tokio::task::spawn_blocking(move || {
            let cosigned = cosign(&request.checkpoint, &log.keys, &keys, time).map_err(|e| e.to_string())?;
            durable::write(&log.file, cosigned.note.as_bytes())
                .map_err(|error| format!("{}: {error}", log.file.display()))?;
            Ok(cosigned)
        });
        let cosigned = signing.await.unwrap_or_else(|gone| Err(format!("signing was cut off: {gone}")));
        let cosigned = cosigned.map_err(Failure::Internal)?;
        *last = Some(Last { checkpoint, note: cosigned.note, time });
        Ok(cosigned.lines)
    }
}

/// Keys that sign checkpoints as a witness does, of one name that no log has.
fn check_keys(keys: &[SigningKey], logs: &[VerifierKey]) -> Result<(), WitnessError> {
    let name = keys.first().ok_or(WitnessError::Keys)?.name();
    let fits = |key: &SigningKey| key.kind() != KeyKind::Ed25519 && key.name() == name;
    if keys.iter().all(fits) && logs.iter().all(|log| log.name() != name) {
        return Ok(());
    }
    Err(WitnessError::Keys)
}

fn lock(dir: &Path) -> Result<File, WitnessError> {
    let path = dir.join("LOCK");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = opened.map_err(at(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(WitnessError::Locked(dir.to_path_buf())),
        Err(std::fs::TryLockError::Error(source)) => Err(WitnessError::Io { path, source }),
    }
}

/// What was cosigned last, which must carry a cosignature of the witness itself: after a change of keys the old ones are
/// given as well until each log has been cosigned anew.
fn read_last(file: &Path, origin: &str, own: &[VerifierKey]) -> Result<Option<Last>, WitnessError> {
    let text = match durable::read(file, NOTE_BYTES_MAX as u64) {
        Ok(text) => text.to_string(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(file)(error)),
    };
    let damaged = |what: String| WitnessError::Damaged { path: file.to_path_buf(), what };
    let note = Note::parse(&text).map_err(|error| damaged(error.to_string()))?;
    let signed = note.verify(own).map_err(|error| damaged(error.to_string()))?;
    let checkpoint = Checkpoint::parse_text(&note.text).map_err(|error| damaged(error.to_string()))?;
    if checkpoint.origin != origin {
        return Err(damaged(format!("it is of {}", checkpoint.origin)));
    }
    let times = note.signatures.iter().filter_map(|signature| {
        let key = signed.iter().find(|key| key.accepts(&note.text, signature))?;
        signature.time(key.kind())
    });
    let time = times.max().unwrap_or(1).max(1);
    Ok(Some(Last { checkpoint, note: text, time }))
}

fn hex_of(origin: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(origin.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn at(path: &Path) -> impl Fn(io::Error) -> WitnessError {
    move |source| WitnessError::Io { path: path.to_path_buf(), source }
}
