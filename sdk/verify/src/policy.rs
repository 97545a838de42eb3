//! Policies (c2sp.org/tlog-policy): which logs are accepted, and which witnesses must have cosigned a checkpoint.
//!
//! A policy is a file of lines: `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, `group <name> all|any|<k>
//! <member>...` and exactly one `quorum <name>|none`. Names of witnesses and groups are bytes that are compared and never
//! interpreted; they have no meaning outside the file.

mod parse;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::limits::{POLICY_BYTES_MAX, POLICY_NAMES_MAX};
use crate::note::{KeyError, Note, NoteError, VerifierKey};

/// Whose signatures make a checkpoint believable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A log that is accepted, by one of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The key; its name is the log's origin.
    pub key: VerifierKey,
    /// Where the log is, as written.
    pub url: Option<String>,
}

/// A witness that may count for the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// What the policy calls it, for people: bytes that are not UTF-8 are replaced.
    pub name: String,
    /// The key that it cosigns with.
    pub key: VerifierKey,
    /// Its submission prefix (c2sp.org/tlog-witness), as written.
    pub url: Option<String>,
}

/// A group, over members defined before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    members: Vec<Member>,
    /// How many of the members must have witnessed, from 1 to all.
    threshold: usize,
}

/// A witness or group by its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// Who must have witnessed a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    Nobody,
    Member(Member),
}

/// A line of a policy that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {problem}")]
pub struct PolicyError {
    /// The line, counted from 1; that behind the last one for what the whole file lacks.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The policy is longer than [`POLICY_BYTES_MAX`].
    #[error("a policy has at most {POLICY_BYTES_MAX} bytes")]
    TooLong,
    /// A control character besides tab and line end.
    #[error("control characters other than the tab are not allowed")]
    ControlCharacter,
    /// The last line has no end: the file may have been cut.
    #[error("the last line has no line end; the file may have been cut")]
    Unterminated,
    /// The first word is another one.
    #[error("a line starts with `log`, `witness`, `group`, `quorum` or `#`")]
    Keyword,
    /// Too few or too many words.
    #[error("the line has too few or too many words for its kind")]
    Words,
    /// A key can't be read.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A key of a kind that logs or witnesses don't sign with.
    #[error("a log signs with keys of type 0x01 or 0x06, a witness with 0x04 or 0x06")]
    Kind,
    /// The same public key stands in an earlier line of this kind.
    #[error("an earlier line has the same public key")]
    DuplicateKey,
    /// A name is taken, or `none`.
    #[error("the name is defined already, or is `none`")]
    Name,
    /// A name that no earlier line defines.
    #[error("no earlier line defines this name")]
    Undefined,
    /// A name is a member of two groups, or twice of one.
    #[error("a name is a member of one group at most, once")]
    MemberTwice,
    /// A threshold that the members can't meet.
    #[error("the threshold is `all`, `any` or a decimal from 1 to the number of members")]
    Threshold,
    /// More than [`POLICY_NAMES_MAX`] lines of a kind.
    #[error("a policy has at most {POLICY_NAMES_MAX} logs, witnesses and groups, each")]
    TooMany,
    /// A second quorum.
    #[error("there is a quorum already")]
    SecondQuorum,
    /// No quorum at all.
    #[error("there is no quorum line")]
    NoQuorum,
}

/// A checkpoint that a policy does not believe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// The note is no checkpoint, or a signature by a key of the policy does not hold, or no log of it has signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses have cosigned.
    #[error("checkpoint is not cosigned by the quorum of witnesses that the policy asks for")]
    Quorum,
}

impl From<NoteError> for Distrust {
    fn from(error: NoteError) -> Self {
        Self::Checkpoint(error.into())
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, PolicyError> {
        parse::policy(text.as_ref())
    }

    /// The logs, in the order of the file; none where they are known from elsewhere.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// All witnesses, in the order of the file, whether the quorum needs them or not.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Whether the keys of those who have signed make the quorum. Keys of others don't matter.
    #[must_use]
    pub fn quorum_met(&self, signed: &[&VerifierKey]) -> bool {
        let cosigned: Vec<bool> =
            self.witnesses.iter().map(|witness| signed.contains(&&witness.key)).collect();
        let mut witnessed: Vec<bool> = Vec::with_capacity(self.groups.len());
        // A group's members stand before it, so one pass knows each when it is needed.
        let of = |member: Member, witnessed: &[bool]| match member {
            Member::Witness(at) => cosigned[at],
            Member::Group(at) => witnessed[at],
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| of(**member, &witnessed)).count();
            witnessed.push(count >= group.threshold);
        }
        match self.quorum {
            Quorum::Nobody => true,
            Quorum::Member(member) => of(member, &witnessed),
        }
    }

    /// Whether this note is a checkpoint that the policy believes; [`Policy::open`] says what is missing.
    #[must_use]
    pub fn is_met(&self, note: &Note) -> bool {
        self.open(note, &[]).is_ok()
    }

    /// The checkpoint in a note, provided that one of the policy's logs or one of the keys in `logs`, known from elsewhere,
    /// has signed it under its origin, that the quorum has cosigned it, and that every further signature by a key of the
    /// policy holds too. Times of cosignatures don't matter.
    ///
    /// # Errors
    /// [`Distrust`], with what does not hold.
    pub fn open(&self, note: &Note, logs: &[VerifierKey]) -> Result<Checkpoint, Distrust> {
        let own = self.logs.iter().map(|log| &log.key);
        let logs: Vec<&VerifierKey> = own.chain(logs).collect();
        let witnesses = self.witnesses.iter().map(|witness| &witness.key);
        let keys: Vec<VerifierKey> = logs.iter().copied().chain(witnesses).cloned().collect();
        let signed = note.verify(&keys)?;
        let checkpoint = Checkpoint::parse_text(&note.text)?;
        if !signed.iter().any(|key| key.name() == checkpoint.origin && logs.contains(key)) {
            return Err(CheckpointError::NotByOrigin(checkpoint.origin).into());
        }
        if self.quorum_met(&signed) { Ok(checkpoint) } else { Err(Distrust::Quorum) }
    }
}
