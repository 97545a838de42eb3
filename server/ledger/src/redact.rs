//! Applying redactions: the plugin says what must not be kept, the server takes it away.
//!
//! A redactor can only take. It never writes text: what stands in place of a value is an entity in brackets or a keyed
//! token, made here. Three rules hold beyond the plugin's words:
//!
//! - **Drop beats all else.** A value that one redaction drops is gone, also where another would have kept its end or a
//!   token of it: a token of a dropped value could be found by guessing, by whoever has the log's pseudonym key.
//! - **Copies go too.** What one attribute loses is taken from every other text attribute that equals or contains it,
//!   and from the rest of its own text, from four characters on.
//! - **What is taken stands in no note.** Rules and entities that repeat a dropped value are withheld.
//!
//! Paths stay as they are: a key is part of the path, not of the value.

mod copies;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;

use cairnlog_host::{Action, Redaction};
use cairnlog_store::secrets::SecretKey;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::field::{drop_commitment, pseudonym};
use cairnlog_verify::value::{VALUE_BYTES_MAX, Value};
use zeroize::Zeroizing;

use crate::handles::Random;
use crate::limits::MASK_KEPT_CHARS_MAX;
use crate::payload::{NoteAction, RedactionNote};

use copies::{Cut, Cuts, Merged, merge};
use plan::{Loss, Plan};

/// Applies redactions under a log's pseudonym key.
pub struct Redactor {
    pseudonym_key: SecretKey,
    random: Arc<dyn Random>,
    /// Salts that are known already, by path: of a replay.
    salts: BTreeMap<String, Zeroizing<[u8; 32]>>,
}

/// What is left of an event, and what was done to it.
#[derive(Debug)]
pub struct Redacted {
    /// The attributes, in the order in which they came.
    pub attributes: Vec<Attribute>,
    /// What was done, in the order of attributes; empty if and only if nothing was taken.
    pub notes: Vec<RedactionNote>,
    /// The salts of what was dropped. They are kept nowhere: handed back once to who asks, else thrown away.
    pub openings: Vec<Opening>,
}

/// The salt that opens the commitment to a dropped value. Wiped when dropped; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// The attribute.
    pub path: String,
    /// The salt of [`drop_commitment`].
    pub salt: Zeroizing<[u8; 32]>,
}

/// Redactions that can't be applied. The record is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedactError {
    /// An index beyond the event, a span that is none of a text, or a span to be dropped.
    #[error("redaction {redaction} does not fit its event: the host checks that")]
    Misfit {
        /// Its place in the list, from 0.
        redaction: usize,
    },
    /// Too many different values, in too much text, to look for copies of.
    #[error("the event loses too many values for its size to look for copies of them all")]
    TooMuch,
}

impl Redactor {
    /// A redactor of the log with this pseudonym key.
    #[must_use]
    pub fn new(pseudonym_key: SecretKey, random: Arc<dyn Random>) -> Self {
        Self { pseudonym_key, random, salts: BTreeMap::new() }
    }

    /// The same, which drops what stands at these paths under these salts: it then commits to the same as whoever drew them.
    #[must_use]
    pub fn with_salts(self, openings: &[Opening]) -> Self {
        let salts = openings.iter().map(|opening| (opening.path.clone(), opening.salt.clone()));
        Self { salts: salts.collect(), ..self }
    }

    /// Applies what one redactor, `plugin` (`name@version`), said of an event. The next one gets what this one left.
    ///
    /// # Errors
    /// [`RedactError`].
    pub fn apply(
        &self,
        attributes: Vec<Attribute>,
        redactions: &[Redaction],
        plugin: &str,
    ) -> Result<Redacted, RedactError> {
        if redactions.is_empty() {
            return Ok(Redacted { attributes, notes: Vec::new(), openings: Vec::new() });
        }
        let plan = Plan::make(&attributes, redactions)?;
        let cuts = Cuts::search(&attributes, &plan)?;
        let marks: Vec<String> = (0..plan.losses.len()).map(|loss| self.mark(&plan, &cuts, loss)).collect();
        let mut work = Work {
            redactor: self,
            plan: &plan,
            marks: &marks,
            plugin,
            notes: Vec::new(),
            openings: Vec::new(),
        };
        let changed: Vec<Option<Value>> = (0..attributes.len())
            .map(|index| work.value(index, &attributes[index], cuts.of(index)))
            .collect();
        let Work { notes, openings, .. } = work;
        drop(plan);
        let mut attributes = attributes;
        for (attribute, changed) in attributes.iter_mut().zip(changed) {
            if let Some(value) = changed {
                attribute.value = value;
            }
        }
        Ok(Redacted { attributes, notes, openings })
    }

    fn salt(&self, path: &str) -> Zeroizing<[u8; 32]> {
        self.salts.get(path).cloned().unwrap_or_else(|| {
            let mut salt = Zeroizing::new([0; 32]);
            self.random.fill(salt.as_mut_slice());
            salt
        })
    }

    /// What stands in place of a loss.
    fn mark(&self, plan: &Plan, cuts: &Cuts, loss: usize) -> String {
        let Loss { text, action, entity, .. } = &plan.losses[loss];
        match action {
            Action::Drop => bracketed(entity),
            Action::Mask(keep) => {
                let tail = tail(text, usize::from(*keep));
                let kept_from = text.len() - tail.len();
                // What else is lost here must not show in the tail.
                let is_shown =
                    !tail.is_empty() && cuts.within(plan, loss).iter().all(|cut| cut.range.end <= kept_from);
                bracketed(entity) + if is_shown { tail } else { "" }
            }
            Action::Pseudonymize => {
                let mut dropped = cuts.within(plan, loss);
                dropped.retain(|cut| plan.is_drop(cut.loss));
                let known =
                    cut_out(text, &dropped, plan, |merged| bracketed(plan.losses[merged.loss].entity));
                pseudonym(self.pseudonym_key.as_bytes(), entity, &known)
            }
        }
    }
}

/// One event being redacted.
struct Work<'a> {
    redactor: &'a Redactor,
    plan: &'a Plan<'a>,
    marks: &'a [String],
    plugin: &'a str,
    notes: Vec<RedactionNote>,
    openings: Vec<Opening>,
}

impl Work<'_> {
    /// What becomes of an attribute, if anything does; notes what was done.
    fn value(&mut self, index: usize, attribute: &Attribute, cuts: &[Cut]) -> Option<Value> {
        let path = &attribute.path;
        match (self.plan.whole[index], &attribute.value) {
            (Some(loss), value) if self.plan.is_drop(loss) => {
                let salt = self.redactor.salt(path);
                let commitment = drop_commitment(&salt, value);
                self.openings.push(Opening { path: path.clone(), salt });
                self.note(path, loss, NoteAction::Drop);
                Some(Value::Dropped(commitment))
            }
            (Some(loss), _) => {
                self.note(path, loss, self.plan.noted(loss));
                Some(Value::Text(self.marks[loss].clone()))
            }
            (None, Value::Text(text)) if !cuts.is_empty() => {
                for cut in cuts {
                    self.note(path, cut.loss, self.plan.noted(cut.loss));
                }
                Some(Value::Text(self.cut(text, cuts)))
            }
            _ => None,
        }
    }

    /// A text without what is cut out of it. Where cuts overlap, all that any of them covers goes.
    fn cut(&self, text: &str, cuts: &[Cut]) -> String {
        let kept = cut_out(text, cuts, self.plan, |merged| {
            if merged.is_covered {
                self.marks[merged.loss].clone()
            } else {
                bracketed(self.plan.losses[merged.loss].entity)
            }
        });
        // Marks may be longer than what they stand for.
        if kept.len() > VALUE_BYTES_MAX { bracketed(self.plan.losses[cuts[0].loss].entity) } else { kept }
    }

    /// Notes what was done, once for each rule.
    fn note(&mut self, path: &str, loss: usize, action: NoteAction) {
        let Loss { entity, rule, .. } = &self.plan.losses[loss];
        let note = RedactionNote {
            path: path.to_owned(),
            action,
            entity: (*entity).to_owned(),
            rule: (*rule).to_owned(),
            plugin: self.plugin.to_owned(),
        };
        if !self.notes.iter().rev().take_while(|other| other.path == path).any(|other| *other == note) {
            self.notes.push(note);
        }
    }
}

/// `text` with something else in place of what is cut.
fn cut_out(text: &str, cuts: &[Cut], plan: &Plan, instead: impl Fn(&Merged) -> String) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for merged in merge(plan, cuts) {
        kept.push_str(&text[end..merged.range.start]);
        kept.push_str(&instead(&merged));
        end = merged.range.end;
    }
    kept.push_str(&text[end..]);
    kept
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening(…)")
    }
}

fn bracketed(entity: &str) -> String {
    format!("[{entity}]")
}

/// The end of a text that a mask keeps: at most so many characters, at most four, never more than a quarter.
fn tail(text: &str, keep: usize) -> &str {
    let keep = keep.min(MASK_KEPT_CHARS_MAX).min(text.chars().count() / 4);
    let start = text.char_indices().rev().take(keep).last().map_or(text.len(), |(start, _)| start);
    &text[start..]
}
