//! `hold set`, `hold list`, `hold release` (role compliance).

use cairnlog_client::{Hold, HoldQuery, NewHold};
use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::{LogConnection, all};
use super::exit::{Exit, Failure};
use super::filters::FilterArgs;
use super::output::Shown;

const SET_EXAMPLES: &str = "\
A hold covers what all its filters match, also what arrives later, and raw records in quarantine, of which nobody knows what
they say; without a filter it covers everything. What is held is not erased, neither by a sweep nor on request.

Examples:
  cairnlog hold set --matter 'case 2026-17' --reason 'claim of unfair dismissal' --actor greta.lindholm@example.com
  cairnlog hold set --matter 'case 2026-18' --reason 'data breach' --source aws --from 2026-03-01T00:00:00Z";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Set a hold: what it covers is not erased before it is released.
    #[command(after_help = SET_EXAMPLES)]
    Set {
        /// What the matter is called.
        #[arg(long, value_name = "TEXT")]
        matter: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        filters: FilterArgs,
        #[command(flatten)]
        connection: LogConnection,
    },
    /// List the holds that stand.
    List {
        #[command(flatten)]
        connection: LogConnection,
    },
    /// Release a hold: what it covered goes when it is due, if nothing else holds it.
    #[command(after_help = "Example:\n  cairnlog hold release 00112233445566aa --reason settled")]
    Release {
        /// The hold's id.
        id: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        connection: LogConnection,
    },
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Set { matter, reason, filters, connection } => {
            let new = NewHold { matter, reason, query: filters.into() };
            let hold = connection.log().await?.hold(&new).await?;
            connection.output().one(&mut std::io::stdout(), &hold)?;
        }
        Command::List { connection } => {
            let log = connection.log().await?;
            let holds = all(async |page| log.holds(page).await).await?;
            connection.output().list(&mut std::io::stdout(), &holds)?;
        }
        Command::Release { id, reason, connection } => {
            connection.log().await?.release_hold(&id, reason.as_deref()).await?;
            eprintln!("The hold {id} is released.");
        }
    }
    Ok(Exit::Good)
}

/// The filters that are given, as the API names them.
fn filters(query: &HoldQuery) -> Vec<(&'static str, Value)> {
    let HoldQuery { source, actor, action, class, status, resource, ip, from, to } = query;
    let text = |value: &Option<String>| value.clone().map(Value::from);
    let all = [
        ("source", text(source)),
        ("actor", text(actor)),
        ("action", text(action)),
        ("class", class.map(Value::from)),
        ("status", status.map(Value::from)),
        ("resource", text(resource)),
        ("ip", text(ip)),
        ("from", text(from)),
        ("to", text(to)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl Shown for Hold {
    const COLUMNS: &'static [&'static str] = &["id", "matter", "covers", "by", "set", "reason"];

    fn cells(&self) -> Vec<String> {
        let words = filters(&self.query).into_iter().map(|(name, value)| format!("{name}={value}"));
        let words: Vec<String> = words.collect();
        let covers = if words.is_empty() { "everything".to_owned() } else { words.join(" ") };
        let Self { id, matter, reason, by, set, .. } = self.clone();
        vec![id, matter, covers, by, set, reason]
    }

    fn json(&self) -> Value {
        let query: serde_json::Map<String, Value> =
            filters(&self.query).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        json!({
            "id": self.id,
            "matter": self.matter,
            "reason": self.reason,
            "query": query,
            "by": self.by,
            "set": self.set,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_a_hold_covers_is_said_in_one_cell() {
        let mut json = json!({"id": "00112233445566aa", "matter": "m", "reason": "r", "by": "b", "set": "s",
            "query": {"actor": "a b", "class": 6003}});
        let hold: Hold = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(hold.cells()[2], r#"actor="a b" class=6003"#);
        assert_eq!(hold.json(), json);
        json["query"] = json!({});
        let hold: Hold = serde_json::from_value(json).unwrap();
        assert_eq!(hold.cells()[2], "everything");
    }
}
