//! What a submitter is handed back once: kept in a file, a line a raw record, and found there again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cairnlog_client::{IngestAnswer, IngestRow};
use cairnlog_ledger::{Opening, Openings};
use cairnlog_verify::{Hash, b64};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::exit::Failure;

/// A file that openings are appended to.
pub(super) struct OpeningsFile {
    file: File,
    path: PathBuf,
}

impl OpeningsFile {
    /// Readable to its owner alone: what it holds opens what the log has thrown away.
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Err(Failure::usage("openings go into a file: `-` is none"));
        }
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let file = opened.map_err(|error| Failure::file(&path, &error))?;
        Ok(Self { file, path })
    }

    /// Keeps what an answer hands back; it is there before the next request is sent. How many raw records in the log it hands
    /// nothing back of, because they were sent before.
    pub(super) fn keep(&mut self, answer: &IngestAnswer) -> Result<u64, Failure> {
        let is_lost = |row: &&IngestRow| row.index.is_some() && row.openings.is_none();
        let lost = answer.results.iter().filter(is_lost).count() as u64;
        let lines: String = answer.results.iter().filter_map(line).collect();
        let kept = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_data());
        kept.map_err(|error| Failure::file(&self.path, &error))?;
        Ok(lost)
    }
}

/// As a row of the answer has it.
fn line(row: &IngestRow) -> Option<String> {
    let openings = row.openings.as_ref()?;
    let events: Vec<Vec<Value>> = openings
        .events
        .iter()
        .map(|event| {
            event.iter().map(|one| json!({"path": one.path, "salt": b64::encode(&one.salt)})).collect()
        })
        .collect();
    let line = json!({
        "index": row.index,
        "leaf_hash": row.leaf_hash,
        "openings": {
            "raw_salt": b64::encode(&openings.raw_salt),
            "received_ms": openings.received_ms,
            "content_type": openings.content_type,
            "events": events,
        },
    });
    Some(format!("{line}\n"))
}

/// What was handed back of the raw record whose first entry this is. A file may hold what several logs handed back, so the entry's hash
/// decides; what has none is of the entry if the index says so.
pub(super) fn openings_of(file: &Path, first: u64, leaf_hash: &Hash) -> Result<Openings, Failure> {
    let failed = |error| Failure::file(file, &error);
    let is_of = |row: &IngestRow| {
        row.index == Some(first) && row.leaf_hash.as_ref().is_none_or(|known| known == leaf_hash)
    };
    let row_of = |line: &str| -> Option<IngestRow> {
        // The rows of an answer will do as well as what `ingest` keeps.
        let mut row: Value = serde_json::from_str(line).ok()?;
        row.as_object_mut()?.entry("status").or_insert_with(|| "logged".into());
        serde_json::from_value(row).ok()
    };
    let mut found = None;
    for line in BufReader::new(File::open(file).map_err(failed)?).lines() {
        found = row_of(&line.map_err(failed)?).filter(is_of).and_then(|row| row.openings);
        if found.is_some() {
            break;
        }
    }
    let openings = found.ok_or_else(|| {
        let words = format!("{} has no openings of entry {first}", file.display());
        Failure::incomplete(words)
    })?;
    let events = openings.events.into_iter().map(|event| {
        event.into_iter().map(|one| Opening { path: one.path, salt: Zeroizing::new(one.salt) }).collect()
    });
    Ok(Openings {
        raw_salt: Zeroizing::new(openings.raw_salt),
        received_ms: openings.received_ms,
        content_type: openings.content_type,
        events: events.collect(),
    })
}
