//! What plugins return, checked as hostile input and turned into the host's own types.
//!
//! A return of another length than the batch fails the whole run, since nothing tells which record is to blame;
//! bisecting does. Everything else is one record's fault.

use cairnlog_verify::event::{Attribute, Event};
use cairnlog_verify::name;
use cairnlog_verify::value::Value;

use crate::bindings::cairnlog::plugin::events::{AttributeResult, ValueResult};
use crate::bindings::exports::cairnlog::plugin::{normalizer, redactor, retention};
use crate::bisect::Batch;
use crate::limits::{
    ENTITY_BYTES_MAX, EVENTS_PER_RECORD_MAX, MASK_KEEP_MAX, MESSAGE_BYTES_MAX, REDACTIONS_PER_EVENT_MAX,
    RULE_BYTES_MAX, SUBJECT_BYTES_MAX,
};
use crate::ocsf;
use crate::text::cut;
use crate::types::{Action, Decision, Fault, Outcome, Redaction, Verdict};

/// Paths that no redactor may touch: what a record is could not be told without them.
const PROTECTED: [&str; 5] = ["activity_id", "class_uid", "metadata.version", "time", "type_uid"];

/// Whether nothing may be taken from the attribute at this path, not even as a copy of something else.
#[must_use]
pub fn is_protected(path: &str) -> bool {
    PROTECTED.contains(&path)
}

/// A normalizer's return for `records` raw records.
pub(crate) fn outcomes(returned: Vec<normalizer::Outcome>, records: usize) -> Batch<Outcome> {
    count("outcomes", returned.len(), records)?;
    Ok(returned.into_iter().map(outcome).collect())
}

fn outcome(returned: normalizer::Outcome) -> Verdict<Outcome> {
    match returned {
        normalizer::Outcome::Events(list) if list.is_empty() => {
            Err(Fault::bad_return("an empty list of events"))
        }
        normalizer::Outcome::Events(list) if list.len() > EVENTS_PER_RECORD_MAX => Err(Fault::bad_return(
            format!("{} events of one record, more than {EVENTS_PER_RECORD_MAX}", list.len()),
        )),
        normalizer::Outcome::Events(list) => {
            let checked = list.into_iter().enumerate().map(|(index, attributes)| {
                event(attributes).map_err(|words| Fault::bad_return(format!("event {index}: {words}")))
            });
            Ok(Outcome::Events(checked.collect::<Result<_, _>>()?))
        }
        normalizer::Outcome::Skip(reason) => Ok(Outcome::Skip(cut(&reason, MESSAGE_BYTES_MAX).to_owned())),
        normalizer::Outcome::Reject(reason) => {
            Ok(Outcome::Reject(cut(&reason, MESSAGE_BYTES_MAX).to_owned()))
        }
    }
}

fn event(returned: Vec<AttributeResult>) -> Result<Event, String> {
    let attributes =
        returned.into_iter().map(|a| Attribute { path: a.path, value: value(a.value) }).collect();
    let event = Event::new(attributes).map_err(|error| error.to_string())?;
    if event.attributes().iter().any(|attribute| is_raw_copy(&attribute.path)) {
        // The path is not repeated: a key below these may hold what the record does.
        return Err("raw_data or raw_data_hash copies the raw record, which would undo redactions".to_owned());
    }
    let violations = ocsf::violations(&event);
    if violations.is_empty() { Ok(event) } else { Err(violations.join("; ")) }
}

fn value(returned: ValueResult) -> Value {
    match returned {
        ValueResult::Null => Value::Null,
        ValueResult::Boolean(boolean) => Value::Boolean(boolean),
        ValueResult::Integer(integer) => Value::Integer(integer),
        ValueResult::Float(float) => Value::Float(float),
        ValueResult::Text(text) => Value::Text(text),
        ValueResult::EmptyObject => Value::EmptyObject,
        ValueResult::EmptyList => Value::EmptyList,
    }
}

/// `raw_data`, `raw_data_hash` and what lies below them; not `raw_data_size`.
fn is_raw_copy(path: &str) -> bool {
    path.strip_prefix("raw_data").is_some_and(|rest| {
        let rest = rest.strip_prefix("_hash").unwrap_or(rest);
        rest.is_empty() || rest.starts_with(['.', '['])
    })
}

/// A redactor's return for these events, each with the indices under which the plugin saw its attributes.
pub(crate) fn redactions(
    returned: Vec<Vec<redactor::Redaction>>,
    events: &[(&[Attribute], Vec<u32>)],
) -> Batch<Vec<Redaction>> {
    count("lists of redactions", returned.len(), events.len())?;
    Ok(returned
        .into_iter()
        .zip(events)
        .map(|(list, (event, seen))| event_redactions(list, event, seen))
        .collect())
}

fn event_redactions(
    returned: Vec<redactor::Redaction>,
    event: &[Attribute],
    seen: &[u32],
) -> Verdict<Vec<Redaction>> {
    if returned.len() > REDACTIONS_PER_EVENT_MAX {
        return Err(Fault::bad_return(format!(
            "{} redactions, more than {REDACTIONS_PER_EVENT_MAX}",
            returned.len()
        )));
    }
    let checked = returned.into_iter().enumerate().map(|(index, one)| {
        redaction(one, event, seen).map_err(|words| Fault::bad_return(format!("redaction {index}: {words}")))
    });
    settle_overlaps(checked.collect::<Result<_, _>>()?)
}

fn redaction(returned: redactor::Redaction, event: &[Attribute], seen: &[u32]) -> Result<Redaction, String> {
    let index = usize::try_from(returned.attribute).ok().and_then(|index| seen.get(index)).copied();
    let attribute = index.and_then(|index| event.get(usize::try_from(index).ok()?).zip(Some(index)));
    let Some((attribute, index)) = attribute else {
        return Err(format!("attribute {} of {}", returned.attribute, seen.len()));
    };
    if is_protected(&attribute.path) {
        return Err(format!("{} can't be redacted", attribute.path));
    }
    let action = match returned.action {
        redactor::Action::Drop if returned.span.is_some() => return Err("a drop takes no span".to_owned()),
        redactor::Action::Drop => Action::Drop,
        redactor::Action::Mask(keep) if keep > MASK_KEEP_MAX => {
            return Err(format!("a mask keeps at most {MASK_KEEP_MAX} characters, not {keep}"));
        }
        redactor::Action::Mask(keep) => Action::Mask(keep),
        redactor::Action::Pseudonymize => Action::Pseudonymize,
    };
    if let Some(span) = returned.span {
        check_span(span, &attribute.value)?;
    }
    if !is_entity(&returned.entity) {
        return Err("entity is not [A-Z][A-Z0-9_]{0,31}".to_owned());
    }
    check_rule(&returned.rule)?;
    Ok(Redaction {
        attribute: index,
        span: returned.span,
        action,
        entity: returned.entity,
        rule: returned.rule,
    })
}

fn check_span((start, end): (u32, u32), value: &Value) -> Result<(), String> {
    let Value::Text(text) = value else {
        return Err(format!("a span of a value of type {}", value.type_name()));
    };
    // A u32 that does not fit a usize is out of any text's range.
    let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    match text.get(index(start)..index(end)) {
        Some("") => Err(format!("span {start}..{end} is empty")),
        Some(_) => Ok(()),
        None => {
            Err(format!("span {start}..{end} of {} bytes is out of range or splits a character", text.len()))
        }
    }
}

fn is_entity(entity: &str) -> bool {
    entity.len() <= ENTITY_BYTES_MAX
        && entity.starts_with(|first: char| first.is_ascii_uppercase())
        && entity.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn check_rule(rule: &str) -> Result<(), String> {
    if rule.is_empty() || rule.len() > RULE_BYTES_MAX {
        return Err(format!("a rule's name has 1 to {RULE_BYTES_MAX} bytes, not {}", rule.len()));
    }
    Ok(())
}

/// Sorts the redactions of an event. A drop beats whatever else is said of its attribute; other overlaps are refused.
fn settle_overlaps(mut list: Vec<Redaction>) -> Verdict<Vec<Redaction>> {
    list.sort_by_key(|one| (one.attribute, one.action != Action::Drop, one.span));
    let mut kept: Vec<Redaction> = Vec::with_capacity(list.len());
    for one in list {
        let overlaps = |previous: &Redaction| {
            previous.span.zip(one.span).is_none_or(|((_, end), (start, _))| start < end)
        };
        match kept.last().filter(|previous| previous.attribute == one.attribute) {
            Some(previous) if previous.action == Action::Drop => {}
            Some(previous) if overlaps(previous) => {
                return Err(Fault::bad_return(format!("redactions of attribute {} overlap", one.attribute)));
            }
            _ => kept.push(one),
        }
    }
    Ok(kept)
}

/// A retention plugin's return for `events` events.
pub(crate) fn decisions(returned: Vec<retention::Decision>, events: usize) -> Batch<Decision> {
    count("decisions", returned.len(), events)?;
    Ok(returned.into_iter().map(|one| decision(one).map_err(Fault::bad_return)).collect())
}

fn decision(returned: retention::Decision) -> Result<Decision, String> {
    name::check(&returned.class).map_err(|error| format!("class: {error}"))?;
    if let Some(closes) = &returned.closes {
        name::check(closes).map_err(|error| format!("closes: {error}"))?;
    }
    if returned
        .subject
        .as_ref()
        .is_some_and(|subject| subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX)
    {
        return Err(format!("a subject has 1 to {SUBJECT_BYTES_MAX} bytes"));
    }
    check_rule(&returned.rule)?;
    let retention::Decision { class, subject, closes, rule } = returned;
    Ok(Decision { class, subject, closes, rule })
}

fn count(what: &str, returned: usize, records: usize) -> Result<(), Fault> {
    if returned == records {
        return Ok(());
    }
    Err(Fault::bad_return(format!("{returned} {what} for {records} records")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(attribute: u32, span: Option<(u32, u32)>, action: redactor::Action) -> redactor::Redaction {
        redactor::Redaction { attribute, span, action, entity: "NAME".into(), rule: "r".into() }
    }

    fn event() -> Vec<Attribute> {
        let text = |path: &str, text: &str| Attribute { path: path.into(), value: Value::Text(text.into()) };
        vec![
            text("actor.user.name", "Zoë Krüger"),
            Attribute { path: "gone".into(), value: Value::Dropped([0; 32]) },
            Attribute { path: "time".into(), value: Value::Integer(1) },
            Attribute { path: "size".into(), value: Value::Integer(1) },
        ]
    }

    /// The plugin saw all but the dropped attribute.
    fn checked(list: Vec<redactor::Redaction>) -> Verdict<Vec<Redaction>> {
        let event = event();
        let mut batch = redactions(vec![list], &[(&event, vec![0, 2, 3])]).expect("counts agree");
        batch.pop().expect("one event")
    }

    fn refusal(list: Vec<redactor::Redaction>) -> String {
        checked(list).expect_err("is refused").message
    }

    #[test]
    fn sound_redactions_pass_in_order_with_the_callers_indices() {
        let list = vec![
            one(2, None, redactor::Action::Mask(4)),
            one(0, Some((5, 11)), redactor::Action::Mask(0)),
            one(0, Some((0, 4)), redactor::Action::Pseudonymize),
        ];
        let got: Vec<_> =
            checked(list).expect("sound").iter().map(|r| (r.attribute, r.span, r.action)).collect();
        assert_eq!(
            got,
            [
                (0, Some((0, 4)), Action::Pseudonymize),
                (0, Some((5, 11)), Action::Mask(0)),
                (3, None, Action::Mask(4))
            ]
        );
    }

    #[test]
    fn hostile_redactions_are_refused_with_the_reason() {
        use redactor::Action::{Drop, Mask, Pseudonymize};
        for (list, words) in [
            (vec![one(3, None, Drop)], "attribute 3 of 3"),
            (vec![one(u32::MAX, None, Drop)], "attribute 4294967295"),
            (vec![one(1, None, Drop)], "time can't be redacted"),
            (vec![one(0, Some((0, 1)), Drop)], "takes no span"),
            (vec![one(0, None, Mask(5))], "at most 4"),
            (vec![one(0, Some((0, 3)), Mask(0))], "splits a character"),
            (vec![one(0, Some((0, 99)), Mask(0))], "out of range"),
            (vec![one(0, Some((4, 1)), Mask(0))], "out of range"),
            (vec![one(0, Some((1, 1)), Mask(0))], "empty"),
            (vec![one(2, Some((0, 1)), Mask(0))], "of type integer"),
            (vec![one(0, Some((0, 4)), Mask(0)), one(0, Some((1, 2)), Mask(0))], "overlap"),
            (vec![one(0, Some((0, 4)), Mask(0)), one(0, None, Pseudonymize)], "overlap"),
            (vec![one(0, None, Mask(0)), one(0, None, Mask(0))], "overlap"),
            (vec![redactor::Redaction { entity: "Name".into(), ..one(0, None, Drop) }], "entity"),
            (vec![redactor::Redaction { entity: String::new(), ..one(0, None, Drop) }], "entity"),
            (vec![redactor::Redaction { entity: "A".repeat(33), ..one(0, None, Drop) }], "entity"),
            (vec![redactor::Redaction { rule: "r".repeat(129), ..one(0, None, Drop) }], "rule"),
            (vec![one(0, None, Drop); REDACTIONS_PER_EVENT_MAX + 1], "more than"),
        ] {
            let refusal = refusal(list);
            assert!(refusal.contains(words), "{words}: {refusal}");
        }
    }

    #[test]
    fn a_drop_beats_the_rest_of_its_attribute() {
        let list = vec![
            one(0, Some((0, 4)), redactor::Action::Mask(0)),
            one(0, None, redactor::Action::Drop),
            one(0, None, redactor::Action::Drop),
        ];
        let got = checked(list).expect("sound");
        assert_eq!(got.iter().map(|r| (r.attribute, r.action)).collect::<Vec<_>>(), [(0, Action::Drop)]);
    }

    #[test]
    fn a_raw_copy_is_refused_without_its_keys() {
        let copy = AttributeResult { path: r#"raw_data["a@b.example"]"#.into(), value: ValueResult::Null };
        let refusal = super::event(vec![copy]).expect_err("is refused");
        assert!(refusal.contains("raw_data") && !refusal.contains("a@b"), "{refusal}");
    }

    #[test]
    fn raw_copies_are_told_by_their_path() {
        for path in ["raw_data", "raw_data_hash", "raw_data_hash.value", "raw_data.a", "raw_data[0]"] {
            assert!(is_raw_copy(path), "{path}");
        }
        for path in ["raw_data_size", "raw_database", "unmapped.raw_data", "raw"] {
            assert!(!is_raw_copy(path), "{path}");
        }
    }

    #[test]
    fn hostile_decisions_are_refused() {
        let sound = retention::Decision {
            class: "hr-access".into(),
            subject: Some("4711".into()),
            closes: Some("hr-access".into()),
            rule: "rules[0]".into(),
        };
        let refused = |change: &dyn Fn(&mut retention::Decision)| {
            let mut decision = sound.clone();
            change(&mut decision);
            decisions(vec![decision], 1).expect("counts agree").pop().expect("one").is_err()
        };
        assert!(!refused(&|_| {}));
        assert!(refused(&|d| d.class = "Not A Name".into()));
        assert!(refused(&|d| d.class = String::new()));
        assert!(refused(&|d| d.closes = Some("a".repeat(65))));
        assert!(refused(&|d| d.subject = Some(String::new())));
        assert!(refused(&|d| d.subject = Some("s".repeat(SUBJECT_BYTES_MAX + 1))));
        assert!(refused(&|d| d.rule = String::new()));
        assert!(decisions(vec![sound], 2).is_err());
    }
}
