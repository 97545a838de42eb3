//! What a server tells of troubles that do not stop it, and to whom.

use std::path::Path;

use cairnlog_client::{Mode, NewLog};
use cairnlog_tests::{Server, http};
use reqwest::Method;

use crate::damage::swap;
use crate::world::{LOG, World};

/// What anyone is told, once the server is not ready: all of the answer.
async fn trouble(server: &Server) -> String {
    loop {
        let answer = server.anonymous(Method::GET, "/readyz").send().await.expect("an answer");
        if answer.status() != 200 {
            return http::problem(answer, 503, "read-only").await.to_string();
        }
        tokio::task::yield_now().await;
    }
}

async fn is_ready(server: &Server) -> bool {
    server.anonymous(Method::GET, "/readyz").send().await.expect("an answer").status() == 200
}

/// The value of a metric of the log.
async fn counted(server: &Server, metric: &str, log: &str) -> u64 {
    let all = server.get("/metrics").send().await.expect("an answer").text().await.expect("text");
    let row = format!("{metric}{{log=\"{log}\"}} ");
    let value = all.lines().find_map(|line| line.strip_prefix(&row));
    value.unwrap_or_else(|| panic!("no {row}: {all}")).parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_private_log_that_is_damaged_is_named_to_nobody() {
    let mut server = Server::start();
    let new = NewLog { mode: Some(Mode::Opaque), private: Some(true), ..NewLog::new("payroll") };
    server.client().create_log(&new).await.expect("a new log");
    let entries: Vec<u8> = (0..600_u16).flat_map(|number| [[0, 2], number.to_be_bytes()].concat()).collect();
    let request = server.request(Method::POST, "/api/v1/logs/payroll/entries");
    let request = request.header("content-type", "application/octet-stream").body(entries);
    assert_eq!(request.send().await.expect("an answer").status(), 201);
    server.stop();
    swap(server.data(), 3, 4).await;
    server.announce("the log is damaged: record 3");
    server.restart();
    let told = trouble(&server).await;
    assert!(told.contains("a log is damaged; stop the server"), "{told}");
    assert!(!told.contains("payroll") && !told.contains("record"), "{told}");
    // Who may know is told by name.
    assert_eq!(counted(&server, "cairnlog_audit_failures_total", "payroll").await, 1);
    assert_eq!(counted(&server, "cairnlog_audit_errors_total", "payroll").await, 0);
    server.stop();
    assert!(server.stderr().contains("payroll"), "{}", server.stderr());
}

fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).expect("a directory of the test's own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_head_that_cannot_be_kept_is_told_while_it_lasts_and_stops_nothing() {
    const FAILURES: &str = "cairnlog_kept_head_failures_total";
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let (heads, away) = (elsewhere.path().join("heads"), elsewhere.path().join("away"));
    let mut world = World::with_heads_in(&heads).await;
    world.write(4).await;
    assert_eq!(counted(&world.server, FAILURES, LOG).await, 0);
    assert!(is_ready(&world.server).await);
    rename(&heads, &away);
    assert!(world.write_once().await);
    // The control log's may be the first that can't be kept; it is private, and not named.
    let told = loop {
        let told = trouble(&world.server).await;
        if !told.contains("of a log") {
            break told;
        }
    };
    assert!(
        told.contains("the newest head of log web can't be kept outside the store: No such file"),
        "{told}"
    );
    while counted(&world.server, FAILURES, LOG).await < 3 {
        assert!(world.write_once().await, "the log goes on");
    }
    rename(&away, &heads);
    while !is_ready(&world.server).await {
        tokio::task::yield_now().await;
    }
    world.check_all().await;
    world.server.stop();
    let note = std::fs::read(heads.join(LOG)).expect("the kept head");
    assert_eq!(world.monitor.open(&note).size, world.monitor.size(), "the newest head is kept again");
    // Of this log; the control log says the same of itself.
    let stderr = world.server.stderr();
    let of_log = |line: &&str| line.contains(&format!("/{LOG}\""));
    let said = |words: &str| stderr.lines().filter(of_log).filter(|line| line.contains(words)).count();
    assert_eq!((said("the newest head can't be kept"), said("is kept again")), (1, 1), "said once each");
}
