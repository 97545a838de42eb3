//! Search: by source, actor, action, class, status, resource, address and event time.
//!
//! Index rows only say where to look: the opened payload decides, for a token is eight bytes and two values may share
//! one. A filter whose rows are few is read whole, and its records are opened. Where all filters are wide, or there is
//! none, the `times` rows are walked hour by hour in the order of the search, and what a submission has in an hour is
//! cut down to what its rows of each filter list, which are found by the submission's first index.
//!
//! Records of an hour are put in order by their event times, which are opened once and then remembered; of the rest no
//! more are opened than the page needs. A walk that finds little ends with a cursor after a bounded number of rows.

mod filters;
mod hours;

use crate::error::LedgerError;
use crate::index::{Field, fold, values};
use crate::limits::{PAGE_BYTES_MAX, RECORDS_OPENED};
use crate::log::Log;
use crate::read::{Opened, Record};
use crate::task::off_thread;
use filters::Filters;
use hours::Hours;

const HOUR_MS: i64 = 3_600_000;

/// What is looked for. Filters match whole values as kept, folded.
///
/// It has no `Debug`: what is looked for may be a person.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The source's name.
    pub source: Option<String>,
    /// A user's or session's uid, name or e-mail address.
    pub actor: Option<String>,
    /// The operation, event code or activity.
    pub action: Option<String>,
    /// `class_uid`.
    pub class: Option<String>,
    /// `status_id`.
    pub status: Option<String>,
    /// A resource's or entity's uid or name, a file's path, a page's URL.
    pub resource: Option<String>,
    /// `src_endpoint.ip`.
    pub ip: Option<String>,
    /// Event time from here on, in milliseconds since the Unix epoch.
    pub from_ms: Option<i64>,
    /// Event time before this.
    pub to_ms: Option<i64>,
    /// By (event time, index).
    pub order: Order,
}

/// A direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    #[default]
    Descending,
}

/// Where a list goes on: behind this place, at which there need not be a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// An event time.
    pub time_ms: i64,
    /// An index.
    pub index: u64,
}

/// A page of records.
#[derive(Clone, Debug)]
pub struct Found {
    /// The records, in order; perhaps fewer than were asked for, though there are more.
    pub records: Vec<Record>,
    /// Where the next page starts, if there may be more.
    pub next: Option<Position>,
}

/// The part of the order of time that a page is taken from.
#[derive(Clone, Copy)]
struct Span {
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    after: Option<Position>,
    order: Order,
}

impl Search {
    fn filters(&self) -> impl Iterator<Item = (Field, &str)> {
        let all = [
            (Field::Source, &self.source),
            (Field::Actor, &self.actor),
            (Field::Action, &self.action),
            (Field::Class, &self.class),
            (Field::Status, &self.status),
            (Field::Resource, &self.resource),
            (Field::Ip, &self.ip),
        ];
        all.into_iter().filter_map(|(field, value)| Some((field, value.as_deref()?)))
    }

    /// Whether an opened record has what is looked for.
    fn matches(&self, opened: &Opened) -> bool {
        let source = opened.source().unwrap_or_default();
        self.filters().all(|(field, wanted)| {
            let wanted = fold(wanted);
            values(source, &opened.payload.attributes)
                .any(|(of, value)| of == field && fold(&value) == wanted)
        })
    }
}

impl Span {
    fn holds(&self, position: Position) -> bool {
        let is_behind = |after| match self.order {
            Order::Ascending => position > after,
            Order::Descending => position < after,
        };
        self.from_ms.is_none_or(|from| position.time_ms >= from)
            && self.to_ms.is_none_or(|to| position.time_ms < to)
            && self.after.is_none_or(is_behind)
    }

    /// Records with these times that lie within, in order.
    fn sorted(&self, indices: Vec<u64>, times: Vec<i64>) -> Vec<u64> {
        let all = indices.into_iter().zip(times).map(|(index, time_ms)| Position { time_ms, index });
        let mut positions: Vec<Position> = all.filter(|position| self.holds(*position)).collect();
        positions.sort_unstable();
        if self.order == Order::Descending {
            positions.reverse();
        }
        positions.into_iter().map(|position| position.index).collect()
    }

    /// The hours to look through, first and last, inclusive; as they stand in row keys.
    fn hours(&self) -> (u32, u32) {
        let hour = |ms: i64| u32::try_from(ms.max(0) / HOUR_MS).unwrap_or(u32::MAX);
        let (mut first, mut last) = (self.from_ms.map_or(0, hour), self.to_ms.map_or(u32::MAX, hour));
        if let Some(after) = self.after {
            match self.order {
                Order::Ascending => first = first.max(hour(after.time_ms)),
                Order::Descending => last = last.min(hour(after.time_ms)),
            }
        }
        (first, last)
    }

    /// The place behind all records of an hour; none behind the last hour.
    fn end_of(&self, hour: u32) -> Option<Position> {
        let start_ms = i64::from(hour) * HOUR_MS;
        match self.order {
            Order::Ascending if hour == u32::MAX => None,
            Order::Ascending => Some(Position { time_ms: start_ms + HOUR_MS, index: 0 }),
            // Hour 0 has all that is older, too.
            Order::Descending if hour == 0 => None,
            Order::Descending => Some(Position { time_ms: start_ms - 1, index: u64::MAX }),
        }
    }
}

impl Log {
    /// A page of records, behind `after`.
    ///
    /// # Errors
    /// [`LedgerError`]: a record that does not open, or the store.
    pub async fn search(
        &self,
        search: &Search,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Found, LedgerError> {
        let Search { from_ms, to_ms, order, .. } = *search;
        let span = Span { from_ms, to_ms, after, order };
        let size = self.tree().head().checkpoint.size;
        let mut page = Page { log: self, search, span, limit, opened: Vec::new(), bytes: 0, is_full: false };
        let filters = Filters::read(self, search, size).await?;
        if let Some(indices) = filters.few(self).await? {
            page.add(indices).await?;
            return Ok(page.end(None));
        }
        let mut hours = Hours::new(self, &span, size, &filters);
        while let Some((hour, indices)) = hours.next().await? {
            page.add(indices).await?;
            if page.is_full {
                break;
            }
            if hours.is_tired() {
                return Ok(page.end(span.end_of(hour)));
            }
        }
        Ok(page.end(None))
    }
}

/// A page as it fills.
struct Page<'a> {
    log: &'a Log,
    search: &'a Search,
    span: Span,
    limit: usize,
    opened: Vec<Opened>,
    bytes: usize,
    /// Whether a further match was seen.
    is_full: bool,
}

impl Page<'_> {
    /// Adds what matches of some records, all of which lie behind those added before.
    async fn add(&mut self, indices: Vec<u64>) -> Result<(), LedgerError> {
        let times = self.log.times_of(indices.clone()).await?;
        let span = self.span;
        let sorted = off_thread(move || span.sorted(indices, times)).await?;
        let mut rest = sorted.as_slice();
        while !rest.is_empty() && !self.is_full {
            // One more than asked for tells whether there is a next page.
            let wanted = self.limit.saturating_sub(self.opened.len()).saturating_add(1);
            let (part, others) = rest.split_at(rest.len().min(wanted).min(RECORDS_OPENED));
            rest = others;
            for opened in self.log.open_all(part).await? {
                self.push(opened);
            }
        }
        Ok(())
    }

    fn push(&mut self, opened: Opened) {
        if self.is_full || !self.search.matches(&opened) {
            return;
        }
        if self.opened.len() == self.limit || self.bytes > PAGE_BYTES_MAX {
            self.is_full = true;
            return;
        }
        self.bytes += opened.bytes();
        self.opened.push(opened);
    }

    /// The page, and where the next one starts: behind its last record where that is known not to be the last of all,
    /// else at `next`.
    fn end(self, next: Option<Position>) -> Found {
        let last = self.opened.last().filter(|_| self.is_full);
        let next = last.map(|last| Position { time_ms: last.time_ms(), index: last.index }).or(next);
        Found { records: self.opened.into_iter().map(Record::from).collect(), next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_on_behind_an_hour_and_not_in_it() {
        for hour in [0, 1, 490_000, u32::MAX] {
            for order in [Order::Ascending, Order::Descending] {
                let span = Span { from_ms: None, to_ms: None, after: None, order };
                let Some(end) = span.end_of(hour) else { continue };
                let next = Span { after: Some(end), ..span };
                let (first, last) = next.hours();
                let start_ms = i64::from(hour) * HOUR_MS;
                let at = |time_ms, index| next.holds(Position { time_ms, index });
                assert!(!at(start_ms, 1) && !at(start_ms + HOUR_MS - 1, u64::MAX - 1));
                match order {
                    Order::Ascending => assert!(first == hour + 1 && at(start_ms + HOUR_MS, 1)),
                    Order::Descending => assert!(last == hour - 1 && at(start_ms - 1, u64::MAX - 1)),
                }
            }
        }
    }

    #[test]
    fn hours_of_times_that_no_calendar_has() {
        let span = |from_ms, to_ms| Span { from_ms, to_ms, after: None, order: Order::Ascending };
        assert_eq!(span(None, None).hours(), (0, u32::MAX));
        assert_eq!(span(Some(i64::MIN), Some(i64::MAX)).hours(), (0, u32::MAX));
        assert_eq!(span(Some(HOUR_MS), Some(HOUR_MS - 1)).hours(), (1, 0));
        assert_eq!(span(Some(-1), Some(HOUR_MS)).hours(), (0, 1));
    }
}
