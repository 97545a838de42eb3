//! One suite over every engine and over the wrapper that injects failures, against a `BTreeMap` model.
#![allow(clippy::unwrap_used, reason = "tests")]

mod concurrent;
mod faults;
mod limits;
mod model;
mod subject;

use proptest::prelude::*;

use crate::model::{Step, run, steps};
use crate::subject::Subject;

fn check(subject: Subject, steps: Vec<Step>) {
    subject::block_on(run(subject, steps));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn memory_behaves_as_the_model(steps in steps()) {
        check(Subject::memory(), steps);
    }

    #[test]
    fn a_wrapper_without_plans_behaves_as_the_model(steps in steps()) {
        check(Subject::faulty(), steps);
    }
}

proptest! {
    // Each case and each re-opening costs RocksDB a handful of fsyncs.
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn rocks_behaves_as_the_model(steps in steps()) {
        check(Subject::rocks(), steps);
    }
}
