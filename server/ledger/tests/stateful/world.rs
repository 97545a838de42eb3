//! A ledger with a log, plugins and a source, and what tests do with it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cairnlog_host::{Host, HostLimits};
use cairnlog_ledger::handles::{Clock, OsRandom};
use cairnlog_ledger::limits::{KEYRING_BACKUP_DAYS, RECORD_BYTES_DEFAULT};
use cairnlog_ledger::{
    Answer, Archive, Config, Idempotency, Ingest, Ledger, LedgerError, Log, NewLog, Policy, SourceSpec,
    StageSpec,
};
use cairnlog_store::datadir::DataDir;
use cairnlog_store::faulty::FaultyEngine;
use cairnlog_store::kept::KeptHeads;
use cairnlog_store::memory::MemoryEngine;
use cairnlog_store::secrets::KekSources;
use cairnlog_store::{Batch, Engine, Family, Scan};
use cairnlog_tlog::SharedWriter;
use cairnlog_verify::note::VerifierKey;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// 2026-11-23T09:00:00Z.
pub(crate) const MORNING_MS: u64 = 1_795_424_400_000;
pub(crate) const DAY_MS: u64 = 86_400_000;

/// A clock that stands until it is set.
pub(crate) struct Hands(AtomicU64);

impl Hands {
    pub(crate) fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) faulty: Arc<FaultyEngine>,
    pub(crate) clock: Arc<Hands>,
    /// Where what is swept goes before, from the next opening on.
    pub(crate) archive: Option<Archive>,
    /// Whose plugins are taken, from the next opening on.
    pub(crate) plugin_keys: Vec<VerifierKey>,
    engine: Arc<dyn Engine>,
    ledger: Option<Ledger>,
}

/// One host for all tests: it reserves address space.
fn host() -> Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(HostLimits::default()).unwrap()).clone()
}

/// The component of a built-in plugin.
pub(crate) fn wasm(name: &str) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/plugins/{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|_| panic!("{} is missing: run `make plugins` first", path.display()))
        .into()
}

pub(crate) fn named(name: &str) -> NewLog {
    NewLog::named(name)
}

pub(crate) fn stage(plugin: &str, config: Option<Json>) -> StageSpec {
    StageSpec { plugin: format!("{plugin}@0.1.0"), config, on_error: Policy::Quarantine }
}

/// Everything in the class `default`, nothing taken away.
pub(crate) fn plain(normalizer: &str) -> SourceSpec {
    let rules = json!({"rules": [{"class": "default"}]});
    SourceSpec {
        normalizer: stage(normalizer, None),
        redactors: Vec::new(),
        retention: stage("retention-schedule", Some(rules)),
    }
}

/// A request of `CloudTrail` records to the source `aws`.
pub(crate) fn request(records: &[String]) -> Ingest {
    Ingest {
        source: "aws".to_owned(),
        content_type: "application/json".to_owned(),
        attributes: Vec::new(),
        records: records.iter().map(|record| Bytes::from(record.clone())).collect(),
        token: "0011223344556677".to_owned(),
        idempotency: None,
        openings: false,
    }
}

/// The same with an Idempotency-Key.
pub(crate) fn keyed(key: &str, records: &[String]) -> Ingest {
    let body = Bytes::from(records.join("\n"));
    Ingest { idempotency: Some(Idempotency { key: key.to_owned(), body }), ..request(records) }
}

/// A `CloudTrail` record of someone reading a file.
pub(crate) fn record(id: &str, user: &str, time: &str) -> String {
    json!({
        "eventVersion": "1.10",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDA1", "arn": format!("arn:aws:iam::111122223333:user/{user}"),
            "accountId": "111122223333", "userName": user},
        "eventTime": time, "eventSource": "ec2.amazonaws.com", "eventName": "DescribeInstances",
        "awsRegion": "eu-central-1", "sourceIPAddress": "192.0.2.1", "userAgent": "aws-cli/2.22 exec/x86_64",
        "requestID": "r1", "eventID": id, "readOnly": true, "eventType": "AwsApiCall", "managementEvent": true,
        "recipientAccountId": "111122223333",
    })
    .to_string()
}

/// So many of them, each with an id of its own.
pub(crate) fn records(ids: std::ops::Range<u32>) -> Vec<String> {
    ids.map(|id| record(&format!("id-{id}"), &format!("user-{}", id % 7), "2026-11-23T08:59:58Z")).collect()
}

impl World {
    /// With no log.
    pub(crate) async fn empty() -> Self {
        let faulty = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::new())));
        Self::over(Arc::clone(&faulty) as Arc<dyn Engine>, faulty).await
    }

    /// Over `engine`, which may wrap `faulty`.
    pub(crate) async fn over(engine: Arc<dyn Engine>, faulty: Arc<FaultyEngine>) -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(Hands(AtomicU64::new(MORNING_MS))));
        let mut world =
            Self { dir, faulty, clock, archive: None, plugin_keys: Vec::new(), engine, ledger: None };
        world.open().await;
        world
    }

    /// With the log `hr`, and in it the source `aws`.
    pub(crate) async fn new() -> Self {
        let world = Self::empty().await;
        world.furnish().await;
        world
    }

    /// Uploads the plugins, creates the log `hr` and binds the source `aws`.
    pub(crate) async fn furnish(&self) {
        for name in ["aws-cloudtrail", "retention-schedule"] {
            self.upload(name).await;
        }
        self.ledger().create_log(named("hr"), "op").await.unwrap();
        self.log().put_source("aws", plain("aws-cloudtrail"), "op").await.unwrap();
    }

    pub(crate) async fn upload(&self, name: &str) -> cairnlog_ledger::PluginInfo {
        self.ledger().upload_plugin(wasm(name), "op").await.unwrap().0
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    pub(crate) fn log(&self) -> Arc<Log> {
        self.ledger().log("hr").unwrap()
    }

    pub(crate) fn size(&self) -> u64 {
        self.log().tree().head().checkpoint.size
    }

    pub(crate) async fn send(&self, records: &[String]) -> Result<Answer, LedgerError> {
        self.log().ingest(request(records)).await
    }

    /// Shuts the ledger down and opens it anew over the same store and keys.
    pub(crate) async fn reopen(&mut self) {
        let ledger = self.ledger.take().unwrap();
        ledger.shutdown().await;
        drop(ledger);
        self.open().await;
    }

    async fn open(&mut self) {
        let dir = Arc::new(DataDir::open(self.dir.path()).unwrap());
        // The store is in memory; without any file in its place it would count as lost once there are keys.
        std::fs::write(dir.db().join("elsewhere"), "").unwrap();
        let config = Config {
            witnesses: Arc::new(|_| None),
            heads: KeptHeads::open(&dir.root().join("heads")).unwrap(),
            dir,
            writer: SharedWriter::from(self.engine.claim().await.unwrap()),
            engine: Arc::clone(&self.engine),
            host: host(),
            clock: self.clock.clone(),
            random: Arc::new(OsRandom),
            public_host: "log.example".to_owned(),
            workers: 2,
            record_bytes_max: RECORD_BYTES_DEFAULT,
            plugin_keys: self.plugin_keys.clone(),
            keks: KekSources::default(),
            keyring_backup_days: KEYRING_BACKUP_DAYS,
            archive: self.archive.clone(),
        };
        self.ledger = Some(Ledger::open(config).await.unwrap());
    }

    /// All rows of a family.
    pub(crate) async fn rows(&self, family: Family) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.engine.scan(Scan::prefix(family, Vec::new(), 10_000)).await.unwrap()
    }

    /// Changes a row behind the ledger's back.
    pub(crate) async fn put(&self, family: Family, key: &[u8], value: Option<&[u8]>) {
        let writer = self.engine.claim().await.unwrap();
        let mut batch = Batch::new();
        match value {
            Some(value) => batch.put(family, key, value),
            None => batch.delete(family, key),
        }
        self.engine.commit(&writer, batch).await.unwrap();
    }

    pub(crate) async fn row(&self, family: Family, key: &[u8]) -> Option<Vec<u8>> {
        self.engine.get(family, key).await.unwrap()
    }
}

/// Opens every entry of a log, which checks each payload against what its entry commits to (I9); the ids of its events.
pub(crate) async fn open_everything(log: &Log) -> Vec<(u64, String)> {
    let mut ids = Vec::new();
    for index in 0..log.tree().head().checkpoint.size {
        let record = log.record(index).await.unwrap();
        if let Some(id) = record.event["metadata"]["uid"].as_str() {
            ids.push((index, id.to_owned()));
        }
    }
    ids
}
