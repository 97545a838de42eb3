//! `key rotate`, `key create`: the keys that wrap keyrings.

use std::path::{Path, PathBuf};

use cairnlog_client::KekInfo;
use cairnlog_ledger::stored_logs;
use cairnlog_store::datadir::DataDir;
use cairnlog_store::rocks::RocksEngine;
use cairnlog_store::secrets::{LogKeys, SecretsError, TokenKeks};
use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::Connection;
use super::exit::{Exit, Failure};
use super::output::Shown;
use crate::config::{self, Flags};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Let a fresh key-encryption key wrap a log's keyring, and destroy the one before (role admin). Records are not touched.
    #[command(
        after_help = "A copy of the keyring from before opens under a copy of the key from before alone.\n\nExamples:\n  cairnlog key rotate hr\n  cairnlog key rotate hr --data data/main"
    )]
    Rotate {
        /// The log's name.
        name: String,
        /// The data directory of a server that is not running, instead of one that is.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The server's TOML file with settings.
        #[arg(long, value_name = "FILE", requires = "data")]
        config: Option<PathBuf>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Make the key that `pkcs11_key` names in the PKCS#11 token of the settings: AES-256, and such that it never leaves it.
    #[command(after_help = "Example:\n  cairnlog key create --config cairnlog.toml")]
    Create {
        /// The server's TOML file with settings.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Rotate { name, data, config, connection } => {
            let rotated = match data {
                Some(data) => rotate_in(&data, config, &name).await?,
                None => connection.client()?.log(&name)?.rotate_kek().await?,
            };
            connection.output.one(&mut std::io::stdout(), &rotated)?;
        }
        Command::Create { config } => {
            let settings = config::keks(config, config::env).map_err(|e| Failure::usage(e.to_string()))?;
            let words =
                "the settings name no PKCS#11 token: set pkcs11_module, pkcs11_token, pkcs11_key and the PIN";
            let token = settings.token().cloned().ok_or_else(|| Failure::usage(words))?;
            let made = tokio::task::spawn_blocking(move || TokenKeks::create_key(token)).await;
            made.map_err(|gone| Failure::cannot_tell(gone.to_string()))??;
            eprintln!(
                "note: whoever loses this key loses every record whose keyring it wraps; back the token up"
            );
        }
    }
    Ok(Exit::Good)
}

/// Rotates in the directory of a server that does not run.
async fn rotate_in(data: &Path, file: Option<PathBuf>, name: &str) -> Result<KekInfo, Failure> {
    let flags = Flags { data: Some(data.to_path_buf()), file, ..Flags::default() };
    let settings = config::load(&flags, config::env).map_err(|e| Failure::usage(e.to_string()))?;
    let opened = tokio::task::spawn_blocking(move || {
        let dir = DataDir::open_existing(&settings.data)?;
        let engine = RocksEngine::open_read_only(&dir.db())?;
        Ok::<_, Failure>((dir, engine, settings.keks.open()?))
    });
    let (dir, engine, sources) = opened.await.map_err(|gone| Failure::cannot_tell(gone.to_string()))??;
    let logs = stored_logs(&engine).await.map_err(|error| Failure::cannot_tell(error.to_string()))?;
    let log = logs.into_iter().find(|log| log.name == name);
    let log = log.ok_or_else(|| Failure::refused(format!("{} has no log {name:?}", data.display())))?;
    let rotated = tokio::task::spawn_blocking(move || {
        let keys = LogKeys::open(&dir.log_keys(&log.name)?, &log.origin, &sources)?;
        keys.rotate_kek()?;
        Ok::<_, Failure>(KekInfo { kek: keys.kek(), keyring_epoch: keys.epoch() })
    });
    rotated.await.map_err(|gone| Failure::cannot_tell(gone.to_string()))?
}

impl Shown for KekInfo {
    const COLUMNS: &'static [&'static str] = &["key", "keyring epoch"];

    fn cells(&self) -> Vec<String> {
        vec![self.kek.clone(), self.keyring_epoch.to_string()]
    }

    fn json(&self) -> Value {
        json!({"kek": self.kek, "keyring_epoch": self.keyring_epoch})
    }
}

impl From<SecretsError> for Failure {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::Missing(_) | SecretsError::NoKek { .. } => Self::incomplete(error.to_string()),
            SecretsError::Unwrap { .. } | SecretsError::RotatedElsewhere(_) => {
                Self::refused(error.to_string())
            }
            _ => Self::cannot_tell(error.to_string()),
        }
    }
}
