//! Measures the built server on this machine and writes the tables of `docs/performance.md`.
//!
//! One run starts the release binary on a fresh data directory, with the pipelines of `examples/`, and measures the
//! latency of one record a request ([`latency`]) and the rate of the whole pipeline ([`throughput`]), each beside a
//! yardstick taken in the same minutes on the same disk and cores: only ratios survive a change of machine.

mod latency;
mod machine;
mod report;
mod samples;
mod server;
mod stats;
mod throughput;

use std::error::Error;
use std::process::ExitCode;

use cairnlog_tests::{paths, pipelines};
use samples::Samples;
use server::Server;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const HELP: &str = "\
Measures the server that lies beside this program, on this machine.

usage: cairnlog-bench [--quick]

  --quick   a smoke run in seconds; its figures mean little and are not written down

A full run takes some minutes and rewrites the tables of docs/performance.md.
Nothing else should run meanwhile.
";

/// How much is measured.
#[derive(Clone, Copy)]
struct Scale {
    /// Requests of each kind in the latency part.
    requests: usize,
    /// Records of one throughput run.
    records: usize,
    /// Throughput runs.
    runs: usize,
}

const FULL: Scale = Scale { requests: 2_000, records: 100_000, runs: 3 };
const QUICK: Scale = Scale { requests: 200, records: 10_000, runs: 1 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let scale = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => FULL,
        ["--quick"] => QUICK,
        ["--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(64);
        }
    };
    // One thread: the client shares the cores with the server, so it should take as little of them as it can.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(measure(scale))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cairnlog-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(scale: Scale) -> Result<()> {
    let machine = machine::Machine::read()?;
    println!("{machine}");
    let samples = Samples::load()?;
    println!("{} CloudTrail records from {}", samples.len(), samples.origin());
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(paths::root().join("target"))?;
    let data = dir.path().join("data");
    let mut server = Server::start(&data)?;
    pipelines::examples(&server.client()?, server::LOG).await;

    println!("latency: {} requests of each kind, one connection", scale.requests);
    let latency = latency::measure(&server, dir.path(), &samples, scale.requests).await?;
    print!("{}", report::latency(&latency));

    let before = server::disk(&data)?;
    println!("throughput: {} x {} records, {}", scale.runs, scale.records, throughput::SHAPE);
    let mut runs = Vec::with_capacity(scale.runs);
    for number in 0..scale.runs {
        let run = throughput::run(&server, &samples, number, scale.records).await?;
        println!("  run {}: {:.0} records/s", number + 1, run.rate());
        runs.push(run);
    }
    // Starting anew empties the write-ahead log into tables: what lies there then is what the records cost for good.
    server.stop()?;
    let mut server = Server::start(&data)?;
    let disk = server::disk(&data)?.saturating_sub(before);
    server.stop()?;
    let throughput = throughput::Throughput { runs, disk };
    print!("{}", report::throughput(&throughput));

    if scale.runs == FULL.runs {
        let document = paths::root().join("docs/performance.md");
        report::write(&document, &machine, &samples, &latency, &throughput)?;
        println!("written to {}", document.display());
    }
    Ok(())
}
