//! What an upload came to.

use std::collections::BTreeMap;
use std::io::{self, Write};

use cairnlog_client::{EventStatus, IngestAnswer};
use serde_json::{Value, json};

use crate::cli::limits::{EXAMPLES_MAX, REASONS_MAX};
use crate::cli::output::{Shown, rows, visible};

/// Counts over all answers of an upload.
#[derive(Debug, Default)]
pub(super) struct Tally {
    logged: u64,
    duplicates: u64,
    quarantined: u64,
    skipped: u64,
    first_index: Option<u64>,
    last_index: Option<u64>,
    tree_size: u64,
    /// Raw records of answers that were given before: nothing was run for them.
    earlier: u64,
    /// Raw records of which openings were wanted and are gone.
    pub(super) unopened: u64,
    /// How many raw records were quarantined for which reason.
    reasons: BTreeMap<String, u64>,
    /// The first few of them: file, line, reason.
    examples: Vec<(String, u64, String)>,
}

impl Tally {
    /// Adds the answer to a batch of `file` whose raw records stand on `lines`; the log had `size` entries before it was sent.
    pub(super) fn add(&mut self, file: &str, lines: &[u64], answer: &IngestAnswer, size: u64) {
        if answer.last_index.is_some_and(|last| last < size) {
            self.earlier += answer.results.len() as u64;
        }
        self.logged += answer.accepted;
        self.duplicates += answer.duplicates;
        self.quarantined += answer.quarantined;
        self.skipped += answer.skipped;
        self.first_index = self.first_index.or(answer.first_index);
        self.last_index = answer.last_index.or(self.last_index);
        self.tree_size = self.tree_size.max(answer.tree_size);
        for (place, row) in answer.results.iter().enumerate() {
            if row.status != EventStatus::Quarantined {
                continue;
            }
            let reason = row.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
            if self.examples.len() < EXAMPLES_MAX {
                // A document of several records stands on one line.
                let line = lines.get(place).or(lines.first()).copied().unwrap_or_default();
                self.examples.push((file.to_owned(), line, reason.clone()));
            }
            let known = self.reasons.len() < REASONS_MAX || self.reasons.contains_key(&reason);
            *self.reasons.entry(if known { reason } else { "other reasons".to_owned() }).or_default() += 1;
        }
    }

    /// Raw records that were answered for.
    pub(super) fn records(&self) -> u64 {
        self.logged + self.duplicates + self.quarantined + self.skipped
    }

    /// Says what may not be what was wanted.
    pub(super) fn warn(&self) {
        let Self { earlier, unopened, .. } = self;
        if *earlier > 0 {
            eprintln!(
                "note: {earlier} of these records were sent before, within the last day: shown is what became of them then, and nothing was \
                 run again. `cairnlog quarantine retry` tries what is in quarantine."
            );
        }
        if *unopened > 0 {
            eprintln!(
                "warning: of {unopened} records there is nothing to open them with: it was handed back, or thrown away, when they were first \
                 sent"
            );
        }
    }

    /// Says which raw records were quarantined, and why.
    pub(super) fn explain(&self, out: &mut impl Write) -> io::Result<()> {
        if self.quarantined == 0 {
            return Ok(());
        }
        writeln!(out, "\nQuarantined (kept sealed; the rest was logged):")?;
        let cells = self.reasons.iter().map(|(reason, count)| vec![count.to_string(), reason.clone()]);
        rows(out, &["count", "reason"], cells)?;
        for (file, line, reason) in &self.examples {
            writeln!(out, "  {}:{line}: {}", visible(file), visible(reason))?;
        }
        let more = self.quarantined.saturating_sub(self.examples.len() as u64);
        if more > 0 { writeln!(out, "  and {more} more") } else { Ok(()) }
    }
}

impl Shown for Tally {
    const COLUMNS: &'static [&'static str] =
        &["records", "logged", "duplicates", "quarantined", "skipped", "entries", "tree size"];

    fn cells(&self) -> Vec<String> {
        let entries = match (self.first_index, self.last_index) {
            (Some(first), Some(last)) => format!("{first} to {last}"),
            _ => "none".to_owned(),
        };
        let mut cells: Vec<_> =
            [self.records(), self.logged, self.duplicates, self.quarantined, self.skipped]
                .iter()
                .map(u64::to_string)
                .collect();
        cells.extend([entries, self.tree_size.to_string()]);
        cells
    }

    fn json(&self) -> Value {
        json!({
            "accepted": self.logged,
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
            "skipped": self.skipped,
            "first_index": self.first_index,
            "last_index": self.last_index,
            "tree_size": self.tree_size,
            "earlier": self.earlier,
            "reasons": self.reasons,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(reasons: &[Option<&str>], first: u64) -> IngestAnswer {
        let row = |reason: Option<&str>| match reason {
            Some(reason) => json!({"status": "quarantined", "index": 0, "reason": reason}),
            None => json!({"status": "logged", "index": 0, "events": 1}),
        };
        let quarantined = reasons.iter().flatten().count();
        serde_json::from_value(json!({
            "accepted": reasons.len() - quarantined,
            "quarantined": quarantined,
            "duplicates": 0,
            "skipped": 0,
            "first_index": first,
            "last_index": first + reasons.len() as u64 - 1,
            "tree_size": first + reasons.len() as u64,
            "results": reasons.iter().copied().map(row).collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    #[test]
    fn answers_add_up_and_lines_are_named() {
        let mut tally = Tally::default();
        tally.add("a.log", &[1, 3], &answer(&[None, Some("not JSON")], 5), 0);
        tally.add("b.log", &[7, 9], &answer(&[Some("not JSON"), Some("trap")], 7), 0);
        assert_eq!(tally.records(), 4);
        assert_eq!(tally.cells(), ["4", "1", "0", "3", "0", "5 to 8", "9"]);
        assert_eq!(tally.json()["reasons"], json!({"not JSON": 2, "trap": 1}));
        let mut out = Vec::new();
        tally.explain(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in ["a.log:3: not JSON", "b.log:7: not JSON", "b.log:9: trap"] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn reasons_and_examples_are_bounded() {
        let mut tally = Tally::default();
        for number in 0..100 {
            tally.add("a", &[number], &answer(&[Some(&format!("reason {number}"))], number), 0);
        }
        assert_eq!(tally.reasons.len(), REASONS_MAX + 1);
        assert_eq!(tally.reasons.values().sum::<u64>(), 100);
        assert_eq!(tally.examples.len(), EXAMPLES_MAX);
        let mut out = Vec::new();
        tally.explain(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("and 90 more"));
    }

    #[test]
    fn nothing_quarantined_is_not_worth_a_word() {
        let mut tally = Tally::default();
        tally.add("a", &[1], &answer(&[None], 0), 0);
        let mut out = Vec::new();
        tally.explain(&mut out).unwrap();
        assert!(out.is_empty());
    }
}
