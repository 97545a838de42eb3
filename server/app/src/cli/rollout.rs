//! `source canary …`, `source rollback` (role integrator).

use std::collections::BTreeMap;

use cairnlog_client::Canary;
use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::LogConnection;
use super::exit::{Exit, Failure};
use super::output::{Output, Shown, rows};
use super::sources::listed::print_stages;
use super::sources::{self, Stages};

const START_EXAMPLES: &str = "\
What the log takes is what the source's own pipeline makes; of the canary's only counts are kept, to be seen with `show`.

Example:
  cairnlog source canary start aws --percent 10 --normalizer aws-cloudtrail@0.2.0 \\
    --redactor redact-fields=examples/pipelines/aws-cloudtrail.redact.json \\
    --retention retention-schedule=examples/pipelines/aws-cloudtrail.retention.json";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Try a pipeline beside a source's own, over a share of its batches.
    #[command(after_help = START_EXAMPLES)]
    Start {
        /// The source's name.
        name: String,
        /// Of a hundred batches, how many it is run over.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
        #[command(flatten)]
        stages: Stages,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Show what it came to so far; exit code 1 if anything is another than in the log, 2 if nothing can be said yet.
    #[command(after_help = "Example:\n  cairnlog source canary show aws")]
    Show {
        /// The source's name.
        name: String,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Bind the source to what is tried.
    #[command(after_help = "Example:\n  cairnlog source canary promote aws")]
    Promote {
        /// The source's name.
        name: String,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// End the trial.
    #[command(after_help = "Example:\n  cairnlog source canary stop aws")]
    Stop {
        /// The source's name.
        name: String,
        #[command(flatten)]
        connection: LogConnection,
    },
}

pub(super) async fn canary(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Start { name, percent, stages, connection } => {
            let pipeline = stages.pipeline(&connection.connection.client()?).await?;
            connection.log().await?.put_canary(&name, &pipeline, percent).await?;
            eprintln!(
                "{name} has a canary over {percent} of 100 batches; `cairnlog source canary show {name}`"
            );
            Ok(Exit::Good)
        }
        Command::Show { name, connection } => {
            let canary = connection.log().await?.canary(&name).await?;
            let names = sources::names(&connection.connection.client()?).await?;
            show(&canary, &names, connection.output())?;
            if canary.records == 0 {
                let words = format!(
                    "figures are shown for 100 raw records at a time; it was handed {} so far",
                    canary.waiting
                );
                return Err(Failure::incomplete(words));
            }
            Ok(if canary.same == canary.records { Exit::Good } else { Exit::Refused })
        }
        Command::Promote { name, connection } => {
            let bound = connection.log().await?.promote_canary(&name).await?;
            sources::show_bound(&bound, &connection).await?;
            Ok(Exit::Good)
        }
        Command::Stop { name, connection } => {
            connection.log().await?.stop_canary(&name).await?;
            eprintln!("{name} has no canary any more");
            Ok(Exit::Good)
        }
    }
}

pub(super) async fn roll_back(name: &str, connection: &LogConnection) -> Result<Exit, Failure> {
    let bound = connection.log().await?.roll_back(name).await?;
    sources::show_bound(&bound, connection).await?;
    Ok(Exit::Good)
}

/// As a table: what is tried and what differs, a row each, below the figures.
fn show(canary: &Canary, names: &BTreeMap<String, String>, output: Output) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    output.one(&mut stdout, canary)?;
    if output == Output::Table {
        print_stages(&canary.pipeline, names)?;
    }
    let differences = differences(canary);
    if output == Output::Table && !differences.is_empty() {
        println!();
        rows(&mut stdout, &["what differs", "records"], differences)?;
    }
    Ok(())
}

fn differences(canary: &Canary) -> Vec<Vec<String>> {
    let Canary { fates, members, refused, .. } = canary;
    let row = |what: String, records: u64| vec![what, records.to_string()];
    let fates = fates.iter().map(|fate| row(format!("{} would be {}", fate.kept, fate.canary), fate.records));
    let members = members.iter().map(|member| row(member.member.clone(), member.records));
    let refused = refused.iter().map(|one| row(format!("refused: {}", one.reason), one.records));
    fates.chain(members).chain(refused).collect()
}

impl Shown for Canary {
    const COLUMNS: &'static [&'static str] =
        &["source", "percent", "counted since", "batches", "missed", "records", "waiting", "same"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.source.clone(),
            self.percent.to_string(),
            self.counted_since.clone(),
            self.batches.to_string(),
            self.batches_missed.to_string(),
            self.records.to_string(),
            self.waiting.to_string(),
            self.same.to_string(),
        ]
    }

    fn json(&self) -> Value {
        let fates = self.fates.iter();
        let members = self.members.iter();
        let refused = self.refused.iter();
        json!({
            "source": self.source,
            "percent": self.percent,
            "normalizer": self.pipeline.normalizer,
            "redactors": self.pipeline.redactors,
            "retention": self.pipeline.retention,
            "since": self.since,
            "counted_since": self.counted_since,
            "batches": self.batches,
            "batches_missed": self.batches_missed,
            "records": self.records,
            "waiting": self.waiting,
            "same": self.same,
            "fates": fates
                .map(|one| json!({"kept": one.kept, "canary": one.canary, "records": one.records}))
                .collect::<Vec<_>>(),
            "members": members
                .map(|one| json!({"member": one.member, "records": one.records}))
                .collect::<Vec<_>>(),
            "refused": refused
                .map(|one| json!({"reason": one.reason, "records": one.records}))
                .collect::<Vec<_>>(),
        })
    }
}
