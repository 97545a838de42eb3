//! The tables, for the terminal and for `docs/performance.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::latency::Latency;
use crate::machine::Machine;
use crate::samples::Samples;
use crate::stats::{Spread, float, median_by};
use crate::throughput::{Run, SHAPE, Throughput};

/// The generated parts of the document; all around them is written by hand.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// Opaque logs: G1, G2, G2b, G5, G6, G9, G10, G11.
    Opaque,
    /// The pipeline of records: G2, G3, G8.
    Records,
    /// Private payloads.
    Privacy,
    /// Plugins: G4, languages, many sources.
    Plugins,
}

impl Part {
    /// All of them, in the order in which they are measured.
    pub(crate) const ALL: [Self; 4] = [Self::Opaque, Self::Records, Self::Privacy, Self::Plugins];

    /// The lines around it.
    fn markers(self) -> (&'static str, &'static str) {
        match self {
            Self::Opaque => (
                "<!-- begin: opaque, written by `make bench` -->",
                "<!-- end: opaque, written by `make bench` -->",
            ),
            Self::Privacy => (
                "<!-- begin: privacy, written by `make bench` -->",
                "<!-- end: privacy, written by `make bench` -->",
            ),
            Self::Plugins => (
                "<!-- begin: plugins, written by `make bench` -->",
                "<!-- end: plugins, written by `make bench` -->",
            ),
            Self::Records => {
                ("<!-- begin: written by `make bench` -->", "<!-- end: written by `make bench` -->")
            }
        }
    }
}

/// In the order in which a record passes them.
const STAGES: [&str; 5] = ["normalize", "redact", "retention", "seal", "commit"];

/// The table of G2.
pub(crate) fn latency(latency: &Latency) -> String {
    let Latency { fdatasync, request, web_access, cloudtrail, requests } = latency;
    let floor = fdatasync.p50 + request.p50;
    let mut table = format!(
        "| {requests} of each, taking turns | p50 ms | p99 ms | p50 against fdatasync + no-op request |\n| --- | --- | --- | --- |\n"
    );
    let mut row = |name: &str, spread: &Spread, ratio: String| {
        let _ =
            writeln!(table, "| {name} | {:.3} | {:.3} | {ratio} |", millis(spread.p50), millis(spread.p99));
    };
    let ratio = |spread: &Spread| format!("{:.1} x", spread.p50.as_secs_f64() / floor.as_secs_f64());
    row("4 KiB written and fdatasync", fdatasync, String::new());
    row("no-op request, `GET /healthz`", request, String::new());
    row("one access log line, durable", web_access, ratio(web_access));
    row("one CloudTrail record, durable", cloudtrail, ratio(cloudtrail));
    table
}

/// The tables of G3 and G8.
pub(crate) fn throughput(throughput: &Throughput) -> String {
    let median = median_by(&throughput.runs, Run::rate);
    let rates: Vec<String> = throughput.runs.iter().map(|run| format!("{:.0}", run.rate())).collect();
    let raw: u64 = throughput.runs.iter().map(|run| run.raw_bytes).sum();
    let records: u64 = throughput.runs.iter().map(|run| run.records).sum();
    let mebibytes = |bytes: u64| bytes >> 20;
    let mut table = String::from("| the whole pipeline | |\n| --- | --- |\n");
    let _ = writeln!(
        table,
        "| records/s, median of {} runs | **{:.0}** ({}) |",
        rates.len(),
        median.rate(),
        rates.join(", ")
    );
    let _ =
        writeln!(table, "| raw MB/s | {:.1} |", float(median.raw_bytes) / 1e6 / median.wall.as_secs_f64());
    let _ =
        writeln!(table, "| bytes on disk a record, all indexes included | {} |", throughput.disk / records);
    let _ = writeln!(table, "| raw bytes a record | {} |", raw / records);
    let _ = writeln!(table, "| disk against raw | {:.2} x |", float(throughput.disk) / float(raw));
    let memory = throughput.runs.last().map_or(median.memory, |run| run.memory);
    let _ = writeln!(
        table,
        "| resident memory after the last run, peak | {} MiB, {} MiB |",
        mebibytes(memory.resident),
        mebibytes(memory.peak)
    );
    table.push_str("\n| median run | us a record | share of all cores' time |\n| --- | --- | --- |\n");
    let mut row = |name: &str, time: Duration, note: &str| {
        let _ = writeln!(
            table,
            "| {name} | {:.1} | {:.1} % {note}|",
            median.micros_each(time),
            100.0 * median.share(time)
        );
    };
    for stage in STAGES {
        let note = if stage == "commit" { "(waiting, not working) " } else { "" };
        row(stage, median.stages.get(stage).copied().unwrap_or_default(), note);
    }
    let of_plugins = ["normalize", "redact", "retention"];
    let of_plugins = of_plugins.iter().filter_map(|stage| median.stages.get(*stage)).sum();
    row("plugins: normalize, redact and retention", of_plugins, "");
    row("processor time of the server, all of it", median.server_cpu, "");
    row("processor time of the client", median.client_cpu, "");
    table
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The part of the pipeline of records.
pub(crate) fn records(samples: &Samples, one: &Latency, all: &Throughput) -> String {
    format!(
        "### One record a request, one connection (G2)\n\n{}\n\
         ### The whole pipeline (G3, G8)\n\n{} x {} CloudTrail records, {SHAPE}; the {} records of `{}` in turn, each under an `eventID` of its own.\n\n{}",
        latency(one),
        all.runs.len(),
        all.runs.first().map_or(0, |run| run.records),
        samples.len(),
        samples.origin(),
        throughput(all),
    )
}

/// Puts tables between the markers of a part of the document.
pub(crate) fn write(document: &Path, part: Part, machine: &Machine, tables: &str) -> Result<()> {
    let (begin, end) = part.markers();
    let text = fs::read_to_string(document)?;
    let misses = || format!("{} has no `{begin}` and `{end}`", document.display());
    let (before, rest) = text.split_once(begin).ok_or_else(misses)?;
    let (_, after) = rest.split_once(end).ok_or_else(misses)?;
    fs::write(document, format!("{before}{begin}\n\n`make bench`: {machine}.\n\n{tables}\n{end}{after}"))?;
    println!("written to {}", document.display());
    Ok(())
}
