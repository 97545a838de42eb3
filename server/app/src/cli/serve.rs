//! `serve`: a server until it is told to stop.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::exit::{Exit, Failure};
use crate::config::{self, Flags, LISTEN_DEFAULT, SourceName};
use crate::first_start;
use crate::server::{Server, ServerError};

const EXAMPLES: &str = "\
Settings come from defaults, then the file, then the environment (CAIRNLOG_ and the key in capitals), then flags. The
file is TOML:

  data = \"/var/lib/cairnlog\"
  heads = \"/mnt/other/cairnlog-heads\"  # best on another volume
  listen = \"0.0.0.0:8080\"
  public_host = \"logs.example.com\"    # the origin of a new log is this and /logs/NAME
  witness_policy = \"witnesses.policy\"
  kek_source = \"file\"                 # or environment (CAIRNLOG_KEK), or pkcs11: see docs/keys.md
  keyring_backup_days = 30              # how long copies of keyrings live: an erasure is complete a day after
  archive_to = \"/mnt/archive\"         # what sweeps erase is sealed there before, to archive_key
  ingest_bytes_max = 16777216           # also ingest_records_max, record_bytes_max
  log = \"info\"                        # a level: error, warn, info, debug, trace

When it takes requests, it prints one line of JSON on stdout. On the first start of a new directory that line holds
\"admin_token\": keep it, it is shown this once. If CAIRNLOG_ADMIN_TOKEN is set (32 to 256 visible ASCII characters),
that is a token with every role for this run instead, never stored: for tests and first steps.

Examples:
  cairnlog serve --data data/main
  CAIRNLOG_LOG=debug cairnlog serve --data data/main --listen 127.0.0.1:0";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The data directory; created if it is not there.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the newest tree heads are kept, best on another volume than the data: at start they tell a store that was
    /// put back to an older copy [default: heads in the data directory].
    #[arg(long, value_name = "DIR")]
    heads: Option<PathBuf>,
    /// A tlog-policy file: a tree head is published once its quorum of witnesses has cosigned it. It governs the logs that
    /// its `log` lines name, all if it has none.
    #[arg(long, value_name = "FILE")]
    witness_policy: Option<PathBuf>,
    #[arg(long, value_name = "ADDRESS", help = format!("The address to listen on; port 0 takes a free one [default: {LISTEN_DEFAULT}]"))]
    listen: Option<SocketAddr>,
    /// Where the keys come from that wrap keyrings [default: file].
    #[arg(long, value_enum, value_name = "SOURCE")]
    kek_source: Option<SourceName>,
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let flags = Flags {
        data: args.data,
        heads: args.heads,
        witness_policy: args.witness_policy,
        listen: args.listen,
        kek_source: args.kek_source,
        file: args.config,
    };
    let settings = config::load(&flags, config::env).map_err(|error| Failure::usage(error.to_string()))?;
    log_to_stderr(&settings.log)?;
    let stop = stop_signal()?;
    let mut server = Server::start(&settings).await?;
    let mut stdout = std::io::stdout().lock();
    // Who started it may not listen; it serves all the same.
    let _ = writeln!(stdout, "{}", server.ready_line()).and_then(|()| stdout.flush());
    drop(stdout);
    if server.is_new() {
        first_start::explain(&settings);
    }
    tracing::info!(url = server.url(), data = %settings.data.display(), "ready");
    server.run_until(stop).await?;
    tracing::info!("stopped");
    Ok(Exit::Good)
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::cannot_tell(error.to_string())
    }
}

/// Sends what the process logs to stderr: text for a person, JSON for a collector.
pub(crate) fn log_to_stderr(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::usage(format!("CAIRNLOG_LOG is no level such as info: {error}")))?;
    let terminal = std::io::stderr().is_terminal();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    let set = if terminal { subscriber.try_init() } else { subscriber.json().try_init() };
    set.map_err(|error| Failure::cannot_tell(format!("logging can't start: {error}")))
}

/// Resolves at the first SIGTERM or SIGINT from now on.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::cannot_tell(format!("signals can't be heard: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
