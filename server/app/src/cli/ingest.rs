//! `ingest`: raw records from files or standard input into a source (role writer).

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::PathBuf;

use bytes::Bytes;
use cairnlog_client::limits::{RETRY_PAUSE_DEFAULT, RETRY_PAUSE_MAX};
use cairnlog_client::{ContentType, Error, Ingest, IngestAnswer, Log, TransportKind};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use super::batch::{Batch, Cutter, guess};
use super::connect::LogConnection;
use super::exit::{Exit, Failure};
use super::limits::{BATCH_RECORDS_DEFAULT, INGEST_TRIES_MAX};
use super::openings::OpeningsFile;
use super::output::Output;
use crate::limits::INGEST_RECORDS_DEFAULT;

mod tally;

use tally::Tally;

const EXAMPLES: &str = "\
If it breaks off, run the same command again within 24 hours: what was logged is not logged twice.

Examples:
  cairnlog ingest --source aws examples/logs/aws-cloudtrail.ndjson
  journalctl -o json -f | cairnlog ingest --source host --batch 1 -    each line as soon as it comes";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files, or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The source that they belong to.
    #[arg(long, value_name = "NAME")]
    source: String,
    /// What the files hold; by default .json is json, .log and .txt are text, .bin is bytes, all else ndjson.
    #[arg(long, value_enum, value_name = "TYPE")]
    content_type: Option<ContentTypeName>,
    /// Raw records of one request.
    #[arg(long, default_value_t = BATCH_RECORDS_DEFAULT, value_name = "RECORDS",
        value_parser = clap::value_parser!(u16).range(1..=INGEST_RECORDS_DEFAULT as i64))]
    batch: u16,
    /// Keep in this file what opens the commitments to what the log throws away: it is handed back once. Guard it like the raw
    /// records.
    #[arg(long, value_name = "FILE")]
    openings: Option<PathBuf>,
    #[command(flatten)]
    connection: LogConnection,
}

/// What a file holds.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ContentTypeName {
    /// One JSON record a line.
    #[value(alias = "application/x-ndjson")]
    Ndjson,
    /// One JSON record, or an array of them.
    #[value(alias = "application/json")]
    Json,
    /// One record of text a line.
    #[value(alias = "text/plain")]
    Text,
    /// The file is one record.
    #[value(alias = "application/octet-stream")]
    Bytes,
}

impl From<ContentTypeName> for ContentType {
    fn from(name: ContentTypeName) -> Self {
        match name {
            ContentTypeName::Ndjson => Self::Ndjson,
            ContentTypeName::Json => Self::Json,
            ContentTypeName::Text => Self::Text,
            ContentTypeName::Bytes => Self::Bytes,
        }
    }
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let log = args.connection.log().await?;
    let progress = progress(&args.files);
    let mut tally = Tally::default();
    let mut outcome = Ok(());
    // Who may write may mostly see the head; without it, an earlier answer is not told from a new one.
    let size = log.tree_head().await.map_or(0, |head| head.tree_size);
    let mut openings = args.openings.clone().map(OpeningsFile::open).transpose()?;
    for file in &args.files {
        let content_type = args.content_type.map_or_else(|| guess(file), ContentType::from);
        let before = progress.position();
        let mut upload = Upload {
            log: &log,
            source: &args.source,
            content_type,
            progress: &progress,
            before,
            openings: openings.as_mut(),
            size,
        };
        let name = if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() };
        outcome = match open(file) {
            Ok(reader) => upload.send_all(reader, usize::from(args.batch), &name, &mut tally).await,
            Err(error) => Err(Failure::file(file, &error)),
        };
        if outcome.is_err() {
            break;
        }
    }
    progress.finish_and_clear();
    let anything = tally.records() > 0;
    if !anything && outcome.is_ok() {
        return Err(Failure::refused("there is no record to send"));
    }
    if anything {
        print(args.connection.output(), &tally)?;
        tally.warn();
    }
    match outcome {
        Ok(()) if tally.unopened > 0 => Ok(Exit::Incomplete),
        Ok(()) => Ok(Exit::Good),
        Err(failure) if anything => {
            let words =
                format!("{} (run the same command again to go on; nothing is logged twice)", failure.words());
            Err(Failure::incomplete(words).during("the upload broke off"))
        }
        Err(failure) => Err(failure),
    }
}

fn print(output: Output, tally: &Tally) -> io::Result<()> {
    let mut stdout = io::stdout();
    output.one(&mut stdout, tally)?;
    if output == Output::Table { tally.explain(&mut stdout) } else { Ok(()) }
}

fn is_stdin(path: &std::path::Path) -> bool {
    path.as_os_str() == "-"
}

fn open(path: &std::path::Path) -> io::Result<Box<dyn BufRead>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 20, File::open(path)?)))
}

/// A bar where all sizes are known, a spinner where not, nothing where nobody looks.
fn progress(files: &[PathBuf]) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let size = |file: &PathBuf| {
        std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file).map(|data| data.len())
    };
    let (bar, template) = match files.iter().map(size).sum::<Option<u64>>() {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{bar:30} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left {msg}",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {binary_bytes_per_sec} {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// One file on its way.
struct Upload<'a> {
    log: &'a Log,
    source: &'a str,
    content_type: ContentType,
    progress: &'a ProgressBar,
    /// Where the bar stood before this file.
    before: u64,
    /// Where what is handed back goes, if that is wanted.
    openings: Option<&'a mut OpeningsFile>,
    /// How many entries the log had before anything was sent.
    size: u64,
}

impl Upload<'_> {
    async fn send_all(
        &mut self,
        reader: Box<dyn BufRead>,
        records_max: usize,
        name: &str,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let mut cutter = Cutter::new(reader, self.source, self.content_type, records_max);
        loop {
            let batch = match cutter.next() {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Failure::cannot_tell(error.to_string()).during(name)),
            };
            let answer = self.send(&batch, tally.records() > 0).await.map_err(Failure::from)?;
            if let Some(openings) = &mut self.openings {
                tally.unopened += openings.keep(&answer)?;
            }
            tally.add(name, &batch.lines, &answer, self.size);
            self.progress.set_position(self.before + batch.end);
            self.progress.set_message(format!("({} records)", tally.records()));
        }
    }

    /// Sends one batch, again and again where that may help: its key keeps it from being logged twice. Where nobody
    /// listens from the start, waiting does not help.
    async fn send(&self, batch: &Batch, reached: bool) -> Result<IngestAnswer, Error> {
        let body = Bytes::copy_from_slice(&batch.body);
        let ingest = Ingest {
            idempotency_key: Some(batch.key.clone()),
            openings: self.openings.is_some(),
            ..Ingest::new(self.content_type, body)
        };
        let mut pause = RETRY_PAUSE_DEFAULT;
        for _ in 1..INGEST_TRIES_MAX {
            match self.log.ingest(self.source, ingest.clone()).await {
                Err(Error::Transport { kind: TransportKind::Connect, what, source }) if !reached => {
                    return Err(Error::Transport { kind: TransportKind::Connect, what, source });
                }
                Err(error) if error.is_transient() => {
                    let asked = error.retry_after().unwrap_or(pause);
                    tokio::time::sleep(asked.min(RETRY_PAUSE_MAX)).await;
                    pause = pause.saturating_mul(2);
                }
                outcome => return outcome,
            }
        }
        self.log.ingest(self.source, ingest).await
    }
}
