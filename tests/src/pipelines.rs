//! The pipelines of `examples/`, and a plain one that takes nothing away.

use cairnlog_client::{Bound, Client, ContentType, Ingest, IngestAnswer, Log, NewLog, Pipeline, Stage};
use serde_json::{Value, json};

use crate::paths;

/// One of the example logs. Its normalizer, its source and its configs are named alike.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The name that they share.
    pub name: &'static str,
    /// The file below `examples/`.
    pub file: &'static str,
    /// How the file is cut into raw records.
    pub content_type: ContentType,
}

/// All of them.
pub const EXAMPLES: [Example; 3] = [
    Example { name: "aws-cloudtrail", file: "logs/aws-cloudtrail.ndjson", content_type: ContentType::Ndjson },
    Example {
        name: "kubernetes-audit",
        file: "logs/kubernetes-audit.ndjson",
        content_type: ContentType::Ndjson,
    },
    Example { name: "web-access", file: "logs/web-access.log", content_type: ContentType::Text },
];

/// The built-in plugins.
pub const PLUGINS: [&str; 5] =
    ["aws-cloudtrail", "kubernetes-audit", "web-access", "redact-fields", "retention-schedule"];

impl Example {
    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        paths::example(self.file)
    }

    /// Sends the file to the source of its name.
    pub async fn ingest(&self, log: &Log) -> IngestAnswer {
        let body = Ingest::new(self.content_type, self.bytes());
        log.ingest(self.name, body).await.expect("the examples are taken")
    }
}

/// Creates a log.
pub async fn log(client: &Client, name: &str) -> Log {
    client.create_log(&NewLog::new(name)).await.expect("a new log");
    client.log(name).expect("a name")
}

/// Uploads a built-in plugin; its digest.
pub async fn plugin(client: &Client, name: &str) -> String {
    let uploaded = client.upload_plugin(paths::plugin(name)).await;
    uploaded.unwrap_or_else(|error| panic!("{name}: {error}")).plugin.digest.to_string()
}

/// A log with the three example sources, their plugins and classes.
pub async fn examples(client: &Client, name: &str) -> Log {
    let log = log(client, name).await;
    let classes = paths::example_json("pipelines/classes.json");
    for (class, settings) in classes.as_object().expect("classes by name") {
        let settings = serde_json::from_value(settings.clone()).expect("a class");
        log.put_class(class, &settings).await.expect("a class");
    }
    let (redact, retain) =
        (plugin(client, "redact-fields").await, plugin(client, "retention-schedule").await);
    for Example { name, .. } in EXAMPLES {
        let config = |kind: &str| Some(paths::example_json(&format!("pipelines/{name}.{kind}.json")));
        let pipeline = Pipeline {
            normalizer: Stage::new(plugin(client, name).await, None),
            redactors: vec![Stage::new(&redact, config("redact"))],
            retention: Stage::new(&retain, config("retention")),
        };
        log.put_source(name, &pipeline).await.expect("a source");
    }
    log
}

/// The stages of a pipeline without redaction, as JSON, with every record in the class `default`. Uploads its plugins.
pub async fn plain_json(client: &Client, normalizer: &str) -> Value {
    let normalizer = plugin(client, normalizer).await;
    let retention = plugin(client, "retention-schedule").await;
    json!({
        "normalizer": {"plugin": normalizer},
        "retention": {"plugin": retention, "config": {"rules": [{"class": "default"}]}},
    })
}

/// Binds `source` to that pipeline.
pub async fn plain(client: &Client, log: &Log, source: &str, normalizer: &str) -> Bound {
    let pipeline = serde_json::from_value(plain_json(client, normalizer).await).expect("a pipeline");
    log.put_source(source, &pipeline).await.expect("a source")
}
