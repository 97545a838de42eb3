//! Index rows without some records: what an erasure leaves of a row that others share.
//!
//! Each function answers the row as it would have been written without those records, and nothing where it would not have
//! been written at all.

use std::collections::BTreeSet;

use super::rows::{Indices, RowError, Runs, read_indices, read_runs, write};
use super::times::{Times, read_moment, read_stretch};
use crate::limits::STRETCH_RECORDS;

/// A row of `postings` of the submission that starts at `first`.
///
/// # Errors
/// [`RowError`].
pub fn posting_without(first: u64, row: &[u8], gone: &BTreeSet<u64>) -> Result<Option<Vec<u8>>, RowError> {
    let kept = read_indices(first, row)?.into_iter().filter(|index| !gone.contains(index));
    let mut indices = Indices::default();
    kept.for_each(|index| indices.push(index - first));
    Ok(Some(indices.into_bytes()).filter(|row| !row.is_empty()))
}

/// A row of `expiry` of the submission that starts at `first`.
///
/// # Errors
/// [`RowError`].
pub fn expiry_without(first: u64, row: &[u8], gone: &BTreeSet<u64>) -> Result<Option<Vec<u8>>, RowError> {
    let kept = read_runs(first, row)?.into_iter().flatten().filter(|index| !gone.contains(index));
    let mut runs = Runs::default();
    kept.for_each(|index| runs.push(index - first));
    Ok(Some(runs.into_bytes()).filter(|row| !row.is_empty()))
}

/// A row of `times` by time, of the stretch that begins at `start`.
///
/// # Errors
/// [`RowError`].
pub fn moment_without(start: u64, row: &[u8], gone: &BTreeSet<u64>) -> Result<Option<Vec<u8>>, RowError> {
    let (first, indices) = read_moment(start, row)?;
    let mut kept = Indices::default();
    indices.into_iter().filter(|index| !gone.contains(index)).for_each(|index| kept.push(index - start));
    let kept = kept.into_bytes();
    let mut row = Vec::with_capacity(10 + kept.len());
    write(&mut row, (start - first) / STRETCH_RECORDS);
    row.extend_from_slice(&kept);
    Ok(Some(row).filter(|_| !kept.is_empty()))
}

/// A row of `times` by index, of the stretch that begins at `start`.
///
/// # Errors
/// [`RowError`].
pub fn stretch_without(start: u64, row: &[u8], gone: &BTreeSet<u64>) -> Result<Option<Vec<u8>>, RowError> {
    let mut kept = Times::default();
    for (index, time_ms) in read_stretch(start, row)? {
        if !gone.contains(&index) {
            kept.push(index - start, time_ms);
        }
    }
    let (_, stretches) = kept.into_rows();
    Ok(stretches.into_iter().next().map(|(_, row)| row))
}

/// A row of `expiry` of the submission that starts at `first`, with one record more.
///
/// # Errors
/// [`RowError`].
pub fn expiry_with(first: u64, row: Option<&[u8]>, more: &BTreeSet<u64>) -> Result<Vec<u8>, RowError> {
    let before = row.map(|row| read_runs(first, row)).transpose()?.unwrap_or_default();
    let all: BTreeSet<u64> = before.into_iter().flatten().chain(more.iter().copied()).collect();
    let mut runs = Runs::default();
    for index in all {
        runs.push(index.saturating_sub(first));
    }
    Ok(runs.into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn indices(of: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut row = Indices::default();
        of.into_iter().for_each(|offset| row.push(offset));
        row.into_bytes()
    }

    fn runs(of: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut row = Runs::default();
        of.into_iter().for_each(|offset| row.push(offset));
        row.into_bytes()
    }

    fn times<'a>(of: impl IntoIterator<Item = (&'a u64, &'a i64)>) -> Times {
        let mut rows = Times::default();
        of.into_iter().for_each(|(offset, time)| rows.push(*offset, *time));
        rows
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_would_have_been_written(
            first in 0..u64::MAX / 2,
            all in proptest::collection::btree_map(0_u64..1_000, -5_i64..5, 0..60),
            keep in proptest::collection::vec(any::<bool>(), 60),
        ) {
            let kept: BTreeSet<u64> =
                all.keys().zip(&keep).filter(|(_, keep)| **keep).map(|(offset, _)| *offset).collect();
            let gone: BTreeSet<u64> =
                all.keys().filter(|offset| !kept.contains(offset)).map(|offset| first + offset).collect();
            let non_empty = |row: Vec<u8>| Some(row).filter(|row| !row.is_empty());
            let all_offsets = || all.keys().copied();
            prop_assert_eq!(
                posting_without(first, &indices(all_offsets()), &gone).unwrap(),
                non_empty(indices(kept.iter().copied()))
            );
            prop_assert_eq!(
                expiry_without(first, &runs(all_offsets()), &gone).unwrap(),
                non_empty(runs(kept.iter().copied()))
            );
            let more: BTreeSet<u64> = gone.clone();
            let whole = expiry_with(first, non_empty(runs(kept.iter().copied())).as_deref(), &more).unwrap();
            prop_assert_eq!(whole, runs(all_offsets()));

            let (moments, stretches) = times(&all).into_rows();
            let (kept_moments, kept_stretches) =
                times(all.iter().filter(|(offset, _)| kept.contains(offset))).into_rows();
            for moment in moments {
                let left = moment_without(first + moment.start, &moment.row, &gone).unwrap();
                let wanted = kept_moments
                    .iter()
                    .find(|kept| (kept.start, kept.time_ms) == (moment.start, moment.time_ms));
                prop_assert_eq!(left, wanted.map(|moment| moment.row.clone()));
            }
            for (start, row) in stretches {
                let left = stretch_without(first + start, &row, &gone).unwrap();
                let wanted = kept_stretches.iter().find(|(kept, _)| *kept == start);
                prop_assert_eq!(left, wanted.map(|(_, row)| row.clone()));
            }
        }
    }
}
