//! Kills while a log changes its state: new signing keys, a new key-encryption key and the end of a log are whole or not
//! there, and stay.

use cairnlog_client::{LogInfo, NewKeys};
use cairnlog_tests::http;
use cairnlog_verify::checkpoint::Checkpoint;
use reqwest::Method;

use crate::inject::{Act, Fault, Report};
use crate::kills::{ALL, survive};
use crate::random::{Random, number};
use crate::world::{LOG, World};

/// Kills within each change, if `CAIRNLOG_FAULT_ROUNDS` says nothing else.
const ROUNDS: u64 = 6;
const ANSWERS: u64 = 6;
/// Kills of a log after its change.
const KILLS: u64 = 8;

#[derive(Clone, Copy, Debug)]
enum Change {
    /// New keys sign beside the old ones.
    Keys,
    /// A fresh key-encryption key wraps the keyring.
    Kek,
    /// The log takes nothing more.
    Freeze,
}

/// A log before its change.
struct Before {
    info: LogInfo,
    kek: String,
}

impl Before {
    async fn of(world: &World) -> Self {
        Self { info: world.log().info().await.expect("a log"), kek: kek(world) }
    }
}

/// The id of the key-encryption key that the keyring names; it is the only one in the file `kek`.
fn kek(world: &World) -> String {
    let read = |name: &str| {
        let file = world.server.data().join("keys").join(LOG).join(name);
        let text = std::fs::read_to_string(file).expect("a file of the log's keys");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    let keks = read("kek");
    let ids: Vec<&String> = keks["keys"].as_object().expect("keys").keys().collect();
    let kek = read("keyring")["kek"].as_str().expect("an id").to_owned();
    assert_eq!(ids, [&kek]);
    kek
}

impl Change {
    /// A log that it can be tried on: where the keyring is at stake, one whose records have to open.
    async fn world(self) -> World {
        match self {
            Self::Kek => World::start().await,
            Self::Keys | Self::Freeze => World::opaque().await,
        }
    }

    /// Whether it was acknowledged.
    async fn make(self, world: &World) -> bool {
        let log = world.log();
        match self {
            Self::Keys => log.rotate_keys(&NewKeys::default()).await.is_ok(),
            Self::Kek => log.rotate_kek().await.is_ok(),
            Self::Freeze => log.freeze().await.is_ok(),
        }
    }

    /// It is whole or, if it was not acknowledged, not there.
    async fn check(self, world: &mut World, before: &Before, is_acknowledged: bool) {
        let info = world.log().info().await.expect("a log");
        let is_there = match self {
            Self::Keys => has_new_keys(world, &before.info, &info).await,
            Self::Kek => kek(world) != before.kek,
            Self::Freeze => info.frozen,
        };
        assert!(is_there || !is_acknowledged, "{self:?} is gone: {info:?}");
        if info.frozen {
            check_frozen(world, info.tree_size).await;
        } else {
            assert!(world.write_once().await, "{self:?}: it goes on");
        }
        world.check_all().await;
    }
}

/// Whether there are new keys; all that there are have signed the newest head.
async fn has_new_keys(world: &World, before: &LogInfo, now: &LogInfo) -> bool {
    let note = world.log().tiles().checkpoint().await.expect("a head");
    for key in &now.verifier_keys {
        let opened = Checkpoint::open(&note, &[key.parse().expect("a key")]);
        assert!(opened.is_ok(), "{key} has not signed: {opened:?}");
    }
    let (old, all) = (&before.verifier_keys, &now.verifier_keys);
    assert!(all.ends_with(old), "the old keys go on: {all:?}");
    assert!(all.len() == old.len() || all.len() == 2 * old.len(), "half of the new keys: {all:?}");
    all.len() > old.len()
}

async fn check_frozen(world: &World, size: u64) {
    let add = world.server.request(Method::POST, &format!("/logs/{LOG}/add")).body("more");
    http::problem(add.send().await.expect("an answer"), 403, "frozen").await;
    assert_eq!(world.log().tree_head().await.expect("a head").tree_size, size);
}

/// One log that changes under load and meets the fault meanwhile: the operations before the change, and the report.
async fn round(change: Change, fault: Fault) -> (u64, Report) {
    let mut world = change.world().await;
    world.write(ANSWERS).await;
    let before = Before::of(&world).await;
    world.server.stop();
    let (mut started, mut is_acknowledged) = (0, false);
    if let Err(refusal) = world.start_with(fault) {
        assert!(refusal.code.is_none() && world.report().done > 0, "{change:?}, {fault:?}: {refusal:?}");
    } else {
        started = world.report().seen;
        (is_acknowledged, ()) = tokio::join!(change.make(&world), world.write(ANSWERS));
        world.server.kill();
    }
    let report = world.report();
    for _ in 0..2 {
        world.server.restart();
        change.check(&mut world, &before, is_acknowledged).await;
        world.server.kill();
    }
    (started, report)
}

/// Kills at every part of the change.
async fn is_whole_or_not_there(change: Change) {
    let mut random = Random::seeded();
    let (started, report) = round(change, Fault::none(ALL)).await;
    let span = report.seen - started;
    let rounds = number("CAIRNLOG_FAULT_ROUNDS").unwrap_or(ROUNDS);
    let mut faults = 0;
    for turn in 0..rounds {
        let act = [Act::Kill, Act::Cut][usize::try_from(turn % 2).expect("small")];
        let at = started + 1 + (turn * span + random.below(span)) / rounds;
        let (_, report) = round(change, Fault { act, ops: ALL, at, count: 1 }).await;
        faults += report.done.min(1);
    }
    assert!(faults > 0, "no kill within {span} operations");
    eprintln!("{change:?}: {faults} kills within {span} operations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn new_keys_are_whole_or_not_there_after_a_kill() {
    is_whole_or_not_there(Change::Keys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_key_encryption_key_is_whole_or_not_there_after_a_kill() {
    is_whole_or_not_there(Change::Kek).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_end_of_a_log_is_whole_or_not_there_after_a_kill() {
    is_whole_or_not_there(Change::Freeze).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_whose_keys_were_changed_loses_nothing_and_does_not_fork_by_kills() {
    let world = World::opaque().await;
    assert!(Change::Keys.make(&world).await);
    survive(world, number("CAIRNLOG_FAULT_KILLS").unwrap_or(KILLS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frozen_log_stays_frozen_and_whole_by_kills() {
    let mut random = Random::seeded();
    let mut world = World::opaque().await;
    world.write(ANSWERS).await;
    assert!(Change::Freeze.make(&world).await);
    let before = Before::of(&world).await;
    world.server.stop();
    world.start_with(Fault::none(ALL)).expect("no fault");
    world.server.kill();
    let operations = world.report().seen;
    for kill in 0..number("CAIRNLOG_FAULT_KILLS").unwrap_or(KILLS) {
        let act = [Act::Kill, Act::Cut][usize::try_from(kill % 2).expect("small")];
        let at = 1 + random.below(operations);
        match world.start_with(Fault { act, ops: ALL, at, count: 1 }) {
            Ok(()) => world.server.kill(),
            Err(refusal) => assert!(refusal.code.is_none() && world.report().done > 0, "{refusal:?}"),
        }
        world.server.restart();
        Change::Freeze.check(&mut world, &before, true).await;
        world.server.kill();
    }
}
