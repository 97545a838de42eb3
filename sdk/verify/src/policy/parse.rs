//! Reading the lines of a policy.

use std::collections::{BTreeMap, BTreeSet};

use super::{Group, Log, Member, Policy, PolicyError, Problem, Quorum, Witness};
use crate::decimal;
use crate::limits::{POLICY_BYTES_MAX, POLICY_NAMES_MAX};
use crate::note::{KeyError, KeyKind, VerifierKey};

const NONE: &[u8] = b"none";

pub(super) fn policy(text: &[u8]) -> Result<Policy, PolicyError> {
    let at = |line: usize| move |problem| PolicyError { line, problem };
    if text.len() > POLICY_BYTES_MAX {
        return Err(at(1)(Problem::TooLong));
    }
    let mut reader = Reader::default();
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    // Behind the end of the last line there is nothing.
    let surplus = lines.pop().unwrap_or_default();
    for (number, line) in lines.iter().enumerate() {
        reader.line(line).map_err(at(number + 1))?;
    }
    let end = at(lines.len() + 1);
    if !surplus.is_empty() {
        return Err(end(Problem::Unterminated));
    }
    let Reader { logs, witnesses, groups, quorum, .. } = reader;
    let quorum = quorum.ok_or_else(|| end(Problem::NoQuorum))?;
    Ok(Policy { logs, witnesses, groups, quorum })
}

/// What the lines so far have defined.
#[derive(Default)]
struct Reader<'t> {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    names: BTreeMap<&'t [u8], Member>,
    /// Names that are members of a group.
    grouped: BTreeSet<&'t [u8]>,
    quorum: Option<Quorum>,
}

impl<'t> Reader<'t> {
    fn line(&mut self, line: &'t [u8]) -> Result<(), Problem> {
        if line.iter().any(|byte| matches!(byte, 0..=8 | 10..=0x1f | 0x7f)) {
            return Err(Problem::ControlCharacter);
        }
        let words: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key, url @ ..] => self.log(key, url),
            [b"witness", name, key, url @ ..] => self.witness(name, key, url),
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.set_quorum(name),
            [b"log" | b"witness" | b"group" | b"quorum", ..] => Err(Problem::Words),
            _ => Err(Problem::Keyword),
        }
    }

    fn log(&mut self, key: &[u8], url: &[&[u8]]) -> Result<(), Problem> {
        let (key, url) = (self::key(key, KeyKind::Ed25519)?, self::url(url)?);
        if self.logs.iter().any(|log| is_duplicate(&log.key, &key)) {
            return Err(Problem::DuplicateKey);
        }
        check_count(self.logs.len())?;
        self.logs.push(Log { key, url });
        Ok(())
    }

    fn witness(&mut self, name: &'t [u8], key: &[u8], url: &[&[u8]]) -> Result<(), Problem> {
        let (key, url) = (self::key(key, KeyKind::Cosignature)?, self::url(url)?);
        if self.witnesses.iter().any(|witness| is_duplicate(&witness.key, &key)) {
            return Err(Problem::DuplicateKey);
        }
        check_count(self.witnesses.len())?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: lossy(name), key, url });
        Ok(())
    }

    fn group(&mut self, name: &'t [u8], threshold: &[u8], names: &[&'t [u8]]) -> Result<(), Problem> {
        if names.is_empty() {
            return Err(Problem::Words);
        }
        let members = names.iter().map(|name| self.named(name)).collect::<Result<Vec<_>, _>>()?;
        if !names.iter().all(|name| self.grouped.insert(name)) {
            return Err(Problem::MemberTwice);
        }
        let threshold = match threshold {
            b"all" => Some(members.len()),
            b"any" => Some(1),
            number => std::str::from_utf8(number)
                .ok()
                .and_then(decimal::parse)
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| (1..=members.len()).contains(number)),
        };
        let threshold = threshold.ok_or(Problem::Threshold)?;
        check_count(self.groups.len())?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { members, threshold });
        Ok(())
    }

    fn set_quorum(&mut self, name: &[u8]) -> Result<(), Problem> {
        if self.quorum.is_some() {
            return Err(Problem::SecondQuorum);
        }
        self.quorum = Some(if name == NONE { Quorum::Nobody } else { Quorum::Member(self.named(name)?) });
        Ok(())
    }

    fn named(&self, name: &[u8]) -> Result<Member, Problem> {
        self.names.get(name).copied().ok_or(Problem::Undefined)
    }

    fn define(&mut self, name: &'t [u8], member: Member) -> Result<(), Problem> {
        if name == NONE || self.names.insert(name, member).is_some() {
            return Err(Problem::Name);
        }
        Ok(())
    }
}

/// A key of that kind or of ML-DSA-44, which logs and witnesses sign with alike.
fn key(text: &[u8], kind: KeyKind) -> Result<VerifierKey, Problem> {
    let text = std::str::from_utf8(text).map_err(|_| KeyError::Name)?;
    let key: VerifierKey = text.parse()?;
    if [kind, KeyKind::MlDsa44].contains(&key.kind()) { Ok(key) } else { Err(Problem::Kind) }
}

fn url(words: &[&[u8]]) -> Result<Option<String>, Problem> {
    match words {
        [] => Ok(None),
        [url] => Ok(Some(lossy(url))),
        _ => Err(Problem::Words),
    }
}

/// Whether two keys wrap one public key, whatever their names and kinds.
fn is_duplicate(one: &VerifierKey, other: &VerifierKey) -> bool {
    one.public_key() == other.public_key()
}

fn check_count(count: usize) -> Result<(), Problem> {
    if count < POLICY_NAMES_MAX { Ok(()) } else { Err(Problem::TooMany) }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
