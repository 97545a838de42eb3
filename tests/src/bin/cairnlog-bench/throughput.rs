//! G3: the whole pipeline at full load, client included.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use crate::samples::Samples;
use crate::server::{LOG, Memory, Server, own_cpu};
use crate::stats::float;
use crate::{Result, machine};

/// Records of a request.
const BATCH: usize = 1_000;
/// Requests under way at a time, each on a connection of its own.
const CONNECTIONS: usize = 4;
/// The two, in words.
pub(crate) const SHAPE: &str = "NDJSON batches of 1,000, 4 connections";

/// One run.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) records: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) wall: Duration,
    /// Processor time of server and client.
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
    /// Time by stage: on a worker, but for `commit`, which is waited.
    pub(crate) stages: BTreeMap<String, Duration>,
    pub(crate) memory: Memory,
}

/// All runs, and the disk that they took together.
pub(crate) struct Throughput {
    pub(crate) runs: Vec<Run>,
    pub(crate) disk: u64,
}

impl Run {
    /// Records a second.
    pub(crate) fn rate(&self) -> f64 {
        float(self.records) / self.wall.as_secs_f64()
    }

    /// That time as a share of all that the machine's cores had.
    pub(crate) fn share(&self, time: Duration) -> f64 {
        time.as_secs_f64() / (self.wall.as_secs_f64() * float(machine::cores() as u64))
    }

    /// That time by record, in microseconds.
    pub(crate) fn micros_each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / float(self.records)
    }
}

#[derive(Deserialize)]
struct Answer {
    accepted: u64,
}

/// Sends `records` records that were never sent before. The bodies are made first: making them is no part of the run.
pub(crate) async fn run(server: &Server, samples: &Samples, number: usize, records: usize) -> Result<Run> {
    let first = number * records;
    let bodies: Vec<bytes::Bytes> =
        (first..first + records).step_by(BATCH).map(|at| samples.lines(at as u64, BATCH).into()).collect();
    let raw_bytes = bodies.iter().map(|body| body.len() as u64).sum();
    let stages_before = server.stages().await?;
    let (server_before, client_before, started) = (server.cpu()?, own_cpu()?, Instant::now());
    let next = AtomicUsize::new(0);
    let connections = (0..CONNECTIONS).map(|_| send_all(server, &bodies, &next));
    let accepted: u64 = futures_util::future::try_join_all(connections).await?.into_iter().sum();
    let wall = started.elapsed();
    let (server_cpu, client_cpu) =
        (server.cpu()?.saturating_sub(server_before), own_cpu()?.saturating_sub(client_before));
    if accepted != records as u64 {
        return Err(format!("{accepted} of {records} records were logged").into());
    }
    let since = |(stage, nanos): (String, u64)| {
        let before = stages_before.get(&stage).copied().unwrap_or(0);
        (stage, Duration::from_nanos(nanos - before))
    };
    let stages = server.stages().await?.into_iter().map(since).collect();
    let memory = server.memory()?;
    Ok(Run { records: accepted, raw_bytes, wall, server_cpu, client_cpu, stages, memory })
}

/// One connection: takes the next body until there is none. Answers are read, as a client would.
async fn send_all(server: &Server, bodies: &[bytes::Bytes], next: &AtomicUsize) -> Result<u64> {
    let path = format!("/api/v1/logs/{LOG}/sources/aws-cloudtrail/events");
    let mut accepted = 0;
    while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
        let request = server.request(Method::POST, &path).header(CONTENT_TYPE, "application/x-ndjson");
        let answer = request.body(body.clone()).send().await?.error_for_status()?.bytes().await?;
        accepted += serde_json::from_slice::<Answer>(&answer)?.accepted;
    }
    Ok(accepted)
}
