//! The shipped sample logs, the configs of their pipelines and the built plugins.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use cairnlog_client::{ClassSettings, ContentType};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::Failure;
use crate::cli::batch::{Batch, Cutter};

/// The plugins, by the names of their files.
const PLUGINS: [&str; 5] =
    ["aws-cloudtrail", "kubernetes-audit", "web-access", "redact-fields", "retention-schedule"];

/// A sample log and where it goes. Configs are named after the normalizer.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    /// The source.
    pub(super) source: &'static str,
    /// The plugin that understands it.
    pub(super) normalizer: &'static str,
    /// What it is, in words.
    pub(super) words: &'static str,
    /// The file.
    pub(super) file: &'static str,
    pub(super) content_type: ContentType,
}

const SAMPLES: [Sample; 3] = [
    Sample {
        source: "aws",
        normalizer: "aws-cloudtrail",
        words: "the cloud account",
        file: "examples/logs/aws-cloudtrail.ndjson",
        content_type: ContentType::Ndjson,
    },
    Sample {
        source: "kubernetes",
        normalizer: "kubernetes-audit",
        words: "the cluster that payroll runs on",
        file: "examples/logs/kubernetes-audit.ndjson",
        content_type: ContentType::Ndjson,
    },
    Sample {
        source: "hr-portal",
        normalizer: "web-access",
        words: "the HR portal's web server",
        file: "examples/logs/web-access.log",
        content_type: ContentType::Text,
    },
];

/// A sample log, cut in two, with the configs of its pipeline.
pub(super) struct Stream {
    pub(super) sample: Sample,
    pub(super) redact: Value,
    pub(super) retention: Value,
    pub(super) halves: Vec<Batch>,
}

/// All of it.
pub(super) struct Samples {
    /// Name and component.
    pub(super) plugins: Vec<(&'static str, Vec<u8>)>,
    pub(super) classes: BTreeMap<String, ClassSettings>,
    pub(super) streams: Vec<Stream>,
}

impl Samples {
    /// Reads everything, from below the current directory.
    pub(super) fn load() -> Result<Self, Failure> {
        let plugins = PLUGINS
            .into_iter()
            .map(|name| Ok((name, read(&format!("target/plugins/{name}.wasm"))?)))
            .collect::<Result<_, Failure>>()?;
        let classes = json("examples/pipelines/classes.json")?;
        let streams = SAMPLES.into_iter().map(Stream::load).collect::<Result<_, _>>()?;
        Ok(Self { plugins, classes, streams })
    }

    /// The component of that name.
    pub(super) fn plugin(&self, name: &str) -> Option<&[u8]> {
        self.plugins.iter().find(|(plugin, _)| *plugin == name).map(|(_, wasm)| wasm.as_slice())
    }
}

impl Stream {
    fn load(sample: Sample) -> Result<Self, Failure> {
        let config = |part: &str| json(&format!("examples/pipelines/{}.{part}.json", sample.normalizer));
        let halves = halve(&read(sample.file)?, sample)?;
        Ok(Self { sample, redact: config("redact")?, retention: config("retention")?, halves })
    }
}

/// Two requests, so that the tree grows twice.
fn halve(text: &[u8], sample: Sample) -> Result<Vec<Batch>, Failure> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    let mut cutter = Cutter::new(text, sample.source, sample.content_type, lines.div_ceil(2).max(1));
    let cut = std::iter::from_fn(|| cutter.next().transpose()).collect::<Result<_, _>>();
    cut.map_err(|error| Failure::cannot_tell(error.to_string()).during(sample.file))
}

fn json<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::cannot_tell(format!("{path} can't be used: {error}")))
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::cannot_tell(format!(
            "there is no {path} here; run the demo from the repository's root, best with `make run`, which builds the plugins first"
        )),
        _ => Failure::file(Path::new(path), &error),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_sample_is_cut_in_two_and_nothing_is_lost() {
        for (text, sizes) in [("a\nb\nc\n", vec![2, 1]), ("a\nb\n", vec![1, 1]), ("a", vec![1])] {
            let halves = halve(text.as_bytes(), SAMPLES[0]).unwrap();
            assert_eq!(halves.iter().map(|half| half.lines.len()).collect::<Vec<_>>(), sizes, "{text}");
            let bodies: Vec<u8> = halves.into_iter().flat_map(|half| half.body).collect();
            assert_eq!(bodies, text.as_bytes());
        }
    }
}
