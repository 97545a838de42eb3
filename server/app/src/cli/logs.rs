//! `log create`, `log rotate`, `log freeze`, `log list`.

use std::path::{Path, PathBuf};

use cairnlog_client::{LogInfo, Mode, NewKeys, NewLog, Secret};
use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::{Connection, all};
use super::exit::{Exit, Failure};
use super::output::Shown;
use super::sources::read_small;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a log, with signing keys of its own (role admin).
    #[command(
        after_help = "Examples:\n  cairnlog log create hr\n  cairnlog log create plain --mode opaque --private"
    )]
    Create {
        /// 1 to 64 of a-z, 0-9 and -.
        name: String,
        /// The log's identity in checkpoints; by default the server's public host and /logs/NAME.
        #[arg(long)]
        origin: Option<String>,
        /// A file of PRIVATE+KEY+… notes, one a line, to sign with; without it the server makes keys (Ed25519, ML-DSA-44).
        #[arg(long, value_name = "FILE")]
        signing_keys: Option<PathBuf>,
        /// What the log takes: events through sources, or bytes as they come.
        #[arg(long, value_enum, default_value_t = ModeName::Records)]
        mode: ModeName,
        /// Only tokens that are good for the log see it.
        #[arg(long)]
        private: bool,
        /// Of mode opaque: an entry equal to an earlier one is not added again.
        #[arg(long)]
        dedupe: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Rotate a log's signing keys: new ones sign from now on, beside the old ones until those end (role admin).
    #[command(
        after_help = "Examples:\n  cairnlog log rotate hr --reason 'yearly'\n  cairnlog log rotate hr --overlap 0 --reason 'the key file was copied'"
    )]
    Rotate {
        /// The log's name.
        name: String,
        /// A file of PRIVATE+KEY+… notes, one a line, to sign with; without it the server makes keys (Ed25519, ML-DSA-44).
        #[arg(long, value_name = "FILE")]
        signing_keys: Option<PathBuf>,
        /// How many more entries the old keys sign for; without it 1000000.
        #[arg(long, value_name = "ENTRIES")]
        overlap: Option<u64>,
        /// Why, for those who may read records.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Freeze a log: it takes nothing more, for good, and is read and proven as before (role admin).
    #[command(after_help = "Example:\n  cairnlog log freeze hr-2026")]
    Freeze {
        /// The log's name.
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the logs.
    List {
        #[command(flatten)]
        connection: Connection,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Create { name, origin, signing_keys, mode, private, dedupe, connection } => {
            let new = NewLog {
                name,
                origin,
                mode: Some(mode.into()),
                private: Some(private),
                signing_keys: signing_keys.as_deref().map(read_keys).transpose()?,
                dedupe: Some(dedupe),
            };
            let log = connection.client()?.create_log(&new).await?;
            connection.output.one(&mut std::io::stdout(), &log)?;
            if is_loopback(&log.origin) {
                eprintln!(
                    "note: the origin {} is this machine's own name for itself, and an origin never changes; for a log that \
                     others verify, set public_host, or give --origin",
                    log.origin
                );
            }
        }
        Command::Rotate { name, signing_keys, overlap, reason, connection } => {
            let keys = NewKeys {
                signing_keys: signing_keys.as_deref().map(read_keys).transpose()?,
                overlap,
                reason,
            };
            let log = connection.client()?.log(&name)?.rotate_keys(&keys).await?;
            connection.output.one(&mut std::io::stdout(), &log)?;
            eprintln!(
                "note: give the new verifier key to everyone who verifies this log before the old one ends"
            );
        }
        Command::Freeze { name, connection } => {
            let log = connection.client()?.log(&name)?.freeze().await?;
            connection.output.one(&mut std::io::stdout(), &log)?;
        }
        Command::List { connection } => {
            let client = connection.client()?;
            let logs = all(async |page| client.logs(page).await).await?;
            connection.output.list(&mut std::io::stdout(), &logs)?;
        }
    }
    Ok(Exit::Good)
}

/// The private notes of a file, one a line.
fn read_keys(file: &Path) -> Result<Vec<Secret>, Failure> {
    let text = read_small(file)?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(Secret::new).collect())
}

fn is_loopback(origin: &str) -> bool {
    ["127.", "localhost", "[::1]", "0.0.0.0"].iter().any(|host| origin.starts_with(host))
}

/// What a log takes, as it is written on the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum ModeName {
    /// Events, through sources.
    Records,
    /// Bytes as they come.
    Opaque,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Records => Self::Records,
            ModeName::Opaque => Self::Opaque,
        }
    }
}

impl Shown for LogInfo {
    const COLUMNS: &'static [&'static str] = &["name", "origin", "tree size", "created", "verifier key"];

    fn cells(&self) -> Vec<String> {
        let size = self.tree_size.to_string();
        vec![self.name.clone(), self.origin.clone(), size, self.created.clone(), self.verifier_key.clone()]
    }

    fn json(&self) -> Value {
        let mode = match self.mode {
            Mode::Records => "records",
            Mode::Opaque => "opaque",
        };
        json!({
            "name": self.name,
            "origin": self.origin,
            "mode": mode,
            "private": self.private,
            "dedupe": self.dedupe,
            "frozen": self.frozen,
            "verifier_key": self.verifier_key,
            "verifier_keys": self.verifier_keys,
            "tree_size": self.tree_size,
            "created": self.created,
            "witnesses": self.witnesses,
        })
    }
}
