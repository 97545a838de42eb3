//! What a search looks for, with everything that may stand for it.

use std::collections::BTreeSet;

use super::Search;
use crate::index::{Field, fold, values};
use crate::log::Log;
use crate::read::Opened;

/// The filters of a search, each with its values as they are folded. One of them is enough.
pub(crate) struct Wanted(Vec<(Field, BTreeSet<String>)>);

impl Wanted {
    /// What `search` looks for in `log`.
    pub(crate) fn of(log: &Log, search: &Search) -> Self {
        let any_of = |(field, value): (Field, &str)| {
            let values = if search.reidentify { log.alternatives(value) } else { vec![value.to_owned()] };
            (field, values.iter().map(|value| fold(value).into_owned()).collect())
        };
        Self(search.filters().map(any_of).collect())
    }

    /// Each filter with its values.
    pub(super) fn filters(&self) -> impl Iterator<Item = (Field, &BTreeSet<String>)> {
        self.0.iter().map(|(field, values)| (*field, values))
    }

    /// Whether an opened record has all that is looked for.
    pub(crate) fn matches(&self, opened: &Opened) -> bool {
        let source = opened.source();
        self.filters().all(|(field, wanted)| {
            values(source, &opened.payload.attributes)
                .any(|(of, value)| of == field && wanted.contains(&*fold(&value)))
        })
    }
}
