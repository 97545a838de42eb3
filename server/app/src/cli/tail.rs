//! `tail` (role auditor).

use std::io::Write as _;
use std::time::Duration;

use cairnlog_client::{Error, Log, Record, RecordStream};

use super::connect::LogConnection;
use super::exit::{Exit, Failure};
use super::limits::{TAIL_PAUSE_SECS, TAIL_TRIES_MAX};
use super::output::{Output, Shown, cut, visible};
use super::serve::stop_signal;

/// Widths of the columns of a table that has no end.
const WIDTHS: [usize; 6] = [10, 24, 20, 32, 32, 20];

#[derive(clap::Args)]
#[command(
    after_help = "Entries of all kinds are shown, each once; a connection that breaks is made anew behind the last one.\n\nExamples:\n  cairnlog tail --log hr\n  cairnlog tail --from 0 --output ndjson >hr.ndjson\n  cairnlog tail --log control --count 100"
)]
pub(super) struct Args {
    /// The first entry; by default the next one that is published.
    #[arg(long, value_name = "INDEX")]
    from: Option<u64>,
    /// Ends after so many entries.
    #[arg(long, value_name = "ENTRIES")]
    count: Option<u64>,
    #[command(flatten)]
    connection: LogConnection,
}

/// A log that is followed.
struct Tail {
    log: Log,
    output: Output,
    next: Option<u64>,
    left: Option<u64>,
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let log = args.connection.log().await?;
    let mut tail = Tail { log, output: args.connection.output(), next: args.from, left: args.count };
    let stop = stop_signal()?;
    tokio::select! {
        ended = tail.run() => ended,
        () = stop => Ok(Exit::Good),
    }
}

impl Tail {
    async fn run(&mut self) -> Result<Exit, Failure> {
        let mut failures = 0;
        loop {
            let before = self.next;
            match self.follow().await {
                Ok(()) => return Ok(Exit::Good),
                Err(Cut::Output(failure)) => return Err(failure),
                Err(Cut::Server(failure)) if failure.exit == Exit::Refused => return Err(failure),
                Err(Cut::Server(failure)) => {
                    failures = if self.next == before { failures + 1 } else { 1 };
                    if failures == TAIL_TRIES_MAX {
                        return Err(failure);
                    }
                }
            }
            tokio::time::sleep(Duration::from_secs(TAIL_PAUSE_SECS)).await;
        }
    }

    /// Shows what one connection brings; returns well when enough was shown.
    async fn follow(&mut self) -> Result<(), Cut> {
        let mut stream: RecordStream = self.log.follow(self.next).await?;
        while self.left != Some(0) {
            let Some(record) = stream.next().await? else {
                return Err(Cut::Server(Failure::cannot_tell("the server ended the stream")));
            };
            self.show(&record).map_err(|error| Cut::Output(error.into()))?;
            self.next = Some(record.index + 1);
            self.left = self.left.map(|left| left - 1);
        }
        Ok(())
    }

    fn show(&self, record: &Record) -> std::io::Result<()> {
        let mut stdout = std::io::stdout();
        match self.output {
            Output::Table => writeln!(stdout, "{}", row(record))?,
            Output::Json | Output::Ndjson => writeln!(stdout, "{}", record.json())?,
        }
        stdout.flush()
    }
}

/// Why a connection ended.
enum Cut {
    /// What it said, or that it was broken.
    Server(Failure),
    /// Nobody takes what is shown.
    Output(Failure),
}

impl From<Error> for Cut {
    fn from(error: Error) -> Self {
        Self::Server(error.into())
    }
}

fn row(record: &Record) -> String {
    let cells = record.cells().into_iter().zip(WIDTHS);
    let cells = cells.map(|(cell, width)| format!("{:width$}", cut(&visible(&cell), width)));
    cells.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}
