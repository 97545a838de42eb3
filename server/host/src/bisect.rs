//! Finding the records that a failing batch fails for.
//!
//! A batch that fails is halved. If one half fails, it is halved again; if both do, faults are many and every record
//! of them runs alone. A fault is only ever found by running its record alone, in a fresh instance: what a record is
//! refused for depends on that record. The other way round it does not hold to the last unit of fuel: a batch gets the
//! sum of its records' budgets, so a record that spends more than its own passes where its neighbours left enough. What
//! it is turned into is the same in any company.
//!
//! Costs are bounded: `n` records take at most `n + 2·log2(n) + 1` runs and four times the sum of their budgets.

use std::ops::Range;

use crate::types::{Fault, Interrupted, Verdict};

/// What one run over a range of records gave: a verdict for each, or a fault of the whole run.
pub(crate) type Batch<T> = Result<Vec<Verdict<T>>, Fault>;

/// Verdicts for `records`, in order.
///
/// `run` gets a range of them, never empty, and gives as many verdicts as the range has records.
///
/// # Errors
/// The first [`Interrupted`] of a run.
pub(crate) fn settle<T>(
    records: Range<usize>,
    run: &mut impl FnMut(Range<usize>) -> Result<Batch<T>, Interrupted>,
) -> Result<Vec<Verdict<T>>, Interrupted> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    match run(records.clone())? {
        Ok(verdicts) => Ok(verdicts),
        Err(fault) if records.len() == 1 => Ok(vec![Err(fault)]),
        Err(_) => isolate(records, run),
    }
}

/// The same for two or more records that are known to fail together.
fn isolate<T>(
    mut failing: Range<usize>,
    run: &mut impl FnMut(Range<usize>) -> Result<Batch<T>, Interrupted>,
) -> Result<Vec<Verdict<T>>, Interrupted> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    loop {
        let (left, right) = halves(&failing);
        match (run(left.clone())?, run(right.clone())?) {
            (Ok(left), Ok(right)) => {
                before.extend(left);
                after.push(right);
                break;
            }
            (Ok(verdicts), Err(fault)) => {
                before.extend(verdicts);
                if right.len() == 1 {
                    before.push(Err(fault));
                    break;
                }
                failing = right;
            }
            (Err(fault), Ok(verdicts)) => {
                after.push(verdicts);
                if left.len() == 1 {
                    before.push(Err(fault));
                    break;
                }
                failing = left;
            }
            (Err(left_fault), Err(right_fault)) => {
                before.extend(one_by_one(left, left_fault, run)?);
                before.extend(one_by_one(right, right_fault, run)?);
                break;
            }
        }
    }
    before.extend(after.into_iter().rev().flatten());
    Ok(before)
}

fn halves(range: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len() / 2;
    (range.start..middle, middle..range.end)
}

/// Runs each record alone; a range of one has just been run so and failed with `fault`.
fn one_by_one<T>(
    range: Range<usize>,
    fault: Fault,
    run: &mut impl FnMut(Range<usize>) -> Result<Batch<T>, Interrupted>,
) -> Result<Vec<Verdict<T>>, Interrupted> {
    if range.len() == 1 {
        return Ok(vec![Err(fault)]);
    }
    let mut verdicts = Vec::with_capacity(range.len());
    for record in range {
        match run(record..record + 1)? {
            Ok(one) => verdicts.extend(one),
            Err(fault) => verdicts.push(Err(fault)),
        }
    }
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::FaultKind;

    /// Settles `n` records of which those in `bad` (a bit set) fail any run that they are in; counts runs and records.
    fn settled(n: usize, bad: u32) -> (Vec<Verdict<usize>>, usize, usize) {
        let (mut runs, mut records) = (0, 0);
        let verdicts = settle(0..n, &mut |range: Range<usize>| {
            assert!(!range.is_empty());
            runs += 1;
            records += range.len();
            if range.clone().any(|i| bad >> i & 1 == 1) {
                return Ok(Err(Fault::new(FaultKind::Trap, format!("run of {}", range.len()))));
            }
            Ok(Ok(range.map(Ok).collect()))
        })
        .expect("no run is interrupted");
        (verdicts, runs, records)
    }

    #[test]
    fn every_set_of_bad_records_is_found_exactly_and_cheaply() {
        for n in 1..=11_usize {
            for bad in 0..1_u32 << n {
                let (verdicts, runs, records) = settled(n, bad);
                let expected: Vec<Verdict<usize>> =
                    (0..n)
                        .map(|i| {
                            if bad >> i & 1 == 1 {
                                Err(Fault::new(FaultKind::Trap, "run of 1"))
                            } else {
                                Ok(i)
                            }
                        })
                        .collect();
                assert_eq!(verdicts, expected, "n {n} bad {bad:b}");
                assert!(runs <= n + 2 * (n.ilog2() as usize + 1) + 1, "n {n} bad {bad:b}: {runs} runs");
                assert!(records <= 4 * n, "n {n} bad {bad:b}: {records} records run");
            }
        }
    }

    #[test]
    fn a_batch_that_fails_only_together_has_no_fault() {
        let verdicts = settle(0..8, &mut |range: Range<usize>| {
            Ok(if range.len() > 4 {
                Err(Fault::new(FaultKind::Memory, ""))
            } else {
                Ok(range.map(Ok).collect())
            })
        });
        assert_eq!(verdicts, Ok((0..8).map(Ok).collect()));
    }

    #[test]
    fn an_interrupted_run_ends_the_search() {
        let mut runs = 0;
        let settled: Result<Vec<Verdict<()>>, _> = settle(0..8, &mut |_| {
            runs += 1;
            if runs == 1 { Ok(Err(Fault::new(FaultKind::Trap, ""))) } else { Err(Interrupted::Deadline) }
        });
        assert_eq!((settled, runs), (Err(Interrupted::Deadline), 2));
    }

    #[test]
    fn nothing_runs_for_no_records() {
        assert_eq!(settle::<()>(3..3, &mut |_| Err(Interrupted::Busy)), Ok(vec![]));
    }
}
