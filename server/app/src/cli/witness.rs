//! `witness keygen`, `witness serve`: be a C2SP witness for other logs.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairnlog_ledger::handles::SystemClock;
use cairnlog_verify::note::{SigningKey, VerifierKey};
use clap::Subcommand;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::note_keys;
use super::verify::parse_key;
use super::{log_to_stderr, stop_signal};
use crate::limits::WITNESS_CONNECTIONS_MAX;
use crate::server::serve_until;
use crate::witness::{Witness, WitnessError, router};

/// Where a witness listens if it is not told.
const LISTEN_DEFAULT: &str = "127.0.0.1:8090";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make the keys of a witness: one of Ed25519, one of ML-DSA-44.
    #[command(
        after_help = "Prints the public keys, one a line: give them to the logs.\n\nExample:\n  cairnlog witness keygen witness.example.org/w1 --out w1.key"
    )]
    Keygen {
        /// The witness's name: a host and a path of yours, without scheme. It stands in every cosignature.
        name: String,
        /// Where the private keys go; the file must not be there yet.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Cosign the checkpoints of logs, each only if it extends the last one.
    #[command(after_help = "Logs post to /add-checkpoint and /sign-subtree; anyone reads \
/<hex SHA-256 of the origin>/checkpoint.\nWhen it takes requests, it prints one line of JSON on stdout.\n\nExample:\n  \
cairnlog witness serve --data data/witness --key w1.key --log 'logs.example.com/logs/hr+f00dcafe+AQ…'")]
    Serve {
        /// Where the newest cosigned checkpoint of each log is kept; created if it is not there.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The file with the private keys.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// A log's public key (a vkey), named like its origin. May be repeated.
        #[arg(long, value_name = "VKEY", required = true)]
        log: Vec<String>,
        /// The address to listen on; port 0 takes a free one.
        #[arg(long, value_name = "ADDRESS", default_value = LISTEN_DEFAULT)]
        listen: SocketAddr,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Keygen { name, out } => keygen(&name, &out),
        Command::Serve { data, key, log, listen } => serve(data, &key, &log, listen).await,
    }
}

fn keygen(name: &str, out: &Path) -> Result<Exit, Failure> {
    let keys = [
        SigningKey::cosignature(name, *note_keys::seed()?)
            .map_err(|error| Failure::usage(error.to_string()))?,
        SigningKey::ml_dsa_44(name, *note_keys::seed()?)
            .map_err(|error| Failure::usage(error.to_string()))?,
    ];
    note_keys::write(&keys, out)?;
    Ok(Exit::Good)
}

async fn serve(data: PathBuf, key: &Path, logs: &[String], listen: SocketAddr) -> Result<Exit, Failure> {
    let keys = note_keys::read(key)?;
    let logs = logs.iter().map(|log| parse_key(log)).collect::<Result<Vec<VerifierKey>, _>>()?;
    log_to_stderr("info")?;
    let stop = stop_signal()?;
    let shown = data.clone();
    let opening = tokio::task::spawn_blocking(move || {
        Witness::open(&data, keys, logs, Arc::new(SystemClock::default()))
    });
    let witness =
        opening.await.map_err(|gone| Failure::cannot_tell(format!("opening was cut off: {gone}")))??;
    let witness = Arc::new(witness);
    let public: Vec<String> = witness.verifier_keys().iter().map(ToString::to_string).collect();
    serve_until(listen, router(witness), WITNESS_CONNECTIONS_MAX, stop, |url| {
        let ready = json!({
            "ready": true,
            "url": url,
            "data": shown.to_string_lossy(),
            "verifier_keys": public,
            "version": env!("CARGO_PKG_VERSION"),
        });
        let mut stdout = std::io::stdout().lock();
        // Who started it may not listen; it serves all the same.
        let _ = writeln!(stdout, "{ready}").and_then(|()| stdout.flush());
    })
    .await?;
    Ok(Exit::Good)
}

impl From<WitnessError> for Failure {
    fn from(error: WitnessError) -> Self {
        match error {
            WitnessError::Keys => Self::usage(error.to_string()),
            _ => Self::cannot_tell(error.to_string()),
        }
    }
}
