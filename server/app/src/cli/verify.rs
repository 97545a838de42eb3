//! `verify receipt`, `verify log`: nothing is believed but the log's public key.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use cairnlog_client::audit::{Audit, Progress, Verdict};
use cairnlog_client::{TileLog, Verifier};
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::cose::{self, CoseReceipt};
use cairnlog_verify::entry::Entry;
use cairnlog_verify::limits::{ENTRY_BYTES_MAX, RECEIPT_BYTES_MAX};
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::receipt::{Receipt, Verified};
use cairnlog_verify::{Hash, tree};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::output::{Output, Shown};
use super::sources::read_bounded;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check a receipt, offline: that the entry is in the log that the key signs for.
    #[command(
        after_help = "Example:\n  cairnlog verify receipt 42.receipt --key 'logs.example.com/logs/hr+f00dcafe+AQ…'"
    )]
    Receipt {
        /// The receipt.
        #[arg(value_name = "FILE")]
        receipt: PathBuf,
        /// The log's public key (a vkey), which must come from elsewhere than the receipt.
        #[arg(long, value_name = "VKEY")]
        key: String,
        /// The exact bytes of the entry, where the receipt does not carry them (COSE, opaque logs) or shall be compared.
        #[arg(long, value_name = "FILE")]
        entry: Option<PathBuf>,
        /// How the result is printed.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Download a log's every entry and tile and recompute them up to its signed tree head.
    #[command(
        after_help = "Example:\n  cairnlog verify log http://127.0.0.1:8080/logs/hr --key 'logs.example.com/logs/hr+f00dcafe+AQ…'"
    )]
    Log {
        /// The log's monitoring prefix: where /checkpoint and /tile are.
        url: String,
        /// The log's public key (a vkey), which must come from elsewhere than the log.
        #[arg(long, value_name = "VKEY")]
        key: String,
        /// How the result is printed.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Receipt { receipt, key, entry, output } => verify_receipt(&receipt, &key, entry, output),
        Command::Log { url, key, output } => verify_log(&url, &key, output).await,
    }
}

pub(super) fn parse_key(key: &str) -> Result<VerifierKey, Failure> {
    key.trim().parse().map_err(|error| Failure::usage(format!("--key is no verifier key: {error}")))
}

fn verify_receipt(
    path: &std::path::Path,
    key: &str,
    entry: Option<PathBuf>,
    output: Output,
) -> Result<Exit, Failure> {
    let key = parse_key(key)?;
    let bytes = read_bounded(path, RECEIPT_BYTES_MAX as u64)?;
    let entry = entry.map(|file| read_bounded(&file, ENTRY_BYTES_MAX as u64)).transpose()?;
    let refused = |words: String| Failure::refused(words).during(path.display());
    if bytes.first() == Some(&cose::FIRST_BYTE) {
        let entry = entry.ok_or_else(|| {
            Failure::usage("a COSE receipt does not carry the entry; give its exact bytes with --entry FILE")
        })?;
        let receipt = CoseReceipt::parse(&bytes).map_err(|error| refused(error.to_string()))?;
        let root = receipt.verify(&entry, &[key]).map_err(|error| refused(error.to_string()))?;
        output.one(&mut io::stdout(), &CoseVerified { receipt, leaf_hash: tree::leaf_hash(&entry), root })?;
        return Ok(Exit::Good);
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not text".to_owned()))?;
    let receipt = Receipt::parse(&text).map_err(|error| refused(error.to_string()))?;
    let verified = receipt.verify(entry.as_deref(), &[key]).map_err(|error| refused(error.to_string()))?;
    output.one(&mut io::stdout(), &verified)?;
    Ok(Exit::Good)
}

impl Shown for Verified {
    const COLUMNS: &'static [&'static str] = &["verdict", "log", "index", "of entries", "kind", "leaf hash"];

    fn cells(&self) -> Vec<String> {
        vec![
            "the entry is in the log".to_owned(),
            self.checkpoint.origin.clone(),
            self.index.to_string(),
            self.checkpoint.size.to_string(),
            kind(&self.entry).unwrap_or("unknown").to_owned(),
            self.leaf_hash.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "verified": true,
            "origin": self.checkpoint.origin,
            "index": self.index,
            "tree_size": self.checkpoint.size,
            "root_hash": self.checkpoint.root.to_string(),
            "leaf_hash": self.leaf_hash.to_string(),
            "kind": kind(&self.entry),
        })
    }
}

/// A COSE receipt that holds. Its size and index are not signed: they follow from the root.
struct CoseVerified {
    receipt: CoseReceipt,
    leaf_hash: Hash,
    root: Hash,
}

impl Shown for CoseVerified {
    const COLUMNS: &'static [&'static str] = &["verdict", "signed by", "index", "of entries", "leaf hash"];

    fn cells(&self) -> Vec<String> {
        vec![
            "the entry is in the log".to_owned(),
            self.receipt.key_id.clone(),
            self.receipt.index.to_string(),
            self.receipt.size.to_string(),
            self.leaf_hash.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "verified": true,
            "key_id": self.receipt.key_id,
            "index": self.receipt.index,
            "tree_size": self.receipt.size,
            "root_hash": self.root.to_string(),
            "leaf_hash": self.leaf_hash.to_string(),
        })
    }
}

/// Entries of other logs may be anything.
fn kind(entry: &[u8]) -> Option<&'static str> {
    Entry::parse(entry).ok().map(|entry| entry.kind())
}

pub(super) async fn verify_log(url: &str, key: &str, output: Output) -> Result<Exit, Failure> {
    let verifier = Verifier::new(TileLog::new(url, None)?, parse_key(key)?);
    let head = verifier.checkpoint().await?.checkpoint;
    let bar = progress(head.size);
    let audit = verifier
        .audit(&head, |progress| {
            bar.set_position(progress.entries);
            bar.set_message(format!("{} tiles", progress.tiles));
        })
        .await;
    bar.finish_and_clear();
    let (exit, words) = judge(&audit.verdict);
    output.one(&mut io::stdout(), &Judged { head: &head, audit: &audit, exit, words })?;
    io::stdout().flush()?;
    Ok(exit)
}

pub(super) fn progress(entries: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{bar:30} {human_pos} of {human_len} entries, {per_sec}, {eta} left ({msg})";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(entries).with_style(style)
}

/// The exit code of a verdict, and the verdict in words.
fn judge(verdict: &Verdict) -> (Exit, String) {
    match verdict {
        Verdict::Good => (Exit::Good, "every entry, every tile and the signed root agree".to_owned()),
        Verdict::Tampered(fault) => (Exit::Refused, format!("tampered: {fault}")),
        Verdict::Incomplete { resource } => {
            (Exit::Incomplete, format!("incomplete: the log has no {resource}"))
        }
        Verdict::CannotTell(error) => (Exit::CannotTell, format!("cannot tell: {error}")),
    }
}

/// A verdict as programs read it.
pub(super) fn verdict_word(exit: Exit) -> &'static str {
    match exit {
        Exit::Good => "good",
        Exit::Incomplete => "incomplete",
        Exit::CannotTell | Exit::Usage => "cannot-tell",
        Exit::Refused => "tampered",
    }
}

struct Judged<'a> {
    head: &'a Checkpoint,
    audit: &'a Audit,
    exit: Exit,
    words: String,
}

impl Shown for Judged<'_> {
    const COLUMNS: &'static [&'static str] = &["verdict", "log", "entries", "tiles", "bytes", "root"];

    fn cells(&self) -> Vec<String> {
        let Progress { entries_total, entries, tiles, bytes } = self.audit.progress;
        vec![
            self.words.clone(),
            self.head.origin.clone(),
            format!("{entries} of {entries_total} checked"),
            tiles.to_string(),
            bytes.to_string(),
            self.head.root.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "verdict": verdict_word(self.exit),
            "detail": self.words,
            "origin": self.head.origin,
            "tree_size": self.head.size,
            "root_hash": self.head.root.to_string(),
            "entries": self.audit.progress.entries,
            "tiles": self.audit.progress.tiles,
            "bytes": self.audit.progress.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use cairnlog_client::Error;
    use cairnlog_client::audit::Fault;

    use super::*;

    #[test]
    fn verdicts_have_their_exit_codes() {
        let missing = "tile/0/000".to_owned();
        let verdicts = [
            (Verdict::Good, Exit::Good),
            (Verdict::Tampered(Fault::Record { index: 7 }), Exit::Refused),
            (Verdict::Incomplete { resource: missing }, Exit::Incomplete),
            (Verdict::CannotTell(Error::Input("x".to_owned())), Exit::CannotTell),
        ];
        for (verdict, exit) in verdicts {
            assert_eq!(judge(&verdict).0, exit, "{verdict:?}");
        }
        assert!(judge(&Verdict::Tampered(Fault::Record { index: 7 })).1.contains("record 7"));
    }

    #[test]
    fn a_bad_key_is_wrong_usage() {
        assert!(parse_key("nonsense").is_err_and(|failure| failure.exit == Exit::Usage));
    }
}
