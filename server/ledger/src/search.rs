//! Search: by source, actor, action, class, status, resource, address and event time.
//!
//! Each filter names, month by month, rows of indices; what stands in all filters' rows is a candidate.
//! The `times` rows then give the candidates in order of the hour of their event, and the opened payload
//! decides: a token is eight bytes, and two values may share one. Only as many records are opened as the
//! page needs, and those of its last hour.

use std::collections::HashSet;

use cairnlog_store::{Family, Scan, layout};

use crate::error::LedgerError;
use crate::index::{Field, Tokens, fold, read_indices, values};
use crate::limits::{HOUR_RECORDS_OPENED, POSTING_ROWS_MAX, TIME_ROWS_READ};
use crate::log::Log;
use crate::read::{Opened, Record};

const HOUR_MS: i64 = 3_600_000;

/// What is looked for. Filters match whole values as kept, folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// Where a list goes on: behind this record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its event time.
    pub time_ms: i64,
    /// Its index.
    pub index: u64,
}

/// A page of records.
#[derive(Clone, Debug)]
pub struct Found {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Where the next page starts, if there is more.
    pub next: Option<Position>,
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

    /// Whether an opened record is what is looked for.
    fn matches(&self, opened: &Opened) -> bool {
        let time_ms = opened.time_ms();
        let in_time =
            self.from_ms.is_none_or(|from| time_ms >= from) && self.to_ms.is_none_or(|to| time_ms < to);
        let source = opened.source().unwrap_or_default();
        in_time
            && self.filters().all(|(field, wanted)| {
                let wanted = fold(wanted);
                values(source, &opened.payload.attributes)
                    .any(|(of, value)| of == field && fold(&value) == wanted)
            })
    }

    /// Whether `position` comes after `other` in this order.
    fn is_behind(&self, position: Position, other: Position) -> bool {
        match self.order {
            Order::Ascending => position > other,
            Order::Descending => position < other,
        }
    }

    /// The hours to look through, first and last, inclusive; as they stand in row keys.
    fn hours(&self, after: Option<Position>) -> (u32, u32) {
        let hour = |ms: i64| u32::try_from(ms.max(0) / HOUR_MS).unwrap_or(u32::MAX);
        let (mut first, mut last) = (self.from_ms.map_or(0, hour), self.to_ms.map_or(u32::MAX, hour));
        if let Some(after) = after {
            match self.order {
                Order::Ascending => first = first.max(hour(after.time_ms)),
                Order::Descending => last = last.min(hour(after.time_ms)),
            }
        }
        (first, last)
    }
}

impl Log {
    /// A page of records, behind `after`.
    ///
    /// # Errors
    /// [`LedgerError`]: filters that match too much at once, a record that does not open, the store.
    pub async fn search(
        &self,
        search: &Search,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Found, LedgerError> {
        let size = self.tree().head().checkpoint.size;
        let candidates = self.candidates(search).await?;
        let mut hours = Hours::new(self, search, after, size, candidates);
        let mut page: Vec<Opened> = Vec::new();
        // One more than asked for tells whether there is a next page.
        while page.len() <= limit {
            let Some(indices) = hours.next().await? else { break };
            page.extend(self.open_hour(search, after, &indices, limit + 1 - page.len()).await?);
        }
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(position);
        Ok(Found { records: page.into_iter().map(Record::from).collect(), next })
    }

    /// The first `wanted` matching records of one hour, in order.
    async fn open_hour(
        &self,
        search: &Search,
        after: Option<Position>,
        indices: &[u64],
        wanted: usize,
    ) -> Result<Vec<Opened>, LedgerError> {
        let mut found: Vec<Opened> = Vec::new();
        for part in indices.chunks(HOUR_RECORDS_OPENED) {
            let opened = self.open_all(part).await?;
            let matching = opened.into_iter().filter(|opened| {
                search.matches(opened) && after.is_none_or(|after| search.is_behind(position(opened), after))
            });
            found.extend(matching);
            found.sort_by_key(position);
            if search.order == Order::Descending {
                found.reverse();
            }
            // What is beyond the page need not stay in memory; later parts may still push others out.
            found.truncate(wanted);
        }
        Ok(found)
    }

    /// The indices that stand in the rows of every filter; none where nothing is filtered.
    async fn candidates(&self, search: &Search) -> Result<Option<HashSet<u64>>, LedgerError> {
        let mut candidates: Option<HashSet<u64>> = None;
        for (field, value) in search.filters() {
            let indices = self.indices_of(field, value).await?;
            candidates = Some(match candidates {
                None => indices,
                Some(before) => before.intersection(&indices).copied().collect(),
            });
        }
        Ok(candidates)
    }

    /// All indices under a value's tokens, over all months that have a key.
    async fn indices_of(&self, field: Field, value: &str) -> Result<HashSet<u64>, LedgerError> {
        let mut indices = HashSet::new();
        for month in self.keys().index_months() {
            let Some(key) = self.keys().existing_index_key(month) else { continue };
            let term = Tokens::new(key.as_bytes()).term(field, value);
            let prefix = layout::posting_prefix(self.id(), term.field, term.token.0);
            let rows = self.engine().scan(Scan::prefix(Family::Postings, prefix, POSTING_ROWS_MAX)).await?;
            if rows.len() == POSTING_ROWS_MAX {
                return Err(LedgerError::BadRequest(format!(
                    "the filter {} matches too much to be searched at once; add a narrower one",
                    field.name()
                )));
            }
            for (key, row) in rows {
                let first = layout::parse_posting_first(&key).ok_or_else(damaged)?;
                indices.extend(read_indices(first, &row).map_err(|_| damaged())?);
            }
        }
        Ok(indices)
    }
}

/// Walks the hours of a search in order, giving each hour's indices at once.
struct Hours<'a> {
    log: &'a Log,
    search: &'a Search,
    size: u64,
    candidates: Option<HashSet<u64>>,
    from: Vec<u8>,
    to: Vec<u8>,
    done: bool,
    /// Rows read and not yet given, in order: hour and indices.
    rows: std::collections::VecDeque<(u32, Vec<u64>)>,
}

impl<'a> Hours<'a> {
    fn new(
        log: &'a Log,
        search: &'a Search,
        after: Option<Position>,
        size: u64,
        candidates: Option<HashSet<u64>>,
    ) -> Self {
        let (first, last) = search.hours(after);
        let from = layout::time_key(log.id(), first, 0);
        let to = match last.checked_add(1) {
            Some(end) => layout::time_key(log.id(), end, 0),
            None => layout::prefix_end(layout::log_key(log.id())),
        };
        let done = first > last || candidates.as_ref().is_some_and(HashSet::is_empty);
        Self { log, search, size, candidates, from, to, done, rows: std::collections::VecDeque::new() }
    }

    /// The indices of the next hour that has any.
    async fn next(&mut self) -> Result<Option<Vec<u64>>, LedgerError> {
        loop {
            // An hour is whole once a row of the next hour, or the end, has been read.
            while !self.done && self.rows.front().map(|row| row.0) == self.rows.back().map(|row| row.0) {
                self.read().await?;
            }
            let Some((hour, mut indices)) = self.rows.pop_front() else { return Ok(None) };
            while self.rows.front().is_some_and(|row| row.0 == hour) {
                indices.extend(self.rows.pop_front().into_iter().flat_map(|row| row.1));
            }
            if !indices.is_empty() {
                indices.sort_unstable();
                return Ok(Some(indices));
            }
        }
    }

    async fn read(&mut self) -> Result<(), LedgerError> {
        let reverse = self.search.order == Order::Descending;
        let scan = Scan {
            family: Family::Times,
            from: self.from.clone(),
            to: self.to.clone(),
            reverse,
            limit: TIME_ROWS_READ,
        };
        let rows = self.log.engine().scan(scan).await?;
        self.done = rows.len() < TIME_ROWS_READ;
        if let Some((last, _)) = rows.last() {
            if reverse {
                self.to.clone_from(last);
            } else {
                self.from = [last.as_slice(), &[0]].concat();
            }
        }
        for (key, row) in rows {
            let (hour, first) = layout::parse_period_key(&key).ok_or_else(damaged)?;
            let mut indices = read_indices(first, &row).map_err(|_| damaged())?;
            // Beyond the published tree nothing is shown.
            indices.retain(|index| {
                *index < self.size && self.candidates.as_ref().is_none_or(|only| only.contains(index))
            });
            self.rows.push_back((hour, indices));
        }
        Ok(())
    }
}

fn position(opened: &Opened) -> Position {
    Position { time_ms: opened.time_ms(), index: opened.index }
}

fn damaged() -> LedgerError {
    LedgerError::Internal("an index row is damaged; the records themselves are not concerned".to_owned())
}
