//! The commit by which records go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairnlog_store::Family;
use cairnlog_store::layout::erased_key;
use cairnlog_verify::entry::{Body, Erased, RANGES_MAX};
use jiff::Timestamp;

use super::erased::{ERASED_ROW_BYTES, ErasedRow};
use super::held::Standing;
use super::rows::{self, Going};
use crate::class::{Class, DAY_MS, Retention};
use crate::control::Saying;
use crate::error::LedgerError;
use crate::limits::{DESTRUCTION_DAYS, ERASED_AT_ONCE};
use crate::log::Log;
use crate::read::{Opened, Rows, retention_of};
use crate::said;
use crate::task::off_thread;
use crate::worker::is_found;

/// What a request for erasure rests on.
const REQUEST_BASIS: &str = "GDPR Art. 17";

/// A record that may have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) index: u64,
    /// The first index of its submission, if that is known.
    pub(crate) first: Option<u64>,
}

/// Why records are to go.
#[derive(Clone)]
pub(crate) enum Why {
    /// Their time is over at this moment, in milliseconds since the Unix epoch.
    Due {
        at_ms: u64,
        /// Who asked: the id of a token, or `schedule`.
        by: String,
    },
    /// Somebody asked for it.
    Asked(Arc<Asked>),
}

/// A request for erasure.
///
/// It has no `Debug`: a reason may name a person.
pub(crate) struct Asked {
    pub(crate) id: String,
    pub(crate) by: String,
    /// The second person, where one is needed.
    pub(crate) approved_by: Option<String>,
    pub(crate) reason: String,
}

/// What may become of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes.
    Goes,
    /// A hold covers it.
    Held(u64),
    /// Its minimum stands, until then if that is known.
    Minimum(Option<u64>),
    /// It is not due yet.
    NotDue,
    /// It is what the log says of itself, which is never erased.
    Kept,
}

/// A candidate that was looked at.
pub(crate) struct Examined {
    pub(crate) index: u64,
    pub(crate) verdict: Verdict,
    /// By what it is kept.
    pub(crate) class: ClassOf,
    going: Option<Going>,
}

/// A retention class as a record names it, with its rules then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClassOf {
    pub(crate) name: String,
    basis: String,
    minimum_days: u32,
    maximum_days: Option<u32>,
}

impl Log {
    /// Looks at some records, at most [`ERASED_AT_ONCE`], and erases those that go: one commit for all that goes for one
    /// reason. Those that are gone already are left out of the answer.
    pub(crate) async fn erase(
        &self,
        candidates: &[Candidate],
        why: &Why,
    ) -> Result<Vec<Examined>, LedgerError> {
        let _turn = self.keeping().turn.lock().await;
        let mut examined = self.examine(candidates, why).await?;
        if matches!(why, Why::Due { .. }) {
            let going = examined.iter().filter(|one| one.verdict == Verdict::Goes);
            self.archive(&going.map(|one| one.index).collect::<Vec<_>>()).await?;
        }
        let mut groups: BTreeMap<Option<ClassOf>, Vec<usize>> = BTreeMap::new();
        for (place, one) in examined.iter().enumerate().filter(|(_, one)| one.verdict == Verdict::Goes) {
            // A sweep says which class's time was over. A request says nothing that tells what it concerned.
            let group = matches!(why, Why::Due { .. }).then(|| one.class.clone());
            groups.entry(group).or_default().push(place);
        }
        for (class, places) in groups {
            let going: Vec<Going> = places.iter().filter_map(|place| examined[*place].going.take()).collect();
            self.erase_all(going, class.as_ref(), why).await?;
        }
        Ok(examined)
    }

    /// Looks at some records. Whoever acts upon it holds the turn.
    pub(crate) async fn examine(
        &self,
        candidates: &[Candidate],
        why: &Why,
    ) -> Result<Vec<Examined>, LedgerError> {
        let indices: Vec<u64> = candidates.iter().map(|candidate| candidate.index).collect();
        debug_assert!(indices.len() <= ERASED_AT_ONCE, "more than one commit takes");
        let rows = self.rows_there(&indices).await?;
        let closed = self.closed_at(&rows.iter().map(Rows::index).collect::<Vec<_>>()).await?;
        let (reader, holds, why) = (self.opener().clone(), self.standing_holds(), why.clone());
        let now_ms = self.now_ms();
        let examined = off_thread(move || {
            let mut opening = reader.opening();
            let looked_at = rows.iter().map(|rows| {
                let opened = opening.open(rows)?;
                let closed_ms = closed.get(&opened.index).copied();
                Ok(look_at(&opened, rows, closed_ms, &holds, &why, now_ms))
            });
            looked_at.collect::<Result<Vec<Examined>, LedgerError>>()
        });
        let mut examined = examined.await??;
        let firsts: BTreeMap<u64, Option<u64>> =
            candidates.iter().map(|candidate| (candidate.index, candidate.first)).collect();
        for one in &mut examined {
            let Some(going) = &mut one.going else { continue };
            going.first = firsts.get(&one.index).copied().flatten();
            if one.verdict == Verdict::Goes && going.first.is_none() {
                going.first = self.submission_of(going.index, &going.terms, going.expiry_day).await?;
            }
        }
        Ok(examined)
    }

    async fn erase_all(
        &self,
        going: Vec<Going>,
        class: Option<&ClassOf>,
        why: &Why,
    ) -> Result<(), LedgerError> {
        let now_ms = self.now_ms();
        let ranges = ranges(going.iter().map(|going| going.index));
        let changes = self.changes_of(&going, now_ms).await?;
        let id = self.id();
        let bytes = rows::bytes_of(&changes) + ERASED_ROW_BYTES * ranges.len();
        let saying = self.saying(&ranges, class, why, now_ms);
        self.say(saying, bytes, move |said, batch| {
            rows::write(changes, batch);
            for (start, end) in ranges {
                batch.put(Family::Erasures, erased_key(id, start), ErasedRow { end, said }.to_bytes());
            }
        })
        .await?;
        self.keeping().changed();
        self.diagnostics().clear();
        Ok(())
    }

    /// From when on no copy of the store opens what is erased now, if nothing holds up the destruction of its pages.
    pub(crate) fn complete_at_ms(&self, now_ms: u64) -> u64 {
        let days = DESTRUCTION_DAYS + u64::from(self.shared().keyring_backup_days);
        now_ms.saturating_add(days * DAY_MS)
    }

    fn saying(&self, ranges: &[(u64, u64)], class: Option<&ClassOf>, why: &Why, now_ms: u64) -> Saying {
        let text = |member: &str, value: &str| said::text(&format!("erasure.{member}"), value);
        let days = |member: &str, days: u32| said::integer(&format!("erasure.{member}"), i64::from(days));
        let complete_at = timestamp(self.complete_at_ms(now_ms));
        let ranges_text = serde_json::to_string(ranges).expect("numbers are always JSON");
        let mut attributes = vec![text("complete_at", &complete_at), text("ranges", &ranges_text)];
        let (body, by) = match why {
            Why::Due { by, .. } => {
                attributes.push(text("ground", "maximum"));
                (Body::Erasure(Erased::Sweep(ranges.to_vec())), by)
            }
            Why::Asked(asked) => {
                attributes.extend([
                    text("ground", "request"),
                    text("id", &asked.id),
                    text("reason", &asked.reason),
                ]);
                attributes.extend(asked.approved_by.as_deref().map(|by| text("approved_by", by)));
                attributes.push(text("basis", REQUEST_BASIS));
                (Body::Erasure(Erased::Request), &asked.by)
            }
        };
        attributes.push(text("by", by));
        if let Some(ClassOf { name, basis, minimum_days, maximum_days }) = class {
            attributes.extend([
                text("basis", basis),
                text("class", name),
                days("minimum_days", *minimum_days),
            ]);
            attributes.push(text("reason", &format!("the time of the class {name} was over")));
            attributes.extend(maximum_days.map(|maximum| days("maximum_days", maximum)));
        }
        attributes.sort_by(|left, right| left.path.cmp(&right.path));
        Saying { body, attributes, by: by.clone(), action: "retention.erasure" }
    }
}

/// Decides about one record.
fn look_at(
    opened: &Opened,
    rows: &Rows,
    closed_ms: Option<u64>,
    holds: &[Standing],
    why: &Why,
    now_ms: u64,
) -> Examined {
    let received_ms = opened.received_ms();
    let retention = retention_of(&opened.payload);
    let class = retention.as_ref().map(|retention| &retention.class);
    let minimum_until = class.and_then(|class| class.minimum_until_ms(received_ms, closed_ms));
    let maximum_until = class.and_then(|class| class.maximum_until_ms(received_ms, closed_ms));
    let hold = holds.iter().find(|hold| hold.covers(opened));
    let is_of_log = match (&opened.entry.body, why) {
        (Body::Record { .. } | Body::Quarantine { .. }, _) | (Body::Access, Why::Due { .. }) => false,
        // Who read what is not for anyone to ask away.
        _ => true,
    };
    let has_minimum = class.is_some_and(|class| class.minimum_days > 0);
    let verdict = match (why, hold) {
        _ if is_of_log => Verdict::Kept,
        (Why::Due { at_ms, .. }, _) if maximum_until.is_none_or(|until| until > *at_ms) => Verdict::NotDue,
        (_, Some(hold)) => Verdict::Held(hold.id()),
        (Why::Asked(_), None) if has_minimum && minimum_until.is_none_or(|until| until > now_ms) => {
            Verdict::Minimum(minimum_until)
        }
        _ => Verdict::Goes,
    };
    let going = Going {
        index: opened.index,
        first: None,
        page: rows.page(),
        terms: opened.payload.rows.clone(),
        time_ms: is_found(&opened.entry.body).then(|| opened.time_ms()),
        expiry_day: class.and_then(|class| class.expiry_day(received_ms, closed_ms)),
        received_ms,
    };
    Examined { index: opened.index, verdict, class: ClassOf::of(retention), going: Some(going) }
}

impl ClassOf {
    fn of(retention: Option<Retention>) -> Self {
        let Some(Retention { chosen, class }) = retention else {
            return Self { name: String::new(), basis: String::new(), minimum_days: 0, maximum_days: None };
        };
        // A quarantined raw record is of no class that compliance set.
        let name = chosen.map_or_else(|| "quarantine".to_owned(), |chosen| chosen.class);
        let Class { basis, minimum_days, maximum_days, .. } = class;
        Self { name, basis, minimum_days, maximum_days }
    }
}

/// Half-open ranges of indices that ascend.
fn ranges(indices: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let indices: BTreeSet<u64> = indices.collect();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for index in indices {
        match ranges.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => ranges.push((index, index + 1)),
        }
    }
    assert!(ranges.len() <= RANGES_MAX, "more ranges than an entry names");
    ranges
}

/// RFC 3339, in UTC.
fn timestamp(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX).to_string()
}
