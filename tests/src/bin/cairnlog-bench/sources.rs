//! Many sources with plugins of their own on one server: throughput, memory, fairness; a neighbour that is busy, and one that is
//! stuck; how long a plugin takes from its upload to its first record.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cairnlog_client::{ContentType, Ingest, Log, Pipeline, Stage};
use cairnlog_host::componentize::{Metadata, describe};
use cairnlog_tests::{guests, paths, pipelines, web};
use futures_util::future::try_join_all;
use serde_json::json;

use crate::crossing::{component, doors};
use crate::load::{Load, Run, Until, post};
use crate::report::millis;
use crate::server::{ADMIN_TOKEN, LOG, Memory, Server};
use crate::stats::float;
use crate::{Result, Scale};

/// Sources, each with a normalizer of its own.
const SOURCES: usize = 100;

/// Access log lines of a request.
const LINES: u64 = 100;

/// Connections to one source that is busy or stuck.
const NEIGHBOURS: usize = 16;

/// Bytes of the raw record that a stuck plugin is given: they make its fuel, about a second's.
const STUCK_BYTES: usize = 400 << 10;

pub(crate) async fn measure(scale: &Scale) -> Result<String> {
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(paths::root().join("target"))?;
    let mut tables = first_records(dir.path()).await?;
    tables.push_str(&many(&dir.path().join("many"), scale).await?);
    tables.push_str(&neighbours(&dir.path().join("neighbours"), scale).await?);
    Ok(tables)
}

/// From the upload of a component that the server never saw to the answer that its first record is logged.
async fn first_records(dir: &std::path::Path) -> Result<String> {
    let mut table = String::from(
        "### From a cold upload to the first record\n\n\
         A fresh server each: upload, compile, bind, one record, durable.\n\n| plugin | component | upload and compile | bind | first record | all |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for language in ["rust", "c", "javascript", "python"] {
        let Ok(wasm) = fs::read(component(language)) else {
            let _ = writeln!(table, "| {language} | not built | | | | |");
            continue;
        };
        println!("cold upload: {language}");
        let mut server = Server::start(&dir.join(language))?;
        let client = server.client()?;
        let log = pipelines::log(&client, LOG).await;
        let retention = pipelines::plugin(&client, "retention-schedule").await;
        let size = wasm.len() >> 10;
        let doors = doors()?;
        let line = doors.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        let started = Instant::now();
        let digest = client.upload_plugin(wasm).await?.plugin.digest.to_string();
        let uploaded = started.elapsed();
        log.put_source("doors", &plain(&digest, &retention)).await?;
        let bound = started.elapsed();
        let answer = log.ingest("doors", Ingest::new(ContentType::Text, line)).await?;
        let all = started.elapsed();
        if answer.accepted != 1 {
            return Err(format!("the example in {language} does not take its first sample").into());
        }
        let _ = writeln!(
            table,
            "| {language} | {size} KiB | {:.0} ms | {:.1} ms | {:.1} ms | **{:.0} ms** |",
            millis(uploaded),
            millis(bound.saturating_sub(uploaded)),
            millis(all.saturating_sub(bound)),
            millis(all)
        );
        server.stop()?;
    }
    table.push('\n');
    Ok(table)
}

fn plain(normalizer: &str, retention: &str) -> Pipeline {
    Pipeline {
        normalizer: Stage::new(normalizer, None),
        redactors: Vec::new(),
        retention: Stage::new(retention, Some(json!({"rules": [{"class": "default"}]}))),
    }
}

/// The access log normalizer under other names: other bytes, other machine code, the same work.
fn different(count: usize) -> Result<Vec<Vec<u8>>> {
    let wasm = paths::plugin("web-access");
    let named = |number| {
        let metadata =
            Metadata { name: format!("web-access-{number}"), version: "0.1.0".into(), ..Metadata::default() };
        Ok(describe(&wasm, &metadata)?)
    };
    (0..count).map(named).collect()
}

fn lines_to(address: SocketAddr, source: &str, lines: u64) -> Load {
    let path = format!("/api/v1/logs/{LOG}/sources/{source}/events");
    Load::new(address, move |number, out| {
        let body = web::lines(number * lines, lines);
        out.extend(post(address, &path, Some(ADMIN_TOKEN), "text/plain", body.len()).as_bytes());
        out.extend(body.as_bytes());
    })
}

/// Binds so many sources, each to a normalizer of its own; the memory before and after.
async fn furnish(server: &Server, sources: usize) -> Result<(Log, Memory, Memory)> {
    let client = server.client()?;
    let log = pipelines::log(&client, LOG).await;
    let retention = pipelines::plugin(&client, "retention-schedule").await;
    let before = server.memory()?;
    for (number, wasm) in different(sources)?.into_iter().enumerate() {
        let digest = client.upload_plugin(wasm).await?.plugin.digest.to_string();
        log.put_source(&format!("source-{number}"), &plain(&digest, &retention)).await?;
    }
    Ok((log, before, server.memory()?))
}

async fn many(data: &std::path::Path, scale: &Scale) -> Result<String> {
    println!("sources: {SOURCES} with different plugins");
    let mut server = Server::start(data)?;
    let started = Instant::now();
    let (_, before, bound) = furnish(&server, SOURCES).await?;
    let furnished = started.elapsed();
    let address = server.address()?;
    let until = Until::Elapsed(scale.long);
    let one = lines_to(address, "source-0", LINES);
    one.run(SOURCES, Until::Answered(SOURCES as u64)).await?;
    let one = one.run(SOURCES, until).await?;
    let loads: Vec<Load> =
        (0..SOURCES).map(|number| lines_to(address, &format!("source-{number}"), LINES)).collect();
    try_join_all(loads.iter().map(|load| load.run(1, Until::Answered(1)))).await?;
    let all = try_join_all(loads.iter().map(|load| load.run(1, until))).await?;
    let memory = server.memory()?;
    server.stop()?;

    let answered: Vec<u64> = all.iter().map(Run::answered).collect();
    let (least, most) = (answered.iter().min().copied(), answered.iter().max().copied());
    let rate = float(LINES) * all.iter().map(Run::rate).sum::<f64>();
    let alone = float(LINES) * one.rate();
    let mebibytes = |bytes: u64| bytes >> 20;
    let mut table = format!(
        "### {SOURCES} sources with different plugins\n\nEach source has a normalizer of other bytes; {LINES} access log lines a \
         request, one connection a source.\n\n| | |\n| --- | --- |\n"
    );
    let _ = writeln!(
        table,
        "| uploaded and bound, one after the other | {:.1} s |\n\
         | resident memory before, with all of them bound, after the run | {} MiB, {} MiB, {} MiB |\n\
         | the same load on one source, {SOURCES} connections | {alone:.0} records/s |\n\
         | on all sources | **{rate:.0} records/s**, {:.0} % of it |\n\
         | requests answered a source, least and most | {} and {} |\n",
        furnished.as_secs_f64(),
        mebibytes(before.resident),
        mebibytes(bound.resident),
        mebibytes(memory.resident),
        100.0 * rate / alone,
        least.unwrap_or_default(),
        most.unwrap_or_default(),
    );
    Ok(table)
}

/// One line a request on one connection, while another source is idle, busy, or stuck.
async fn neighbours(data: &std::path::Path, scale: &Scale) -> Result<String> {
    println!("neighbours: idle, busy, stuck");
    let mut server = Server::start(data)?;
    let (log, ..) = furnish(&server, 2).await?;
    let client = server.client()?;
    let retention = pipelines::plugin(&client, "retention-schedule").await;
    let stuck = client.upload_plugin(guests::stuck()).await?.plugin.digest.to_string();
    log.put_source("stuck", &plain(&stuck, &retention)).await?;
    let address = server.address()?;
    let quiet = lines_to(address, "source-0", 1);
    quiet.run(1, Until::Elapsed(Duration::from_millis(500))).await?;
    let until = Until::Elapsed(scale.long);
    let idle = quiet.run(1, until).await?;
    let busy = beside(&quiet, &lines_to(address, "source-1", LINES), until).await?;
    let path = format!("/api/v1/logs/{LOG}/sources/stuck/events");
    let stuck = Load::new(address, move |_, out| {
        let octets = crate::load::OCTETS;
        out.extend(post(address, &path, Some(ADMIN_TOKEN), octets, STUCK_BYTES).as_bytes());
        out.resize(out.len() + STUCK_BYTES, b'x');
    });
    let stuck = beside(&quiet, &stuck, until).await?;
    server.stop()?;
    let mut table = format!(
        "### A neighbour\n\nOne access log line a request on one connection to one source, while {NEIGHBOURS} connections are at another one.\n\n\
         | the other source | p50 ms | p99 ms | p50 against idle |\n| --- | --- | --- | --- |\n"
    );
    let floor = idle.spread().p50.as_secs_f64();
    for (name, run) in [
        ("idle", &idle),
        ("busy, batches of 100 lines", &busy),
        ("stuck: its plugin never comes back", &stuck),
    ] {
        let spread = run.spread();
        let ratio = spread.p50.as_secs_f64() / floor;
        let _ = writeln!(
            table,
            "| {name} | {:.2} | {:.2} | {ratio:.1} x |",
            millis(spread.p50),
            millis(spread.p99)
        );
    }
    table.push('\n');
    Ok(table)
}

/// Runs one load beside another, which is at work before it is measured and goes on until it was.
async fn beside(quiet: &Load, other: &Load, until: Until) -> Result<Run> {
    let other = other.clone();
    let working = tokio::spawn(async move {
        loop {
            if other.run(NEIGHBOURS, Until::Answered(NEIGHBOURS as u64)).await.is_err() {
                return;
            }
        }
    });
    quiet.run(1, Until::Elapsed(Duration::from_millis(500))).await?;
    let run = quiet.run(1, until).await?;
    working.abort();
    Ok(run)
}
