//! The bounds that every engine enforces, and that what is at a bound still passes.

use cairnlog_store::{Batch, CommitError, Family, ReadError, Scan};

use crate::subject::{Subject, block_on};

fn is_too_large(answer: &Result<(), CommitError>) -> bool {
    matches!(answer, Err(error @ CommitError::TooLarge { .. }) if error.is_clean())
}

#[test]
fn a_batch_at_its_bounds_lands_and_one_beyond_does_not() {
    for subject in Subject::all() {
        block_on(async {
            let engine = subject.engine();
            let (writer, limits) = (engine.claim().await.unwrap(), engine.limits());

            let mut most = Batch::new();
            most.put(Family::Plugins, vec![1; limits.key_bytes_max], vec![2; limits.value_bytes_max]);
            for n in 1..limits.batch_ops_max {
                most.put(Family::Entries, n.to_be_bytes(), []);
            }
            let mut ops = most.clone();
            engine.commit(&writer, most).await.unwrap();
            ops.delete(Family::Entries, *b"one more");
            assert!(is_too_large(&engine.commit(&writer, ops).await));

            let mut key = Batch::new();
            key.put(Family::Tokens, *b"other row", []);
            key.put(Family::Tokens, vec![1; limits.key_bytes_max + 1], []);
            assert!(is_too_large(&engine.commit(&writer, key).await));

            let mut value = Batch::new();
            value.put(Family::Tokens, *b"key", vec![0; limits.value_bytes_max + 1]);
            assert!(is_too_large(&engine.commit(&writer, value).await));

            let mut bytes = Batch::new();
            for n in 0..3 {
                bytes.put(Family::Tokens, [n], vec![0; limits.batch_bytes_max / 3]);
            }
            assert!(is_too_large(&engine.commit(&writer, bytes).await));
            let left = engine.scan(Scan::prefix(Family::Tokens, Vec::new(), 10)).await.unwrap();
            assert!(left.is_empty(), "a refused batch left {} rows", left.len());
        });
    }
}

#[test]
fn a_read_at_its_bounds_is_answered_and_one_beyond_is_refused() {
    for subject in Subject::all() {
        block_on(async {
            let engine = subject.engine();
            let limits = engine.limits();
            let snapshot = engine.snapshot().await.unwrap();
            let most = Scan::prefix(Family::Entries, vec![1], limits.scan_rows_max);
            assert!(engine.scan(most.clone()).await.unwrap().is_empty());
            let beyond = Scan { limit: limits.scan_rows_max + 1, ..most };
            assert!(matches!(engine.scan(beyond.clone()).await, Err(ReadError::TooLarge { .. })));
            assert!(matches!(snapshot.scan(beyond).await, Err(ReadError::TooLarge { .. })));

            let keys = vec![b"key".to_vec(); limits.multi_get_keys_max];
            assert_eq!(engine.multi_get(Family::Keys, keys.clone()).await.unwrap().len(), keys.len());
            let beyond = [keys, vec![Vec::new()]].concat();
            let answer = engine.multi_get(Family::Keys, beyond.clone()).await;
            assert!(matches!(answer, Err(ReadError::TooLarge { .. })));
            assert!(matches!(
                snapshot.multi_get(Family::Keys, beyond).await,
                Err(ReadError::TooLarge { .. })
            ));
        });
    }
}
