//! Midnight, in UTC, by the server's clock.

use cairnlog_ledger::Status;
use cairnlog_store::{Family, layout};

use crate::world::{DAY_MS, MORNING_MS, World, keyed, records};

const LOG: u32 = 1;

/// 2026-11-23T23:59:59.999Z.
const EVENING_MS: u64 = MORNING_MS - MORNING_MS % DAY_MS + DAY_MS - 1;

fn day(ms: u64) -> u32 {
    u32::try_from(ms / DAY_MS).unwrap()
}

#[tokio::test]
async fn what_was_seen_is_known_for_a_day_to_the_millisecond() {
    let world = World::new().await;
    world.clock.set(EVENING_MS);
    let first = world.log().ingest(keyed("k", &records(0..5))).await.unwrap();
    for later_ms in [1, DAY_MS / 2, DAY_MS - 1] {
        world.clock.set(EVENING_MS + later_ms);
        assert_eq!(world.log().ingest(keyed("k", &records(0..5))).await.unwrap(), first);
        let again = world.send(&records(0..6)).await.unwrap();
        assert_eq!(again.results[0].index, first.results[0].index);
        assert_eq!(again.duplicates, if later_ms == 1 { 5 } else { 6 });
    }
    world.clock.set(EVENING_MS + DAY_MS);
    let anew = world.log().ingest(keyed("k", &records(0..6))).await.unwrap();
    assert_eq!(anew.accepted, 5, "the sixth was logged a millisecond later");
    assert_eq!(anew.results[5].status, Status::Duplicate);
    // What was logged anew is remembered anew, though the first row is still there.
    world.clock.set(EVENING_MS + DAY_MS + 1);
    assert_eq!(world.log().ingest(keyed("k", &records(0..6))).await.unwrap(), anew);
    assert_eq!(world.send(&records(0..5)).await.unwrap().results[0].index, anew.results[0].index);
}

#[tokio::test]
async fn rows_of_days_that_are_over_are_deleted() {
    let world = World::new().await;
    let today = day(MORNING_MS);
    for days in 0..3 {
        world.clock.set(MORNING_MS + u64::from(days) * DAY_MS);
        world.log().ingest(keyed(&format!("k-{days}"), &records(days * 10..days * 10 + 10))).await.unwrap();
    }
    // They go in the background.
    let gone = async {
        while world
            .rows(Family::Seen)
            .await
            .iter()
            .any(|(key, _)| *key < layout::seen_day_prefix(LOG, today + 1))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), gone).await.unwrap();
    assert_eq!(world.rows(Family::Seen).await.len(), 22, "yesterday's and today's stay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_requests_of_a_day_agree_on_its_window() {
    let world = World::new().await;
    world.send(&records(0..1)).await.unwrap();
    let before = world.size();
    world.clock.set(EVENING_MS + 1);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let log = world.log();
            tokio::spawn(async move { log.ingest(crate::world::request(&records(1..9))).await.unwrap() })
        })
        .collect();
    let mut accepted = 0;
    for task in tasks {
        accepted += task.await.unwrap().accepted;
    }
    assert_eq!((accepted, world.size()), (8, before + 8));
}

/// The request of a moment before midnight that is still under way is known to the first one after it.
#[tokio::test]
async fn the_last_request_of_a_day_is_known_to_the_first_of_the_next() {
    let world = World::new().await;
    // Nothing was sent on the first day before.
    world.clock.set(EVENING_MS + 1);
    world.send(&records(50..51)).await.unwrap();
    world.clock.set(EVENING_MS);
    let late = world.send(&records(0..3)).await.unwrap();
    assert_eq!(late.accepted, 3);
    world.clock.set(EVENING_MS + 2);
    assert_eq!(world.send(&records(0..3)).await.unwrap().duplicates, 3);
}
