//! `plugin push`: uploads components. With `--source` a new version of a plugin takes the old one's place in a pipeline, after it was
//! tried, or is tried beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cairnlog_client::{
    Client, Log, Pipeline, Plugin, Retried, Retry, RetryAnswer, SampledPlugin, Source, Stage, UploadOptions,
    Uploaded,
};
use cairnlog_ledger::limits::{SAMPLE_BYTES_MAX, SAMPLES_MAX};
use serde_json::{Value as Json, json};

use super::inspect::digest_of;
use super::sign;
use crate::cli::connect::{LogConnection, all};
use crate::cli::exit::Failure;
use crate::cli::output::{Output, Shown, rows};
use crate::cli::sources::{read_bounded, read_json, read_small};
use crate::limits::PLUGIN_BYTES_MAX;

/// Bytes from which on compiling is worth a word: interpreters.
const LARGE: usize = 1 << 20;

/// What is uploaded, and where it is bound.
#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// The components; that of the project in this folder if none is given.
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Try each on the lines of this file: raw records for a normalizer, else OCSF events. Made up ones, for they travel in the URL.
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Bind it to this source, in place of its predecessor.
    #[arg(long)]
    source: Option<String>,
    /// Its config there, and for samples; its predecessor's if left out.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do not bind it, but try it beside the source's pipeline, over so many of a hundred batches.
    #[arg(long, value_name = "PERCENT", requires = "source", value_parser = clap::value_parser!(u8).range(1..=100))]
    canary: Option<u8>,
    /// Take a component that imports WASI as long as it does not call it.
    #[arg(long)]
    stub_wasi: bool,
    /// Bind it in place of a plugin of another name, or though it does not understand something in quarantine that the present one does.
    #[arg(long, requires = "source")]
    force: bool,
    #[command(flatten)]
    connection: LogConnection,
}

/// Uploads, and binds if that is asked for.
pub(super) async fn push(args: Args) -> Result<(), Failure> {
    let Args { files, sample, source, config, canary, stub_wasi, force, connection } = args;
    if source.is_some() && files.len() != 1 {
        return Err(Failure::usage("--source takes one component"));
    }
    if config.is_some() && source.is_none() && sample.is_none() {
        return Err(Failure::usage("--config is for --source or --sample"));
    }
    let client = connection.connection.client()?;
    let config = config.as_deref().map(read_json).transpose()?;
    let samples = sample.as_deref().map(samples_of).transpose()?;
    let mut uploads = Vec::new();
    for file in &files {
        let wasm = read_bounded(file, PLUGIN_BYTES_MAX as u64)?;
        if wasm.len() > LARGE {
            eprintln!(
                "{} has {} MiB: the server takes seconds to compile it …",
                file.display(),
                wasm.len() >> 20
            );
        }
        let options = UploadOptions {
            signature: sign::beside(file, &digest_of(&wasm))?,
            sample: samples.clone(),
            config: samples.as_ref().and(config.clone()),
            stub_wasi,
        };
        let uploaded = client.upload_plugin_with(wasm, options).await;
        uploads.push(uploaded.map_err(|error| Failure::from(error).during(file.display()))?);
    }
    show(&uploads, connection.output())?;
    if let (Some(source), [Uploaded { plugin, .. }]) = (source, uploads.as_slice()) {
        let log = connection.log().await?;
        let new = New { digest: plugin.digest.to_string(), config };
        eprintln!("{}", bind(&client, &log, &source, plugin, &new, canary, force).await?);
    }
    Ok(())
}

/// The plugins, and what each made of the samples.
fn show(uploads: &[Uploaded], output: Output) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    output.list(&mut stdout, uploads)?;
    if output == Output::Table {
        for Uploaded { plugin, samples, .. } in uploads.iter().filter(|upload| !upload.samples.is_empty()) {
            println!("\n{}@{} on the samples:", plugin.name, plugin.version);
            rows(&mut stdout, SampledPlugin::COLUMNS, samples.iter().map(Shown::cells))?;
        }
    }
    let is_refused = |sample: &SampledPlugin| sample.outcome == "config-refused";
    if uploads.iter().flat_map(|upload| &upload.samples).any(is_refused) {
        eprintln!("The plugin was taken, but not tried: it refused its config; --config FILE gives it one.");
    }
    Ok(())
}

/// The samples in a file, as the server takes them.
fn samples_of(file: &Path) -> Result<String, Failure> {
    let samples = read_small(file)?;
    let failed = |words: String| Failure::usage(format!("{}: {words}", file.display()));
    let lines: Vec<_> = (1..).zip(samples.lines()).filter(|(_, line)| !line.is_empty()).collect();
    if lines.is_empty() {
        return Err(failed("there is no sample in it: one a line".to_owned()));
    }
    if lines.len() > SAMPLES_MAX {
        return Err(failed(format!("{} samples; at most {SAMPLES_MAX} are taken", lines.len())));
    }
    if let Some((number, line)) = lines.iter().find(|(_, line)| line.len() > SAMPLE_BYTES_MAX) {
        let bytes = line.len();
        return Err(failed(format!(
            "line {number} has {bytes} bytes; a sample has at most {SAMPLE_BYTES_MAX}"
        )));
    }
    Ok(samples)
}

/// A plugin as a stage names it, and its stage's config.
struct New {
    digest: String,
    config: Option<Json>,
}

/// Puts `plugin` into the pipeline of `source`, where a plugin of its name or, with `force`, the only one of its kind is.
/// What is in the source's quarantine is tried with it before; the source is bound where nothing becomes worse, or with
/// `force`; or it is tried beside the source's pipeline. Answers what was said.
async fn bind(
    client: &Client,
    log: &Log,
    source: &str,
    plugin: &Plugin,
    new: &New,
    canary: Option<u8>,
    force: bool,
) -> Result<String, Failure> {
    let bound = log.source(source).await?;
    let known = all(async |page| client.plugins(page).await).await?;
    let named = |digest: &str| {
        known.iter().any(|known| known.digest.to_string() == digest && known.name == plugin.name)
    };
    let name = |digest: &str| {
        let of = known.iter().find(|known| known.digest.to_string() == digest);
        of.map_or_else(|| digest.to_owned(), |known| format!("{}@{}", known.name, known.version))
    };
    let present = bound.pipeline;
    let (pipeline, before) = replaced(bound, plugin, new, named)?;
    if !named(&before) && !force {
        return Err(Failure::usage(format!(
            "{source} has no plugin called {}; `--force` puts it in place of {}",
            plugin.name,
            name(&before)
        )));
    }
    let before = name(&before);
    if let Some(percent) = canary {
        log.put_canary(source, &pipeline, percent).await?;
        return Ok(format!(
            "{source} is bound as before; over {percent} of 100 batches it is tried in place of {before}: `cairnlog source canary show {source}`"
        ));
    }
    let dry = Retry { source: Some(source.to_owned()), dry_run: true, ..Retry::default() };
    let as_it_is = log.retry(&dry).await?;
    let tried = log.retry(&Retry { pipeline: Some(pipeline.clone()), ..dry }).await?;
    let records = tried.results.len() as u64;
    let not_understood = records.saturating_sub(tried.logged + tried.skipped + tried.held);
    let words = format!(
        "of {records} raw records in quarantine it would log {}, skip {} and still not understand {not_understood}",
        tried.logged, tried.skipped
    );
    let worse = worse(&as_it_is, &tried);
    if worse > 0 && !force {
        return Err(Failure::refused(format!(
            "{words}, {worse} of which the present pipeline understands; nothing was bound: `--force` does it all the same"
        )));
    }
    let bound = log.put_source(source, &pipeline).await?;
    if bound.pipeline == present {
        return Ok(format!("{source} was bound to this very pipeline already: nothing has changed; {words}"));
    }
    Ok(format!(
        "{source} is bound to pipeline {}, entry {}, in place of {before}; {words}",
        bound.pipeline, bound.pipeline_index
    ))
}

/// How many raw records one pipeline understands and the other does not.
fn worse(before: &RetryAnswer, after: &RetryAnswer) -> usize {
    let is_understood = |row: &&Retried| ["logged", "skipped"].contains(&row.status.as_str());
    let understood: BTreeSet<u64> = after.results.iter().filter(is_understood).map(|row| row.index).collect();
    before.results.iter().filter(is_understood).filter(|row| !understood.contains(&row.index)).count()
}

fn replaced(
    bound: Source,
    plugin: &Plugin,
    new: &New,
    named: impl Fn(&str) -> bool,
) -> Result<(Pipeline, String), Failure> {
    let Source { normalizer: Some(mut normalizer), mut redactors, retention: Some(mut retention), .. } =
        bound
    else {
        return Err(Failure::cannot_tell("the server does not show the source's stages"));
    };
    let is_of = |kind: &str| plugin.kinds.iter().any(|known| known == kind);
    let before = if named(&normalizer.plugin)
        || (is_of("normalizer") && !is_of("redactor") && !is_of("retention"))
    {
        replace(&mut normalizer, new)
    } else if let Some(stage) = redactors.iter_mut().find(|stage| named(&stage.plugin)) {
        replace(stage, new)
    } else if named(&retention.plugin) || is_of("retention") {
        replace(&mut retention, new)
    } else if let [only] = redactors.as_mut_slice() {
        replace(only, new)
    } else {
        return Err(Failure::usage(format!(
            "the pipeline has {} redactors and none is called {}: `cairnlog source set` says which is to be where",
            redactors.len(),
            plugin.name
        )));
    };
    Ok((Pipeline { normalizer, redactors, retention }, before))
}

/// Answers which plugin was there.
fn replace<P>(stage: &mut Stage<P>, new: &New) -> String {
    if new.config.is_some() {
        stage.config.clone_from(&new.config);
    }
    std::mem::replace(&mut stage.plugin, new.digest.clone())
}

/// The components to push: files, or the one of the project in this folder.
pub(super) fn components(files: Vec<PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    if !files.is_empty() {
        return Ok(files);
    }
    let (project, _) = super::built(Path::new("."))?;
    Ok(vec![project.component()])
}

/// Whom the server trusts of those who signed; else whom the signature names.
pub(super) fn signed_by(plugin: &Plugin) -> String {
    if !plugin.signed_by.is_empty() {
        return plugin.signed_by.join(" ");
    }
    let named = plugin.signature.as_deref().map(sign::signers).unwrap_or_default();
    named.into_iter().map(|name| format!("{name} (unchecked)")).collect::<Vec<_>>().join(" ")
}

impl Shown for Uploaded {
    const COLUMNS: &'static [&'static str] =
        &["plugin", "kinds", "new", "compiled in", "signed by", "digest"];

    fn cells(&self) -> Vec<String> {
        let plugin = &self.plugin;
        let new = if self.new { "yes" } else { "no" };
        vec![
            format!("{}@{}", plugin.name, plugin.version),
            plugin.kinds.join(" "),
            new.to_owned(),
            format!("{} ms", plugin.compile_ms),
            signed_by(plugin),
            plugin.digest.to_string(),
        ]
    }

    fn json(&self) -> Json {
        let mut plugin = self.plugin.json();
        plugin["new"] = self.new.into();
        if !self.samples.is_empty() {
            plugin["samples"] = self.samples.iter().map(Shown::json).collect();
        }
        plugin
    }
}

impl Shown for SampledPlugin {
    const COLUMNS: &'static [&'static str] =
        &["sample", "count", "class", "fuel", "of", "memory bytes", "reason"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.outcome.clone(),
            self.count.map_or_else(|| "-".to_owned(), |count| count.to_string()),
            self.class.clone().unwrap_or_else(|| "-".to_owned()),
            self.fuel.to_string(),
            self.fuel_max.to_string(),
            self.memory_bytes.to_string(),
            self.reason.clone().unwrap_or_default(),
        ]
    }

    fn json(&self) -> Json {
        json!({
            "outcome": self.outcome,
            "reason": self.reason,
            "count": self.count,
            "class": self.class,
            "fuel": self.fuel,
            "fuel_max": self.fuel_max,
            "memory_bytes": self.memory_bytes,
        })
    }
}
