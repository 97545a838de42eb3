//! Batches: what lands together or not at all.

use crate::engine::{CommitError, Limits};
use crate::family::Family;

/// Writes that land together or not at all. Of several operations on one key the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<Op>,
    bytes: usize,
}

/// One operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The family of the row.
    pub family: Family,
    /// The row's key.
    pub key: Vec<u8>,
    /// The value to write, or `None` to delete the row. Deleting an absent row is no error.
    pub value: Option<Vec<u8>>,
}

impl Batch {
    /// An empty batch. Committing it is allowed: it confirms that the writer is not fenced.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a row, replacing what is there.
    pub fn put(&mut self, family: Family, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.push(family, key.into(), Some(value.into()));
    }

    /// Deletes a row.
    pub fn delete(&mut self, family: Family, key: impl Into<Vec<u8>>) {
        self.push(family, key.into(), None);
    }

    /// How many operations it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether it holds no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Bytes of all keys and values together, as [`Limits::batch_bytes_max`] counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The operations in the order in which they were added.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The operations themselves.
    #[must_use]
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// Refuses what is beyond an engine's limits. Every engine asks this before it writes anything.
    ///
    /// # Errors
    /// [`CommitError::TooLarge`] names the first bound that is exceeded.
    pub fn check(&self, limits: &Limits) -> Result<(), CommitError> {
        let within = |what, value, max| {
            if value > max { Err(CommitError::TooLarge { what, value, max }) } else { Ok(()) }
        };
        within("operations of a batch", self.len(), limits.batch_ops_max)?;
        within("bytes of a batch", self.bytes, limits.batch_bytes_max)?;
        for op in &self.ops {
            within("bytes of a key", op.key.len(), limits.key_bytes_max)?;
            within("bytes of a value", op.value.as_ref().map_or(0, Vec::len), limits.value_bytes_max)?;
        }
        Ok(())
    }

    fn push(&mut self, family: Family, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.ops.push(Op { family, key, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_operations_and_bytes() {
        let mut batch = Batch::new();
        assert!(batch.is_empty());
        batch.put(Family::Entries, *b"key", *b"value");
        batch.delete(Family::Keys, *b"gone");
        assert_eq!((batch.len(), batch.bytes()), (2, 12));
        assert_eq!(batch.ops()[1], Op { family: Family::Keys, key: b"gone".to_vec(), value: None });
    }
}
