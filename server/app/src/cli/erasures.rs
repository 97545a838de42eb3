//! `erase`, `erase list`, `erase approve`, `erase withdraw` (role compliance).

use cairnlog_client::{Erasing, Erasure, ErasureTarget, PendingErasure, RefusedErasure};
use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::{LogConnection, all};
use super::exit::{Exit, Failure};
use super::output::{Output, Shown};

const EXAMPLES: &str = "\
What is held, or whose minimum stands, is not erased: of one entry exit code 1, of a person's records 2 where only others
went. A server may ask for a second person; then it waits for `erase approve` by another token. What is erased is gone for
good. Its entry stays in the log, and every proof still verifies.

Examples:
  cairnlog erase 42 --reason 'request of 9 March'
  cairnlog erase --subject greta.lindholm@example.com --reason 'request of 9 March'
  cairnlog erase list
  cairnlog erase approve 00112233445566aa";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The entry's index.
    #[arg(required_unless_present = "subject", conflicts_with = "subject")]
    index: Option<u64>,
    /// Every record that names this person: an id, a name or an e-mail address, or the pseudonym.
    #[arg(long, value_name = "WHO")]
    subject: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: Option<String>,
    #[command(flatten)]
    connection: LogConnection,
}

#[derive(Subcommand)]
enum Command {
    /// List the erasures that wait for another person's approval.
    List {
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Carry out what another token asked for.
    #[command(after_help = "Example:\n  cairnlog erase approve 00112233445566aa")]
    Approve {
        /// The erasure's id.
        id: String,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Take back what waits for approval.
    #[command(after_help = "Example:\n  cairnlog erase withdraw 00112233445566aa")]
    Withdraw {
        /// The erasure's id.
        id: String,
        #[command(flatten)]
        connection: LogConnection,
    },
}

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    match args.command {
        Some(Command::List { connection }) => {
            let log = connection.log().await?;
            let pending = all(async |page| log.pending_erasures(page).await).await?;
            connection.output().list(&mut std::io::stdout(), &pending)?;
            Ok(Exit::Good)
        }
        Some(Command::Approve { id, connection }) => {
            let erasure = connection.log().await?.approve_erasure(&id).await?;
            done(&erasure, connection.output())
        }
        Some(Command::Withdraw { id, connection }) => {
            connection.log().await?.withdraw_erasure(&id).await?;
            eprintln!("The erasure {id} is withdrawn.");
            Ok(Exit::Good)
        }
        None => {
            let target = match (args.index, args.subject) {
                (Some(index), _) => ErasureTarget::Index(index),
                (None, subject) => ErasureTarget::Subject(subject.unwrap_or_default()),
            };
            let (output, reason) = (args.connection.output(), args.reason.unwrap_or_default());
            match args.connection.log().await?.erase(&target, &reason).await? {
                Erasing::Done(erasure) => done(&erasure, output),
                Erasing::Pending(id) => {
                    output.one(&mut std::io::stdout(), &Waiting(&id))?;
                    eprintln!("Another token has to approve it: `cairnlog erase approve {id}`.");
                    Ok(Exit::Good)
                }
            }
        }
    }
}

fn done(erasure: &Erasure, output: Output) -> Result<Exit, Failure> {
    let mut stdout = std::io::stdout();
    output.one(&mut stdout, erasure)?;
    if output == Output::Table && !erasure.refused.is_empty() {
        println!("\nNot erased:");
        output.list(&mut stdout, &erasure.refused)?;
    }
    match (erasure.erased, erasure.refused.len()) {
        (_, 0) => Ok(Exit::Good),
        (0, _) => {
            Err(Failure::refused("nothing was erased: what names this person is held, or its minimum stands"))
        }
        (erased, _) => Err(Failure::incomplete(format!(
            "{erased} records were erased, others not: they are held, or their minimum stands"
        ))),
    }
}

impl Shown for Erasure {
    const COLUMNS: &'static [&'static str] = &["id", "erased", "complete at"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), self.erased.to_string(), self.complete_at.clone()]
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "erased": self.erased,
            "complete_at": self.complete_at,
            "refused": self.refused.iter().map(Shown::json).collect::<Vec<_>>(),
        })
    }
}

impl Shown for RefusedErasure {
    const COLUMNS: &'static [&'static str] = &["index", "why", "hold", "until"];

    fn cells(&self) -> Vec<String> {
        let cell = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![self.index.to_string(), self.r#type.clone(), cell(&self.hold), cell(&self.until)]
    }

    fn json(&self) -> Value {
        let mut refused = json!({"index": self.index, "type": self.r#type});
        for (name, member) in [("hold", &self.hold), ("until", &self.until)] {
            if let Some(text) = member {
                refused[name] = text.clone().into();
            }
        }
        refused
    }
}

/// An erasure that was noted.
struct Waiting<'a>(&'a str);

impl Shown for Waiting<'_> {
    const COLUMNS: &'static [&'static str] = &["id", "status"];

    fn cells(&self) -> Vec<String> {
        vec![self.0.to_owned(), "pending".to_owned()]
    }

    fn json(&self) -> Value {
        json!({"id": self.0, "status": "pending"})
    }
}

impl Shown for PendingErasure {
    const COLUMNS: &'static [&'static str] = &["id", "index", "subject", "by", "at", "reason"];

    fn cells(&self) -> Vec<String> {
        let (index, subject) = match &self.target {
            ErasureTarget::Index(index) => (index.to_string(), String::new()),
            ErasureTarget::Subject(subject) => (String::new(), subject.clone()),
        };
        let Self { id, reason, by, at, .. } = self.clone();
        vec![id, index, subject, by, at, reason]
    }

    fn json(&self) -> Value {
        let mut pending =
            json!({"id": self.id, "status": "pending", "reason": self.reason, "by": self.by, "at": self.at});
        match &self.target {
            ErasureTarget::Index(index) => pending["index"] = (*index).into(),
            ErasureTarget::Subject(subject) => pending["subject"] = subject.clone().into(),
        }
        pending
    }
}
