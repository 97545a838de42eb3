//! A disk that fails: EIO, ENOSPC and short writes at the n-th write, sync or rename, start-up included.

use cairnlog_client::{Mode, NewLog};
use cairnlog_tests::{Refusal, Server};

use crate::inject::{Act, Fault, Report};
use crate::monitor::Alarm;
use crate::random::{Random, number};
use crate::world::World;

/// Runs of each kind of fault, if `CAIRNLOG_FAULT_ROUNDS` says nothing else.
const ROUNDS: u64 = 3;
const ANSWERS: u64 = 12;

/// What fails, and how often: once, as a disk that had a bad moment, or from then on, as one that is broken or full.
const KINDS: [(Act, &str, u64); 10] = [
    (Act::Eio, "w", 1),
    (Act::Eio, "w", 0),
    (Act::Eio, "s", 1),
    (Act::Eio, "s", 0),
    (Act::Eio, "r", 1),
    (Act::Enospc, "w", 1),
    (Act::Enospc, "wsr", 0),
    (Act::Enospc, "r", 0),
    (Act::Short, "w", 0),
    (Act::Lost, "s", 1),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_by_a_disk_that_fails() {
    let mut random = Random::seeded();
    let mut world = World::start().await;
    world.server.stop();
    let rounds = number("CAIRNLOG_FAULT_ROUNDS").unwrap_or(ROUNDS);
    let (mut faults, mut refusals) = (0, 0);
    for (act, ops, count) in KINDS {
        let operations = operations(&mut world, ops).await;
        for round in 0..rounds {
            // From everywhere in the run alike.
            let at = 1 + (round * operations + random.below(operations)) / rounds;
            let fault = Fault { act, ops, at, count };
            match world.start_with(fault) {
                Ok(()) => fail(&mut world, fault).await,
                Err(refusal) => {
                    check_refusal(&refusal, &world, fault);
                    refusals += 1;
                }
            }
            faults += world.report().done.min(1);
            world.server.restart();
            world.check().await.unwrap_or_else(|alarm| panic!("{fault:?}, {:?}: {alarm:?}", world.report()));
            assert!(world.write_once().await, "{fault:?}: it goes on");
            world.server.stop();
        }
    }
    world.server.restart();
    world.check_all().await;
    let runs = rounds * KINDS.len() as u64;
    assert!(faults * 2 > runs, "only {faults} of {runs} runs met their fault");
    eprintln!("{runs} runs, {faults} met their fault, {refusals} refused to start");
}

/// How many of these operations a run has, from its start to its last answer.
async fn operations(world: &mut World, ops: &'static str) -> u64 {
    world.start_with(Fault::none(ops)).expect("no fault");
    world.write(ANSWERS).await;
    world.check().await.expect("no fault");
    world.server.stop();
    world.report().seen
}

/// A run that has started with the fault before it or behind it.
async fn fail(world: &mut World, fault: Fault) {
    let gone_on = go_on(world, fault).await;
    let ready = world.server.get("/readyz").send().await;
    let is_ready = match ready {
        Ok(answer) => answer.status() == 200 || is_of_kept_heads(answer).await,
        Err(_) => false,
    };
    let report = world.report();
    // A sync of the write-ahead log that failed is not tried again: what it should have written may be gone, though a
    // second one would succeed.
    assert!(!is_ready || report.done == 0 || !report.is_of_wal_sync(), "ready after {report:?}");
    if !is_ready {
        for _ in 0..3 {
            assert!(!world.write_once().await, "acknowledged after {report:?}");
        }
        // A full disk is served on for readers, where it can be told from a broken one.
        let unserved = matches!(gone_on, Err(Alarm::NotServed(_)));
        if unserved || (fault.act != Act::Enospc && gone_on.is_ok()) {
            assert!(report.done > 0, "{fault:?}: {gone_on:?}");
            assert_eq!(world.server.end(), Some(3), "{fault:?}, {report:?}: {gone_on:?}");
            return;
        }
    }
    gone_on.unwrap_or_else(|alarm| panic!("{fault:?}, {report:?}: {alarm:?}"));
    if fault.at.is_multiple_of(2) {
        world.server.kill();
    } else {
        world.server.stop();
    }
}

/// Whether all that is wrong is that a head can't be kept outside the store: the log goes on.
async fn is_of_kept_heads(answer: reqwest::Response) -> bool {
    answer.text().await.is_ok_and(|words| words.contains("can't be kept outside the store"))
}

/// Writes and looks, until a fault stops that. What is acknowledged here is there later.
async fn go_on(world: &mut World, fault: Fault) -> Result<(), Alarm> {
    world.check().await?;
    let before = world.answers();
    world.write(ANSWERS).await;
    if fault.act == Act::Short {
        assert!(world.answers() >= before + ANSWERS, "short writes are gone on with: {:?}", world.report());
    }
    world.write_once().await;
    world.check().await.map(drop)
}

/// One line that names the directory, and the exit code of a server that can't tell.
fn check_refusal(refusal: &Refusal, world: &World, fault: Fault) {
    let report: Report = world.report();
    assert!(report.done > 0, "{fault:?}: {refusal:?}");
    assert_eq!(refusal.code, Some(3), "{fault:?}, {report:?}: {refusal:?}");
    let line = refusal.stderr.lines().last().unwrap_or_default();
    let data = world.server.data().to_str().expect("UTF-8");
    assert!(line.starts_with("cairnlog: ") && line.contains(data), "{fault:?}, {report:?}: {refusal:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_directory_and_a_new_log_are_whole_or_not_there() {
    let mut random = Random::seeded();
    let runs = number("CAIRNLOG_FAULT_ROUNDS").unwrap_or(ROUNDS) * 4;
    let operations = create(Fault::none("wsr"), Mode::Records).await.seen;
    for run in 0..runs {
        let act = [Act::Kill, Act::Cut, Act::Eio, Act::Enospc][usize::try_from(run % 4).expect("small")];
        let at = 1 + (run * operations + random.below(operations)) / runs;
        let mode = if (run / 4).is_multiple_of(2) { Mode::Records } else { Mode::Opaque };
        create(Fault { act, ops: "wsr", at, count: 1 }, mode).await;
    }
}

/// Starts a server on a directory that is not there, creates a log, and starts it again without the fault: the log is
/// whole, or can be created.
async fn create(fault: Fault, mode: Mode) -> Report {
    let mut server = Server::idle();
    server.announce("");
    let report = server.aside();
    server.set_env(fault.env(server.data(), &report));
    let new = NewLog { mode: Some(mode), ..NewLog::new("new") };
    let created = if let Err(refusal) = server.try_restart() {
        assert!(Report::read(&report).done > 0, "{fault:?}: {refusal:?}");
        None
    } else {
        let created = server.client().create_log(&new).await;
        server.kill();
        created.ok()
    };
    server.set_env(Vec::new());
    server.restart();
    let client = server.client();
    let log = client.log("new").expect("a name");
    match (log.info().await, created) {
        (Ok(info), Some(created)) => assert_eq!(info.verifier_key, created.verifier_key, "{fault:?}"),
        (Ok(_), None) => {}
        (Err(error), Some(_)) => panic!("{fault:?}: the log is gone: {error}"),
        (Err(_), None) => drop(client.create_log(&new).await.expect("a new log")),
    }
    let size = u64::from(mode == Mode::Records);
    assert_eq!(log.tree_head().await.expect("a head").tree_size, size);
    Report::read(&report)
}
