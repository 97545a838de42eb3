//! Kills during sweeps, erasures and holds: after each, every record opens or was erased, what was acknowledged stands,
//! and a further sweep ends the job.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cairnlog_client::{
    ClassSettings, ContentType, ErasureTarget, Error, HoldQuery, Ingest, Log, NewHold, PageRequest, Sweep,
    Trigger,
};
use cairnlog_store::rocks::RocksEngine;
use cairnlog_store::{Engine as _, Family, Scan, layout};
use cairnlog_tests::{Server, paths, pipelines, web};
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::inject::{Act, Fault};
use crate::kills::ALL;
use crate::random::{Random, number};
use crate::world::{SOURCE, World};

/// Kills, if `CAIRNLOG_FAULT_KILLS` says nothing else.
const KILLS: u64 = 12;
/// What each of those who are at work does in a run, if it lives so long.
const TURNS: u64 = 6;
const ANSWERS: u64 = 6;
/// The source whose records are never due.
const KEPT: &str = "kept";
/// The number of the first page that is held; nobody else visits it.
const HELD_FROM: u64 = 1 << 32;
const READERS: usize = 32;
/// How long the destruction of pages may take on a machine that is busy with other tests.
const DESTRUCTION_MAX: Duration = Duration::from_mins(2);

/// What was acknowledged.
#[derive(Default)]
struct Promised {
    /// Holds, with the resource that each covers.
    holds: BTreeMap<String, String>,
    /// Records that were held before they were logged.
    held: BTreeSet<u64>,
    erased: BTreeSet<u64>,
    /// Records that are to be erased on request.
    kept: VecDeque<u64>,
    pages: u64,
}

/// Whoever waits for an answer gets it, or none because the server was killed.
fn answered<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(answer) => Some(answer),
        Err(Error::Transport { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The same where a refusal of this slug is as good: it was answered.
fn is_answered<T>(result: Result<T, Error>, refusal: &str) -> bool {
    match result {
        Err(error) if error.slug() == Some(refusal) => true,
        result => answered(result).is_some(),
    }
}

/// With records of the source [`SOURCE`] that are due at once, and of [`KEPT`] that never are.
async fn furnish(world: &World) {
    let log = world.log();
    let class = |maximum_days| ClassSettings {
        trigger: Trigger::Received,
        minimum_days: 0,
        maximum_days,
        zone: None,
        basis: "a rule".to_owned(),
    };
    log.put_class("default", &class(Some(0))).await.expect("a class");
    log.put_class(KEPT, &class(None)).await.expect("a class");
    let mut pipeline = pipelines::plain_json(&world.server.client(), "web-access").await;
    pipeline["retention"]["config"]["rules"][0]["class"] = KEPT.into();
    let pipeline = serde_json::from_value(pipeline).expect("a pipeline");
    log.put_source(KEPT, &pipeline).await.expect("a source");
}

/// Everybody is at work until the server is gone or they are done.
async fn work(world: &World, promised: &Mutex<Promised>) {
    let log = &world.log();
    tokio::join!(world.write(ANSWERS), sweeps(log), erases(log, promised), holds(log, promised));
}

async fn sweeps(log: &Log) {
    for _ in 0..TURNS {
        if !is_answered(log.sweep().await, "conflict") {
            return;
        }
    }
}

async fn erases(log: &Log, promised: &Mutex<Promised>) {
    for turn in 0..TURNS {
        let sent = log.ingest(KEPT, Ingest::new(ContentType::Text, web::lines(turn, 4))).await;
        let Some(sent) = answered(sent) else { return };
        let index = {
            let mut promised = promised.lock().expect("nobody panics");
            promised.kept.extend(sent.results.iter().filter_map(|row| row.index));
            promised.kept.pop_front().expect("some were sent")
        };
        if !is_answered(log.erase(&ErasureTarget::Index(index), "asked").await, "erased") {
            return;
        }
        promised.lock().expect("nobody panics").erased.insert(index);
        let subject = ErasureTarget::Subject(format!("user{turn}"));
        if answered(log.erase(&subject, "asked").await).is_none() {
            return;
        }
    }
}

async fn holds(log: &Log, promised: &Mutex<Promised>) {
    for _ in 0..TURNS {
        let page = {
            let mut promised = promised.lock().expect("nobody panics");
            promised.pages += 1;
            HELD_FROM + promised.pages
        };
        let resource = format!("/page/{page}");
        let query = HoldQuery { resource: Some(resource.clone()), ..HoldQuery::default() };
        let new = NewHold { matter: "a matter".to_owned(), reason: "a claim".to_owned(), query };
        let Some(hold) = answered(log.hold(&new).await) else { return };
        promised.lock().expect("nobody panics").holds.insert(hold.id, resource);
        let sent = log.ingest(SOURCE, Ingest::new(ContentType::Text, web::lines(page, 1))).await;
        let Some(sent) = answered(sent) else { return };
        promised.lock().expect("nobody panics").held.extend(sent.first_index);
    }
}

/// Everything that was promised holds, each record opens or was erased, and a sweep leaves nothing but what is held.
async fn check(world: &mut World, promised: &Promised) {
    let size = world.check().await.unwrap_or_else(|alarm| panic!("{alarm:?}"));
    let log = &world.log();
    let all = PageRequest { limit: Some(1_000), cursor: None };
    let holds = log.holds(&all).await.expect("holds").items;
    for (id, resource) in &promised.holds {
        let hold = holds.iter().find(|hold| hold.id == *id);
        assert_eq!(
            hold.and_then(|hold| hold.query.resource.as_ref()),
            Some(resource),
            "the hold {id} is lost"
        );
    }
    for _ in 0..2 {
        let erased = erased(log, size).await;
        assert!(erased.is_superset(&promised.erased), "{:?}", promised.erased.difference(&erased));
        assert!(erased.is_disjoint(&promised.held), "{:?}", promised.held.intersection(&erased));
        sweep(log).await;
        let left = log.sweep_dry(None).await.expect("a trial");
        assert!(left.due == left.held && left.held >= promised.held.len() as u64, "{left:?}");
    }
}

/// Which of the records were erased. All others open.
async fn erased(log: &Log, size: u64) -> BTreeSet<u64> {
    let is_erased = async |index| match log.record(index).await {
        Ok(_) => None,
        Err(error) if error.slug() == Some("erased") => Some(index),
        Err(error) => panic!("{index}: {error}"),
    };
    let reads = stream::iter(0..size).map(is_erased).buffer_unordered(READERS);
    reads.filter_map(async |index| index).collect().await
}

/// A sweep, when that of the server itself is over.
async fn sweep(log: &Log) -> Sweep {
    loop {
        match log.sweep().await {
            Err(error) if error.slug() == Some("conflict") => tokio::task::yield_now().await,
            result => return result.expect("a sweep"),
        }
    }
}

fn fsck(server: &Server) {
    let mut command = Command::new(paths::binary());
    command.args(["fsck", "--data"]).arg(server.data()).env_clear().stdin(Stdio::null());
    let output = command.output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_record_opens_or_was_erased_by_kills_during_sweeps_and_erasures() {
    let mut random = Random::seeded();
    let mut world = World::start().await;
    furnish(&world).await;
    let mut promised = Mutex::<Promised>::default();
    world.server.stop();
    world.start_with(Fault::none(ALL)).expect("no fault");
    work(&world, &promised).await;
    world.server.kill();
    let (operations, mut faults, mut while_starting) = (world.report().seen, 0, 0);
    for kill in 0..number("CAIRNLOG_FAULT_KILLS").unwrap_or(KILLS) {
        let act = if kill % 2 == 0 { Act::Kill } else { Act::Cut };
        let fault = Fault { act, ops: ALL, at: 1 + random.below(operations), count: 1 };
        if let Err(refusal) = world.start_with(fault) {
            assert!(refusal.code.is_none() && world.report().done > 0, "{kill}, {fault:?}: {refusal:?}");
            while_starting += 1;
        } else {
            work(&world, &promised).await;
            world.server.kill();
        }
        faults += world.report().done.min(1);
        fsck(&world.server);
        world.server.restart();
        check(&mut world, promised.get_mut().expect("nobody panics")).await;
        world.server.kill();
    }
    assert!(faults > 0, "no kill within {operations} operations");
    ends(&mut world, &promised.into_inner().expect("nobody panics")).await;
    eprintln!("{operations} operations a run, {faults} kills within one, {while_starting} while starting");
}

/// What was begun is ended: the pages of what was erased are destroyed, and what is left of them opens.
async fn ends(world: &mut World, promised: &Promised) {
    let begun = pages_to_destroy(world.server.data()).await;
    world.server.restart();
    let deadline = Instant::now() + DESTRUCTION_MAX;
    while !pages(world.server.data()).is_disjoint(&begun) {
        assert!(Instant::now() < deadline, "{begun:?} are there still: {}", world.server.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    check(world, promised).await;
    world.check_all().await;
    world.server.stop();
    fsck(&world.server);
}

/// The pages that are to be destroyed, by a store that nobody has open.
async fn pages_to_destroy(data: &Path) -> BTreeSet<u32> {
    let engine = RocksEngine::open(&data.join("db")).expect("the store");
    let scan = Scan::prefix(Family::Erasures, layout::pages_to_destroy_prefix(1), 10_000);
    let rows = engine.scan(scan).await.expect("rows");
    rows.iter().map(|(key, _)| layout::parse_page_to_destroy_key(key).expect("a page's key")).collect()
}

/// The pages in the log's keyring.
fn pages(data: &Path) -> BTreeSet<u32> {
    let keyring = std::fs::read(data.join("keys/web/keyring")).expect("a keyring");
    let keyring: Value = serde_json::from_slice(&keyring).expect("JSON");
    let pages = keyring["pages"].as_object().expect("pages");
    pages.keys().map(|page| page.parse().expect("a page's id")).collect()
}
