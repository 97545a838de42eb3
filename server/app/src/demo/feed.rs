//! Sets the log up and sends the samples in, keeping what the server answered.

use cairnlog_client::{
    Error, EventStatus, Ingest, IngestAnswer, IngestRow, LogInfo, NewLog, PageRequest, Pipeline,
};
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::VerifierKey;

use super::samples::Stream;
use super::{LOG, Stage};
use crate::cli::Failure;
use crate::cli::output::cut;

/// The plugins that every pipeline of the demo ends with.
const REDACTOR: &str = "redact-fields";
const RETENTION: &str = "retention-schedule";

/// Longest reason shown, in characters.
const REASON_CHARS: usize = 70;

/// A tree head whose signature was checked, with the note that proves it.
pub(super) struct Head {
    pub(super) checkpoint: Checkpoint,
    pub(super) note: String,
}

/// One raw record with what became of it.
pub(super) struct Sent {
    /// Which of the samples.
    pub(super) stream: usize,
    line: u64,
    pub(super) raw: Vec<u8>,
    pub(super) row: IngestRow,
}

/// What went in.
pub(super) struct Fed {
    pub(super) sent: Vec<Sent>,
    /// The tree heads after the first and after the second half.
    pub(super) heads: [Head; 2],
}

/// Log, plugins, retention classes, sources.
pub(super) async fn set_up(stage: &mut Stage<'_>) -> Result<LogInfo, Failure> {
    let info = log(stage).await?;
    let plugins = plugins(stage).await?;
    stage.tell.step("Say how long what must live")?;
    for (class, settings) in &stage.samples.classes {
        stage.log.put_class(class, settings).await?;
    }
    let names: Vec<_> = stage.samples.classes.keys().map(String::as_str).collect();
    let said = format!(
        "Compliance sets retention classes, each with a minimum, a maximum and the rule behind it:\n{}.",
        names.join(", ")
    );
    stage.tell.say(&said)?;
    sources(stage, &plugins).await?;
    Ok(info)
}

async fn log(stage: &mut Stage<'_>) -> Result<LogInfo, Failure> {
    stage.tell.step("Create a log")?;
    let logs = stage.client.logs(&PageRequest::default()).await?.items;
    let info = if let Some(info) = logs.into_iter().find(|log| log.name == LOG) {
        let said = format!(
            "The log `{LOG}` is there from an earlier run, with {} entries; this run goes on with it.",
            info.tree_size
        );
        stage.tell.say(&said)?;
        info
    } else {
        stage.tell.say(&format!("One log, `{LOG}`, with a signing key of its own."))?;
        stage.client.create_log(&NewLog::new(LOG)).await?
    };
    stage.tell.say("Whoever knows its public key can check everything it says:")?;
    stage.tell.quote(&info.verifier_key)?;
    Ok(info)
}

/// The plugins as pipelines name them.
async fn plugins(stage: &mut Stage<'_>) -> Result<Vec<(&'static str, String)>, Failure> {
    stage.tell.step("Upload the plugins")?;
    stage.tell.say(
        "WebAssembly components, named by the SHA-256 of their bytes. They get no clock, no network, no files,\n\
         and bounded time and memory: a plugin can be wrong, but it can't reach anything.",
    )?;
    let (mut names, mut cells) = (Vec::new(), Vec::new());
    for (name, wasm) in &stage.samples.plugins {
        let plugin = stage.client.upload_plugin(wasm.clone()).await.map_err(of_another_build)?.plugin;
        let digest = plugin.digest.to_string();
        let title = format!("{}@{}", plugin.name, plugin.version);
        cells.push(vec![
            title,
            plugin.kinds.join(" "),
            format!("{} KB", wasm.len() / 1000),
            cut(&digest, 24),
        ]);
        names.push((*name, digest));
    }
    stage.tell.table(&["plugin", "kind", "size", "digest"], cells)?;
    Ok(names)
}

/// A version of a plugin names one component for good, which every build after a change makes anew.
fn of_another_build(error: Error) -> Failure {
    let is_taken = error.slug() == Some("conflict");
    let failure = Failure::from(error);
    if is_taken {
        failure.during("the data of an earlier run, made with plugins of another build, is in the way; move it away or name another place with --data (make run ARGS=\"--data DIR\")")
    } else {
        failure
    }
}

async fn sources(stage: &mut Stage<'_>, plugins: &[(&'static str, String)]) -> Result<(), Failure> {
    stage.tell.step("Bind three sources, each to a pipeline")?;
    let digest = |name: &str| {
        let found = plugins.iter().find(|(plugin, _)| *plugin == name);
        found.map(|(_, digest)| digest.clone()).unwrap_or_default()
    };
    let mut cells = Vec::new();
    for Stream { sample, redact, retention, .. } in &stage.samples.streams {
        let pipeline = Pipeline {
            normalizer: cairnlog_client::Stage::new(digest(sample.normalizer), None),
            redactors: vec![cairnlog_client::Stage::new(digest(REDACTOR), Some(redact.clone()))],
            retention: cairnlog_client::Stage::new(digest(RETENTION), Some(retention.clone())),
        };
        let bound = stage.log.put_source(sample.source, &pipeline).await?;
        let stages = format!("{} > {REDACTOR} > {RETENTION}", sample.normalizer);
        cells.push(vec![
            sample.source.to_owned(),
            sample.words.to_owned(),
            stages,
            bound.pipeline_index.to_string(),
        ]);
    }
    stage.tell.table(&["source", "what it is", "pipeline", "entry"], cells)?;
    stage.tell.say(
        "Plugins and pipelines are entries of the log themselves, before the first record that they make: so a\n\
         record always says which code and which settings made it.",
    )?;
    Ok(())
}

/// Sends the samples, in two halves.
pub(super) async fn feed(stage: &mut Stage<'_>, info: &LogInfo) -> Result<Fed, Failure> {
    stage.tell.step("Send in the sample logs, line by line as they are")?;
    let key: VerifierKey = info
        .verifier_key
        .parse()
        .map_err(|error| Failure::cannot_tell(format!("the server gave no usable key: {error}")))?;
    let before = stage.log.tree_head().await?.tree_size;
    let mut sent = Vec::new();
    send_half(stage, 0, &mut sent).await?;
    let first = head(stage, &key).await?;
    send_half(stage, 1, &mut sent).await?;
    let second = head(stage, &key).await?;
    sent.sort_by_key(|one| (one.stream, one.line));
    counts(stage, &sent)?;
    quarantined(stage, &sent)?;
    duplicates(stage, &sent)?;
    if second.checkpoint.size == before {
        stage.tell.say(
            "Nothing new: these very requests were sent by an earlier run, and the server knows them by their\n\
             idempotency keys. It gave the first answers again and logged nothing twice.",
        )?;
    }
    Ok(Fed { sent, heads: [first, second] })
}

async fn send_half(stage: &Stage<'_>, half: usize, sent: &mut Vec<Sent>) -> Result<(), Failure> {
    for (stream, Stream { sample, halves, .. }) in stage.samples.streams.iter().enumerate() {
        let Some(batch) = halves.get(half) else { continue };
        let body = batch.body.clone();
        let ingest =
            Ingest { idempotency_key: Some(batch.key.clone()), ..Ingest::new(sample.content_type, body) };
        let IngestAnswer { results, .. } = stage.log.ingest(sample.source, ingest).await?;
        let raw = batch.body.split(|byte| *byte == b'\n').filter(|line| !matches!(*line, b"" | b"\r"));
        for ((row, raw), line) in results.into_iter().zip(raw).zip(&batch.lines) {
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw).to_vec();
            sent.push(Sent { stream, line: *line, raw, row });
        }
    }
    Ok(())
}

/// The published tree head, its signature checked with the log's key.
async fn head(stage: &Stage<'_>, key: &VerifierKey) -> Result<Head, Failure> {
    let note = stage.log.tree_head().await?.checkpoint;
    let checkpoint = Checkpoint::open(&note, std::slice::from_ref(key))
        .map_err(|error| Failure::refused(format!("the tree head does not verify: {error}")))?;
    Ok(Head { checkpoint, note })
}

fn counts(stage: &mut Stage<'_>, sent: &[Sent]) -> Result<(), Failure> {
    let cells = stage.samples.streams.iter().enumerate().map(|(stream, Stream { sample, .. })| {
        let of = || sent.iter().filter(move |one| one.stream == stream);
        let count = |status| of().filter(|one| one.row.status == status).count().to_string();
        let logged = of().filter(|one| one.row.status == EventStatus::Logged);
        let events: u64 = logged.map(|one| one.row.events.unwrap_or(1)).sum();
        vec![
            sample.source.to_owned(),
            of().count().to_string(),
            count(EventStatus::Logged),
            events.to_string(),
            count(EventStatus::Duplicate),
            count(EventStatus::Quarantined),
            count(EventStatus::Skipped),
        ]
    });
    let head = ["source", "lines", "logged", "records", "duplicates", "quarantined", "skipped"];
    stage.tell.table(&head, cells.collect::<Vec<_>>())?;
    Ok(())
}

fn quarantined(stage: &mut Stage<'_>, sent: &[Sent]) -> Result<(), Failure> {
    let (tell, streams) = (&mut *stage.tell, &stage.samples.streams);
    let cells: Vec<_> = sent
        .iter()
        .filter(|one| one.row.status == EventStatus::Quarantined)
        .map(|one| {
            let reason = one.row.reason.as_deref().unwrap_or("no reason given");
            let place = format!("{}:{}", streams[one.stream].sample.file, one.line);
            vec![place, cut(reason, REASON_CHARS)]
        })
        .collect();
    if !cells.is_empty() {
        tell.say("Lines that no pipeline could process are set aside, sealed, and the log says so; the rest goes in:")?;
        tell.table(&["line", "why it is quarantined"], cells)?;
    }
    Ok(())
}

fn duplicates(stage: &mut Stage<'_>, sent: &[Sent]) -> Result<(), Failure> {
    let (tell, streams) = (&mut *stage.tell, &stage.samples.streams);
    let found = sent.iter().filter(|one| one.row.status == EventStatus::Duplicate);
    let places: Vec<_> = found
        .map(|one| {
            let index = one.row.index.map_or_else(String::new, |index| format!(" (entry {index})"));
            format!("{}:{}{index}", streams[one.stream].sample.source, one.line)
        })
        .collect();
    if let [first, ..] = places.as_slice() {
        let said = format!(
            "Records that came twice carry their source's own id and are logged once: {} of them, such as line {first}.",
            places.len()
        );
        tell.say(&said)?;
    }
    Ok(())
}
