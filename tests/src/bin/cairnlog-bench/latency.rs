//! G2: one connection, one record a request, beside what nobody can beat: one fdatasync and one request that does
//! nothing.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use cairnlog_tests::web;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::Result;
use crate::samples::Samples;
use crate::server::{LOG, Server};
use crate::stats::Spread;

/// Requests that are not counted, so that connections, caches and pools are warm.
const WARM_UP: usize = 50;

/// The kinds take turns in so many rounds, so that a disturbance meets them all.
const ROUNDS: usize = 10;

/// Bytes of the file that is synced.
const FILE_BYTES: usize = 4 << 20;

/// Numbers of the records sent here: none of them comes back in the throughput runs.
const FIRST_NUMBER: u64 = 1 << 40;

/// What was measured, each the same number of times.
pub(crate) struct Latency {
    pub(crate) fdatasync: Spread,
    pub(crate) request: Spread,
    pub(crate) web_access: Spread,
    pub(crate) cloudtrail: Spread,
    pub(crate) requests: usize,
}

pub(crate) async fn measure(
    server: &Server,
    dir: &Path,
    samples: &Samples,
    requests: usize,
) -> Result<Latency> {
    let mut file = allocated(&dir.join("fdatasync"))?;
    let mut kinds: [Vec<Duration>; 4] = Default::default();
    let mut number = FIRST_NUMBER;
    for round in 0..=ROUNDS {
        let count = if round == 0 { WARM_UP } else { requests / ROUNDS };
        let mut taken: [Vec<Duration>; 4] = Default::default();
        for _ in 0..count {
            taken[0].push(fdatasync(&mut file)?);
            taken[1].push(nothing(server).await?);
        }
        for _ in 0..count {
            taken[2].push(one(server, "web-access", "text/plain", web::lines(number, 1)).await?);
            number += 1;
        }
        for _ in 0..count {
            taken[3]
                .push(one(server, "aws-cloudtrail", "application/x-ndjson", samples.lines(number, 1)).await?);
            number += 1;
        }
        if round > 0 {
            kinds.iter_mut().zip(taken).for_each(|(kind, taken)| kind.extend(taken));
        }
    }
    let [fdatasync, request, web_access, cloudtrail] = kinds.map(Spread::of);
    Ok(Latency { fdatasync, request, web_access, cloudtrail, requests })
}

/// A file whose blocks the disk has already, as a write-ahead log's are: syncing it writes data and nothing else.
pub(crate) fn allocated(path: &Path) -> Result<File> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0; FILE_BYTES])?;
    file.sync_all()?;
    file.rewind()?;
    Ok(file)
}

/// Writes the next 4 KiB of a file and waits for the disk.
pub(crate) fn fdatasync(file: &mut File) -> Result<Duration> {
    if file.stream_position()? >= FILE_BYTES as u64 {
        file.rewind()?;
    }
    let started = Instant::now();
    file.write_all(&[7; 4096])?;
    file.sync_data()?;
    Ok(started.elapsed())
}

async fn nothing(server: &Server) -> Result<Duration> {
    let started = Instant::now();
    server.request(Method::GET, "/healthz").send().await?.error_for_status()?.bytes().await?;
    Ok(started.elapsed())
}

async fn one(server: &Server, source: &str, content_type: &str, body: String) -> Result<Duration> {
    let path = format!("/api/v1/logs/{LOG}/sources/{source}/events");
    let started = Instant::now();
    let answer =
        server.request(Method::POST, &path).header(CONTENT_TYPE, content_type).body(body).send().await?;
    let status = answer.status();
    let answer = answer.bytes().await?;
    let took = started.elapsed();
    // Created: it is a record now. Anything else would time another path.
    if status != reqwest::StatusCode::CREATED || !answer.starts_with(b"{\"accepted\":1,") {
        return Err(format!("{source}: {status}: {}", String::from_utf8_lossy(&answer)).into());
    }
    Ok(took)
}
