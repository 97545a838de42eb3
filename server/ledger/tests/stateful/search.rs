//! Search against a model: all records read one by one, filtered and sorted.

use std::net::IpAddr;
use std::sync::Arc;

use cairnlog_ledger::limits::POSTINGS_HELD_MAX;
use cairnlog_ledger::{Log, Order, Position, Search};
use serde_json::{Value as Json, json};

use crate::world::{DAY_MS, MORNING_MS, World, records, request};

/// A record as it was read by its index.
struct Kept {
    index: u64,
    time_ms: i64,
    source: String,
    event: Json,
}

async fn read_all(log: &Log) -> Vec<Kept> {
    let mut all = Vec::new();
    for index in 0..log.tree().head().checkpoint.size {
        let record = log.record(index).await.unwrap();
        if record.kind == "record" {
            let time_ms = record.event["time"].as_i64().unwrap();
            all.push(Kept { index, time_ms, source: record.source.unwrap(), event: record.event });
        }
    }
    all
}

/// A value as filters compare it.
fn folded(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(ip) => ip.to_string(),
        Err(_) if text.contains('@') && !text.contains(['/', ':']) => text.to_lowercase(),
        Err(_) => text.to_owned(),
    }
}

fn has(event: &Json, pointers: &[&str], wanted: Option<&String>) -> bool {
    let Some(wanted) = wanted else { return true };
    let is_wanted = |value: &Json| match value {
        Json::String(text) => folded(text) == folded(wanted),
        Json::Number(number) => number.to_string() == *wanted,
        _ => false,
    };
    pointers.iter().filter_map(|pointer| event.pointer(pointer)).any(is_wanted)
}

fn is_match(kept: &Kept, search: &Search) -> bool {
    const ACTOR: [&str; 8] = [
        "/actor/user/uid",
        "/actor/user/name",
        "/actor/user/email_addr",
        "/actor/session/uid",
        "/actor/invoked_by",
        "/user/uid",
        "/user/name",
        "/user/email_addr",
    ];
    search.source.as_ref().is_none_or(|source| *source == kept.source)
        && search.from_ms.is_none_or(|from| kept.time_ms >= from)
        && search.to_ms.is_none_or(|to| kept.time_ms < to)
        && has(&kept.event, &ACTOR, search.actor.as_ref())
        && has(
            &kept.event,
            &["/api/operation", "/metadata/event_code", "/activity_name"],
            search.action.as_ref(),
        )
        && has(&kept.event, &["/class_uid"], search.class.as_ref())
        && has(&kept.event, &["/status_id"], search.status.as_ref())
        && has(&kept.event, &["/src_endpoint/ip"], search.ip.as_ref())
}

fn expected(all: &[Kept], search: &Search) -> Vec<u64> {
    let mut found: Vec<(i64, u64)> =
        all.iter().filter(|kept| is_match(kept, search)).map(|kept| (kept.time_ms, kept.index)).collect();
    found.sort_unstable();
    if search.order == Order::Descending {
        found.reverse();
    }
    found.into_iter().map(|(_, index)| index).collect()
}

/// All pages of a search.
async fn found(log: &Log, search: &Search, limit: usize) -> Vec<u64> {
    let (mut all, mut after) = (Vec::new(), None::<Position>);
    loop {
        let page = log.search(search, after, limit).await.unwrap();
        assert!(page.records.len() <= limit);
        all.extend(page.records.iter().map(|record| record.index));
        let Some(next) = page.next else { return all };
        assert_ne!(after.replace(next), Some(next), "a cursor that leads nowhere");
    }
}

async fn compare(log: &Log, all: &[Kept], search: &Search, limit: usize, case: &str) -> usize {
    let mut count = 0;
    for order in [Order::Ascending, Order::Descending] {
        let search = Search { order, ..search.clone() };
        let wanted = expected(all, &search);
        assert!(found(log, &search, limit).await == wanted, "{case}, {order:?}, limit {limit}");
        count = wanted.len();
    }
    count
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const OPERATIONS: [&str; 3] = ["DescribeInstances", "DescribeVolumes", "DescribeImages"];
const ADDRESSES: [&str; 3] = ["192.0.2.1", "2001:DB8:0:0:0:0:0:1", "198.51.100.7"];
const MONTH_START_MS: i64 = 1_788_220_800_000; // 2026-09-01T00:00:00Z

fn generated(dice: &mut Dice, id: u32) -> String {
    let user = match dice.roll(400) {
        0 => format!("rare-{}", dice.roll(5)),
        1..50 => "Ann@Example.com".to_owned(),
        other => format!("user-{}", other % 7),
    };
    // Two months of hours, most of them busy, a few at the very edge of an hour.
    let hour = i64::try_from(dice.roll(60) * dice.roll(24)).unwrap();
    let second =
        [0, 3_599, 1_800, i64::try_from(dice.roll(3_600)).unwrap()][usize::try_from(dice.roll(4)).unwrap()];
    let time_ms = MONTH_START_MS + (hour * 3_600 + second) * 1_000;
    let time = jiff::Timestamp::from_millisecond(time_ms).unwrap().to_string();
    let mut record: Json =
        serde_json::from_str(&crate::world::record(&format!("id-{id}"), &user, &time)).unwrap();
    record["eventName"] = OPERATIONS[usize::try_from(dice.roll(3)).unwrap()].into();
    record["sourceIPAddress"] = ADDRESSES[usize::try_from(dice.roll(3)).unwrap()].into();
    if dice.roll(50) == 0 {
        record["errorCode"] = "AccessDenied".into();
    }
    record.to_string()
}

/// More records than a filter is read whole for, received over three months in requests of all sizes.
async fn filled(world: &World, count: u32) -> Arc<Log> {
    let (mut dice, mut id, mut now_ms) = (Dice(7), 0, MORNING_MS);
    let log = world.log();
    log.put_source("aws-2", crate::world::plain("aws-cloudtrail"), "op").await.unwrap();
    while id < count {
        let size = [1, 1, 2, 40, 90][usize::try_from(dice.roll(5)).unwrap()].min(count - id);
        let lot: Vec<String> = (id..id + size).map(|id| generated(&mut dice, id)).collect();
        let mut sent = request(&lot);
        if dice.roll(30) == 0 {
            "aws-2".clone_into(&mut sent.source);
        }
        assert_eq!(log.ingest(sent).await.unwrap().accepted, u64::from(size));
        id += size;
        now_ms += DAY_MS / 4;
        world.clock.set(now_ms);
    }
    log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_find_what_reading_everything_finds() {
    let mut world = World::new().await;
    drop(filled(&world, 10_500).await);
    world.reopen().await;
    let log = world.log();
    let text = |text: &str| Some(text.to_owned());
    let any = Search::default;
    let all = read_all(&log).await;
    assert_eq!(all.len(), 10_500);

    let hours = |from: i64, to: i64| Search {
        from_ms: Some(MONTH_START_MS + from * 3_600_000),
        to_ms: Some(MONTH_START_MS + to * 3_600_000),
        ..any()
    };
    let mut wide = 0;
    for (case, limit, search) in [
        ("everything", 1_000, any()),
        ("a source", 1_000, Search { source: text("aws"), ..any() }),
        ("another source", 100, Search { source: text("aws-2"), ..any() }),
        ("no such source", 100, Search { source: text("aws-3"), ..any() }),
        ("a class", 999, Search { class: text("6003"), ..any() }),
        ("two wide ones", 1_000, Search { class: text("6003"), status: text("1"), ..any() }),
        ("wide and few", 7, Search { source: text("aws"), actor: text("rare-3"), ..any() }),
        (
            "three wide and few",
            50,
            Search {
                source: text("aws"),
                class: text("6003"),
                status: text("1"),
                actor: text("user-3"),
                ..any()
            },
        ),
        ("few and few", 100, Search { status: text("2"), action: text("DescribeImages"), ..any() }),
        ("an address spelled otherwise", 1_000, Search { ip: text("2001:db8::1"), ..any() }),
        ("an e-mail address in capitals", 1_000, Search { actor: text("ANN@EXAMPLE.COM"), ..any() }),
        ("a name in capitals is another", 10, Search { actor: text("USER-3"), ..any() }),
        ("nothing has both", 10, Search { source: text("aws-2"), actor: text("nobody"), ..any() }),
        ("an hour", 3, hours(10, 11)),
        (
            "part of an hour of a source",
            1,
            Search {
                source: text("aws"),
                from_ms: Some(MONTH_START_MS + 1),
                to_ms: Some(MONTH_START_MS + 1_800_001),
                ..any()
            },
        ),
        ("some days of an actor", 20, Search { actor: text("user-1"), ..hours(0, 100) }),
        ("nothing between", 10, hours(11, 10)),
        ("an empty range", 10, hours(10, 10)),
        ("before all", 10, Search { to_ms: Some(-1), ..any() }),
        ("all time", 1_000, Search { from_ms: Some(i64::MIN), to_ms: Some(i64::MAX), ..any() }),
        ("after all", 10, Search { from_ms: Some(i64::MAX), ..any() }),
    ] {
        let count = compare(&log, &all, &search, limit, case).await;
        wide += usize::from(count > POSTINGS_HELD_MAX);
    }
    assert!(wide >= 4, "nothing was too wide to be read whole");
}

#[tokio::test]
async fn times_that_are_far_away_are_found_in_order() {
    let world = World::new().await;
    let log = world.log();
    let times = [
        "1969-12-31T23:59:59Z",
        "1960-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:30:00Z",
        "2026-11-23T09:00:00Z",
        "9999-12-31T23:59:59Z",
    ];
    let sent: Vec<String> = times
        .iter()
        .zip(0..)
        .map(|(time, id)| crate::world::record(&format!("id-{id}"), "ann", time))
        .collect();
    world.send(&sent).await.unwrap();
    let all = read_all(&log).await;
    for limit in [1, 2, 100] {
        compare(&log, &all, &Search::default(), limit, "far away").await;
        let since = Search { from_ms: Some(-1_000), to_ms: Some(1_800_000), ..Search::default() };
        compare(&log, &all, &since, limit, "around 1970").await;
    }
}

#[tokio::test]
async fn what_stands_at_one_moment_is_ordered_by_index_over_all_pages() {
    let world = World::new().await;
    let log = world.log();
    for start in [0, 20, 30] {
        world.send(&records(start..start + 15)).await.unwrap();
    }
    let all = read_all(&log).await;
    for limit in [1, 4, 45, 46] {
        compare(&log, &all, &Search::default(), limit, "one moment").await;
    }
    // A page that ends with the last record has no next one.
    let page = log.search(&Search::default(), None, all.len()).await.unwrap();
    assert_eq!((page.records.len(), page.next), (all.len(), None));
}

#[tokio::test]
async fn what_was_redacted_is_found_by_what_is_kept_and_by_nothing_else() {
    let world = World::new().await;
    world.upload("redact-fields").await;
    let rules = json!({"rules": [{"path": "actor.user.name", "action": "pseudonymize", "entity": "USER"}]});
    let mut spec = crate::world::plain("aws-cloudtrail");
    spec.redactors.push(crate::world::stage("redact-fields", Some(rules)));
    world.log().put_source("aws", spec, "op").await.unwrap();
    world.send(&records(0..7)).await.unwrap();
    let log = world.log();
    let all = read_all(&log).await;
    let token = all[0].event["actor"]["user"]["name"].as_str().unwrap().to_owned();
    let by = |actor: &str| Search { actor: Some(actor.to_owned()), ..Search::default() };
    assert_eq!(compare(&log, &all, &by(&token), 10, "pseudonym").await, 1);
    assert_eq!(compare(&log, &all, &by("user-0"), 10, "plaintext").await, 0);
}
