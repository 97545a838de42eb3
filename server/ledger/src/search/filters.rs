//! Filters as the index has them: read whole where their rows are few, looked up where they are many.

use std::collections::BTreeMap;

use cairnlog_store::limits::MULTI_GET_KEYS_MAX;
use cairnlog_store::secrets::Month;
use cairnlog_store::{Family, Scan, layout};

use super::hours::damaged;
use super::{Field, Search};
use crate::error::LedgerError;
use crate::index::{Term, Tokens, read_indices};
use crate::limits::POSTINGS_HELD_MAX;
use crate::log::Log;

/// Indices, ascending, by the first index of their submission.
pub(super) type Lots = BTreeMap<u64, Vec<u64>>;

/// All filters of a search.
pub(super) struct Filters {
    /// What stands in the rows of every filter that has few; none where no filter has.
    few: Option<Lots>,
    /// The filters that have many.
    many: Vec<Vec<MonthOfRows>>,
}

/// The rows of a value in one month of receipt: its token, and the first and last submission that it occurs in.
struct MonthOfRows {
    term: Term,
    first: u64,
    last: u64,
}

enum Rows {
    Few(Lots),
    Many(Vec<MonthOfRows>),
}

impl Filters {
    /// Reads what there is to read whole. Nothing at or beyond `size` counts.
    pub(super) async fn read(log: &Log, search: &Search, size: u64) -> Result<Self, LedgerError> {
        let mut filters = Self { few: None, many: Vec::new() };
        for (field, value) in search.filters() {
            match rows_of(log, field, value, size).await? {
                Rows::Few(lots) => {
                    filters.few = Some(match filters.few.take() {
                        None => lots,
                        Some(before) => intersection(before, &lots),
                    });
                }
                Rows::Many(months) => filters.many.push(months),
            }
        }
        Ok(filters)
    }

    /// All indices that stand in the rows of every filter, where one of them has few.
    pub(super) async fn few(&self, log: &Log) -> Result<Option<Vec<u64>>, LedgerError> {
        let Some(few) = &self.few else { return Ok(None) };
        let mut lots: Vec<(u64, Vec<u64>)> = few.iter().map(|(first, own)| (*first, own.clone())).collect();
        self.narrow(log, &mut lots).await?;
        Ok(Some(lots.into_iter().flat_map(|(_, own)| own).collect()))
    }

    /// Keeps of each submission's indices what its rows of every wide filter list.
    pub(super) async fn narrow(&self, log: &Log, lots: &mut [(u64, Vec<u64>)]) -> Result<(), LedgerError> {
        for months in &self.many {
            let (mut keys, mut owners) = (Vec::new(), Vec::new());
            for (place, (first, own)) in lots.iter().enumerate() {
                // Where months meet, a submission may be of either.
                let of_month = |month: &&MonthOfRows| (month.first..=month.last).contains(first);
                for MonthOfRows { term, .. } in months.iter().filter(of_month).filter(|_| !own.is_empty()) {
                    keys.push(layout::posting_key(log.id(), term.field, term.token.0, *first));
                    owners.push((place, *first));
                }
            }
            let mut listed = vec![Vec::new(); lots.len()];
            for (keys, owners) in keys.chunks(MULTI_GET_KEYS_MAX).zip(owners.chunks(MULTI_GET_KEYS_MAX)) {
                let rows = log.engine().multi_get(Family::Postings, keys.to_vec()).await?;
                for (&(place, first), row) in owners.iter().zip(rows) {
                    let Some(row) = row else { continue };
                    listed[place].extend(read_indices(first, &row).map_err(|_| damaged())?);
                }
            }
            for ((_, own), mut listed) in lots.iter_mut().zip(listed) {
                listed.sort_unstable();
                own.retain(|index| listed.binary_search(index).is_ok());
            }
        }
        Ok(())
    }
}

fn intersection(mut lots: Lots, others: &Lots) -> Lots {
    lots.retain(|first, own| {
        let Some(other) = others.get(first) else { return false };
        own.retain(|index| other.binary_search(index).is_ok());
        !own.is_empty()
    });
    lots
}

/// The rows of a value, over all months that have a key.
async fn rows_of(log: &Log, field: Field, value: &str, size: u64) -> Result<Rows, LedgerError> {
    let terms: Vec<Term> =
        log.keys().index_months().into_iter().filter_map(|month| term(log, month, field, value)).collect();
    let mut lots = Lots::new();
    let (mut rows_held, mut indices_held) = (0, 0);
    for term in &terms {
        let prefix = layout::posting_prefix(log.id(), term.field, term.token.0);
        let limit = POSTINGS_HELD_MAX + 1 - rows_held;
        let rows = log.engine().scan(Scan::prefix(Family::Postings, prefix, limit)).await?;
        rows_held += rows.len();
        for (key, row) in rows {
            let first = layout::parse_posting_first(&key).ok_or_else(damaged)?;
            let mut indices = read_indices(first, &row).map_err(|_| damaged())?;
            indices.retain(|index| *index < size);
            indices_held += indices.len();
            if rows_held > POSTINGS_HELD_MAX || indices_held > POSTINGS_HELD_MAX {
                return Ok(Rows::Many(extents(log, terms).await?));
            }
            let own = lots.entry(first).or_default();
            own.extend(indices);
            own.sort_unstable();
        }
    }
    Ok(Rows::Few(lots))
}

fn term(log: &Log, month: Month, field: Field, value: &str) -> Option<Term> {
    let key = log.keys().existing_index_key(month)?;
    Some(Tokens::new(key.as_bytes()).term(field, value))
}

/// Which submissions the rows of each term reach from and to; terms without rows are left out.
async fn extents(log: &Log, terms: Vec<Term>) -> Result<Vec<MonthOfRows>, LedgerError> {
    let mut months = Vec::new();
    for term in terms {
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
