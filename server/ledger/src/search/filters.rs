//! Filters as the index has them: read whole where their rows are few, looked up where they are many.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairnlog_store::{Family, Row, Scan, layout};

use super::{Place, Position, Wanted, damaged};
use crate::error::LedgerError;
use crate::index::{Term, Tokens, read_indices, read_stretch, stretch_of};
use crate::limits::{POSTINGS_READ, ROWS_READ_MIN};
use crate::log::Log;
use crate::task::off_thread;

/// All filters of a search.
pub(super) struct Filters<'a> {
    log: &'a Log,
    /// Nothing at or beyond it counts.
    size: u64,
    all: Vec<Filter>,
}

struct Filter {
    /// The tokens of its values, one for each month of receipt that has a key.
    terms: Vec<Term>,
    /// The months that have rows, as soon as they were asked for.
    months: Option<Vec<MonthOfRows>>,
}

/// The rows of a value in one month of receipt: its token, and the first and last submission that it occurs in.
struct MonthOfRows {
    term: Term,
    first: u64,
    last: u64,
}

impl<'a> Filters<'a> {
    pub(super) fn new(log: &'a Log, wanted: &Wanted, size: u64) -> Self {
        let months = log.keys().index_months();
        let mut all: Vec<Filter> =
            wanted.filters().map(|_| Filter { terms: Vec::new(), months: None }).collect();
        for month in months {
            let Some(key) = log.keys().existing_index_key(month) else { continue };
            let mut tokens = Tokens::new(key.as_bytes());
            for (filter, (field, values)) in all.iter_mut().zip(wanted.filters()) {
                filter.terms.extend(values.iter().map(|value| tokens.term(field, value)));
            }
        }
        Self { log, size, all }
    }

    /// All records that stand in the rows of every filter, in no order, where one of them has `bound` rows and indices
    /// at most.
    pub(super) async fn few(&mut self, bound: usize) -> Result<Option<Vec<Position>>, LedgerError> {
        for number in 0..self.all.len() {
            if let Some(few) = self.read_whole(number, bound).await? {
                let few = self.narrow(few, |place| *place, Some(number)).await?;
                return Ok(Some(self.positions(few).await?));
            }
        }
        Ok(None)
    }

    /// What a filter's rows list, unless that or they are more than `bound`.
    async fn read_whole(&self, number: usize, bound: usize) -> Result<Option<Vec<Place>>, LedgerError> {
        let (mut places, mut rows_left, mut step) = (Vec::new(), bound, ROWS_READ_MIN);
        for term in &self.all[number].terms {
            let prefix = layout::posting_prefix(self.log.id(), term.field, term.token.0);
            let mut scan = Scan::prefix(Family::Postings, prefix, POSTINGS_READ);
            loop {
                // One more than there may be tells whether there are more.
                scan.limit = step.min(rows_left + 1);
                step = (2 * step).min(POSTINGS_READ);
                let rows = self.log.engine().scan(scan.clone()).await?;
                for (key, row) in &rows {
                    let first = layout::parse_posting_first(key).ok_or_else(damaged)?;
                    let indices = read_indices(first, row).map_err(|_| damaged())?;
                    let within = indices.into_iter().filter(|index| *index < self.size);
                    places.extend(within.map(|index| Place { first, index }));
                    if places.len() > bound {
                        return Ok(None);
                    }
                }
                let Some(left) = rows_left.checked_sub(rows.len()) else { return Ok(None) };
                rows_left = left;
                match rows.last() {
                    Some((last, _)) if rows.len() == scan.limit => {
                        scan.behind(last);
                    }
                    _ => break,
                }
            }
        }
        // Two of its values may stand in one record.
        places.sort_unstable();
        places.dedup();
        Ok(Some(places))
    }

    /// Keeps of some records, in their order, those that stand in the rows of every filter, but for the one of the number
    /// `but`.
    pub(super) async fn narrow<T>(
        &mut self,
        mut records: Vec<T>,
        place: impl Fn(&T) -> Place,
        but: Option<usize>,
    ) -> Result<Vec<T>, LedgerError> {
        for number in (0..self.all.len()).filter(|number| Some(*number) != but) {
            if records.is_empty() {
                break;
            }
            let mut wanted: Vec<Place> = records.iter().map(&place).collect();
            wanted.sort_unstable();
            let listed = self.look_up(number, wanted).await?;
            records.retain(|record| listed.binary_search(&place(record).index).is_ok());
        }
        Ok(records)
    }

    /// Which of some records, ascending, stand in the rows of a filter, ascending.
    async fn look_up(&mut self, number: usize, wanted: Vec<Place>) -> Result<Vec<u64>, LedgerError> {
        if self.all[number].months.is_none() {
            self.all[number].months = Some(extents(self.log, &self.all[number].terms).await?);
        }
        let months = self.all[number].months.as_deref().unwrap_or_default();
        let firsts: BTreeSet<u64> = wanted.iter().map(|place| place.first).collect();
        // Where months meet, a submission may be of either.
        let keys: Vec<Vec<u8>> = firsts
            .into_iter()
            .flat_map(|first| {
                let of_month = move |month: &&MonthOfRows| (month.first..=month.last).contains(&first);
                months.iter().filter(of_month).map(move |month| (month.term, first))
            })
            .map(|(term, first)| layout::posting_key(self.log.id(), term.field, term.token.0, first))
            .collect();
        let wanted: Arc<[u64]> = wanted.into_iter().map(|place| place.index).collect();
        let mut listed = Vec::new();
        for keys in keys.chunks(POSTINGS_READ) {
            let rows = self.log.engine().multi_get(Family::Postings, keys.to_vec()).await?;
            let rows = keys.iter().cloned().zip(rows).filter_map(|(key, row)| Some((key, row?))).collect();
            let wanted = Arc::clone(&wanted);
            listed.extend(off_thread(move || listed_of(rows, &wanted)).await??);
        }
        listed.sort_unstable();
        Ok(listed)
    }

    /// When the events of some records were.
    async fn positions(&self, mut places: Vec<Place>) -> Result<Vec<Position>, LedgerError> {
        places.sort_unstable();
        let starts: BTreeSet<u64> = places.iter().map(|place| stretch_of(place.first, place.index)).collect();
        let starts: Vec<u64> = starts.into_iter().collect();
        let wanted: Arc<[u64]> = places.into_iter().map(|place| place.index).collect();
        let mut positions = Vec::with_capacity(wanted.len());
        for starts in starts.chunks(POSTINGS_READ) {
            let keys = starts.iter().map(|start| layout::stretch_key(self.log.id(), *start)).collect();
            let rows = self.log.engine().multi_get(Family::Times, keys).await?;
            let rows = starts.iter().copied().zip(rows).collect();
            let wanted = Arc::clone(&wanted);
            positions.extend(off_thread(move || positions_of(rows, &wanted)).await??);
        }
        if positions.len() == wanted.len() { Ok(positions) } else { Err(damaged()) }
    }
}

/// Which of the wanted indices, ascending, some rows of one filter list.
fn listed_of(rows: Vec<Row>, wanted: &[u64]) -> Result<Vec<u64>, LedgerError> {
    let mut listed = Vec::new();
    for (key, row) in rows {
        let first = layout::parse_posting_first(&key).ok_or_else(damaged)?;
        let indices = read_indices(first, &row).map_err(|_| damaged())?;
        listed.extend(indices.into_iter().filter(among(first, wanted)));
    }
    Ok(listed)
}

/// Of the wanted indices, ascending, those in some stretches, with their times.
fn positions_of(rows: Vec<(u64, Option<Vec<u8>>)>, wanted: &[u64]) -> Result<Vec<Position>, LedgerError> {
    let mut positions = Vec::new();
    for (start, row) in rows {
        let times = read_stretch(start, &row.ok_or_else(damaged)?).map_err(|_| damaged())?;
        let mut is_wanted = among(start, wanted);
        let within = times.into_iter().filter(|(index, _)| is_wanted(index));
        positions.extend(within.map(|(index, time_ms)| Position { time_ms, index }));
    }
    Ok(positions)
}

/// Whether an index is among some that ascend, of indices that ascend from `first` on.
fn among(first: u64, wanted: &[u64]) -> impl FnMut(&u64) -> bool {
    let mut rest = &wanted[wanted.partition_point(|index| *index < first)..];
    move |index| {
        while let [next, others @ ..] = rest
            && next < index
        {
            rest = others;
        }
        rest.first() == Some(index)
    }
}

/// Which submissions the rows of each term reach from and to; terms without rows are left out.
async fn extents(log: &Log, terms: &[Term]) -> Result<Vec<MonthOfRows>, LedgerError> {
    let mut months = Vec::new();
    for &term in terms {
        let prefix = layout::posting_prefix(log.id(), term.field, term.token.0);
        let forward = Scan::prefix(Family::Postings, prefix, 1);
        let backward = Scan { reverse: true, ..forward.clone() };
        let (first, last) = (end_of(log, forward).await?, end_of(log, backward).await?);
        months.extend(first.zip(last).map(|(first, last)| MonthOfRows { term, first, last }));
    }
    Ok(months)
}

async fn end_of(log: &Log, scan: Scan) -> Result<Option<u64>, LedgerError> {
    let row = log.engine().scan(scan).await?.pop();
    row.map(|(key, _)| layout::parse_posting_first(&key).ok_or_else(damaged)).transpose()
}
