//! What became of a request: one fate a raw record, and the answer made of them.

use cairnlog_verify::Hash;
use serde::{Deserialize, Serialize};

use crate::openings::Openings;

/// What a writer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Raw records logged.
    pub accepted: u64,
    /// Raw records that no pipeline could process; kept sealed.
    pub quarantined: u64,
    /// Raw records that were logged before.
    pub duplicates: u64,
    /// Raw records that hold nothing worth a record.
    pub skipped: u64,
    /// Index of the first entry made, if any was.
    pub first_index: Option<u64>,
    /// Index of the last entry made.
    pub last_index: Option<u64>,
    /// The smallest tree that holds all of it, which witnesses may still have to cosign.
    pub tree_size: u64,
    /// One row a raw record, in order.
    pub results: Vec<RowAnswer>,
}

/// What became of one raw record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowAnswer {
    /// Its fate.
    pub status: Status,
    /// Where its first entry stands.
    pub index: Option<u64>,
    /// How many entries from there on are its own.
    pub events: Option<u32>,
    /// The leaf hash of the first.
    pub leaf_hash: Option<Hash>,
    /// Why it was quarantined or skipped.
    pub reason: Option<String>,
    /// What opens its commitments, if that was asked for; of what was logged or quarantined by this very request.
    pub openings: Option<Box<Openings>>,
}

/// The four fates of a raw record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its events are in the tree.
    Logged,
    /// It was logged within the last day.
    Duplicate,
    /// It is kept sealed, and its entry says so.
    Quarantined,
    /// Nothing of it is kept.
    Skipped,
}

impl Answer {
    /// Adds the openings of each row. They are in no answer that is kept.
    pub(crate) fn with_openings(mut self, openings: Vec<Option<Box<Openings>>>) -> Self {
        for (row, openings) in self.results.iter_mut().zip(openings) {
            row.openings = openings;
        }
        self
    }

    /// Whether anything but duplicates was in it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.results.iter().any(|row| row.status != Status::Duplicate)
    }
}

/// The fate of a raw record while the request's first index is not known yet: places count from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    Logged {
        place: u64,
        events: u32,
        leaf_hash: Hash,
    },
    /// Logged by an earlier request.
    Earlier {
        index: u64,
        events: u32,
    },
    /// The same as an earlier raw record of this request.
    Twin {
        place: u64,
        events: u32,
    },
    Quarantined {
        place: u64,
        leaf_hash: Hash,
        reason: String,
    },
    Skipped {
        reason: String,
    },
}

/// All fates of a request: what an Idempotency-Key gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fates {
    /// Entries that the request made.
    pub(crate) entries: u64,
    /// The size to answer when nothing was made: there is no first index to count from.
    pub(crate) tree_size: Option<u64>,
    /// When the request was received, in milliseconds since the Unix epoch; 0 in rows of before they had it.
    #[serde(default)]
    pub(crate) received_ms: u64,
    pub(crate) rows: Vec<Fate>,
}

impl Fates {
    /// The answer, once the first index is known.
    pub(crate) fn answer(self, first: u64) -> Answer {
        let count = |wanted: fn(&Fate) -> bool| self.rows.iter().filter(|fate| wanted(fate)).count() as u64;
        let made = (self.entries > 0).then_some(first);
        Answer {
            accepted: count(|fate| matches!(fate, Fate::Logged { .. })),
            quarantined: count(|fate| matches!(fate, Fate::Quarantined { .. })),
            duplicates: count(|fate| matches!(fate, Fate::Earlier { .. } | Fate::Twin { .. })),
            skipped: count(|fate| matches!(fate, Fate::Skipped { .. })),
            first_index: made,
            last_index: made.map(|first| first + self.entries - 1),
            tree_size: self.tree_size.unwrap_or(first + self.entries),
            results: self.rows.into_iter().map(|fate| fate.row(first)).collect(),
        }
    }
}

impl Fate {
    fn row(self, first: u64) -> RowAnswer {
        let empty = RowAnswer {
            status: Status::Skipped,
            index: None,
            events: None,
            leaf_hash: None,
            reason: None,
            openings: None,
        };
        match self {
            Self::Logged { place, events, leaf_hash } => RowAnswer {
                status: Status::Logged,
                index: Some(first + place),
                events: Some(events),
                leaf_hash: Some(leaf_hash),
                ..empty
            },
            Self::Earlier { index, events } => {
                RowAnswer { status: Status::Duplicate, index: Some(index), events: Some(events), ..empty }
            }
            Self::Twin { place, events } => RowAnswer {
                status: Status::Duplicate,
                index: Some(first + place),
                events: Some(events),
                ..empty
            },
            Self::Quarantined { place, leaf_hash, reason } => RowAnswer {
                status: Status::Quarantined,
                index: Some(first + place),
                leaf_hash: Some(leaf_hash),
                reason: Some(reason),
                ..empty
            },
            Self::Skipped { reason } => RowAnswer { reason: Some(reason), ..empty },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_places_become_indices() {
        let hash = Hash([7; 32]);
        let rows = vec![
            Fate::Logged { place: 0, events: 2, leaf_hash: hash },
            Fate::Twin { place: 0, events: 2 },
            Fate::Quarantined { place: 2, leaf_hash: hash, reason: "trap".to_owned() },
            Fate::Skipped { reason: "heartbeat".to_owned() },
            Fate::Earlier { index: 3, events: 1 },
        ];
        let answer = Fates { entries: 3, tree_size: None, received_ms: 1, rows }.answer(100);
        assert_eq!((answer.accepted, answer.quarantined, answer.duplicates, answer.skipped), (1, 1, 2, 1));
        assert_eq!((answer.first_index, answer.last_index, answer.tree_size), (Some(100), Some(102), 103));
        let indices: Vec<_> = answer.results.iter().map(|row| row.index).collect();
        assert_eq!(indices, [Some(100), Some(100), Some(102), None, Some(3)]);
        assert!(answer.is_new());
    }

    #[test]
    fn only_duplicates_are_nothing_new() {
        let rows = vec![Fate::Earlier { index: 3, events: 1 }];
        let answer = Fates { entries: 0, tree_size: Some(9), received_ms: 1, rows }.answer(0);
        assert!(!answer.is_new());
        assert_eq!((answer.first_index, answer.last_index, answer.tree_size), (None, None, 9));
    }
}
