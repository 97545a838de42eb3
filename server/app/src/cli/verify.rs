//! `verify receipt`, `verify disclosure`, `verify log`: nothing is believed but the log's public keys, and the witnesses of a policy.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use cairnlog_client::audit::{Audit, Progress, Verdict};
use cairnlog_client::{Error, SignedCheckpoint, TileLog, VerificationError, Verifier};
use cairnlog_verify::checkpoint::{Checkpoint, CheckpointError};
use cairnlog_verify::cose::{self, CoseReceipt};
use cairnlog_verify::entry::Entry;
use cairnlog_verify::limits::{ENTRY_BYTES_MAX, POLICY_BYTES_MAX, RECEIPT_BYTES_MAX};
use cairnlog_verify::note::{Note, NoteError, VerifierKey};
use cairnlog_verify::policy::{Distrust, Policy};
use cairnlog_verify::receipt::{Receipt, Verified};
use cairnlog_verify::{Hash, tree};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::connect::Reader;
use super::disclosures;
use super::exit::{Exit, Failure};
use super::output::{Output, Shown};
use super::sources::read_bounded;

const RECEIPT_EXAMPLES: &str = "\
Examples:
  cairnlog verify receipt 42.receipt --key 'logs.example.com/logs/hr+f00dcafe+AQ…'
  cairnlog verify receipt 42.receipt --key 'logs.example.com/logs/hr+f00dcafe+AQ…' --policy witnesses.policy";

const DISCLOSURE_EXAMPLES: &str = "\
Examples:
  cairnlog verify disclosure 42.disclosure --key 'logs.example.com/logs/hr+f00dcafe+AQ…'
  cairnlog verify disclosure 42.disclosure --key 'logs.example.com/logs/hr+f00dcafe+AQ…' --raw line.json";

const LOG_EXAMPLES: &str = "\
Example:
  cairnlog verify log http://127.0.0.1:8080/logs/hr --key 'logs.example.com/logs/hr+f00dcafe+AQ…'";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check a receipt, offline: that the entry is in the log that the key signs for.
    #[command(after_help = RECEIPT_EXAMPLES)]
    Receipt {
        /// The receipt.
        #[arg(value_name = "FILE")]
        receipt: PathBuf,
        #[command(flatten)]
        trust: Trust,
        /// The exact bytes of the entry, where the receipt does not carry them (COSE, opaque logs) or shall be compared.
        #[arg(long, value_name = "FILE")]
        entry: Option<PathBuf>,
        /// How the result is printed.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Check a disclosure, offline: that the log that the key signs for has an entry that says just this.
    #[command(after_help = DISCLOSURE_EXAMPLES)]
    Disclosure {
        /// The disclosure.
        #[arg(value_name = "FILE")]
        disclosure: PathBuf,
        #[command(flatten)]
        trust: Trust,
        /// The raw record's exact bytes, where the disclosure has the salt alone: that these are what the source sent.
        #[arg(long, value_name = "FILE")]
        raw: Option<PathBuf>,
        /// How the result is printed.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Download a log's every entry and tile and recompute them up to its signed tree head.
    #[command(after_help = LOG_EXAMPLES)]
    Log {
        /// The log's monitoring prefix: where /checkpoint and /tile are.
        url: String,
        #[command(flatten)]
        trust: Trust,
        #[command(flatten)]
        reader: Reader,
        /// How the result is printed.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Receipt { receipt, trust, entry, output } => {
            verify_receipt(&receipt, &trust.read()?, entry, output)
        }
        Command::Disclosure { disclosure, trust, raw, output } => {
            disclosures::verify(&disclosure, &trust.read()?, raw.as_deref(), output)
        }
        Command::Log { url, trust, reader, output } => {
            verify_log(reader.tiles(&url)?, trust.read()?, output).await
        }
    }
}

/// Whose signatures are believed, as the command line says it.
#[derive(clap::Args)]
pub(super) struct Trust {
    /// The log's public key (a vkey), which must come from elsewhere than the log. May be repeated, for a log that
    /// rotates its keys: one of them must have signed.
    #[arg(long = "key", value_name = "VKEY", required = true)]
    keys: Vec<String>,
    /// A tlog-policy file. Its quorum of witnesses must have cosigned the tree head too.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl Trust {
    pub(super) fn read(&self) -> Result<Trusted, Failure> {
        let keys = parse_keys(&self.keys)?;
        let policy = self.policy.as_deref().map(read_policy).transpose()?;
        Ok(Trusted { keys, policy })
    }
}

/// Whose signatures are believed.
pub(super) struct Trusted {
    pub(super) keys: Vec<VerifierKey>,
    pub(super) policy: Option<Policy>,
}

impl Trusted {
    /// Whether the policy, if there is one, believes this signed checkpoint.
    fn check_policy(&self, note: &str) -> Result<(), Distrust> {
        let Some(policy) = &self.policy else { return Ok(()) };
        policy.open(&Note::parse(note)?, &self.keys).map(|_| ())
    }
}

/// A log's public face, and whose signatures on it are believed.
pub(super) struct TrustedLog {
    pub(super) verifier: Verifier,
    trusted: Trusted,
}

impl TrustedLog {
    pub(super) fn new(log: TileLog, trusted: Trusted) -> Self {
        Self { verifier: Verifier::with_keys(log, trusted.keys.clone()), trusted }
    }

    /// The log's head. One that nobody known has signed convicts nobody: after a rotation it looks like that.
    pub(super) async fn head(&self) -> Result<SignedCheckpoint, Failure> {
        let head = match self.verifier.checkpoint().await {
            Err(Error::Verification(error)) if is_by_strangers(&error) => {
                return Err(Failure::cannot_tell(
                    "the tree head is signed by none of the given keys; if the log has rotated its keys, \
                     add the new one with --key",
                ));
            }
            head => head?,
        };
        self.trusted.check_policy(&head.note).map_err(|error| Failure::refused(error.to_string()))?;
        Ok(head)
    }
}

/// Whether no signature is by a known key. One that is by a known key and wrong is another matter.
pub(super) fn is_by_strangers(error: &VerificationError) -> bool {
    let nobody = CheckpointError::Note(NoteError::NoTrustedSignature);
    matches!(error, VerificationError::Checkpoint(error) if *error == nobody)
}

fn read_policy(file: &Path) -> Result<Policy, Failure> {
    let text = read_bounded(file, POLICY_BYTES_MAX as u64)?;
    Policy::parse(text).map_err(|error| Failure::usage(error.to_string()).during(file.display()))
}

pub(super) fn parse_keys(keys: &[String]) -> Result<Vec<VerifierKey>, Failure> {
    keys.iter().map(|key| parse_key(key)).collect()
}

pub(super) fn parse_key(key: &str) -> Result<VerifierKey, Failure> {
    key.trim().parse().map_err(|error| Failure::usage(format!("--key is no verifier key: {error}")))
}

fn verify_receipt(
    path: &Path,
    trusted: &Trusted,
    entry: Option<PathBuf>,
    output: Output,
) -> Result<Exit, Failure> {
    let bytes = read_bounded(path, RECEIPT_BYTES_MAX as u64)?;
    let entry = entry.map(|file| read_bounded(&file, ENTRY_BYTES_MAX as u64)).transpose()?;
    let refused = |words: String| Failure::refused(words).during(path.display());
    if bytes.first() == Some(&cose::FIRST_BYTE) {
        let entry = entry.ok_or_else(|| {
            Failure::usage("a COSE receipt does not carry the entry; give its exact bytes with --entry FILE")
        })?;
        if trusted.policy.is_some() {
            return Err(refused("a COSE receipt has no cosignatures, so it meets no policy".to_owned()));
        }
        let receipt = CoseReceipt::parse(&bytes).map_err(|error| refused(error.to_string()))?;
        let root = receipt.verify(&entry, &trusted.keys).map_err(|error| refused(error.to_string()))?;
        output.one(&mut io::stdout(), &CoseVerified { receipt, leaf_hash: tree::leaf_hash(&entry), root })?;
        return Ok(Exit::Good);
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not text".to_owned()))?;
    let receipt = Receipt::parse(&text).map_err(|error| refused(error.to_string()))?;
    let verified = receipt.verify(entry.as_deref(), &trusted.keys);
    let verified = verified.map_err(|error| refused(error.to_string()))?;
    trusted.check_policy(&receipt.checkpoint).map_err(|error| refused(error.to_string()))?;
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

pub(super) async fn verify_log(log: TileLog, trusted: Trusted, output: Output) -> Result<Exit, Failure> {
    let log = TrustedLog::new(log, trusted);
    let head = log.head().await?.checkpoint;
    let bar = progress(head.size);
    let audit = log
        .verifier
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
