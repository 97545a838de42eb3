//! `plugin push --source`: a new version of a plugin takes the old one's place in a pipeline, after it was tried.

use std::path::{Path, PathBuf};

use cairnlog_client::{Client, Log, Pipeline, Plugin, Retry, Source, Stage};
use serde_json::Value as Json;

use crate::cli::connect::all;
use crate::cli::exit::Failure;

/// A plugin as a stage names it, and its stage's config.
struct New {
    digest: String,
    config: Option<Json>,
}

/// Puts `plugin` into the pipeline of `source`, where a plugin of its name or, with `force`, the only one of its kind is.
/// What is in the source's quarantine is tried with it before; the source is bound where nothing becomes worse, or with
/// `force`. Answers what was said.
pub(super) async fn bind(
    client: &Client,
    log: &Log,
    source: &str,
    plugin: &Plugin,
    config: Option<Json>,
    force: bool,
) -> Result<String, Failure> {
    let bound = log.source(source).await?;
    let known = all(async |page| client.plugins(page).await).await?;
    let named = |digest: &str| {
        known.iter().any(|known| known.digest.to_string() == digest && known.name == plugin.name)
    };
    let new = New { digest: plugin.digest.to_string(), config };
    let name = |digest: &str| {
        let of = known.iter().find(|known| known.digest.to_string() == digest);
        of.map_or_else(|| digest.to_owned(), |known| format!("{}@{}", known.name, known.version))
    };
    let (pipeline, before) = replaced(bound, plugin, &new, named)?;
    if !named(&before) && !force {
        return Err(Failure::usage(format!(
            "{source} has no plugin called {}; `--force` puts it in place of {}",
            plugin.name,
            name(&before)
        )));
    }
    let before = name(&before);
    let dry = Retry {
        source: Some(source.to_owned()),
        dry_run: true,
        pipeline: Some(pipeline.clone()),
        ..Retry::default()
    };
    let tried = log.retry(&dry).await?;
    let (records, rejected) =
        (tried.results.len(), tried.results.iter().filter(|row| row.status == "rejected").count());
    let words = format!(
        "of {records} raw records in quarantine it would log {}, skip {} and still not understand {}",
        tried.logged, tried.skipped, tried.quarantined
    );
    if rejected > 0 && !force {
        return Err(Failure::refused(format!(
            "{words}, and refuse the requests of {rejected}; nothing was bound: `--force` does it all the same"
        )));
    }
    let bound = log.put_source(source, &pipeline).await?;
    Ok(format!(
        "{source} is bound to pipeline {}, entry {}, in place of {before}; {words}",
        bound.pipeline, bound.pipeline_index
    ))
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
