//! Checkpoints (c2sp.org/tlog-checkpoint): what a log says of its tree, and signs as a note.

use crate::Hash;
use crate::decimal;
use crate::limits::ORIGIN_BYTES_MAX;
use crate::note::{Note, NoteError, VerifierKey};

/// A tree head: the log, the size of its tree and the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name for itself: 1 to [`ORIGIN_BYTES_MAX`] bytes in one line.
    pub origin: String,
    /// Entries of the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// Further lines, opaque and not empty. Logs should have none: no monitor can audit them.
    pub extensions: Vec<String>,
}

/// A checkpoint that is malformed or not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around the checkpoint is malformed or not to be trusted.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not three or more lines, none of them empty, without control characters.
    #[error("checkpoint is not three or more ended, non-empty lines")]
    Lines,
    /// The origin is longer than [`ORIGIN_BYTES_MAX`].
    #[error("checkpoint origin is longer than {ORIGIN_BYTES_MAX} bytes")]
    Origin,
    /// The size is not plain decimal, or beyond `u64`.
    #[error("checkpoint size is not a decimal without leading zeros")]
    Size,
    /// The root is not 32 bytes in base64.
    #[error("checkpoint root is not the base64 of 32 bytes")]
    Root,
    /// None of the trusted keys that have signed is the log's own.
    #[error("checkpoint is not signed by a trusted key of its origin {0}")]
    NotByOrigin(String),
}

impl Checkpoint {
    /// The text that the log signs, every line ended.
    ///
    /// # Panics
    /// If the origin or an extension is empty, too long or not one line: such a text would read as another checkpoint than
    /// the one that was to be signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        assert!(self.origin.len() <= ORIGIN_BYTES_MAX, "checkpoint origin is too long");
        let mut text = String::new();
        let (size, root) = (self.size.to_string(), self.root.to_string());
        let extensions = self.extensions.iter().map(String::as_str);
        for line in [self.origin.as_str(), &size, &root].into_iter().chain(extensions) {
            assert!(is_line(line), "checkpoint field is not one non-empty line");
            text += line;
            text += "\n";
        }
        text
    }

    /// Reads what [`Checkpoint::to_text`] writes.
    ///
    /// # Errors
    /// [`CheckpointError::Lines`], [`CheckpointError::Origin`], [`CheckpointError::Size`], [`CheckpointError::Root`].
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let mut line = || lines.next().filter(|line| is_line(line)).ok_or(CheckpointError::Lines);
        let (origin, size, root) = (line()?, line()?, line()?);
        if origin.len() > ORIGIN_BYTES_MAX {
            return Err(CheckpointError::Origin);
        }
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if !extensions.iter().all(|line| is_line(line)) {
            return Err(CheckpointError::Lines);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: decimal::parse(size).ok_or(CheckpointError::Size)?,
            root: root.parse().map_err(|_| CheckpointError::Root)?,
            extensions,
        })
    }

    /// The checkpoint in a signed note, provided that one of `keys` whose name is its origin has signed it, and that every
    /// signature by any other of `keys` holds too.
    ///
    /// # Errors
    /// Any [`CheckpointError`].
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        let signed = note.verify(keys)?;
        let checkpoint = Self::parse_text(&note.text)?;
        if signed.iter().any(|key| key.name() == checkpoint.origin) {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::NotByOrigin(checkpoint.origin))
        }
    }
}

fn is_line(line: &str) -> bool {
    !line.is_empty() && line.bytes().all(|byte| byte >= b' ')
}
