//! The values of `times` rows: the order of events, and when the event of a record was.
//!
//! A submission is cut into stretches of [`STRETCH_RECORDS`] places from its first index on, so that no row is large. For
//! every stretch and each time that it has there is a row **by time**: the number of the stretch in its submission, then
//! the indices as in `postings`, relative to the stretch's first. For every stretch there is a row **by index**: for each
//! record the gap to the one before, as in `postings`, then its time as the zigzag difference to the time before (to 0
//! for the first). Numbers are LEB128.

use std::collections::BTreeMap;

use super::rows::{Indices, RowError, read, read_indices, write};
use crate::limits::STRETCH_RECORDS;

/// The rows of one submission, being made.
#[derive(Default)]
pub struct Times {
    moments: BTreeMap<(u64, i64), Indices>,
    stretches: BTreeMap<u64, Stretch>,
}

/// A row by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The events' time, in milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// How many places behind the submission's first the stretch begins.
    pub start: u64,
    /// The value.
    pub row: Vec<u8>,
}

/// A row by index, being made.
#[derive(Default)]
struct Stretch {
    bytes: Vec<u8>,
    next: u64,
    time_ms: i64,
}

impl Times {
    /// Adds the record `offset` places behind the submission's first; offsets ascend, a smaller or equal one is left out.
    pub fn push(&mut self, offset: u64, time_ms: i64) {
        let number = offset / STRETCH_RECORDS;
        let place = offset % STRETCH_RECORDS;
        let stretch = self.stretches.entry(number).or_default();
        let Some(gap) = place.checked_sub(stretch.next) else { return };
        write(&mut stretch.bytes, gap);
        write(&mut stretch.bytes, zigzag(time_ms.wrapping_sub(stretch.time_ms)));
        (stretch.next, stretch.time_ms) = (place + 1, time_ms);
        self.moments.entry((number, time_ms)).or_default().push(place);
    }

    /// The rows by time; and by index, each with the number of places behind the submission's first.
    #[must_use]
    pub fn into_rows(self) -> (Vec<Moment>, Vec<(u64, Vec<u8>)>) {
        let moment = |((number, time_ms), indices): ((u64, i64), Indices)| {
            let mut row = Vec::new();
            write(&mut row, number);
            row.extend(indices.into_bytes());
            Moment { time_ms, start: number * STRETCH_RECORDS, row }
        };
        let stretch = |(number, stretch): (u64, Stretch)| (number * STRETCH_RECORDS, stretch.bytes);
        (self.moments.into_iter().map(moment).collect(), self.stretches.into_iter().map(stretch).collect())
    }
}

/// The first index of the stretch of a record whose submission begins at `first`.
#[must_use]
pub fn stretch_of(first: u64, index: u64) -> u64 {
    index - index.saturating_sub(first) % STRETCH_RECORDS
}

/// A row by time of the stretch that begins at `start`: where its submission begins, and the indices, ascending.
///
/// # Errors
/// [`RowError`].
pub fn read_moment(start: u64, mut bytes: &[u8]) -> Result<(u64, Vec<u64>), RowError> {
    let number = read(&mut bytes).ok_or(RowError)?;
    let behind = number.checked_mul(STRETCH_RECORDS).ok_or(RowError)?;
    Ok((start.checked_sub(behind).ok_or(RowError)?, read_indices(start, bytes)?))
}

/// A row by index of the stretch that begins at `start`: its records, ascending, and when their events were.
///
/// # Errors
/// [`RowError`].
pub fn read_stretch(start: u64, mut bytes: &[u8]) -> Result<Vec<(u64, i64)>, RowError> {
    let mut times = Vec::with_capacity(bytes.len() / 2);
    let (mut next, mut time_ms) = (start, 0_i64);
    while !bytes.is_empty() {
        let index = read(&mut bytes).and_then(|gap| next.checked_add(gap)).ok_or(RowError)?;
        time_ms = time_ms.wrapping_add(unzigzag(read(&mut bytes).ok_or(RowError)?));
        times.push((index, time_ms));
        next = index.checked_add(1).ok_or(RowError)?;
    }
    Ok(times)
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_rows() {
        let mut times = Times::default();
        for (offset, time_ms) in [(0, 5), (1, 5), (2, 4), (255, 5), (256, -1), (700, 300)] {
            times.push(offset, time_ms);
        }
        let (moments, stretches) = times.into_rows();
        let moment = |time_ms, start, row: &[u8]| Moment { time_ms, start, row: row.to_vec() };
        assert_eq!(
            moments,
            [
                moment(4, 0, &[0, 2]),
                moment(5, 0, &[0, 0, 0, 0xfd, 1]),
                moment(-1, 256, &[1, 0]),
                moment(300, 512, &[2, 0xbc, 1]),
            ]
        );
        assert_eq!(
            stretches,
            [(0, vec![0, 10, 0, 0, 0, 1, 0xfc, 1, 2]), (256, vec![0, 1]), (512, vec![0xbc, 1, 0xd8, 4]),]
        );
    }

    #[test]
    fn malformed_rows_are_refused() {
        assert_eq!(read_moment(0, &[]), Err(RowError));
        assert_eq!(read_moment(255, &[1, 0]), Err(RowError));
        assert_eq!(read_stretch(0, &[0]), Err(RowError));
        assert_eq!(read_stretch(u64::MAX, &[0, 0]), Err(RowError));
    }

    proptest! {
        #[test]
        fn rows_read_back(records: std::collections::BTreeMap<u16, i64>, first in 0..1_u64 << 40) {
            let mut times = Times::default();
            for (offset, time_ms) in &records {
                times.push(u64::from(*offset), *time_ms);
            }
            let expected: Vec<(u64, i64)> =
                records.iter().map(|(offset, time_ms)| (first + u64::from(*offset), *time_ms)).collect();
            let (moments, stretches) = times.into_rows();
            let mut by_time = Vec::new();
            for Moment { time_ms, start, row } in moments {
                let (of, indices) = read_moment(first + start, &row).unwrap();
                prop_assert_eq!(of, first);
                prop_assert!(indices.iter().all(|index| stretch_of(first, *index) == first + start));
                by_time.extend(indices.into_iter().map(|index| (index, time_ms)));
            }
            by_time.sort_unstable();
            prop_assert_eq!(&by_time, &expected);
            let by_index: Vec<(u64, i64)> =
                stretches.iter().flat_map(|(start, row)| read_stretch(first + start, row).unwrap()).collect();
            prop_assert_eq!(by_index, expected);
        }

        #[test]
        fn no_row_panics(bytes: Vec<u8>, start: u64) {
            if let Ok((first, indices)) = read_moment(start, &bytes) {
                prop_assert!(first <= start && indices.is_sorted());
            }
            if let Ok(times) = read_stretch(start, &bytes) {
                prop_assert!(times.is_sorted_by_key(|(index, _)| *index));
            }
        }
    }
}
