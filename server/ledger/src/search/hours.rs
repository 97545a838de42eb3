//! Walks the `times` rows of a search in its order, an hour at a time.

use std::collections::VecDeque;

use cairnlog_store::{Family, Scan, layout};

use super::filters::Filters;
use super::{Order, Span};
use crate::error::LedgerError;
use crate::index::read_indices;
use crate::limits::{TIME_ROWS_READ, TIME_ROWS_WALKED_MAX};
use crate::log::Log;

/// Where a walk stands.
pub(super) struct Hours<'a> {
    log: &'a Log,
    filters: &'a Filters,
    order: Order,
    /// Nothing at or beyond it is in the published tree.
    size: u64,
    from: Vec<u8>,
    to: Vec<u8>,
    done: bool,
    rows_walked: usize,
    /// Rows read and not yet given, in order: hour and indices.
    rows: VecDeque<(u32, Vec<u64>)>,
}

impl<'a> Hours<'a> {
    pub(super) fn new(log: &'a Log, span: &Span, size: u64, filters: &'a Filters) -> Self {
        let (first, last) = span.hours();
        let from = layout::time_key(log.id(), first, 0);
        let to = match last.checked_add(1) {
            Some(end) => layout::time_key(log.id(), end, 0),
            None => layout::prefix_end(layout::log_key(log.id())),
        };
        Self {
            log,
            filters,
            order: span.order,
            size,
            from,
            to,
            done: first > last,
            rows_walked: 0,
            rows: VecDeque::new(),
        }
    }

    /// Whether so many rows were read that the search should answer what it has.
    pub(super) fn is_tired(&self) -> bool {
        self.rows_walked >= TIME_ROWS_WALKED_MAX
    }

    /// The next hour that has rows, and its indices that stand in the rows of every filter.
    pub(super) async fn next(&mut self) -> Result<Option<(u32, Vec<u64>)>, LedgerError> {
        // An hour is whole once a row of the next hour, or the end, has been read.
        while !self.done && self.rows.front().map(|row| row.0) == self.rows.back().map(|row| row.0) {
            self.read().await?;
        }
        let Some((hour, mut indices)) = self.rows.pop_front() else { return Ok(None) };
        while self.rows.front().is_some_and(|row| row.0 == hour) {
            indices.extend(self.rows.pop_front().into_iter().flat_map(|row| row.1));
        }
        Ok(Some((hour, indices)))
    }

    async fn read(&mut self) -> Result<(), LedgerError> {
        let reverse = self.order == Order::Descending;
        let scan = Scan {
            family: Family::Times,
            from: self.from.clone(),
            to: self.to.clone(),
            reverse,
            limit: TIME_ROWS_READ,
        };
        let rows = self.log.engine().scan(scan).await?;
        self.done = rows.len() < TIME_ROWS_READ;
        self.rows_walked += rows.len();
        if let Some((last, _)) = rows.last() {
            if reverse {
                self.to.clone_from(last);
            } else {
                self.from = [last.as_slice(), &[0]].concat();
            }
        }
        let (mut hours, mut lots) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (key, row) in rows {
            let (hour, first) = layout::parse_period_key(&key).ok_or_else(damaged)?;
            let mut indices = read_indices(first, &row).map_err(|_| damaged())?;
            indices.retain(|index| *index < self.size);
            hours.push(hour);
            lots.push((first, indices));
        }
        self.filters.narrow(self.log, &mut lots).await?;
        self.rows.extend(hours.into_iter().zip(lots.into_iter().map(|(_, indices)| indices)));
        Ok(())
    }
}

pub(super) fn damaged() -> LedgerError {
    LedgerError::Internal("an index row is damaged; the records themselves are not concerned".to_owned())
}
