//! `plugin replay`: the recorded plugins and configs over a raw record again, field by field beside what the log committed to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairnlog_client::{Client, EntryAnswer, Log};
use cairnlog_host::{Host, HostLimits, Plugin, RawRecord, UnusedWasi};
use cairnlog_ledger::manifest::Manifest;
use cairnlog_ledger::{Compared, Replay, Verdict};
use cairnlog_verify::disclosure::Disclosure;
use cairnlog_verify::entry::{Body, Digest, Entry};
use cairnlog_verify::event::{Attribute, Event};
use cairnlog_verify::value::Value;
use serde_json::{Value as Json, json};

use crate::cli::exit::{Exit, Failure};
use crate::cli::openings::openings_of;
use crate::cli::output::{Output, Shown, rows};
use crate::cli::sources::read_bounded;
use crate::limits::{INGEST_BYTES_MAX, PLUGIN_BYTES_MAX};

/// What is to be replayed.
pub(super) struct Wanted {
    pub(super) index: u64,
    /// The raw record's file.
    pub(super) raw: PathBuf,
    pub(super) content_type: Option<String>,
    /// Components on disk, instead of the server's.
    pub(super) plugins: Option<PathBuf>,
    /// What the submitter was handed back.
    pub(super) openings: Option<PathBuf>,
}

/// What came out, all fields.
struct Outcome {
    index: u64,
    /// Whether the openings have shown that it is the very raw record.
    is_proven: bool,
    pipeline: Digest,
    fields: Vec<Compared>,
}

/// Replays one record.
pub(super) async fn replay(
    client: &Client,
    log: &Log,
    wanted: Wanted,
    output: Output,
) -> Result<Exit, Failure> {
    let Wanted { index, raw: file, content_type, plugins, openings } = wanted;
    let body = read_bounded(&file, INGEST_BYTES_MAX as u64)?;
    require_record(log, index).await?;
    let disclosure = disclosed(log, index).await?;
    let Body::Record { source, pipeline, part: (part, _), raw: committed_raw } =
        disclosure.entry.body.clone()
    else {
        return Err(Failure::refused(format!("what is disclosed of entry {index} is no record")));
    };
    let committed: Vec<Attribute> = disclosure.fields.iter().map(|field| field.attribute.clone()).collect();
    let received_ms = integer(&committed, "$received")
        .ok_or_else(|| Failure::cannot_tell("the entry does not say when it was received"))?;
    let part = part as usize;
    let openings = match openings {
        Some(file) => {
            let first = first_of(log, index, part).await?;
            Some(openings_of(&file, first.index, &first.leaf_hash)?)
        }
        None => None,
    };
    let manifest = manifest(log, pipeline, index).await?;
    let components = components(client, &manifest, plugins.as_deref()).await?;
    // A line of a file comes without its end, as it came to the server.
    let line = body.strip_suffix(b"\n").unwrap_or(&body);
    let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let is_proven = openings.is_some();
    let told = openings.as_ref().map(|openings| openings.content_type.clone());
    let content_type = content_type.or(told).unwrap_or_else(|| guess(&line).to_owned());
    let fields = super::off_thread(move || {
        let host = Host::new(HostLimits { instances: 2, ..HostLimits::default() });
        let host = host.map_err(|error| Failure::cannot_tell(error.to_string()))?;
        let plugins = load(&host, components)?;
        let raw = RawRecord {
            received_ms,
            source: &source,
            content_type: &content_type,
            attributes: &[],
            body: &line,
        };
        if openings.as_ref().is_some_and(|openings| raw.commit(&openings.raw_salt) != committed_raw) {
            let words = format!("{} is not the raw record that entry {index} commits to", file.display());
            return Err(Failure::refused(words));
        }
        let salts = openings.as_ref().and_then(|openings| openings.events.get(part));
        let replay = Replay {
            manifest: &manifest,
            plugins: &plugins,
            raw,
            part,
            committed: &committed,
            openings: salts.map(Vec::as_slice).unwrap_or_default(),
        };
        replay.run(&host).map_err(|error| Failure::refused(error.to_string()))
    })
    .await?;
    let outcome = Outcome { index, is_proven, pipeline, fields };
    let mut stdout = std::io::stdout();
    match output {
        Output::Table => {
            rows(
                &mut stdout,
                &["path", "is"],
                outcome
                    .fields
                    .iter()
                    .map(|field| vec![field.path.clone(), field.verdict.as_str().to_owned()]),
            )?;
        }
        output => output.one(&mut stdout, &outcome)?,
    }
    if outcome.is_good() {
        eprintln!(
            "Every field is what the pipeline of entry {index} makes of this raw record.{}",
            outcome.uncompared()
        );
        return Ok(Exit::Good);
    }
    eprintln!("That is not what the pipeline of entry {index} makes of this raw record.");
    Ok(Exit::Refused)
}

/// Of other entries there is nothing to replay, and not all of them can be disclosed.
async fn require_record(log: &Log, index: u64) -> Result<(), Failure> {
    let entry = log.entry(index).await?.entry;
    let entry = Entry::parse(&entry).map_err(|error| Failure::refused(format!("entry {index}: {error}")))?;
    match entry.body {
        Body::Record { .. } => Ok(()),
        Body::Quarantine { .. } => Err(Failure::usage(format!(
            "entry {index} is a raw record in quarantine: no pipeline has made anything of it, so there is nothing to replay"
        ))),
        _ => Err(Failure::usage(format!("entry {index} is of kind {}, not a record", entry.kind()))),
    }
}

/// All fields of the record, proven under the log's head.
async fn disclosed(log: &Log, index: u64) -> Result<Disclosure, Failure> {
    let record = log.record(index).await?;
    let event = Event::flatten(&record.event).map_err(|error| Failure::cannot_tell(error.to_string()))?;
    let mut paths: Vec<String> = event.into_iter().map(|attribute| attribute.path).collect();
    let dropped = record.redactions.iter().filter(|redaction| redaction.action == "drop");
    paths.extend(dropped.map(|redaction| redaction.path.clone()));
    paths.push("$received".to_owned());
    if record.retention.is_some() {
        paths.extend(["$retention.class", "$retention.rule"].map(str::to_owned));
    }
    paths.sort_unstable();
    paths.dedup();
    let disclosure = log.disclose(index, &paths, false).await?;
    let info = log.info().await?;
    let keys: Vec<_> = info.verifier_keys.iter().filter_map(|key| key.parse().ok()).collect();
    disclosure.verify(&keys, None).map_err(|error| Failure::refused(error.to_string()))?;
    Ok(disclosure)
}

/// The first entry that the raw record of a record gave.
async fn first_of(log: &Log, index: u64, part: usize) -> Result<EntryAnswer, Failure> {
    let first = index.checked_sub(part as u64);
    let first = first.ok_or_else(|| Failure::refused(format!("entry {index} can't be part {part}")))?;
    Ok(log.entry(first).await?)
}

/// The manifest of the record's pipeline: its entry is one before the record's, and what it says hashes to its name.
async fn manifest(log: &Log, pipeline: Digest, before: u64) -> Result<Manifest, Failure> {
    let at = entry_of(log, pipeline, before).await?;
    let record = log.record(at).await?;
    let manifest: Manifest = serde_json::from_value(record.event["pipeline"].clone())
        .map_err(|error| Failure::cannot_tell(format!("entry {at} does not read as a pipeline: {error}")))?;
    let jcs = manifest.to_jcs().map_err(|error| Failure::cannot_tell(error.to_string()))?;
    if Digest::of(&jcs) == pipeline {
        return Ok(manifest);
    }
    Err(Failure::refused(format!("what entry {at} says does not hash to the pipeline {pipeline}")))
}

/// Where the pipeline's entry stands: at the source's, mostly; else it is looked for from the record backwards.
async fn entry_of(log: &Log, pipeline: Digest, before: u64) -> Result<u64, Failure> {
    let sources = crate::cli::connect::all(async |page| log.sources(page).await).await.unwrap_or_default();
    if let Some(source) = sources.iter().find(|source| source.pipeline == pipeline) {
        return Ok(source.pipeline_index);
    }
    for index in (0..before).rev() {
        let entry = log.entry(index).await?.entry;
        let is_it = Entry::parse(&entry)
            .is_ok_and(|entry| matches!(entry.body, Body::Pipeline { digest } if digest == pipeline));
        if is_it {
            return Ok(index);
        }
    }
    Err(Failure::incomplete(format!("no entry before the record is of its pipeline {pipeline}")))
}

/// The components that a manifest names, from a folder or from the server.
async fn components(
    client: &Client,
    manifest: &Manifest,
    dir: Option<&Path>,
) -> Result<Vec<Vec<u8>>, Failure> {
    let mut components = Vec::new();
    if let Some(dir) = dir {
        let files = std::fs::read_dir(dir).map_err(|error| Failure::file(dir, &error))?;
        for file in files.flatten().map(|file| file.path()) {
            if file.extension().is_some_and(|extension| extension == "wasm") {
                components.push(read_bounded(&file, PLUGIN_BYTES_MAX as u64)?);
            }
        }
        return Ok(components);
    }
    for digest in manifest.plugins() {
        components.push(client.plugin_wasm(&digest).await?.to_vec());
    }
    Ok(components)
}

fn load(host: &Host, components: Vec<Vec<u8>>) -> Result<BTreeMap<Digest, Arc<Plugin>>, Failure> {
    let mut plugins = BTreeMap::new();
    for wasm in components {
        // As the log took it; it is known by its digest.
        let loaded = host.load_with(&wasm, UnusedWasi::Stub);
        let loaded = loaded.map_err(|interrupted| Failure::cannot_tell(interrupted.to_string()))?;
        let plugin = loaded.map_err(|invalid| Failure::refused(invalid.to_string()))?;
        plugins.insert(Digest(plugin.digest), plugin);
    }
    Ok(plugins)
}

fn integer(attributes: &[Attribute], path: &str) -> Option<u64> {
    let found = attributes.iter().find(|attribute| attribute.path == path)?;
    match found.value {
        Value::Integer(integer) => u64::try_from(integer).ok(),
        _ => None,
    }
}

/// What the pipeline was told that the raw record is: JSON where it is.
fn guess(body: &[u8]) -> &'static str {
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        "application/json"
    } else {
        "text/plain"
    }
}

impl Outcome {
    /// What it leaves open.
    fn uncompared(&self) -> String {
        let count = |verdict| self.fields.iter().filter(|field| field.verdict == verdict).count();
        let (dropped, pseudonyms) = (count(Verdict::Dropped), count(Verdict::Pseudonymized));
        if dropped + pseudonyms == 0 {
            return String::new();
        }
        let left = format!(" Not compared: dropped values {dropped}, pseudonyms {pseudonyms}");
        if self.is_proven {
            return format!("{left}; but it is the very raw record that the entry commits to.");
        }
        format!("{left}: of those another raw record may hold others; --openings shows that it is this one.")
    }

    fn is_good(&self) -> bool {
        self.fields.iter().all(|field| field.verdict.is_good())
    }
}

impl Shown for Outcome {
    const COLUMNS: &'static [&'static str] = &["index", "pipeline", "fields"];

    fn cells(&self) -> Vec<String> {
        vec![self.index.to_string(), self.pipeline.to_string(), self.fields.len().to_string()]
    }

    fn json(&self) -> Json {
        let fields =
            self.fields.iter().map(|field| json!({"path": field.path, "is": field.verdict.as_str()}));
        json!({
            "index": self.index,
            "pipeline": self.pipeline.to_string(),
            "is_good": self.is_good(),
            "fields": fields.collect::<Vec<_>>(),
        })
    }
}
