//! What a witness may sign: the rules of C2SP tlog-witness, without I/O.

use std::fmt::Write as _;

use cairnlog_verify::checkpoint::{Checkpoint, CheckpointError};
use cairnlog_verify::note::{Note, NoteError, NoteSignature, SigningKey, VerifierKey};
use cairnlog_verify::proof::{ProofError, verify_consistency, verify_subtree};
use cairnlog_verify::tree::empty_root;
use cairnlog_verify::witness::{AddCheckpoint, SignSubtree};

/// Why a witness does not sign; each is one status of tlog-witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: the request, or what it asks for, makes no sense.
    Malformed(String),
    /// 404: the log is none of those that are witnessed.
    UnknownLog,
    /// 403: whoever must have signed the checkpoint has not, or not so that it holds.
    Unsigned(String),
    /// 409: the last cosigned size is another than the one that the proof begins with.
    Conflict { last: u64 },
    /// 422: the proof does not hold.
    Unproven(String),
}

/// The origin in a checkpoint that nobody has verified yet.
pub(crate) fn origin_of(note: &str) -> Result<String, Refusal> {
    let note = Note::parse(note).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let checkpoint = Checkpoint::parse_text(&note.text);
    Ok(checkpoint.map_err(|error| Refusal::Malformed(error.to_string()))?.origin)
}

/// The checkpoint of the request, if its log has signed it and it follows the one that was cosigned last.
///
/// The order of the checks is that of the specification, so that each mistake has its own status.
pub(crate) fn follows(
    request: &AddCheckpoint,
    keys: &[VerifierKey],
    last: Option<&Checkpoint>,
) -> Result<Checkpoint, Refusal> {
    let new = Checkpoint::open(&request.checkpoint, keys).map_err(unsigned)?;
    if request.old > new.size {
        return Err(Refusal::Malformed("the old size is larger than the checkpoint's".to_owned()));
    }
    let (last_size, last_root) = last.map_or((0, empty_root()), |last| (last.size, last.root));
    if request.old != last_size {
        return Err(Refusal::Conflict { last: last_size });
    }
    if new.size == 0 && new.root != empty_root() {
        return Err(Refusal::Unproven("the empty tree has another root".to_owned()));
    }
    verify_consistency(last_size, new.size, &request.hashes, &last_root, &new.root)
        .map_err(|error| Refusal::Unproven(error.to_string()))?;
    Ok(new)
}

/// The checkpoint of the request, if it carries a cosignature of the witness itself and the subtree belongs to its tree.
pub(crate) fn contains(request: &SignSubtree, own: &[VerifierKey]) -> Result<Checkpoint, Refusal> {
    let note = Note::parse(&request.checkpoint).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let checkpoint = Checkpoint::parse_text(&note.text);
    let checkpoint = checkpoint.map_err(|error| Refusal::Malformed(error.to_string()))?;
    note.verify(own).map_err(|error| Refusal::Unsigned(error.to_string()))?;
    let SignSubtree { start, end, hash, hashes, .. } = request;
    match verify_subtree(*start, *end, checkpoint.size, hashes, hash, &checkpoint.root) {
        Ok(()) => Ok(checkpoint),
        Err(error @ ProofError::NotASubtree { .. }) => Err(Refusal::Malformed(error.to_string())),
        Err(error) => Err(Refusal::Unproven(error.to_string())),
    }
}

/// That the range of a request is a part of the checkpoint's tree at all, which is asked before anything else. Parsing has
/// seen to it that it can be a subtree of some tree.
pub(crate) fn check_range(request: &SignSubtree) -> Result<(), Refusal> {
    let note = Note::parse(&request.checkpoint).map_err(|error| Refusal::Malformed(error.to_string()))?;
    let checkpoint = Checkpoint::parse_text(&note.text);
    let size = checkpoint.map_err(|error| Refusal::Malformed(error.to_string()))?.size;
    if request.start < request.end && request.end <= size {
        return Ok(());
    }
    Err(Refusal::Malformed("this range is empty, or not within the checkpoint's tree".to_owned()))
}

fn unsigned(error: CheckpointError) -> Refusal {
    match error {
        CheckpointError::NotByOrigin(_)
        | CheckpointError::Note(
            NoteError::NoTrustedSignature | NoteError::BadSignature(_) | NoteError::AmbiguousKey(_),
        ) => Refusal::Unsigned(error.to_string()),
        error => Refusal::Malformed(error.to_string()),
    }
}

/// What a witness says of a checkpoint: its own lines, and the note that it keeps and shows.
pub(crate) struct Cosigned {
    /// The signature lines, each ended.
    pub(crate) lines: String,
    /// The checkpoint with the verified signatures of its log and the witness's own.
    pub(crate) note: String,
}

/// Cosigns a checkpoint at that time, POSIX seconds. It must have been judged to be signed and to follow.
pub(crate) fn cosign(
    note: &str,
    log_keys: &[VerifierKey],
    own: &[SigningKey],
    time: u64,
) -> Result<Cosigned, NoteError> {
    let Note { text, signatures } = Note::parse(note)?;
    let by_log = |signature: &NoteSignature| log_keys.iter().any(|key| key.accepts(&text, signature));
    let mut kept: Vec<NoteSignature> = signatures.into_iter().filter(by_log).collect();
    let cosignatures = own.iter().map(|key| key.sign(&text, time)).collect::<Result<Vec<_>, _>>()?;
    let lines = cosignatures.iter().fold(String::new(), |mut lines, signature| {
        let _ = writeln!(lines, "{signature}");
        lines
    });
    kept.extend(cosignatures);
    Ok(Cosigned { lines, note: Note { text, signatures: kept }.to_string() })
}
