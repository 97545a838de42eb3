//! Where in an event's texts the things that it loses stand.

use std::cmp::Reverse;
use std::ops::Range;

use cairnlog_host::is_protected;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;
use memchr::memmem;

use super::RedactError;
use super::plan::Plan;
use crate::limits::COPY_SEARCH_WORK_MAX;

/// Stands between texts while they are searched as one; UTF-8 has no such byte.
const BETWEEN: u8 = 0xff;

/// Part of a text, and the loss that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) range: Range<usize>,
    pub(super) loss: usize,
}

/// Parts that overlap, as one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) range: Range<usize>,
    /// The loss that speaks for it, a dropped one if there is one.
    pub(super) loss: usize,
    /// Whether that loss alone covers all of it.
    pub(super) is_covered: bool,
}

/// All cuts of an event, by attribute; those of an attribute in ascending order, longer ones first.
pub(super) struct Cuts {
    by_attribute: Vec<Vec<Cut>>,
}

impl Cuts {
    /// The spans that were asked for, and every copy of what is looked for. Of occurrences of one text that overlap each
    /// other, the first counts: what is left holds none.
    pub(super) fn search(attributes: &[Attribute], plan: &Plan) -> Result<Self, RedactError> {
        let mut by_attribute = vec![Vec::new(); attributes.len()];
        for (index, loss) in plan.losses.iter().enumerate() {
            if let Some(range) = &loss.span {
                by_attribute[loss.attribute].push(Cut { range: range.clone(), loss: index });
            }
        }
        let (texts, starts) = join(attributes);
        if plan.searched().count().saturating_mul(texts.len()) > COPY_SEARCH_WORK_MAX {
            return Err(RedactError::TooMuch);
        }
        for (loss, text) in plan.searched() {
            for found in memmem::find_iter(&texts, text.as_bytes()) {
                let attribute = starts.partition_point(|start| *start <= found) - 1;
                let start = found - starts[attribute];
                by_attribute[attribute].push(Cut { range: start..start + text.len(), loss });
            }
        }
        for cuts in &mut by_attribute {
            cuts.sort_by_key(|cut| (cut.range.start, Reverse(cut.range.end)));
        }
        Ok(Self { by_attribute })
    }

    pub(super) fn of(&self, attribute: usize) -> &[Cut] {
        &self.by_attribute[attribute]
    }

    /// What else is lost within a loss, in terms of its own text.
    pub(super) fn within(&self, plan: &Plan, loss: usize) -> Vec<Cut> {
        let own = &plan.losses[loss];
        let start = own.span.as_ref().map_or(0, |span| span.start);
        let end = start + own.text.len();
        self.of(own.attribute)
            .iter()
            .filter(|cut| {
                start <= cut.range.start && cut.range.end <= end && cut.range.len() < own.text.len()
            })
            .map(|cut| Cut { range: cut.range.start - start..cut.range.end - start, loss: cut.loss })
            .collect()
    }
}

/// Cuts in ascending order, those that overlap as one.
pub(super) fn merge(plan: &Plan, cuts: &[Cut]) -> Vec<Merged> {
    let mut groups: Vec<(Range<usize>, &[Cut])> = Vec::new();
    for (index, cut) in cuts.iter().enumerate() {
        match groups.last_mut() {
            Some((range, group)) if cut.range.start < range.end => {
                range.end = range.end.max(cut.range.end);
                *group = &cuts[index - group.len()..=index];
            }
            _ => groups.push((cut.range.clone(), &cuts[index..=index])),
        }
    }
    groups.into_iter().map(|(range, group)| speak_for(plan, range, group)).collect()
}

fn speak_for(plan: &Plan, range: Range<usize>, group: &[Cut]) -> Merged {
    let covering = || group.iter().filter(|cut| cut.range == range);
    let dropped = |cut: &&Cut| plan.is_drop(cut.loss);
    let alone = covering().find(dropped).or_else(|| covering().next());
    let loss = alone.or_else(|| group.iter().find(dropped)).unwrap_or(&group[0]).loss;
    Merged { range, loss, is_covered: alone.is_some() }
}

/// All texts that something may be taken from, one behind the other, and where each attribute's begins.
fn join(attributes: &[Attribute]) -> (Vec<u8>, Vec<usize>) {
    let mut texts = Vec::with_capacity(64 * attributes.len());
    let mut starts = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        starts.push(texts.len());
        if let Value::Text(text) = &attribute.value
            && !is_protected(&attribute.path)
        {
            texts.extend_from_slice(text.as_bytes());
            texts.push(BETWEEN);
        }
    }
    (texts, starts)
}
