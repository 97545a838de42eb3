//! `quarantine list`, `quarantine retry`, `quarantine discard` (role integrator).

use cairnlog_client::{Log, Retried, Retry, RetryAnswer, SetAside};
use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::{LogConnection, all};
use super::exit::{Exit, Failure};
use super::output::{Output, Shown, rows};

const RETRY_EXAMPLES: &str = "\
Runs quarantined raw records through the pipelines that their sources have now. What is understood is logged with the time at
which it came, and an entry of kind `release` says where it is. What is still not understood stays: then the exit code is 2.

Examples:
  cairnlog quarantine retry --dry-run
  cairnlog quarantine retry --source aws
  cairnlog quarantine retry 17 23";

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the raw records that no pipeline could process, and why; not what they say.
    #[command(after_help = "Example:\n  cairnlog quarantine list --source aws")]
    List {
        /// Of this source alone.
        #[arg(long)]
        source: Option<String>,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Try raw records again, all or some.
    #[command(after_help = RETRY_EXAMPLES)]
    Retry {
        /// The indices of their quarantine entries; all if none is given.
        #[arg(value_name = "INDEX")]
        indices: Vec<u64>,
        /// Of this source alone.
        #[arg(long, conflicts_with = "indices")]
        source: Option<String>,
        /// Only say what would become of them.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Give a raw record up: its bytes go, and an entry says so.
    #[command(after_help = "Example:\n  cairnlog quarantine discard 17 --reason 'a test of the sender'")]
    Discard {
        /// The index of its quarantine entry.
        index: u64,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        connection: LogConnection,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { source, connection } => {
            let log = connection.log().await?;
            let set_aside = all(async |page| log.quarantine(source.as_deref(), page).await).await?;
            connection.output().list(&mut std::io::stdout(), &set_aside)?;
            Ok(Exit::Good)
        }
        Command::Retry { indices, source, dry_run, connection } => {
            let log = connection.log().await?;
            let indices = (!indices.is_empty()).then_some(indices);
            let answer = retry_all(&log, Retry { source, indices, dry_run, ..Retry::default() }).await?;
            show(&answer, connection.output())?;
            let is_all = answer.logged + answer.skipped == answer.results.len() as u64;
            Ok(if is_all { Exit::Good } else { Exit::Incomplete })
        }
        Command::Discard { index, reason, connection } => {
            connection.log().await?.discard(index, &reason).await?;
            eprintln!("The raw record {index} is discarded.");
            Ok(Exit::Good)
        }
    }
}

/// As many requests as it takes.
async fn retry_all(log: &Log, mut retry: Retry) -> Result<RetryAnswer, Failure> {
    let mut all = log.retry(&retry).await?;
    while let Some(next) = all.next {
        eprintln!("{} raw records are logged so far …", all.logged);
        retry.from = next;
        let more = log.retry(&retry).await?;
        all.logged += more.logged;
        all.skipped += more.skipped;
        all.quarantined += more.quarantined;
        all.held += more.held;
        all.results.extend(more.results);
        all.next = more.next;
    }
    Ok(all)
}

fn show(answer: &RetryAnswer, output: Output) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    if output == Output::Table {
        rows(&mut stdout, Retried::COLUMNS, answer.results.iter().map(Shown::cells))?;
        println!();
    }
    output.one(&mut stdout, answer)?;
    Ok(())
}

impl Shown for SetAside {
    const COLUMNS: &'static [&'static str] = &["index", "source", "received", "bytes", "reason", "detail"];

    fn cells(&self) -> Vec<String> {
        let Self { index, source, received, reason, detail, size } = self.clone();
        vec![index.to_string(), source, received, size.to_string(), reason, detail]
    }

    fn json(&self) -> Value {
        json!({
            "index": self.index,
            "source": self.source,
            "received": self.received,
            "reason": self.reason,
            "detail": self.detail,
            "size": self.size,
        })
    }
}

impl Shown for RetryAnswer {
    const COLUMNS: &'static [&'static str] = &["logged", "skipped", "quarantined", "held"];

    fn cells(&self) -> Vec<String> {
        [self.logged, self.skipped, self.quarantined, self.held].map(|count| count.to_string()).to_vec()
    }

    fn json(&self) -> Value {
        json!({
            "logged": self.logged,
            "skipped": self.skipped,
            "quarantined": self.quarantined,
            "held": self.held,
            "results": self.results.iter().map(Shown::json).collect::<Vec<_>>(),
        })
    }
}

impl Shown for Retried {
    const COLUMNS: &'static [&'static str] = &["index", "status", "first", "records", "fuel", "reason"];

    fn cells(&self) -> Vec<String> {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        vec![
            self.index.to_string(),
            self.status.clone(),
            number(self.first),
            number(self.records),
            number(self.fuel),
            self.reason.clone().unwrap_or_default(),
        ]
    }

    fn json(&self) -> Value {
        let mut retried = json!({"index": self.index, "status": self.status});
        for (name, number) in [("first", self.first), ("records", self.records), ("fuel", self.fuel)] {
            if let Some(number) = number {
                retried[name] = number.into();
            }
        }
        if let Some(reason) = &self.reason {
            retried["reason"] = reason.clone().into();
        }
        retried
    }
}
