//! Walks the `times` rows of a search in its order.

use cairnlog_store::{Family, Scan, layout};

use super::{Order, Place, Position, Span, damaged};
use crate::error::LedgerError;
use crate::index::read_moment;
use crate::limits::{ROWS_READ_MIN, STRETCH_RECORDS, TIME_ROWS_READ};
use crate::log::Log;
use crate::task::off_thread;

/// Where a walk stands.
pub(super) struct Walk<'a> {
    log: &'a Log,
    span: Span,
    /// Nothing at or beyond it is in the published tree.
    size: u64,
    from: Vec<u8>,
    to: Vec<u8>,
    /// How many rows to read next: no more than the page needs at first.
    step: usize,
    done: bool,
    walked: usize,
    at: Option<Position>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(log: &'a Log, span: &Span, size: u64, limit: usize) -> Self {
        let (from, to) = bounds(log.id(), span);
        let step = limit.saturating_add(1).clamp(ROWS_READ_MIN, TIME_ROWS_READ);
        Self { log, span: *span, size, from, to, step, done: false, walked: 0, at: None }
    }

    /// How many records it has come by.
    pub(super) fn walked(&self) -> usize {
        self.walked
    }

    /// All records up to here have been given.
    pub(super) fn stands_at(&self) -> Option<Position> {
        self.at
    }

    /// The next records, in order; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<(Place, Position)>>, LedgerError> {
        if self.done {
            return Ok(None);
        }
        let reverse = self.span.order == Order::Descending;
        let (from, to) = (self.from.clone(), self.to.clone());
        let rows = self
            .log
            .engine()
            .scan(Scan { family: Family::Times, from, to, reverse, limit: self.step })
            .await?;
        self.done = rows.len() < self.step;
        self.step = (2 * self.step).min(TIME_ROWS_READ);
        match rows.last() {
            Some((last, _)) if reverse => self.to.clone_from(last),
            Some((last, _)) => self.from = [last.as_slice(), &[0]].concat(),
            None => return Ok(None),
        }
        let (span, size) = (self.span, self.size);
        let (mut places, walked) = off_thread(move || {
            let places = read(&rows, reverse)?;
            let walked = places.len();
            Ok::<_, LedgerError>((places, walked))
        })
        .await??;
        self.walked += walked;
        self.at = places.last().map(|(_, position)| *position).or(self.at);
        places.retain(|(place, position)| place.index < size && span.holds(*position));
        Ok(Some(places))
    }
}

/// All records in some rows, in their order.
fn read(rows: &[(Vec<u8>, Vec<u8>)], reverse: bool) -> Result<Vec<(Place, Position)>, LedgerError> {
    let mut places = Vec::with_capacity(rows.len());
    for (key, row) in rows {
        let (time_ms, start) = layout::parse_time_key(key).ok_or_else(damaged)?;
        let (first, mut indices) = read_moment(start, row).map_err(|_| damaged())?;
        if reverse {
            indices.reverse();
        }
        let place = |index| (Place { first, index }, Position { time_ms, index });
        places.extend(indices.into_iter().map(place));
    }
    Ok(places)
}

/// The keys to read from and to: no row outside can hold a record of the span.
fn bounds(log: u32, span: &Span) -> (Vec<u8>, Vec<u8>) {
    let mut from = layout::time_key(log, span.from_ms.unwrap_or(i64::MIN), 0);
    let mut to = span.to_ms.map_or_else(|| layout::times_end(log), |to_ms| layout::time_key(log, to_ms, 0));
    if let Some(Position { time_ms, index }) = span.after {
        match span.order {
            // A row that begins before the index may reach beyond it.
            Order::Ascending => {
                from = from.max(layout::time_key(log, time_ms, index.saturating_sub(STRETCH_RECORDS - 1)));
            }
            Order::Descending => to = to.min(layout::time_key(log, time_ms, index)),
        }
    }
    (from, to)
}
