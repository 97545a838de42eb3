//! `disclose` and `verify disclosure`: fields of a record, for who can't read records.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cairnlog_verify::disclosure::{Disclosure, DisclosureError, Raw, Verified};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::limits::{DISCLOSURE_BYTES_MAX, RAW_INPUT_BYTES_MAX};
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::value::Value;
use serde_json::{Value as Json, json};

use super::connect::LogConnection;
use super::exit::{Exit, Failure};
use super::output::{Output, Shown, rows};
use super::sources::read_bounded;
use super::verify::Trusted;

/// What a plugin may have been told that a raw record is.
const CONTENT_TYPES: [&str; 3] = ["application/json", "text/plain", "application/octet-stream"];

const EXAMPLES: &str = "\
Examples:
  cairnlog disclose 42 --field actor.user.name --field time -o 42.disclosure
  cairnlog disclose 42 --field time --raw-record line.json -o 42.disclosure
  cairnlog verify disclosure 42.disclosure --key VKEY";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DiscloseArgs {
    /// The entry's index.
    index: u64,
    /// The path of a field to disclose, such as actor.user.name; may be repeated.
    #[arg(long = "field", value_name = "PATH", required_unless_present_any = ["raw", "raw_record"])]
    fields: Vec<String>,
    /// Also the salt of the raw record, which opens the commitment to it for who has its bytes, or guesses them.
    #[arg(long)]
    raw: bool,
    /// The raw record's exact bytes: puts them in too, after checking them against the entry. Implies --raw.
    #[arg(long, value_name = "FILE")]
    raw_record: Option<PathBuf>,
    /// The file to write the disclosure to, or `-` for standard output.
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    connection: LogConnection,
}

pub(super) async fn disclose(args: DiscloseArgs) -> Result<Exit, Failure> {
    let log = args.connection.log().await?;
    let raw = args.raw || args.raw_record.is_some();
    let mut disclosure = log.disclose(args.index, &args.fields, raw).await?;
    if let Some(file) = &args.raw_record {
        complete(&mut disclosure, file)?;
    }
    let text = format!("{disclosure}\n");
    if args.out.as_os_str() == "-" {
        io::stdout().write_all(text.as_bytes())?;
        return Ok(Exit::Good);
    }
    std::fs::write(&args.out, text).map_err(|error| Failure::file(&args.out, &error))?;
    let path = args.out.display();
    eprintln!(
        "The disclosure of entry {} is in {path}; nothing calls it back. To check it, with the log's key: cairnlog verify disclosure {path} --key VKEY",
        args.index
    );
    Ok(Exit::Good)
}

/// Puts the bytes of the raw record into a disclosure that has the salt alone. Lines of a file come without their ends.
fn complete(disclosure: &mut Disclosure, file: &Path) -> Result<(), Failure> {
    let bytes = read_bounded(file, RAW_INPUT_BYTES_MAX as u64)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    disclosure
        .complete_raw(&CONTENT_TYPES, &bytes)
        .or_else(|_| disclosure.complete_raw(&CONTENT_TYPES, line))
        .map_err(|error| match error {
            DisclosureError::RawMismatch => Failure::refused(error.to_string()).during(file.display()),
            other => Failure::refused(other.to_string()),
        })
}

/// Checks a disclosure, offline.
pub(super) fn verify(
    path: &Path,
    trusted: &Trusted,
    raw: Option<&Path>,
    output: Output,
) -> Result<Exit, Failure> {
    let refused = |words: String| Failure::refused(words).during(path.display());
    let text = String::from_utf8(read_bounded(path, DISCLOSURE_BYTES_MAX as u64)?);
    let text = text.map_err(|_| refused("it is not text".to_owned()))?;
    let mut disclosure = Disclosure::parse(&text).map_err(|error| refused(error.to_string()))?;
    if let Some(raw) = raw {
        complete(&mut disclosure, raw)?;
    }
    let verified = disclosure.verify(&trusted.keys, trusted.policy.as_ref());
    let verified = verified.map_err(|error| refused(error.to_string()))?;
    let mut stdout = io::stdout();
    output.one(&mut stdout, &verified)?;
    if output == Output::Table {
        writeln!(stdout, "\nFields:")?;
        rows(&mut stdout, &["path", "type", "value"], verified.fields.iter().map(cells))?;
        writeln!(stdout, "\n{}", meaning(&verified))?;
    }
    Ok(Exit::Good)
}

/// What it proves, and what it does not.
fn meaning(verified: &Verified) -> String {
    let mut words =
        "It proves that the log took in, in that hour, a record that says this at these paths. It does not \
        prove that the record says nothing else, nor that what the source sent was true."
            .to_owned();
    if verified.fields.iter().any(|field| matches!(field.value, Value::Dropped(_))) {
        words += "\nWhere a value was dropped, it proves that there was one; nobody keeps it.";
    }
    match &verified.raw {
        Raw::Hidden => {}
        Raw::SaltAlone => {
            words += "\nOf the raw record it has the salt alone: that proves nothing before its bytes are given with --raw FILE.";
        }
        Raw::Proven(_) => words += "\nThe raw record is, byte for byte, what the source sent.",
    }
    words
}

fn cells(Attribute { path, value }: &Attribute) -> Vec<String> {
    let shown = match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Float(float) => float.to_string(),
        Value::Text(text) => text.clone(),
        Value::Dropped(_) => "(dropped: there was a value, nobody keeps it)".to_owned(),
        Value::EmptyObject => "{}".to_owned(),
        Value::EmptyList => "[]".to_owned(),
    };
    vec![path.clone(), value.type_name().to_owned(), shown]
}

/// A field as JSON; one that was dropped has no value.
fn field_json(Attribute { path, value }: &Attribute) -> Json {
    let mut field = json!({"path": path, "type": value.type_name()});
    let value = match value {
        Value::Null => Json::Null,
        Value::Boolean(boolean) => json!(boolean),
        Value::Integer(integer) => json!(integer),
        Value::Float(float) => json!(float),
        Value::Text(text) => json!(text),
        Value::Dropped(_) => return field,
        Value::EmptyObject => json!({}),
        Value::EmptyList => json!([]),
    };
    field["value"] = value;
    field
}

fn raw_word(raw: &Raw) -> &'static str {
    match raw {
        Raw::Hidden => "hidden",
        Raw::SaltAlone => "salt-alone",
        Raw::Proven(_) => "proven",
    }
}

/// A key as people tell it from others: its name and id.
fn short(key: &VerifierKey) -> String {
    format!("{}+{:08x}", key.name(), key.id())
}

impl Shown for Verified {
    const COLUMNS: &'static [&'static str] = &[
        "verdict",
        "log",
        "signed by",
        "index",
        "of entries",
        "kind",
        "source",
        "hour",
        "leaf hash",
        "raw record",
    ];

    fn cells(&self) -> Vec<String> {
        let raw = match &self.raw {
            Raw::Hidden => String::new(),
            Raw::SaltAlone => "not proven: the salt alone".to_owned(),
            Raw::Proven(input) => format!("proven: an input of {} bytes", input.len()),
        };
        vec![
            "the entry is in the log and commits to these fields".to_owned(),
            self.checkpoint.origin.clone(),
            self.signed_by.iter().map(short).collect::<Vec<_>>().join(", "),
            self.index.to_string(),
            self.checkpoint.size.to_string(),
            self.entry.kind().to_owned(),
            self.entry.source().unwrap_or_default().to_owned(),
            self.entry.received.to_string(),
            self.leaf_hash.to_string(),
            raw,
        ]
    }

    fn json(&self) -> Json {
        json!({
            "verified": true,
            "origin": self.checkpoint.origin,
            "signed_by": self.signed_by.iter().map(short).collect::<Vec<_>>(),
            "index": self.index,
            "tree_size": self.checkpoint.size,
            "root_hash": self.checkpoint.root.to_string(),
            "leaf_hash": self.leaf_hash.to_string(),
            "kind": self.entry.kind(),
            "source": self.entry.source(),
            "hour": self.entry.received.to_string(),
            "fields": self.fields.iter().map(field_json).collect::<Vec<_>>(),
            "raw": raw_word(&self.raw),
        })
    }
}
