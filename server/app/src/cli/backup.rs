//! `backup`, `restore`: copies of what a server keeps, and their way back.

use std::path::PathBuf;
use std::sync::Arc;

use cairnlog_client::Backup;
use cairnlog_ledger::handles::{Clock as _, SystemClock};
use cairnlog_store::datadir::DataDir;
use cairnlog_store::rocks::RocksEngine;
use serde_json::{Value, json};

use super::connect::Connection;
use super::exit::{Exit, Failure};
use super::output::{Output, Shown};
use crate::backup::{Places, Restored, Taken, Wanted, restore, take};
use crate::config::{self, Flags};

const BACKUP_EXAMPLES: &str = "\
The store, the keyrings and the secrets go to three places, none of them within another. The store alone opens nothing,
and neither does a keyring without its key-encryption key. A copy of a keyring opens what was erased since, so copies
older than keyring_backup_days are deleted from its place by the next backup: run it every day, and delete with the same
patience what you copy on from there.

--secrets-to copies the signing keys and, where files have them, the key-encryption keys IN THE CLEAR. Without them a lost
disk ends the log, or its records: copy them once, and after each rotation, to where neither of the others is. Whoever has
all three places reads every record.

Without --data the server at --server makes the copies, role admin, in the places of its settings backup_to and
keyring_backup_to.

Examples:
  cairnlog backup --data data/main --to /mnt/a/store --keys-to /mnt/b/keyrings
  cairnlog backup --data data/main --secrets-to /media/usb/secrets
  cairnlog backup --server http://127.0.0.1:8080";

const RESTORE_EXAMPLES: &str = "\
Of each log's keyring the newest is taken, be it the one that is in the directory: an older one opens what was erased
since. --older-keyring takes the one that you name all the same; then erase again what was erased since, before anyone is
let in. A store that is there is set aside, never deleted.

What was written after the store was copied is gone, and what was asked to be erased since has to be asked for again. If a
newer tree head was published, the log must not go on: a server refuses to start where it knows of one.

Examples:
  cairnlog restore --data data/main --from /mnt/a/store/store-20261128T142233Z
  cairnlog restore --data data/new --from /mnt/a/store/store-20261128T142233Z --keys-from /mnt/b/keyrings --secrets-from /media/usb/secrets";

#[derive(clap::Args)]
#[command(after_help = BACKUP_EXAMPLES)]
pub(super) struct BackupArgs {
    /// The data directory of a server that is not running.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the copy of the store goes, in a directory of its own there.
    #[arg(long, value_name = "DIR", requires = "data")]
    to: Option<PathBuf>,
    /// Where the copies of the keyrings go.
    #[arg(long, value_name = "DIR", requires = "data")]
    keys_to: Option<PathBuf>,
    /// Where copies of signing keys and key-encryption keys go, in the clear.
    #[arg(long, value_name = "DIR", requires = "data")]
    secrets_to: Option<PathBuf>,
    /// The server's TOML file with settings.
    #[arg(long, value_name = "FILE", requires = "data")]
    config: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(clap::Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub(super) struct RestoreArgs {
    /// The data directory: a new one, or that of a server that is not running.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A copy of the store, `store-…`; without, the store that is there stays.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["keys_from", "secrets_from", "older_keyring"])]
    from: Option<PathBuf>,
    /// Where copies of keyrings are.
    #[arg(long, value_name = "DIR")]
    keys_from: Option<PathBuf>,
    /// Where copies of signing keys and key-encryption keys are.
    #[arg(long, value_name = "DIR")]
    secrets_from: Option<PathBuf>,
    /// A copy of a keyring to take though there may be a newer one. May be repeated, for several logs.
    #[arg(long, value_name = "FILE")]
    older_keyring: Vec<PathBuf>,
    /// The server's TOML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    output: Output,
}

pub(super) async fn run_backup(args: BackupArgs) -> Result<Exit, Failure> {
    let output = args.connection.output;
    let Some(data) = args.data else {
        let made = args.connection.client()?.create_backup().await?;
        output.one(&mut std::io::stdout(), &made)?;
        return Ok(Exit::Good);
    };
    let flags = Flags { data: Some(data), file: args.config, ..Flags::default() };
    let settings = config::load(&flags, config::env).map_err(|error| Failure::usage(error.to_string()))?;
    let places = Places { store: args.to, keyrings: args.keys_to, secrets: args.secrets_to };
    let root = settings.data.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let dir = DataDir::open_existing(&root)?;
        let engine = RocksEngine::open(&dir.db())?;
        Ok::<_, Failure>((Arc::new(dir), engine))
    });
    let (dir, engine) = opened.await.map_err(|gone| Failure::cannot_tell(gone.to_string()))??;
    let now_ms = SystemClock::default().now_ms();
    let taken = take(&engine, &dir, &places, settings.keyring_backup_days, now_ms).await?;
    if places.store.is_some() && places.keyrings.is_none() {
        eprintln!(
            "note: the keyrings were not copied, and without them no record of the store opens: name --keys-to"
        );
    }
    if places.secrets.is_some() {
        eprintln!(
            "note: what is in the place of secrets lies there in the clear: with it, a keyring and the store every record \
             can be read, and with the signing keys alone another history of the logs can be signed"
        );
    }
    output.one(&mut std::io::stdout(), &taken)?;
    Ok(Exit::Good)
}

pub(super) async fn run_restore(args: RestoreArgs) -> Result<Exit, Failure> {
    let flags = Flags { data: Some(args.data), file: args.config, ..Flags::default() };
    let settings = config::load(&flags, config::env).map_err(|error| Failure::usage(error.to_string()))?;
    let keks = settings.keks.clone();
    let sources = tokio::task::spawn_blocking(move || keks.open()).await;
    let sources = sources.map_err(|gone| Failure::cannot_tell(gone.to_string()))??;
    let is_older = !args.older_keyring.is_empty();
    let wanted = Wanted {
        data: settings.data,
        store: args.from,
        keyrings: args.keys_from,
        secrets: args.secrets_from,
        older: args.older_keyring,
        now_ms: SystemClock::default().now_ms(),
    };
    let restored = restore(wanted, sources).await?;
    args.output.list(&mut std::io::stdout(), &restored)?;
    if is_older {
        eprintln!(
            "note: an older keyring opens again what was erased since it was copied: erase that again before anyone is let \
             in, then delete the copy"
        );
    }
    if restored.iter().any(|log| log.closed > 0) {
        eprintln!(
            "note: records do not open whose page was destroyed after the store was copied, for something on it was erased; \
             a keyring from before opens them, and what was erased (--older-keyring)"
        );
    }
    let is_whole = restored.iter().all(|log| log.failure.is_none());
    Ok(if is_whole { Exit::Good } else { Exit::Incomplete })
}

impl Shown for Taken {
    const COLUMNS: &'static [&'static str] = &["taken", "store", "keyrings", "secrets", "expired"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.stamp.to_string(),
            self.store.clone().unwrap_or_default(),
            self.keyrings.to_string(),
            self.secrets.to_string(),
            self.expired.join(" "),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "taken": self.stamp.rfc3339(),
            "store": self.store,
            "keyrings": self.keyrings,
            "secrets": self.secrets,
            "expired": self.expired,
        })
    }
}

impl Shown for Backup {
    const COLUMNS: &'static [&'static str] = &["taken", "store", "keyrings", "expired"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.taken.clone(),
            self.store.clone().unwrap_or_default(),
            self.keyrings.to_string(),
            self.expired.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({"taken": self.taken, "store": self.store, "keyrings": self.keyrings, "expired": self.expired})
    }
}

impl Shown for Restored {
    const COLUMNS: &'static [&'static str] = &["log", "keyring", "epoch", "do not open", "result"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.log.clone(),
            self.from.clone().unwrap_or_else(|| "the one that was there".to_owned()),
            self.epoch.to_string(),
            self.closed.to_string(),
            self.failure.clone().unwrap_or_else(|| "its keys open".to_owned()),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "log": self.log,
            "keyring": self.from,
            "epoch": self.epoch,
            "closed": self.closed,
            "failure": self.failure,
        })
    }
}
