//! One hour that has more records than a search walks by for a page.

use std::sync::Arc;

use cairnlog_ledger::index::{Field, Term, Tokens};
use cairnlog_ledger::limits::RECORDS_WALKED_MAX;
use cairnlog_ledger::prepared::Prepared;
use cairnlog_ledger::worker::Sealed;
use cairnlog_ledger::{Log, Order, Position, Search};
use cairnlog_store::secrets::{KekSources, LogKeys, Month};
use cairnlog_verify::tree::leaf_hash;

use crate::world::{MORNING_MS, World, record};

const HOUR_MS: i64 = 3_600_000;
/// 2026-11-23T06:00:00Z.
const BUSY_MS: i64 = MORNING_MS.cast_signed() - 3 * HOUR_MS;
/// The id of the first log.
const LOG: u32 = 1;

/// A record that the index lists, and that no search may open: it has no key.
fn shut(number: i64, terms: Vec<Term>) -> Sealed {
    let entry = format!("shut {number}").into_bytes();
    Sealed {
        leaf_hash: leaf_hash(&entry),
        entry,
        payload_row: vec![1],
        key_row: vec![1],
        quarantine_row: None,
        terms,
        // Over the whole hour, many at the same moment, in no order.
        event_ms: Some(BUSY_MS + number * 7_919 % HOUR_MS / 100 * 100),
        expiry_day: None,
        closing_row: None,
        lease: None,
    }
}

/// Fills the hour with records, each of which one of two filters lists, by turns.
async fn fill(world: &World, log: &Log, count: i64) {
    let keys =
        LogKeys::open(&world.dir.path().join("keys/hr"), "log.example/logs/hr", &KekSources::default())
            .unwrap();
    let key = keys.existing_index_key(Month::of(MORNING_MS)).unwrap();
    let mut tokens = Tokens::new(key.as_bytes());
    let terms = [tokens.term(Field::Class, "6003"), tokens.term(Field::Status, "1")];
    let numbers: Vec<i64> = (0..count).collect();
    for (part, numbers) in (0_usize..).zip(numbers.chunks(5_000)) {
        let sealed = numbers.iter().map(|number| shut(*number, vec![terms[part % 2]])).collect();
        log.tree().append(Box::new(Prepared::new(LOG, sealed))).await.unwrap();
    }
}

async fn send(world: &World, ids: std::ops::Range<u32>, time: &str) {
    let records: Vec<String> = ids.map(|id| record(&format!("id-{id}"), "ann", time)).collect();
    world.send(&records).await.unwrap();
}

/// The indices that each page of a search has.
async fn pages(log: &Log, search: &Search, limit: usize) -> Vec<Vec<u64>> {
    let (mut pages, mut after) = (Vec::new(), None::<Position>);
    loop {
        let page = log.search(search, after, limit).await.unwrap();
        pages.push(page.records.iter().map(|record| record.index).collect());
        let Some(next) = page.next else { return pages };
        assert_ne!(after.replace(next), Some(next), "a cursor that leads nowhere");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_busy_hour_opens_what_it_shows_and_walks_so_far_and_no_farther() {
    let world = World::new().await;
    let log: Arc<Log> = world.log();
    let before = world.size();
    send(&world, 0..3, "2026-11-23T05:59:59.999Z").await;
    fill(&world, &log, i64::try_from(RECORDS_WALKED_MAX).unwrap() + 4_000).await;
    let middle = world.size();
    send(&world, 3..6, "2026-11-23T07:00:00Z").await;
    // The first page of everything, from either end: no record of the hour opens.
    for (order, index) in [(Order::Ascending, before), (Order::Descending, middle + 2)] {
        let page = log.search(&Search { order, ..Search::default() }, None, 1).await.unwrap();
        assert_eq!(page.records.iter().map(|record| record.index).collect::<Vec<_>>(), [index]);
        assert!(page.next.is_some());
    }
    // What the filters share lies at both ends of the hour; a page ends in its midst and the next one goes on there.
    let (class, status) = (Some("6003".to_owned()), Some("1".to_owned()));
    let both = Search { class, status, ..Search::default() };
    let (early, late): (Vec<u64>, Vec<u64>) =
        ((before..before + 3).collect(), (middle..middle + 3).collect());
    let backward = |indices: &[u64]| indices.iter().rev().copied().collect::<Vec<u64>>();
    assert_eq!(
        pages(&log, &Search { order: Order::Ascending, ..both.clone() }, 100).await,
        [early.clone(), late.clone()]
    );
    assert_eq!(pages(&log, &both, 100).await, [backward(&late), backward(&early)]);
    // Within the hour there is nothing, and it takes two pages to say so.
    let within = Search { from_ms: Some(BUSY_MS), to_ms: Some(BUSY_MS + HOUR_MS), ..both };
    assert_eq!(pages(&log, &within, 100).await, [Vec::<u64>::new(), Vec::new()]);
}
