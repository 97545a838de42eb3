//! How records are grouped for an instance, and what of an event a plugin gets to see.

use std::ops::Range;

use cairnlog_verify::event::Attribute;
use cairnlog_verify::value::Value;

use crate::limits::HostLimits;

/// Cuts records of these sizes, in bytes, into batches: as many as may go together, a larger one alone.
pub(crate) fn batches(sizes: &[usize], limits: &HostLimits) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0_usize);
    for (index, size) in sizes.iter().enumerate() {
        let full =
            index - start >= limits.batch_records_max || bytes.saturating_add(*size) > limits.batch_bytes_max;
        if full && index > start {
            batches.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes = bytes.saturating_add(*size);
    }
    if start < sizes.len() {
        batches.push(start..sizes.len());
    }
    batches
}

/// Indices of the attributes that a plugin sees: not what was dropped, and nothing of the server's own.
pub(crate) fn visible(event: &[Attribute]) -> Vec<u32> {
    let seen = |attribute: &&Attribute| {
        !attribute.path.starts_with('$') && !matches!(attribute.value, Value::Dropped(_))
    };
    (0..).zip(event).filter(|(_, attribute)| seen(attribute)).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(sizes: &[usize]) -> Vec<Range<usize>> {
        batches(sizes, &HostLimits { batch_records_max: 3, batch_bytes_max: 10, ..HostLimits::default() })
    }

    #[test]
    fn batches_are_bounded_and_lose_nothing() {
        assert_eq!(cut(&[]), Vec::<Range<usize>>::new());
        assert_eq!(cut(&[1; 7]), [0..3, 3..6, 6..7]);
        assert_eq!(cut(&[5, 5, 1]), [0..2, 2..3]);
        assert_eq!(cut(&[99, 1, 99]), [0..1, 1..2, 2..3]);
        assert_eq!(cut(&[usize::MAX, usize::MAX]), [0..1, 1..2]);
    }

    #[test]
    fn what_was_dropped_and_the_servers_own_is_not_seen() {
        let attribute = |path: &str, value| Attribute { path: path.into(), value };
        let event = [
            attribute("$received", Value::Integer(1)),
            attribute("a", Value::Null),
            attribute("b", Value::Dropped([0; 32])),
            attribute("c", Value::EmptyList),
        ];
        assert_eq!(visible(&event), [1, 3]);
    }
}
