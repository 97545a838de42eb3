//! What an event loses, before anything is taken from it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use cairnlog_host::{Action, Redaction, is_protected};
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

use super::RedactError;
use crate::limits::COPIED_CHARS_MIN;
use crate::payload::NoteAction;

/// Stands for a rule or an entity that repeats what was dropped.
const WITHHELD: &str = "WITHHELD";

/// A value, or part of one, that an event loses by a redaction.
pub(super) struct Loss<'a> {
    /// The text form of what is lost; empty if it has none.
    pub(super) text: Cow<'a, str>,
    pub(super) action: Action,
    pub(super) entity: &'a str,
    pub(super) rule: &'a str,
    /// Where it is lost.
    pub(super) attribute: usize,
    /// Which part of that attribute's text; none for the whole value.
    pub(super) span: Option<Range<usize>>,
    /// Whether copies of it are looked for: it is long enough and no other loss of the same text is.
    pub(super) is_searched: bool,
}

/// What is to be done to an event.
pub(super) struct Plan<'a> {
    pub(super) losses: Vec<Loss<'a>>,
    /// For each attribute the loss of its whole value.
    pub(super) whole: Vec<Option<usize>>,
}

impl<'a> Plan<'a> {
    pub(super) fn make(
        attributes: &'a [Attribute],
        redactions: &'a [Redaction],
    ) -> Result<Self, RedactError> {
        let mut plan =
            Self { losses: Vec::with_capacity(redactions.len()), whole: vec![None; attributes.len()] };
        for (place, redaction) in redactions.iter().enumerate() {
            plan.add(attributes, redaction).ok_or(RedactError::Misfit { redaction: place })?;
        }
        plan.choose_searched(attributes);
        plan.drop_equals(attributes);
        plan.withhold_dropped();
        Ok(plan)
    }

    pub(super) fn is_drop(&self, loss: usize) -> bool {
        self.losses[loss].action == Action::Drop
    }

    /// How a note calls what a loss does to an attribute that is not dropped whole.
    pub(super) fn noted(&self, loss: usize) -> NoteAction {
        match self.losses[loss].action {
            Action::Drop | Action::Mask(_) => NoteAction::Mask,
            Action::Pseudonymize => NoteAction::Pseudonymize,
        }
    }

    /// `None` if the redaction does not fit.
    fn add(&mut self, attributes: &'a [Attribute], redaction: &'a Redaction) -> Option<()> {
        let attribute = usize::try_from(redaction.attribute).ok()?;
        let value = &attributes.get(attribute)?.value;
        let (text, span) = match (redaction.span, value) {
            (None, value) => (text_form(value).unwrap_or_default(), None),
            (Some((start, end)), Value::Text(text)) if redaction.action != Action::Drop => {
                let span = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
                (Cow::Borrowed(text.get(span.clone()).filter(|part| !part.is_empty())?), Some(span))
            }
            (Some(_), _) => return None,
        };
        // An earlier redactor dropped it: there is nothing left to take.
        if matches!(value, Value::Dropped(_)) {
            return Some(());
        }
        if span.is_none() {
            let whole = self.whole[attribute];
            let is_first = whole.is_none_or(|other| redaction.action == Action::Drop && !self.is_drop(other));
            self.whole[attribute] = if is_first { Some(self.losses.len()) } else { whole };
        }
        // The end of a number is as telling as the number: only a text's may be kept.
        let action = match redaction.action {
            Action::Mask(_) if !matches!(value, Value::Text(_)) => Action::Mask(0),
            action => action,
        };
        let Redaction { entity, rule, .. } = redaction;
        self.losses.push(Loss { text, action, entity, rule, attribute, span, is_searched: false });
        Some(())
    }

    /// Of equal texts one is looked for, a dropped one if there is one. `true` stands everywhere and tells nothing.
    fn choose_searched(&mut self, attributes: &[Attribute]) {
        let mut chosen: HashMap<&str, usize> = HashMap::with_capacity(self.losses.len());
        for (index, loss) in self.losses.iter().enumerate() {
            let is_boolean = matches!(attributes[loss.attribute].value, Value::Boolean(_));
            if is_boolean || loss.text.chars().take(COPIED_CHARS_MIN).count() < COPIED_CHARS_MIN {
                continue;
            }
            let held = chosen.entry(&loss.text).or_insert(index);
            if loss.action == Action::Drop && !self.is_drop(*held) {
                *held = index;
            }
        }
        let chosen: Vec<usize> = chosen.into_values().collect();
        for index in chosen {
            self.losses[index].is_searched = true;
        }
    }

    /// Drops every text that equals a dropped one, whatever else was to become of it, and every other value with the same
    /// text form of which something was to be kept.
    fn drop_equals(&mut self, attributes: &[Attribute]) {
        let dropped: HashMap<&str, usize> = self
            .searched()
            .filter(|(loss, _)| self.is_drop(*loss))
            .map(|(loss, text)| (text, loss))
            .collect();
        if dropped.is_empty() {
            return;
        }
        let mut whole = self.whole.clone();
        for (attribute, whole) in attributes.iter().zip(&mut whole) {
            let is_affected = match *whole {
                Some(loss) => !self.is_drop(loss),
                None => matches!(attribute.value, Value::Text(_)) && !is_protected(&attribute.path),
            };
            let equal = || text_form(&attribute.value).and_then(|text| dropped.get(&*text));
            if let Some(loss) = is_affected.then(equal).flatten() {
                *whole = Some(*loss);
            }
        }
        self.whole = whole;
    }

    /// Entities and rules that repeat a dropped value don't.
    fn withhold_dropped(&mut self) {
        let dropped = self.searched().filter(|(loss, _)| self.is_drop(*loss));
        let dropped: Vec<String> = dropped.map(|(_, text)| text.to_owned()).collect();
        let repeats = |words: &str| dropped.iter().any(|text| words.contains(text.as_str()));
        for loss in &mut self.losses {
            if repeats(loss.entity) {
                loss.entity = WITHHELD;
            }
            if repeats(loss.rule) {
                loss.rule = WITHHELD;
            }
        }
    }

    /// The losses that copies are looked for of, and their texts.
    pub(super) fn searched(&self) -> impl Iterator<Item = (usize, &str)> {
        self.losses
            .iter()
            .enumerate()
            .filter(|(_, loss)| loss.is_searched)
            .map(|(index, loss)| (index, &*loss.text))
    }
}

/// A value as text, where it has one.
fn text_form(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Integer(integer) => Cow::Owned(integer.to_string()),
        Value::Float(float) => Cow::Owned(float.to_string()),
        Value::Boolean(boolean) => Cow::Borrowed(if *boolean { "true" } else { "false" }),
        Value::Null | Value::Dropped(_) | Value::EmptyObject | Value::EmptyList => return None,
    })
}
