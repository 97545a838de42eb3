//! `monitor`: follows a log, and keeps what convicts it if it shows two histories.
//!
//! The state is one file: the newest signed tree head that was checked, byte for byte. It is replaced, atomically and on
//! stable storage, before a head is reported as checked, so what this command has said once it holds the log to ever
//! after.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairnlog_client::{Error, SignedCheckpoint};
use cairnlog_store::durable;
use cairnlog_verify::limits::NOTE_BYTES_MAX;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::connect::Reader;
use super::exit::{Exit, Failure};
use super::limits::MONITOR_INTERVAL_SECS;
use super::output::{Output, Shown};
use super::stop_signal;
use super::verify::{Trust, TrustedLog, is_by_strangers};

const EXAMPLES: &str = "\
Each tree head is checked against the one in the state file: that its tree begins with that one's. If it does not, or is
smaller, both heads are kept beside the state file and the exit code is 1. The state then stays as it was.

With --once, network trouble is exit 3, and so is a head that none of the keys has signed; else both are reported and
tried again. While a log rotates its keys, give the old and the new one.

Example:
  cairnlog monitor http://127.0.0.1:8080/logs/hr --key 'logs.example.com/logs/hr+f00dcafe+AQ…' --state hr.head";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The log's monitoring prefix: where /checkpoint and /tile are.
    url: String,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    reader: Reader,
    /// Where the newest checked tree head is kept; created by the first run.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Check once and end.
    #[arg(long)]
    once: bool,
    /// Seconds between two checks.
    #[arg(long, value_name = "SECONDS", default_value_t = MONITOR_INTERVAL_SECS, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    output: Output,
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let log = TrustedLog::new(args.reader.tiles(&args.url)?, args.trust.read()?);
    let mut monitor = Monitor::open(log, args.state)?;
    let stop = stop_signal()?;
    tokio::pin!(stop);
    loop {
        let look = tokio::select! {
            look = monitor.look() => look,
            () = &mut stop => return Ok(Exit::Good),
        };
        match look {
            Ok(seen) => {
                let exit = seen.verdict.exit();
                if args.once || seen.verdict != Verdict::Unchanged {
                    args.output.one(&mut io::stdout(), &seen)?;
                    io::stdout().flush()?;
                }
                if args.once || exit != Exit::Good {
                    return Ok(exit);
                }
            }
            Err(failure) if args.once || failure.exit == Exit::Refused => return Err(failure),
            Err(failure) => failure.report(),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(args.interval)) => {}
            () = &mut stop => return Ok(Exit::Good),
        }
    }
}

/// A log and what is known of it.
struct Monitor {
    log: TrustedLog,
    state: PathBuf,
    kept: Option<SignedCheckpoint>,
}

/// What a look at the log came to.
struct Seen {
    verdict: Verdict,
    from: Option<SignedCheckpoint>,
    served: SignedCheckpoint,
    evidence: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The first head: there is nothing yet to hold it against.
    First,
    Unchanged,
    Grown,
    /// A signed head that is smaller than the one kept.
    Rollback,
    /// A signed head whose tree does not begin with the one kept.
    Fork,
}

impl Monitor {
    /// Reads the state, if there is one.
    fn open(log: TrustedLog, state: PathBuf) -> Result<Self, Failure> {
        let kept = match durable::read(&state, NOTE_BYTES_MAX as u64) {
            Ok(note) => Some(note.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::file(&state, &error)),
        };
        let open = |note: String| {
            let opened = log.verifier.open(&note);
            let checkpoint = opened.map_err(|error| {
                let why = if is_by_strangers(&error) {
                    "it is signed by none of the given keys; add the one it was checked by with --key"
                        .to_owned()
                } else {
                    error.to_string()
                };
                Failure::cannot_tell(format!("{} is no tree head of this log: {why}", state.display()))
            })?;
            Ok::<_, Failure>(SignedCheckpoint { checkpoint, note })
        };
        let kept = kept.map(open).transpose()?;
        Ok(Self { log, state, kept })
    }

    /// Fetches the log's head and holds it against the one kept.
    async fn look(&mut self) -> Result<Seen, Failure> {
        let served = self.log.head().await?;
        let verdict = self.judge(&served).await?;
        let from = self.kept.clone();
        let evidence = match (verdict, &from) {
            (Verdict::Fork | Verdict::Rollback, Some(kept)) => keep_evidence(&self.state, kept, &served)?,
            (Verdict::Unchanged, _) => Vec::new(),
            _ => {
                let written = durable::write(&self.state, served.note.as_bytes());
                written.map_err(|error| Failure::file(&self.state, &error))?;
                self.kept = Some(served.clone());
                Vec::new()
            }
        };
        Ok(Seen { verdict, from, served, evidence })
    }

    async fn judge(&self, served: &SignedCheckpoint) -> Result<Verdict, Failure> {
        let Some(kept) = &self.kept else { return Ok(Verdict::First) };
        let (old, new) = (&kept.checkpoint, &served.checkpoint);
        if new.origin != old.origin {
            return Err(Failure::refused(format!("{} is another log than {}", new.origin, old.origin)));
        }
        if new.size < old.size {
            return Ok(Verdict::Rollback);
        }
        if new.size == old.size {
            return Ok(if new.root == old.root { Verdict::Unchanged } else { Verdict::Fork });
        }
        match self.log.verifier.check_consistency(old, new).await {
            Ok(()) => Ok(Verdict::Grown),
            Err(Error::Verification(_)) => Ok(Verdict::Fork),
            Err(error) => Err(error.into()),
        }
    }
}

/// Keeps both heads beside the state file, under a name that follows from them: the same fork, seen again, is kept once.
fn keep_evidence(
    state: &Path,
    kept: &SignedCheckpoint,
    served: &SignedCheckpoint,
) -> Result<Vec<PathBuf>, Failure> {
    let texts = kept.checkpoint.to_text() + &served.checkpoint.to_text();
    let digest = Sha256::digest(texts.as_bytes());
    let name = digest.iter().take(8).fold(String::from(".fork-"), |name, byte| format!("{name}{byte:02x}"));
    let mut evidence = Vec::new();
    for (which, head) in [("kept", kept), ("served", served)] {
        let mut path = state.as_os_str().to_owned();
        path.push(format!("{name}.{which}"));
        let path = PathBuf::from(path);
        durable::write(&path, head.note.as_bytes()).map_err(|error| Failure::file(&path, &error))?;
        evidence.push(path);
    }
    Ok(evidence)
}

impl Verdict {
    fn exit(self) -> Exit {
        match self {
            Self::First | Self::Unchanged | Self::Grown => Exit::Good,
            Self::Rollback | Self::Fork => Exit::Refused,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Unchanged => "unchanged",
            Self::Grown => "grown",
            Self::Rollback => "rollback",
            Self::Fork => "fork",
        }
    }
}

impl Seen {
    fn words(&self) -> String {
        let from = self.from.as_ref().map_or(0, |from| from.checkpoint.size);
        let to = self.served.checkpoint.size;
        match self.verdict {
            Verdict::First => "first tree head, kept from now on".to_owned(),
            Verdict::Unchanged => "no new tree head".to_owned(),
            Verdict::Grown => format!("consistent: the tree of {to} entries begins with that of {from}"),
            Verdict::Rollback => format!("rollback: {to} entries are signed after {from} were"),
            Verdict::Fork => {
                format!("fork: the tree of {to} entries does not begin with the signed one of {from}")
            }
        }
    }

    fn evidence(&self) -> Vec<String> {
        self.evidence.iter().map(|path| path.display().to_string()).collect()
    }
}

impl Shown for Seen {
    const COLUMNS: &'static [&'static str] = &["verdict", "log", "entries", "root", "evidence"];

    fn cells(&self) -> Vec<String> {
        let head = &self.served.checkpoint;
        let size = head.size.to_string();
        vec![self.words(), head.origin.clone(), size, head.root.to_string(), self.evidence().join(" ")]
    }

    fn json(&self) -> Value {
        let head = &self.served.checkpoint;
        json!({
            "verdict": self.verdict.word(),
            "detail": self.words(),
            "origin": head.origin,
            "from": self.from.as_ref().map(|from| from.checkpoint.size),
            "tree_size": head.size,
            "root_hash": head.root.to_string(),
            "evidence": self.evidence(),
        })
    }
}
