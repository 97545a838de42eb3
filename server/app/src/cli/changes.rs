//! `change list`, `change approve`, `change withdraw` (role compliance).

use cairnlog_client::PendingChange;
use clap::Subcommand;
use serde_json::{Value, json};

use super::classes::trigger_name;
use super::connect::{LogConnection, all};
use super::exit::{Exit, Failure};
use super::output::Shown;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the changes of sources and classes that wait for another person's approval.
    List {
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Carry out what another token proposed.
    #[command(after_help = "Example:\n  cairnlog change approve 00112233445566aa")]
    Approve {
        /// The change's id.
        id: String,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Take a proposal back.
    #[command(after_help = "Example:\n  cairnlog change withdraw 00112233445566aa")]
    Withdraw {
        /// The change's id.
        id: String,
        #[command(flatten)]
        connection: LogConnection,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { connection } => {
            let log = connection.log().await?;
            let pending = all(async |page| log.pending_changes(page).await).await?;
            connection.output().list(&mut std::io::stdout(), &pending)?;
        }
        Command::Approve { id, connection } => {
            connection.log().await?.approve_change(&id).await?;
            eprintln!("The change {id} is made.");
        }
        Command::Withdraw { id, connection } => {
            connection.log().await?.withdraw_change(&id).await?;
            eprintln!("The change {id} is withdrawn.");
        }
    }
    Ok(Exit::Good)
}

impl Shown for PendingChange {
    const COLUMNS: &'static [&'static str] = &["id", "of", "name", "by", "at", "what"];

    fn cells(&self) -> Vec<String> {
        let (of, name, what) = match (&self.source, &self.class) {
            (Some(source), _) => {
                let redactors: Vec<_> = source.redactors.iter().map(|stage| stage.plugin.clone()).collect();
                ("source", source.source.clone(), format!("redactors {}", redactors.join(" ")))
            }
            (None, Some(class)) => {
                let settings = &class.settings;
                let most = settings.maximum_days.map_or_else(|| "any".to_owned(), |days| days.to_string());
                let what =
                    format!("{} {} to {most} days", trigger_name(settings.trigger), settings.minimum_days);
                ("class", class.class.clone(), what)
            }
            (None, None) => ("?", String::new(), String::new()),
        };
        vec![self.id.clone(), of.to_owned(), name, self.by.clone(), self.at.clone(), what]
    }

    fn json(&self) -> Value {
        let mut change = json!({"id": self.id, "status": "pending", "by": self.by, "at": self.at});
        if let Some(source) = &self.source {
            change["source"] = json!({
                "source": source.source,
                "normalizer": source.normalizer,
                "redactors": source.redactors,
                "retention": source.retention,
            });
        }
        if let Some(class) = &self.class {
            change["class"] = class.json();
        }
        change
    }
}
