//! A whole ledger over a directory and an engine.

use std::path::Path;
use std::sync::Arc;

use cairnlog_host::{Host, HostLimits};
use cairnlog_ledger::handles::{OsRandom, SystemClock};
use cairnlog_ledger::limits::{KEYRING_BACKUP_DAYS, RECORD_BYTES_DEFAULT};
use cairnlog_ledger::{Config, Ledger, LedgerError};
use cairnlog_store::Engine;
use cairnlog_store::datadir::DataDir;
use cairnlog_store::kept::KeptHeads;
use cairnlog_store::secrets::KekSources;
use cairnlog_tlog::SharedWriter;

pub(crate) async fn open(dir: &Path, engine: Arc<dyn Engine>) -> Ledger {
    try_open(dir, engine).await.unwrap()
}

pub(crate) async fn try_open(dir: &Path, engine: Arc<dyn Engine>) -> Result<Ledger, LedgerError> {
    let writer = SharedWriter::from(engine.claim().await.unwrap());
    let config = Config {
        dir: Arc::new(DataDir::open(dir).unwrap()),
        witnesses: Arc::new(|_| None),
        heads: KeptHeads::open(&dir.join("heads")).unwrap(),
        engine,
        writer,
        host: Host::new(HostLimits::default()).unwrap(),
        clock: Arc::new(SystemClock::default()),
        random: Arc::new(OsRandom),
        public_host: "log.example".to_owned(),
        workers: 1,
        record_bytes_max: RECORD_BYTES_DEFAULT,
        plugin_keys: Vec::new(),
        keks: KekSources::default(),
        keyring_backup_days: KEYRING_BACKUP_DAYS,
        archive: None,
    };
    Ledger::open(config).await
}
