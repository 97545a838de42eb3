//! What the log kept: what was taken away from records, how long they live, and how they are found.

use std::collections::{BTreeMap, BTreeSet};

use cairnlog_client::{Record, RecordQuery};
use cairnlog_host::{Host, HostLimits, Outcome};
use cairnlog_verify::event::Event;
use cairnlog_verify::raw::RawInput;
use cairnlog_verify::value::Value;

use super::Stage;
use super::feed::{Fed, Sent};
use crate::cli::Failure;
use crate::cli::output::{Shown as _, cut};
use crate::cli::records::actor;

/// Longest value shown, in characters.
const VALUE_CHARS: usize = 44;

/// Longest list of entities, in characters.
const ENTITIES_CHARS: usize = 64;

/// Most redactions of the record that is shown, so that it fits a screen.
const REDACTIONS_SHOWN: usize = 14;

/// Records that the search shows.
const FOUND_SHOWN: u32 = 5;

/// All records, opened.
pub(super) async fn fetch(stage: &Stage<'_>) -> Result<Vec<Record>, Failure> {
    let mut query = RecordQuery::default();
    query.page.limit = Some(crate::limits::PAGE_ROWS_MAX);
    let mut records = Vec::new();
    loop {
        let page = stage.log.search(&query).await?;
        records.extend(page.items.into_iter().filter(|record| record.kind == "record"));
        query.page.cursor = page.next_cursor;
        if query.page.cursor.is_none() {
            return Ok(records);
        }
    }
}

/// What was taken away, in numbers, and one record before and after.
pub(super) async fn taken_away(stage: &mut Stage<'_>, records: &[Record], fed: &Fed) -> Result<(), Failure> {
    stage.tell.step("What was taken away before anything was kept")?;
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for redaction in records.iter().flat_map(|record| &record.redactions) {
        *counts.entry((&redaction.action, &redaction.entity)).or_default() += 1;
    }
    let mut by_action: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for ((action, entity), count) in counts {
        by_action.entry(action).or_default().push((count, entity));
    }
    let most_first = |all: &[(u64, &str)]| {
        let mut all = all.to_vec();
        all.sort_unstable_by(|one, other| other.cmp(one));
        let words: Vec<_> = all.iter().map(|(count, entity)| format!("{count} {entity}")).collect();
        cut(&words.join(", "), ENTITIES_CHARS)
    };
    let meaning = |action: &str| match action {
        "drop" => "nothing, but a commitment to it",
        "mask" => "its kind, at most its end",
        "pseudonymize" => "a token, for the same value the same",
        _ => "",
    };
    let cells = by_action
        .iter()
        .map(|(action, all)| vec![(*action).to_owned(), most_first(all), meaning(action).to_owned()]);
    stage.tell.table(&["action", "how many of what", "what is left"], cells.collect::<Vec<_>>())?;
    let Some((record, sent)) = showcase(records, &fed.sent) else { return Ok(()) };
    before_and_after(stage, record, sent).await
}

/// The record that shows most: many kinds of redactions, not too many in all.
fn showcase<'a>(records: &'a [Record], sent: &'a [Sent]) -> Option<(&'a Record, &'a Sent)> {
    let score = |record: &Record| {
        let actions: BTreeSet<_> = record.redactions.iter().map(|one| &one.action).collect();
        let entities: BTreeSet<_> = record.redactions.iter().map(|one| &one.entity).collect();
        let fits = record.redactions.len() <= REDACTIONS_SHOWN;
        (fits, actions.len(), entities.len(), std::cmp::Reverse(record.redactions.len()), record.index)
    };
    let origin = |record: &Record| {
        sent.iter().find(|one| {
            let first = one.row.index.unwrap_or(u64::MAX);
            record.index >= first && record.index - first < one.row.events.unwrap_or(1)
        })
    };
    let known = records.iter().filter(|record| !record.redactions.is_empty());
    let known = known.filter_map(|record| origin(record).map(|sent| (record, sent)));
    known.max_by_key(|(record, _)| score(record))
}

async fn before_and_after(stage: &mut Stage<'_>, record: &Record, sent: &Sent) -> Result<(), Failure> {
    let sample = stage.samples.streams[sent.stream].sample;
    let said = format!(
        "Entry {}, from {}. Before: what the same plugin, run here, makes of the raw line. After: what the server has.",
        record.index, sample.source
    );
    stage.tell.say(&said)?;
    let wasm = stage.samples.plugin(sample.normalizer).unwrap_or_default().to_vec();
    let part = sent.row.index.map_or(0, |first| record.index.saturating_sub(first));
    let content_type = match sample.content_type {
        cairnlog_client::ContentType::Text => "text/plain",
        _ => "application/json",
    };
    let (source, raw) = (sample.source, sent.raw.clone());
    let replay = tokio::task::spawn_blocking(move || normalize(&wasm, source, content_type, &raw));
    let events = replay.await.map_err(|error| Failure::cannot_tell(error.to_string()))??;
    let before = usize::try_from(part).ok().and_then(|part| events.get(part));
    let after = Event::flatten(&record.event).unwrap_or_default();
    let cells = record.redactions.iter().map(|redaction| {
        let path = redaction.path.as_str();
        let left = after.iter().find(|attribute| attribute.path == path);
        let left = left.map_or_else(|| "(gone)".to_owned(), |attribute| words(&attribute.value));
        let before = before.and_then(|event| event.get(path)).map(words).unwrap_or_default();
        let same = common_start(&before, &left);
        vec![
            cut(path, VALUE_CHARS),
            cut(&from_difference(&before, same), VALUE_CHARS),
            cut(&from_difference(&left, same), VALUE_CHARS),
            redaction.rule.clone(),
        ]
    });
    stage.tell.table(&["attribute", "before", "after", "rule"], cells.collect::<Vec<_>>())?;
    stage
        .tell
        .say("All other attributes are kept, sealed: only who has the role of an auditor opens them.")?;
    Ok(())
}

/// Runs a normalizer over one raw record, in a host of its own.
fn normalize(wasm: &[u8], source: &str, content_type: &str, raw: &[u8]) -> Result<Vec<Event>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::cannot_tell(format!("the replay failed: {error}"));
    let host =
        Host::new(HostLimits { instances: 1, ..HostLimits::default() }).map_err(|error| failed(&error))?;
    let plugin = host.load(wasm).map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let stage =
        host.configure(&plugin, "{}").map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let record = RawInput { received_ms: 0, source, content_type, attributes: &[], body: raw };
    let run = host.normalize(&stage, &[record]).map_err(|error| failed(&error))?;
    match run.results.into_iter().next() {
        Some(Ok(Outcome::Events(events))) => Ok(events),
        _ => Err(failed(&"the plugin made no event of the raw line this time")),
    }
}

/// How many characters both begin with.
fn common_start(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

/// The text from where it differs from another, if that is not among the characters that are shown.
fn from_difference(text: &str, same: usize) -> String {
    if same + 8 < VALUE_CHARS {
        return text.to_owned();
    }
    let rest: String = text.chars().skip(same.saturating_sub(8)).collect();
    format!("…{rest}")
}

/// A value as people read it.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Dropped(_) => "(gone)".to_owned(),
        Value::EmptyObject => "{}".to_owned(),
        Value::EmptyList => "[]".to_owned(),
    }
}

/// How long records live, by class.
pub(super) fn lifetimes(stage: &mut Stage<'_>, records: &[Record]) -> Result<(), Failure> {
    stage.tell.step("How long each record lives")?;
    stage.tell.say(
        "The retention plugin chose a class for every record; the class says from when to when, and why.",
    )?;
    let mut classes: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        if let Some(retention) = &record.retention {
            classes.entry(&retention.class).or_default().push(record);
        }
    }
    let cells = classes.iter().map(|(class, records)| {
        let kept = records.iter().filter_map(|record| record.retention.as_ref());
        let day = |time: Option<&String>| {
            time.map_or_else(|| "-".to_owned(), |time| time.chars().take(10).collect())
        };
        let first = kept.clone().min_by_key(|kept| kept.maximum_until.clone());
        vec![
            (*class).to_owned(),
            records.len().to_string(),
            day(first.and_then(|kept| kept.minimum_until.as_ref())),
            day(first.and_then(|kept| kept.maximum_until.as_ref())),
            first.map(|kept| cut(&kept.basis, VALUE_CHARS)).unwrap_or_default(),
        ]
    });
    let head = ["class", "records", "kept at least until", "due for erasure", "basis"];
    stage.tell.table(&head, cells.collect::<Vec<_>>())?;
    Ok(())
}

/// Finds the records of one person by pseudonym.
pub(super) async fn search(stage: &mut Stage<'_>, records: &[Record]) -> Result<String, Failure> {
    stage.tell.step("Find what one person did, without knowing who it is")?;
    let mut actors: BTreeMap<String, u64> = BTreeMap::new();
    for name in
        records.iter().filter_map(|record| actor(&record.event)).filter(|name| name.starts_with("tok1_"))
    {
        *actors.entry(name).or_default() += 1;
    }
    let Some((name, count)) = actors.into_iter().max_by_key(|(_, count)| *count) else {
        stage.tell.say("No actor was pseudonymized, so there is none to look for.")?;
        return Ok(String::new());
    };
    let mut query = RecordQuery { actor: Some(name.clone()), ..RecordQuery::default() };
    query.page.limit = Some(FOUND_SHOWN);
    let found = stage.log.search(&query).await?.items;
    let said = format!("The pseudonym {name} acts in {count} records; the newest {}:", found.len());
    stage.tell.say(&said)?;
    stage.tell.table(
        <Record as crate::cli::output::Shown>::COLUMNS,
        found.iter().map(Record::cells).collect::<Vec<_>>(),
    )?;
    Ok(name)
}
