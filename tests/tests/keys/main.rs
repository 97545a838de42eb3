//! The keys that wrap keyrings, on the real binary: where they come from, how they are replaced, what is never shown.
#![allow(clippy::unwrap_used)]

mod backup;
mod environment;
mod first_start;
mod rotation;
mod token;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cairnlog_client::{ContentType, Ingest, Log};
use cairnlog_tests::{Refusal, Server, paths, pipelines, web};
use serde_json::Value;

/// The log of every test here.
const LOG: &str = "hr";
const LINES: u64 = 20;

/// A server that finds this in its environment, with a log and records in it.
async fn portal(env: &[(&str, &str)]) -> (Server, Log) {
    let mut server = Server::idle();
    set(&mut server, env);
    server.restart();
    let log = pipelines::log(&server.client(), LOG).await;
    pipelines::plain(&server.client(), &log, "portal", "web-access").await;
    send(&log).await;
    (server, log)
}

fn set(server: &mut Server, env: &[(&str, &str)]) {
    let row = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(value));
    server.set_env(env.iter().map(row).collect());
}

async fn send(log: &Log) {
    let ingest = Ingest::new(ContentType::Text, web::lines(0, LINES));
    assert_eq!(log.ingest("portal", ingest).await.unwrap().accepted, LINES);
}

/// Every entry of the log opens, and another one can be written.
async fn check(server: &Server) {
    let log = server.client().log(LOG).unwrap();
    let size = log.info().await.unwrap().tree_size;
    assert!(size > LINES);
    for index in 0..size {
        log.record(index).await.unwrap_or_else(|error| panic!("entry {index}: {error}"));
    }
    send(&log).await;
}

fn file(server: &Server, name: &str) -> PathBuf {
    server.data().join("keys").join(LOG).join(name)
}

fn members(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The id of the key that wraps the log's keyring.
fn kek(server: &Server) -> String {
    members(&file(server, "keyring"))["kek"].as_str().unwrap().to_owned()
}

/// The refusal's one line.
fn line(refusal: &Refusal) -> &str {
    assert_eq!(refusal.code, Some(3), "{refusal:?}");
    let said: Vec<&str> = refusal.stderr.lines().filter(|line| line.starts_with("cairnlog: ")).collect();
    let [line] = said[..] else { panic!("not one line: {refusal:?}") };
    line
}

/// Runs a command line in that environment.
fn cairnlog(args: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(paths::binary()).args(args).env_clear().envs(env.iter().copied()).output().unwrap()
}

fn stderr(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}
