//! Redaction: what is taken is gone, with its copies.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use cairnlog_host::{Action, Redaction};
use cairnlog_ledger::index;
use cairnlog_ledger::payload::{NoteAction, Payload};
use cairnlog_ledger::redact::{RedactError, Redacted, Redactor};
use cairnlog_store::secrets::{KekSources, LogKeys, SecretKey};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::field::{drop_commitment, pseudonym};
use cairnlog_verify::value::Value;
use common::{Counting, integer, text};
use proptest::prelude::*;
use zeroize::Zeroizing;

const PLUGIN: &str = "redact-fields@0.1.0";

/// A pseudonym key comes from a log's keys alone.
fn pseudonym_key() -> SecretKey {
    static KEY: std::sync::OnceLock<SecretKey> = std::sync::OnceLock::new();
    KEY.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let note = Zeroizing::new("PRIVATE+KEY+log+00000000+AA==".to_owned());
        LogKeys::create(&dir.path().join("hr"), common::ORIGIN, &[note], &KekSources::default())
            .unwrap()
            .pseudonym_key()
    })
    .clone()
}

fn redactor() -> Redactor {
    Redactor::new(pseudonym_key(), Arc::new(Counting::default()))
}

fn token(entity: &str, value: &str) -> String {
    pseudonym(pseudonym_key().as_bytes(), entity, value)
}

fn redaction(attribute: u32, action: Action, entity: &str) -> Redaction {
    Redaction {
        attribute,
        span: None,
        action,
        entity: entity.to_owned(),
        rule: format!("rules[{attribute}]"),
    }
}

fn span(attribute: u32, span: (u32, u32), action: Action, entity: &str) -> Redaction {
    Redaction { span: Some(span), ..redaction(attribute, action, entity) }
}

fn apply(attributes: Vec<Attribute>, redactions: &[Redaction]) -> Redacted {
    redactor().apply(attributes, redactions, PLUGIN).unwrap()
}

/// The values left, dropped ones as `-`.
fn left(redacted: &Redacted) -> Vec<String> {
    let show = |attribute: &Attribute| match &attribute.value {
        Value::Text(text) => text.clone(),
        Value::Dropped(_) => "-".to_owned(),
        other => format!("{other:?}"),
    };
    redacted.attributes.iter().map(show).collect()
}

fn noted(redacted: &Redacted) -> Vec<(&str, NoteAction, &str)> {
    redacted.notes.iter().map(|note| (note.path.as_str(), note.action, note.rule.as_str())).collect()
}

#[test]
fn nothing_is_touched_where_nothing_is_asked() {
    let redacted = apply(common::event(), &[]);
    assert_eq!(redacted.attributes, common::event());
    assert!(redacted.notes.is_empty() && redacted.openings.is_empty());
}

#[test]
fn a_dropped_value_is_committed_to_and_opens_with_its_salt() {
    let redacted =
        apply(vec![text("a", "203.0.113.7"), text("b", "kept")], &[redaction(0, Action::Drop, "IP_ADDRESS")]);
    let [opening] = redacted.openings.as_slice() else { panic!("one opening") };
    let commitment = drop_commitment(&opening.salt, &Value::Text("203.0.113.7".to_owned()));
    assert_eq!((opening.path.as_str(), &redacted.attributes[0].value), ("a", &Value::Dropped(commitment)));
    assert_eq!(left(&redacted), ["-", "kept"]);
    assert_eq!(noted(&redacted), [("a", NoteAction::Drop, "rules[0]")]);
    assert_eq!(
        (redacted.notes[0].entity.as_str(), redacted.notes[0].plugin.as_str()),
        ("IP_ADDRESS", PLUGIN)
    );
}

#[test]
fn masks_keep_at_most_a_quarter_of_the_end() {
    for (value, keep, left_over) in [
        ("4111111111111234", 4, "[PAN]1234"),
        ("4111111111111234", 9, "[PAN]1234"),
        ("411111111111", 4, "[PAN]111"),
        ("abcd", 4, "[PAN]d"),
        ("abc", 4, "[PAN]"),
        ("äöüßäöüß", 4, "[PAN]üß"),
        ("4111111111111234", 0, "[PAN]"),
        ("", 4, "[PAN]"),
    ] {
        let redacted = apply(vec![text("a", value)], &[redaction(0, Action::Mask(keep), "PAN")]);
        assert_eq!(left(&redacted), [left_over]);
    }
}

#[test]
fn spans_are_replaced_and_the_rest_stays() {
    let redactions =
        [span(0, (5, 8), Action::Mask(0), "NAME"), span(0, (12, 27), Action::Pseudonymize, "EMAIL_ADDRESS")];
    let redacted = apply(vec![text("m", "user ann at ann@example.com left")], &redactions);
    let email = token("EMAIL_ADDRESS", "ann@example.com");
    assert_eq!(left(&redacted), [format!("user [NAME] at {email} left")]);
    assert_eq!(
        noted(&redacted),
        [("m", NoteAction::Mask, "rules[0]"), ("m", NoteAction::Pseudonymize, "rules[0]")]
    );
}

#[test]
fn pseudonyms_of_equal_values_are_equal_whatever_their_type() {
    let attributes = vec![integer("a", 12_345), text("b", "12345"), text("c", "98765")];
    let redactions: Vec<_> = (0..3).map(|index| redaction(index, Action::Pseudonymize, "EMPLOYEE")).collect();
    let redacted = apply(attributes, &redactions);
    let (first, other) = (token("EMPLOYEE", "12345"), token("EMPLOYEE", "98765"));
    assert_eq!(left(&redacted), [first.clone(), first, other]);
}

#[test]
fn values_that_are_no_text_can_be_dropped_and_masked() {
    let attributes = vec![
        integer("a", 85_000),
        Attribute { path: "b".into(), value: Value::Boolean(true) },
        text("c", "true: 85000"),
    ];
    let redacted =
        apply(attributes, &[redaction(0, Action::Drop, "SALARY"), redaction(1, Action::Mask(4), "FLAG")]);
    assert_eq!(left(&redacted), ["-", "[FLAG]", "true: [SALARY]"]);
    let opening = &redacted.openings[0];
    assert_eq!(
        redacted.attributes[0].value,
        Value::Dropped(drop_commitment(&opening.salt, &Value::Integer(85_000)))
    );
}

#[test]
fn drop_beats_other_actions_on_an_attribute() {
    let others = [
        redaction(0, Action::Mask(4), "A"),
        redaction(0, Action::Pseudonymize, "B"),
        span(0, (0, 8), Action::Mask(2), "C"),
    ];
    for other in others {
        let drop = redaction(0, Action::Drop, "D");
        for redactions in [[drop.clone(), other.clone()], [other, drop]] {
            let redacted = apply(vec![text("a", "ann@example.com")], &redactions);
            assert_eq!(left(&redacted), ["-"]);
            assert_eq!(noted(&redacted), [("a", NoteAction::Drop, "rules[0]")]);
        }
    }
}

#[test]
fn copies_of_what_is_dropped_go_too() {
    let attributes = vec![
        text("a", "ann@example.com"),
        text("b", "mail from ann@example.com to ann@example.com"),
        text("c", "ann@example.com"),
        text("d", "ann@example.co"),
        integer("e", 7),
    ];
    let redacted = apply(attributes, &[redaction(0, Action::Drop, "EMAIL_ADDRESS")]);
    assert_eq!(
        left(&redacted),
        ["-", "mail from [EMAIL_ADDRESS] to [EMAIL_ADDRESS]", "-", "ann@example.co", "integer"]
    );
    let rule = "rules[0]";
    assert_eq!(
        noted(&redacted),
        [("a", NoteAction::Drop, rule), ("b", NoteAction::Mask, rule), ("c", NoteAction::Drop, rule)]
    );
    // Equal values have unequal commitments.
    assert_ne!(redacted.attributes[0].value, redacted.attributes[2].value);
    assert_eq!(redacted.openings.len(), 2);
}

/// What a record is must be told, whatever a dropped value looks like.
#[test]
fn what_is_protected_is_no_copy() {
    for action in [Action::Drop, Action::Mask(0), Action::Pseudonymize] {
        let event = vec![text("metadata.version", "1.8.0"), text("message", "1.8.0"), text("note", "v1.8.0")];
        let redacted = apply(event, &[redaction(1, action, "VERSION")]);
        assert_eq!(left(&redacted)[0], "1.8.0", "{action:?}");
        assert!(left(&redacted)[1..].iter().all(|value| !value.contains("1.8.0")), "{action:?}");
    }
}

#[test]
fn copies_of_what_is_masked_or_pseudonymized_are_replaced_by_the_same() {
    let attributes = vec![
        text("a", "ann@example.com"),
        text("b", "4111111111111234"),
        text("c", "ann@example.com paid with 4111111111111234"),
    ];
    let redacted = apply(
        attributes,
        &[redaction(0, Action::Pseudonymize, "EMAIL"), redaction(1, Action::Mask(4), "PAN")],
    );
    let email = token("EMAIL", "ann@example.com");
    assert_eq!(
        left(&redacted),
        [email.clone(), "[PAN]1234".to_owned(), format!("{email} paid with [PAN]1234")]
    );
    assert_eq!(
        noted(&redacted)[2..],
        [("c", NoteAction::Pseudonymize, "rules[0]"), ("c", NoteAction::Mask, "rules[1]")]
    );
}

#[test]
fn copies_go_from_the_rest_of_the_same_text_too() {
    let redacted = apply(vec![text("m", "1234567 and 1234567")], &[span(0, (0, 7), Action::Mask(0), "ID")]);
    assert_eq!(left(&redacted), ["[ID] and [ID]"]);
}

#[test]
fn values_below_four_characters_are_not_looked_for() {
    let attributes = vec![
        text("a", "ann"),
        text("b", "ann and joanna"),
        text("c", "ünï"),
        text("d", "ünï ünï"),
        text("e", "four"),
        text("f", "fourteen"),
    ];
    let redactions = [
        redaction(0, Action::Drop, "NAME"),
        redaction(2, Action::Mask(0), "NAME"),
        redaction(4, Action::Drop, "NAME"),
    ];
    let redacted = apply(attributes, &redactions);
    assert_eq!(left(&redacted), ["-", "ann and joanna", "[NAME]", "ünï ünï", "-", "[NAME]teen"]);
}

#[test]
fn no_token_is_made_of_what_is_dropped_elsewhere() {
    let attributes = vec![
        text("a", "ann@example.com"),
        text("b", "ann@example.com"),
        text("c", "at example.com"),
        text("d", "example.com"),
    ];
    let redactions = [
        redaction(0, Action::Drop, "A"),
        redaction(1, Action::Pseudonymize, "B"),
        redaction(2, Action::Pseudonymize, "C"),
        redaction(3, Action::Drop, "D"),
    ];
    let redacted = apply(attributes, &redactions);
    assert_eq!(left(&redacted), ["-".to_owned(), "-".to_owned(), token("C", "at [D]"), "-".to_owned()]);
    // A number of the same digits is dropped as well, if a token of it was to be kept.
    let redacted = apply(
        vec![text("a", "12345"), integer("b", 12_345)],
        &[redaction(0, Action::Drop, "A"), redaction(1, Action::Pseudonymize, "B")],
    );
    assert_eq!(left(&redacted), ["-", "-"]);
}

#[test]
fn masks_keep_no_end_that_is_lost_elsewhere() {
    let attributes =
        vec![text("a", "4111111111111234"), text("b", "1234"), text("c", "card 4111111111111234")];
    let redacted =
        apply(attributes, &[redaction(0, Action::Mask(4), "PAN"), redaction(1, Action::Drop, "PIN")]);
    assert_eq!(left(&redacted), ["[PAN]", "-", "card [PAN]"]);
}

#[test]
fn overlapping_copies_go_whole() {
    let attributes = vec![text("a", "abcdef"), text("b", "defghi"), text("c", "xabcdefghix")];
    let redacted =
        apply(attributes.clone(), &[redaction(0, Action::Mask(1), "A"), redaction(1, Action::Mask(1), "B")]);
    assert_eq!(left(&redacted), ["[A]f", "[B]i", "x[A]x"]);
    let redacted = apply(attributes, &[redaction(0, Action::Mask(1), "A"), redaction(1, Action::Drop, "B")]);
    assert_eq!(left(&redacted), ["[A]f", "-", "x[B]x"]);
}

#[test]
fn what_an_earlier_redactor_dropped_stays_dropped() {
    let first = apply(vec![text("a", "ann@example.com"), text("b", "x")], &[redaction(0, Action::Drop, "A")]);
    let before = first.attributes.clone();
    let second =
        apply(first.attributes, &[redaction(0, Action::Pseudonymize, "B"), redaction(0, Action::Drop, "B")]);
    assert_eq!(second.attributes, before);
    assert!(second.notes.is_empty());
}

#[test]
fn rules_and_entities_that_repeat_a_dropped_value_are_withheld() {
    let drop = Redaction {
        rule: "found ann@example.com".into(),
        entity: "ANNE".into(),
        ..redaction(0, Action::Drop, "")
    };
    let redacted = apply(
        vec![text("a", "ann@example.com"), text("b", "ANNE"), text("c", "for ANNE")],
        &[drop, redaction(1, Action::Drop, "X")],
    );
    assert_eq!(left(&redacted), ["-", "-", "for [X]"]);
    assert_eq!(
        (redacted.notes[0].entity.as_str(), redacted.notes[0].rule.as_str()),
        ("WITHHELD", "WITHHELD")
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let attributes = || vec![text("a", "äb"), integer("n", 1)];
    for bad in [
        redaction(2, Action::Drop, "A"),
        span(0, (0, 1), Action::Mask(0), "A"),
        span(0, (2, 9), Action::Mask(0), "A"),
        span(0, (2, 1), Action::Mask(0), "A"),
        span(0, (2, 2), Action::Mask(0), "A"),
        span(0, (0, 2), Action::Drop, "A"),
        span(1, (0, 1), Action::Mask(0), "A"),
    ] {
        let refused = redactor().apply(attributes(), &[redaction(0, Action::Drop, "A"), bad], PLUGIN);
        assert_eq!(refused.unwrap_err(), RedactError::Misfit { redaction: 1 });
    }
}

#[test]
fn a_search_that_would_take_too_long_is_refused() {
    let attributes: Vec<_> =
        (0..2_000).map(|n| text(&format!("x{n:04}"), &format!("{n:04}").repeat(20))).collect();
    let redactions: Vec<_> = (0..2_000).map(|n| redaction(n, Action::Mask(0), "A")).collect();
    let refused = redactor().apply(attributes, &redactions, PLUGIN);
    assert_eq!(refused.unwrap_err(), RedactError::TooMuch);
}

#[test]
fn a_text_that_would_grow_too_long_is_masked_whole() {
    let filler = "0123".repeat(16_000);
    let redacted =
        apply(vec![text("a", "0123"), text("b", &filler)], &[redaction(0, Action::Mask(0), "LONG_ENTITY")]);
    assert_eq!(left(&redacted), ["[LONG_ENTITY]", "[LONG_ENTITY]"]);
}

/// Few letters, so that values contain and overlap each other; none that marks, tokens or paths are made of.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => "[089ä]{0,12}".prop_map(Value::Text),
        2 => "[089]{4,5}".prop_map(Value::Text),
        1 => (0..3_u8).prop_map(|n| Value::Integer([8_980, 90_898, -8][usize::from(n)])),
        1 => any::<bool>().prop_map(Value::Boolean),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![Just(Action::Drop), (0..5_u8).prop_map(Action::Mask), Just(Action::Pseudonymize)]
}

prop_compose! {
    fn case()(values in proptest::collection::vec(value(), 1..9))(
        redactions in proptest::collection::vec((0..values.len(), action(), any::<Option<(prop::sample::Index, prop::sample::Index)>>()), 1..7),
        values in Just(values),
    ) -> (Vec<Attribute>, Vec<Redaction>) {
        let attributes: Vec<_> = values.into_iter().enumerate().map(|(n, value)| Attribute { path: format!("resources[{n}].name"), value }).collect();
        let redactions = redactions.into_iter().map(|(attribute, action, place)| {
            let whole = redaction(u32::try_from(attribute).unwrap(), action, "ENTITY");
            let (Some((from, to)), Value::Text(text), false) = (place, &attributes[attribute].value, action == Action::Drop) else { return whole };
            let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (from, to) = (bounds[from.index(bounds.len())], bounds[to.index(bounds.len())]);
            let span = (u32::try_from(from.min(to)).unwrap(), u32::try_from(from.max(to)).unwrap());
            if from == to { whole } else { Redaction { span: Some(span), ..whole } }
        }).collect();
        (attributes, redactions)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever else is asked for, no dropped value of four characters and more is anywhere in what is kept.
    #[test]
    fn nothing_kept_holds_what_was_dropped((attributes, redactions) in case()) {
        let redacted = apply(attributes.clone(), &redactions);
        let text_form = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(integer) => Some(integer.to_string()),
            _ => None,
        };
        let dropped: Vec<String> = redacted.attributes.iter().zip(&attributes)
            .filter(|(after, _)| matches!(after.value, Value::Dropped(_)))
            .filter_map(|(_, before)| text_form(&before.value))
            .filter(|text| text.chars().count() >= 4)
            .collect();
        for text in &dropped {
            for attribute in &redacted.attributes {
                if let Value::Text(kept) = &attribute.value {
                    prop_assert!(!kept.contains(text.as_str()), "{kept} holds {text}");
                }
            }
            for note in &redacted.notes {
                prop_assert!(![&note.path, &note.entity, &note.rule].iter().any(|words| words.contains(text.as_str())));
            }
            let terms = index::values(Some("source"), &redacted.attributes);
            prop_assert!(terms.into_iter().all(|(_, value)| value.parse::<i64>().is_ok() || !value.contains(text.as_str())));
        }
        // Every drop that was asked for was done, nothing but values changed, and each change is noted.
        for redaction in redactions.iter().filter(|redaction| redaction.action == Action::Drop) {
            let index = usize::try_from(redaction.attribute).unwrap();
            prop_assert!(matches!(redacted.attributes[index].value, Value::Dropped(_)));
        }
        for (before, after) in attributes.iter().zip(&redacted.attributes) {
            prop_assert_eq!(&before.path, &after.path);
            let is_noted = redacted.notes.iter().any(|note| note.path == before.path);
            prop_assert_eq!(is_noted, before.value != after.value);
        }
        let payload = Payload { attributes: redacted.attributes, redactions: redacted.notes, raw_salt: None, pipeline: None, rows: vec![] };
        prop_assert_eq!(Payload::from_cbor(&payload.to_cbor()).unwrap(), payload);
    }
}
