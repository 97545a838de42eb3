//! `fsck`: everything that a data directory's logs hold, recomputed against their signed heads. Reads alone.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairnlog_ledger::{StoredLog, stored_logs};
use cairnlog_store::Engine;
use cairnlog_store::datadir::{DataDir, DataDirError};
use cairnlog_store::rocks::{OpenError, RocksEngine};
use cairnlog_store::secrets::LogKeys;
use cairnlog_tlog::check::{Check, Damage, Verdict, stored_heads};
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::{SigningKey, VerifierKey};
use serde_json::{Value, json};

use super::connect::Reader;
use super::exit::{Exit, Failure};
use super::output::{Output, Shown};
use super::verify::{Trusted, parse_keys, progress, verdict_word, verify_log};

const EXAMPLES: &str = "\
Every entry is hashed, every tile compared with what is below it, every lookup row with its leaf, and the root with the
signed tree head. Nothing is written. A directory that a server uses is refused (exit 3).

Without --key a log's own keys in the directory say who may have signed; whoever can write there can change these as
well, so give the keys that you have from elsewhere.

Examples:
  cairnlog fsck --data data/main
  cairnlog fsck --data data/main --key 'logs.example.com/logs/hr+f00dcafe+AQ…'
  cairnlog fsck http://127.0.0.1:8080/logs/hr --key 'logs.example.com/logs/hr+f00dcafe+AQ…'";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The data directory of a server that is not running, or a copy of one.
    #[arg(long, value_name = "DIR", conflicts_with = "url", required_unless_present = "url")]
    data: Option<PathBuf>,
    /// A log's monitoring prefix, to be checked over HTTP instead.
    #[arg(requires = "key")]
    url: Option<String>,
    /// A log's public key (a vkey), from elsewhere. May be repeated, for a directory of several logs and for a log that
    /// rotates its keys.
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    #[command(flatten)]
    reader: Reader,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    output: Output,
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    match (args.data, args.url) {
        (Some(data), _) => check_directory(&data, &args.key, args.output).await,
        (None, Some(url)) => {
            let trusted = Trusted { keys: parse_keys(&args.key)?, policy: None };
            verify_log(args.reader.tiles(&url)?, trusted, args.output).await
        }
        (None, None) => Err(Failure::usage("name a directory with --data DIR, or a log's URL")),
    }
}

async fn check_directory(data: &Path, keys: &[String], output: Output) -> Result<Exit, Failure> {
    let given = given_keys(keys)?;
    let path = data.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let dir = DataDir::open_read_only(&path)?;
        let engine = RocksEngine::open_read_only(&dir.db())?;
        Ok::<_, Failure>((dir, Arc::new(engine) as Arc<dyn Engine>))
    });
    let (dir, engine) =
        opened.await.map_err(|gone| Failure::cannot_tell(format!("opening was cut off: {gone}")))??;
    let logs = stored_logs(engine.as_ref()).await.map_err(|e| Failure::cannot_tell(e.to_string()))?;
    if let Some(origin) = given.keys().find(|origin| logs.iter().all(|log| log.origin != **origin)) {
        let words = format!("{} has no log of the origin {origin}", data.display());
        return Err(Failure::incomplete(words));
    }
    let mut checked = Vec::with_capacity(logs.len());
    for log in logs {
        checked.push(check_log(&dir, &engine, log, &given).await);
    }
    output.list(&mut io::stdout(), &checked)?;
    io::stdout().flush()?;
    Ok(worst(checked.iter().map(|log| log.exit)))
}

/// The keys of the command line, by the origin that they are named like.
fn given_keys(keys: &[String]) -> Result<BTreeMap<String, Vec<VerifierKey>>, Failure> {
    let mut given: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
    for key in parse_keys(keys)? {
        given.entry(key.name().to_owned()).or_default().push(key);
    }
    Ok(given)
}

/// What was altered outweighs what is missing, and that what can't be read.
fn worst(exits: impl Iterator<Item = Exit>) -> Exit {
    let weight = |exit: &Exit| match exit {
        Exit::Good => 0,
        Exit::CannotTell | Exit::Usage => 1,
        Exit::Incomplete => 2,
        Exit::Refused => 3,
    };
    exits.max_by_key(weight).unwrap_or(Exit::Good)
}

/// What the check of one log came to.
struct Checked {
    log: StoredLog,
    head: Option<Checkpoint>,
    entries: u64,
    bytes: u64,
    exit: Exit,
    words: String,
}

async fn check_log(
    dir: &DataDir,
    engine: &Arc<dyn Engine>,
    log: StoredLog,
    given: &BTreeMap<String, Vec<VerifierKey>>,
) -> Checked {
    let mut checked =
        Checked { log, head: None, entries: 0, bytes: 0, exit: Exit::CannotTell, words: String::new() };
    let keys = match given.get(&checked.log.origin) {
        Some(keys) => Ok(keys.clone()),
        None => own_keys(dir, &checked.log).await,
    };
    let outcome = match keys {
        Ok(keys) => walk(engine, &keys, &mut checked).await.map_err(|damage| {
            let exit = match damage.verdict() {
                Verdict::Tampered => Exit::Refused,
                Verdict::Incomplete => Exit::Incomplete,
                Verdict::CannotTell => Exit::CannotTell,
            };
            (exit, damage.to_string())
        }),
        Err(words) => Err((Exit::CannotTell, words)),
    };
    (checked.exit, checked.words) = match outcome {
        Ok(()) => (Exit::Good, "every entry, tile and lookup row and the signed root agree".to_owned()),
        Err((exit, words)) => (exit, format!("{}: {words}", verdict_word(exit))),
    };
    checked
}

async fn walk(engine: &Arc<dyn Engine>, keys: &[VerifierKey], checked: &mut Checked) -> Result<(), Damage> {
    let heads = stored_heads(engine.as_ref(), checked.log.id, &checked.log.origin, keys).await?;
    let head = checked.head.insert(heads.newest);
    let bar = progress(head.size);
    let mut check =
        Check::new(Arc::clone(engine), checked.log.id, head, heads.published.into_iter().collect());
    let walked = loop {
        match check.step().await {
            Ok(Some(step)) => checked.bytes += step.bytes,
            Ok(None) => break Ok(()),
            Err(damage) => break Err(damage),
        }
        bar.set_position(check.entries());
        bar.set_message(checked.log.name.clone());
    };
    bar.finish_and_clear();
    checked.entries = check.entries();
    walked?;
    let rest = check.nothing_else().await;
    check.finish()?;
    rest
}

/// The keys that the directory itself holds.
async fn own_keys(dir: &DataDir, log: &StoredLog) -> Result<Vec<VerifierKey>, String> {
    let path = dir.log_keys(&log.name).map_err(|error| error.to_string())?;
    let notes = tokio::task::spawn_blocking(move || LogKeys::signing_in(&path)).await;
    let notes = notes.map_err(|gone| gone.to_string())?.map_err(|error| error.to_string())?;
    let public = |note: &str| note.parse::<SigningKey>().ok().map(|key| key.verifier_key().clone());
    Ok(notes.iter().filter_map(|note| public(note)).collect())
}

impl Shown for Checked {
    const COLUMNS: &'static [&'static str] = &["log", "origin", "entries", "bytes", "root", "verdict"];

    fn cells(&self) -> Vec<String> {
        let total = self.head.as_ref().map_or_else(|| "?".to_owned(), |head| head.size.to_string());
        vec![
            self.log.name.clone(),
            self.log.origin.clone(),
            format!("{} of {total} checked", self.entries),
            self.bytes.to_string(),
            self.head.as_ref().map(|head| head.root.to_string()).unwrap_or_default(),
            self.words.clone(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "log": self.log.name,
            "origin": self.log.origin,
            "verdict": verdict_word(self.exit),
            "detail": self.words,
            "tree_size": self.head.as_ref().map(|head| head.size),
            "root_hash": self.head.as_ref().map(|head| head.root.to_string()),
            "entries": self.entries,
            "bytes": self.bytes,
        })
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        match error {
            DataDirError::MissingKeys(_) | DataDirError::MissingStore(_) => {
                Self::incomplete(error.to_string())
            }
            _ => Self::cannot_tell(error.to_string()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Corrupt(_) => Self::refused(error.to_string()),
            _ => Self::cannot_tell(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_altered_outweighs_the_rest() {
        let of = |exits: &[Exit]| worst(exits.iter().copied());
        assert_eq!(of(&[]), Exit::Good);
        assert_eq!(of(&[Exit::Good, Exit::CannotTell, Exit::Good]), Exit::CannotTell);
        assert_eq!(of(&[Exit::Incomplete, Exit::CannotTell]), Exit::Incomplete);
        assert_eq!(of(&[Exit::Refused, Exit::Incomplete, Exit::Good]), Exit::Refused);
    }
}
