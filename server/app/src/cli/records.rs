//! `search`, `show` (role auditor).

use std::io::Write as _;

use cairnlog_client::{
    AppliedRedaction, Error, Order, PageRequest, Problem, Record, RecordQuery, RecordRetention,
};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::connect::LogConnection;
use super::exit::{Exit, Failure};
use super::filters::FilterArgs;
use super::limits::{SEARCH_PAGE_MAX, SEARCH_RECORDS_DEFAULT};
use super::output::{Output, Shown, cut, rows, visible_json};

/// Longest cell of a search's table, in characters.
const CELL_CHARS: usize = 48;

const SEARCH_EXAMPLES: &str = "\
Filters match whole values as they are kept; where a value was pseudonymized, give the pseudonym.

Examples:
  cairnlog search --source aws --action GetObject --limit 20
  cairnlog search --actor tok1_… --from 2026-03-09T00:00:00Z --order asc --output ndjson";

#[derive(clap::Args)]
#[command(after_help = SEARCH_EXAMPLES)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    filters: FilterArgs,
    /// By event time.
    #[arg(long, value_enum, default_value = "desc", value_name = "ORDER")]
    order: OrderName,
    /// Records at most.
    #[arg(long, default_value_t = SEARCH_RECORDS_DEFAULT, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    connection: LogConnection,
}

/// The order of a search.
#[derive(Clone, Copy, ValueEnum)]
enum OrderName {
    /// Oldest first.
    Asc,
    /// Newest first.
    Desc,
}

#[derive(clap::Args)]
#[command(
    after_help = "Of an erased record it says who had it erased, why, on what basis and when, and ends with exit code 1.\n\nExample:\n  cairnlog show 42 --output json"
)]
pub(super) struct ShowArgs {
    /// The entry's index.
    index: u64,
    #[command(flatten)]
    connection: LogConnection,
}

pub(super) async fn search(args: SearchArgs) -> Result<Exit, Failure> {
    let SearchArgs { filters, order, limit, connection } = args;
    let log = connection.log().await?;
    let output = connection.output();
    let mut query = query(filters, order);
    let (mut left, mut found) = (limit, Vec::new());
    loop {
        query.page.limit = Some(left.min(SEARCH_PAGE_MAX));
        let page = log.search(&query).await?;
        left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        if output == Output::Ndjson {
            output.list(&mut std::io::stdout(), &page.items)?;
        } else {
            found.extend(page.items);
        }
        query.page.cursor = page.next_cursor;
        if left == 0 || query.page.cursor.is_none() {
            break;
        }
    }
    if output != Output::Ndjson {
        output.list(&mut std::io::stdout(), &found)?;
    }
    if left == 0 && query.page.cursor.is_some() && output == Output::Table {
        eprintln!("There is more; raise --limit to see it.");
    }
    Ok(Exit::Good)
}

fn query(filters: FilterArgs, order: OrderName) -> RecordQuery {
    let FilterArgs { source, actor, action, class, status, resource, ip, from, to } = filters;
    let order = Some(match order {
        OrderName::Asc => Order::Asc,
        OrderName::Desc => Order::Desc,
    });
    let page = PageRequest::default();
    RecordQuery { source, actor, action, class, status, resource, ip, from, to, order, page }
}

pub(super) async fn show(args: ShowArgs) -> Result<Exit, Failure> {
    let output = args.connection.output();
    let mut stdout = std::io::stdout();
    let record = match args.connection.log().await?.record(args.index).await {
        Ok(record) => record,
        Err(error) => {
            if let Error::Problem(problem) = &error
                && problem.slug() == "erased"
            {
                output.one(&mut stdout, &ErasedRecord { index: args.index, problem })?;
            }
            return Err(error.into());
        }
    };
    output.one(&mut stdout, &Whole(&record))?;
    if output == Output::Table {
        writeln!(stdout, "\nEvent:\n{}", visible_json(&record.event))?;
        if !record.redactions.is_empty() {
            writeln!(stdout, "\nTaken away:")?;
            let cells = record.redactions.iter().map(|redaction| {
                let AppliedRedaction { path, action, entity, rule, plugin } = redaction.clone();
                vec![path, action, entity, rule, plugin]
            });
            rows(&mut stdout, &["path", "action", "entity", "rule", "plugin"], cells)?;
        }
    }
    Ok(Exit::Good)
}

/// A text in an event, at the first of the paths that has one. Paths are names with dots between.
pub(crate) fn first_text(event: &Value, paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|path| {
        let value = path.split('.').try_fold(event, |value, name| value.get(name))?;
        value.as_str().map(str::to_owned).filter(|text| !text.is_empty())
    })
}

/// Who did it, as far as the event says.
pub(crate) fn actor(event: &Value) -> Option<String> {
    let paths = [
        "actor.user.name",
        "actor.user.email_addr",
        "actor.user.uid",
        "actor.invoked_by",
        "user.name",
        "user.email_addr",
        "user.uid",
    ];
    first_text(event, &paths)
}

/// What was done, as far as the event says.
pub(crate) fn action(event: &Value) -> Option<String> {
    first_text(event, &["api.operation", "metadata.event_code", "activity_name"])
}

/// When it happened.
pub(crate) fn event_time(event: &Value) -> Option<String> {
    let ms = event.get("time")?.as_i64()?;
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_string())
}

/// As the API shows it.
pub(super) fn retention_json(retention: &RecordRetention) -> Value {
    let RecordRetention { class, rule, basis, trigger, minimum_until, maximum_until } = retention;
    json!({
        "class": class,
        "rule": rule,
        "basis": basis,
        "trigger": trigger,
        "minimum_until": minimum_until,
        "maximum_until": maximum_until,
    })
}

/// As the API shows it.
pub(super) fn redaction_json(redaction: &AppliedRedaction) -> Value {
    let AppliedRedaction { path, action, entity, rule, plugin } = redaction;
    json!({"path": path, "action": action, "entity": entity, "rule": rule, "plugin": plugin})
}

impl Shown for Record {
    const COLUMNS: &'static [&'static str] = &["index", "time", "source", "actor", "action", "class"];

    fn cells(&self) -> Vec<String> {
        let cell = |text: Option<String>| text.map(|text| cut(&text, CELL_CHARS)).unwrap_or_default();
        vec![
            self.index.to_string(),
            event_time(&self.event).unwrap_or_else(|| self.received.clone()),
            cell(self.source.clone()),
            cell(actor(&self.event)),
            cell(action(&self.event)),
            self.retention.as_ref().map(|retention| retention.class.clone()).unwrap_or_default(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "index": self.index,
            "leaf_hash": self.leaf_hash.to_string(),
            "kind": self.kind,
            "source": self.source,
            "received": self.received,
            "event": self.event,
            "redactions": self.redactions.iter().map(redaction_json).collect::<Vec<_>>(),
            "retention": self.retention.as_ref().map(retention_json),
            "pipeline": self.pipeline.as_ref().map(ToString::to_string),
        })
    }
}

/// A record alone, with all that is said of it.
struct Whole<'a>(&'a Record);

impl Shown for Whole<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "kind",
        "source",
        "received",
        "leaf hash",
        "pipeline",
        "class",
        "kept at least until",
        "due for erasure",
    ];

    fn cells(&self) -> Vec<String> {
        let record = self.0;
        let retention = record.retention.as_ref();
        let until = |time: Option<&String>| time.cloned().unwrap_or_default();
        vec![
            record.index.to_string(),
            record.kind.clone(),
            record.source.clone().unwrap_or_default(),
            record.received.clone(),
            record.leaf_hash.to_string(),
            record.pipeline.as_ref().map(ToString::to_string).unwrap_or_default(),
            retention
                .filter(|kept| !kept.class.is_empty())
                .map(|kept| format!("{} (rule {}; {})", kept.class, kept.rule, kept.basis))
                .unwrap_or_default(),
            until(retention.and_then(|kept| kept.minimum_until.as_ref())),
            until(retention.and_then(|kept| kept.maximum_until.as_ref())),
        ]
    }

    fn json(&self) -> Value {
        self.0.json()
    }
}

/// What is left of a record that was erased.
struct ErasedRecord<'a> {
    index: u64,
    problem: &'a Problem,
}

impl ErasedRecord<'_> {
    fn said(&self, member: &str) -> String {
        self.problem.member(member).unwrap_or_default().to_owned()
    }
}

impl Shown for ErasedRecord<'_> {
    const COLUMNS: &'static [&'static str] = &["index", "erased", "by", "reason", "basis"];

    fn cells(&self) -> Vec<String> {
        let said = ["at", "by", "reason", "basis"].map(|member| self.said(member));
        [self.index.to_string()].into_iter().chain(said).collect()
    }

    fn json(&self) -> Value {
        let [at, by, reason, basis] = ["at", "by", "reason", "basis"].map(|member| self.said(member));
        json!({"index": self.index, "erased": {"at": at, "by": by, "reason": reason, "basis": basis}})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_row_shows_who_did_what_and_when() {
        let record: Record = serde_json::from_value(json!({
            "index": 7,
            "leaf_hash": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "kind": "record",
            "source": "aws",
            "received": "2026-03-09T10:00:00Z",
            "event": {"time": 1_773_014_400_000_i64, "actor": {"user": {"uid": "u", "name": ""}}, "api": {"operation": "GetObject"}},
            "retention": {"class": "hr", "rule": "r", "basis": "b", "trigger": "received"},
        }))
        .unwrap();
        assert_eq!(record.cells(), ["7", "2026-03-09T00:00:00Z", "aws", "u", "GetObject", "hr"]);
        let json = record.json();
        assert_eq!((&json["index"], &json["retention"]["class"]), (&json!(7), &json!("hr")));
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
    }

    #[test]
    fn an_entry_without_an_event_time_shows_when_it_was_received() {
        let record: Record = serde_json::from_value(json!({
            "index": 0,
            "leaf_hash": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "kind": "log",
            "received": "2026-03-09T10:00:00Z",
            "event": {"log": {"name": "hr"}},
        }))
        .unwrap();
        assert_eq!(record.cells(), ["0", "2026-03-09T10:00:00Z", "", "", "", ""]);
    }
}
