//! `class set`, `class list` (role compliance).

use cairnlog_client::{ClassSettings, RetentionClass, Trigger};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::connect::{LogConnection, all};
use super::exit::{Exit, Failure};
use super::output::Shown;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Set a retention class, for what comes from now on.
    #[command(
        after_help = "Example:\n  cairnlog class set sign-in --trigger received --minimum-days 184 --maximum-days 365 --basis 'CNIL 2021-122'"
    )]
    Set {
        /// 1 to 64 of a-z, 0-9 and -, as retention plugins choose it.
        name: String,
        /// When a record's time begins to run.
        #[arg(long, value_enum, value_name = "TRIGGER")]
        trigger: TriggerName,
        /// Days for which a record can't be erased.
        #[arg(long, value_name = "DAYS")]
        minimum_days: u32,
        /// Days after which a record is due for erasure; never by age if left out.
        #[arg(long, value_name = "DAYS")]
        maximum_days: Option<u32>,
        /// Where the year ends, for the trigger end-of-year, such as Europe/Berlin; UTC if left out.
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
        /// The law or rule behind the figures.
        #[arg(long, value_name = "TEXT")]
        basis: String,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// List the retention classes.
    List {
        #[command(flatten)]
        connection: LogConnection,
    },
}

/// When a record's time begins to run.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum TriggerName {
    /// When the server received it.
    Received,
    /// At the end of the calendar year in which it was received.
    EndOfYear,
    /// When what it belongs to is closed.
    Closed,
}

/// A trigger as the API writes it.
pub(crate) fn trigger_name(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Received => "received",
        Trigger::EndOfYear => "end-of-year",
        Trigger::Closed => "closed",
    }
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Set { name, trigger, minimum_days, maximum_days, zone, basis, connection } => {
            let trigger = match trigger {
                TriggerName::Received => Trigger::Received,
                TriggerName::EndOfYear => Trigger::EndOfYear,
                TriggerName::Closed => Trigger::Closed,
            };
            let settings = ClassSettings { trigger, minimum_days, maximum_days, zone, basis };
            let class = connection.log().await?.put_class(&name, &settings).await?;
            connection.output().one(&mut std::io::stdout(), &class)?;
        }
        Command::List { connection } => {
            let log = connection.log().await?;
            let classes = all(async |page| log.classes(page).await).await?;
            connection.output().list(&mut std::io::stdout(), &classes)?;
        }
    }
    Ok(Exit::Good)
}

impl Shown for RetentionClass {
    const COLUMNS: &'static [&'static str] = &["class", "trigger", "minimum days", "maximum days", "basis"];

    fn cells(&self) -> Vec<String> {
        let settings = &self.settings;
        vec![
            self.class.clone(),
            trigger_name(settings.trigger).to_owned(),
            settings.minimum_days.to_string(),
            settings.maximum_days.map_or_else(|| "-".to_owned(), |days| days.to_string()),
            settings.basis.clone(),
        ]
    }

    fn json(&self) -> Value {
        let settings = &self.settings;
        let mut class = json!({
            "class": self.class,
            "trigger": trigger_name(settings.trigger),
            "minimum_days": settings.minimum_days,
            "basis": settings.basis,
        });
        if let Some(days) = settings.maximum_days {
            class["maximum_days"] = days.into();
        }
        if let Some(zone) = &settings.zone {
            class["zone"] = zone.clone().into();
        }
        class
    }
}
