//! SIGKILL and power cuts at any moment, start-up included.

use crate::inject::{Act, Fault};
use crate::monitor::Alarm;
use crate::random::{Random, number};
use crate::world::World;

/// Kills, if `CAIRNLOG_FAULT_KILLS` says nothing else.
const KILLS: u64 = 200;
const ANSWERS: u64 = 12;
/// Every kind of operation.
pub(crate) const ALL: &str = "wsr";

/// Kills of a log of mode opaque: what differs is the intake.
const OPAQUE_KILLS: u64 = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_and_nothing_forks_by_two_hundred_kills() {
    survive(World::start().await, number("CAIRNLOG_FAULT_KILLS").unwrap_or(KILLS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_opaque_log_loses_nothing_and_does_not_fork_by_kills() {
    survive(World::opaque().await, number("CAIRNLOG_FAULT_KILLS").unwrap_or(OPAQUE_KILLS)).await;
}

/// So many kills of a server under load, each looked at.
pub(crate) async fn survive(mut world: World, kills: u64) {
    let mut random = Random::seeded();
    world.server.stop();
    // How many operations a run has, from its start to its last answer.
    world.start_with(Fault::none(ALL)).expect("no fault");
    world.write(ANSWERS).await;
    world.check().await.expect("no fault");
    world.server.kill();
    let operations = world.report().seen;
    let mut while_starting = 0;
    let mut faults = 0;
    for kill in 0..kills {
        let (ops, act) = match kill % 4 {
            0 => (ALL, Act::Kill),
            1 => ("w", Act::Torn),
            2 => ("s", Act::Cut),
            _ => (ALL, Act::Eio),
        };
        // The last kind is killed from outside, whatever it does at that moment.
        let at = if act.kills() { 1 + random.below(operations) / if ops == ALL { 1 } else { 2 } } else { 0 };
        let fault = Fault { act, ops, at, count: 1 };
        if let Err(refusal) = world.start_with(fault) {
            assert!(refusal.code.is_none() && world.report().done > 0, "kill {kill}, {fault:?}: {refusal:?}");
            (while_starting, faults) = (while_starting + 1, faults + 1);
            continue;
        }
        match world.check().await {
            Ok(_) => world.write_and_kill(random.below(ANSWERS)).await,
            Err(Alarm::NotServed(_)) if world.report().done > 0 => world.server.kill(),
            Err(alarm) => panic!("kill {kill}, {fault:?}: {alarm:?}"),
        }
        faults += world.report().done.min(1);
    }
    world.server.restart();
    world.check_all().await;
    eprintln!("{operations} operations a run, {faults} kills within one, {while_starting} while starting");
}
