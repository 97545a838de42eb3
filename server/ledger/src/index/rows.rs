//! The values of search and expiry rows: indices of one submission, relative to its first.
//!
//! Numbers are LEB128, seven bits a byte, the lowest first. `postings` list indices: each number says how many
//! indices lie between this one and the one before it (or the submission's first). `expiry` lists runs: how many indices
//! lie between, then how many the run has.

use std::ops::Range;

/// Indices being written, ascending.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Indices {
    bytes: Vec<u8>,
    /// The offset that a gap of 0 stands for.
    next: u64,
}

/// Runs of indices being written, ascending.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Runs {
    done: Vec<u8>,
    /// Where the last run that is in `done` ends.
    end: u64,
    open: Range<u64>,
}

/// A row that lists no indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("row of indices is malformed: it was altered, or a newer server wrote it")]
pub struct RowError;

impl Indices {
    /// Adds the index `offset` places behind the submission's first; offsets ascend, a smaller or equal one is left out.
    pub fn push(&mut self, offset: u64) {
        if let Some(gap) = offset.checked_sub(self.next) {
            write(&mut self.bytes, gap);
            self.next = offset + 1;
        }
    }

    /// The row's value.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Runs {
    /// Adds the index `offset` places behind the submission's first; offsets ascend, a smaller or equal one is left out.
    pub fn push(&mut self, offset: u64) {
        if offset == self.open.end && !self.open.is_empty() {
            self.open.end += 1;
        } else if offset >= self.open.end {
            self.close();
            self.open = offset..offset + 1;
        }
    }

    /// The row's value.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.close();
        self.done
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            write(&mut self.done, self.open.start - self.end);
            write(&mut self.done, self.open.end - self.open.start);
            self.end = self.open.end;
        }
    }
}

/// The indices in a row of `postings` of the submission that starts at `first`, ascending.
///
/// # Errors
/// [`RowError`].
pub fn read_indices(first: u64, mut bytes: &[u8]) -> Result<Vec<u64>, RowError> {
    let mut indices = Vec::with_capacity(bytes.len());
    let mut next = first;
    while !bytes.is_empty() {
        let index = read(&mut bytes).and_then(|gap| next.checked_add(gap)).ok_or(RowError)?;
        indices.push(index);
        next = index.checked_add(1).ok_or(RowError)?;
    }
    Ok(indices)
}

/// The runs in a row of `expiry` of the submission that starts at `first`, ascending.
///
/// # Errors
/// [`RowError`].
pub fn read_runs(first: u64, mut bytes: &[u8]) -> Result<Vec<Range<u64>>, RowError> {
    let mut runs = Vec::new();
    let mut next = first;
    while !bytes.is_empty() {
        let start = read(&mut bytes).and_then(|gap| next.checked_add(gap)).ok_or(RowError)?;
        let length = read(&mut bytes).filter(|length| *length > 0).ok_or(RowError)?;
        next = start.checked_add(length).ok_or(RowError)?;
        runs.push(start..next);
    }
    Ok(runs)
}

pub(super) fn write(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// The next number; `None` if it is cut off, is beyond 64 bits or could be shorter.
pub(super) fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let low = u64::from(byte & 0x7f);
        if low << shift >> shift != low {
            return None;
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return (byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn indices(offsets: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut row = Indices::default();
        offsets.into_iter().for_each(|offset| row.push(offset));
        row.into_bytes()
    }

    fn runs(offsets: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut row = Runs::default();
        offsets.into_iter().for_each(|offset| row.push(offset));
        row.into_bytes()
    }

    #[test]
    fn known_rows() {
        assert_eq!(indices([0, 1, 2, 5, 300]), [0, 0, 0, 2, 0xa6, 2]);
        assert_eq!(indices([3, 3, 2, 4]), [3, 0]);
        assert_eq!(runs(0..256), [0, 0x80, 2]);
        assert_eq!(runs([2, 3, 7, 7, 1]), [2, 2, 3, 1]);
        assert_eq!(read_runs(100, &[2, 2, 3, 1]), Ok(vec![102..104, 107..108]));
        assert_eq!((indices([]), runs([])), (vec![], vec![]));
    }

    #[test]
    fn malformed_rows_are_refused() {
        for bytes in [&[0x80][..], &[0x80, 0], &[0xff; 10], &[0xff; 11]] {
            assert_eq!(read_indices(0, bytes), Err(RowError));
        }
        assert_eq!(read_indices(u64::MAX, &[0]), Err(RowError));
        assert_eq!(read_runs(0, &[1]), Err(RowError));
        assert_eq!(read_runs(0, &[1, 0]), Err(RowError));
        assert_eq!(read_runs(u64::MAX, &[0, 1]), Err(RowError));
    }

    proptest! {
        #[test]
        fn rows_read_back(offsets: BTreeSet<u32>, first in 0..u64::from(u32::MAX)) {
            let offsets: Vec<u64> = offsets.into_iter().map(u64::from).collect();
            let expected: Vec<u64> = offsets.iter().map(|offset| first + offset).collect();
            prop_assert_eq!(&read_indices(first, &indices(offsets.iter().copied())).unwrap(), &expected);
            let read: Vec<u64> = read_runs(first, &runs(offsets)).unwrap().into_iter().flatten().collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn no_row_panics(bytes: Vec<u8>, first: u64) {
            if let Ok(indices) = read_indices(first, &bytes) {
                prop_assert!(indices.is_sorted());
            }
            if let Ok(runs) = read_runs(first, &bytes) {
                prop_assert!(runs.iter().all(|run| !run.is_empty()));
            }
        }
    }
}
