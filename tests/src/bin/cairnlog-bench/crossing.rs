//! G4: what crossing into a plugin costs, and plugins of all languages beside each other. In this process, on one thread.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairnlog_host::{Host, HostLimits, Plugin, RawRecord, Stage};
use cairnlog_tests::paths;

use crate::samples::Samples;
use crate::stats::float;
use crate::{Result, Scale};

/// Records handed over at once.
const BATCH: usize = 256;

/// Records of a file that both the native code and the plugin are given.
const RECORDS: usize = 4 * BATCH;

/// The example that is the same in every language.
const LANGUAGES: [&str; 4] = ["rust", "c", "javascript", "python"];

/// What records cost in batches of a size.
struct Cost {
    each: Duration,
    fuel: u64,
    memory: usize,
}

pub(crate) fn measure(scale: &Scale, native: Option<&Path>) -> Result<String> {
    let host = Host::new(HostLimits { instances: 1, ..HostLimits::default() })?;
    let mut tables = crossing(&host, scale, native)?;
    tables.push_str(&languages(&host, scale)?);
    Ok(tables)
}

/// The normalizer of the most work, in the host and without it.
fn crossing(host: &Host, scale: &Scale, native: Option<&Path>) -> Result<String> {
    let samples = Samples::load()?;
    let text = samples.lines(0, RECORDS);
    let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
    let (plugin, _) = load(host, &paths::plugin("aws-cloudtrail"))?;
    let stage = configured(host, &plugin)?;
    println!("crossing: batches of {BATCH} of {RECORDS} CloudTrail records");
    let whole = cost(host, &stage, "application/json", &lines, BATCH, scale.long)?;
    let alone = cost(host, &stage, "application/json", &lines, 1, scale.long)?;
    let empty = vec![&b" "[..]; BATCH];
    let nothing = cost(host, &stage, "application/json", &empty, BATCH, scale.long)?;
    let mut table = format!(
        "### Crossing into a plugin (G4)\n\n`aws-cloudtrail` over {RECORDS} CloudTrail records, one thread.\n\n\
         | | us a record |\n| --- | --- |\n"
    );
    let mut row = |name: &str, micros: f64| {
        let _ = writeln!(table, "| {name} | {micros:.2} |");
    };
    row("in the host, batches of 256, what comes back checked", micros(whole.each));
    row("in the host, one by one, each in an instance of its own", micros(alone.each));
    row("fixed cost: records that the plugin skips at once, batches of 256", micros(nothing.each));
    if let Some(native) = native {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), &text)?;
        let own = run_native(native, file.path(), scale.long)?;
        row("the same code native, without host, checks and batches", micros(own));
        let ratio = whole.each.as_secs_f64() / own.as_secs_f64();
        let _ = writeln!(table, "| batches of 256 against native | **{ratio:.2} x** |");
    }
    table.push('\n');
    Ok(table)
}

fn run_native(program: &Path, file: &Path, long: Duration) -> Result<Duration> {
    let seconds = long.as_secs().max(1).to_string();
    let output = Command::new(program).arg(file).arg(seconds).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let nanoseconds = text.trim().parse().map_err(|_| format!("{} does not answer", program.display()))?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// The same normalization in every language whose component is there.
fn languages(host: &Host, scale: &Scale) -> Result<String> {
    let text = doors()?;
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut table = String::from(
        "### The same normalization in every language\n\n\
         The examples of `examples/plugins` over their samples, one thread; compiled on all cores.\n\n\
         | language | component | compiled | us a record, batch 1 | batch 100 | batch 256 | fuel a record, batch 256 | memory |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for language in LANGUAGES {
        let component = component(language);
        let Ok(wasm) = fs::read(&component) else {
            println!("  {language}: without {}; `make guests` builds it", component.display());
            let _ = writeln!(table, "| {language} | not built | | | | | | |");
            continue;
        };
        println!("language: {language}");
        let (plugin, compiled) = load(host, &wasm)?;
        let stage = configured(host, &plugin)?;
        let of = |batch| cost(host, &stage, "text/plain", &lines, batch, scale.long);
        let (one, hundred, whole) = (of(1)?, of(100)?, of(BATCH)?);
        let _ = writeln!(
            table,
            "| {language} | {} KiB | {} ms | {:.1} | {:.1} | {:.1} | {} | {} KiB |",
            wasm.len() >> 10,
            compiled.as_millis(),
            micros(one.each),
            micros(hundred.each),
            micros(whole.each),
            whole.fuel,
            whole.memory >> 10,
        );
    }
    table.push('\n');
    Ok(table)
}

/// What the examples are given: lines, some of them hostile.
pub(crate) fn doors() -> Result<Vec<u8>> {
    Ok(fs::read(paths::root().join("examples/plugins/rust/samples/doors.log"))?)
}

/// Where the example's component lies once `make guests` has built it.
pub(crate) fn component(language: &str) -> PathBuf {
    paths::root().join(format!("examples/plugins/{language}/build/door-log-{language}.wasm"))
}

fn load(host: &Host, wasm: &[u8]) -> Result<(Arc<Plugin>, Duration)> {
    let started = Instant::now();
    let plugin = host.load(wasm)??;
    Ok((plugin, started.elapsed()))
}

fn configured(host: &Host, plugin: &Arc<Plugin>) -> Result<Stage> {
    Ok(host.configure(plugin, "{}")??)
}

/// Normalizes the lines again and again for so long.
fn cost(
    host: &Host,
    stage: &Stage,
    content_type: &str,
    lines: &[&[u8]],
    batch: usize,
    long: Duration,
) -> Result<Cost> {
    let raw = |body| RawRecord { received_ms: 0, source: "bench", content_type, attributes: &[], body };
    let all: Vec<RawRecord<'_>> =
        lines.iter().cycle().take(lines.len().max(batch)).map(|line| raw(line)).collect();
    let run = |records: &[RawRecord<'_>]| host.normalize(stage, records);
    run(&all[..batch])?;
    let (started, mut records) = (Instant::now(), 0_u64);
    let (mut fuel, mut memory) = (0, 0);
    while started.elapsed() < long {
        for chunk in all.chunks_exact(batch) {
            let made = run(chunk)?;
            if made.results.iter().any(std::result::Result::is_err) {
                return Err("a plugin failed on a record of the bench".into());
            }
            fuel += made.fuel;
            memory = memory.max(made.memory_bytes);
            records += batch as u64;
            if started.elapsed() >= long {
                break;
            }
        }
    }
    let each = started.elapsed().div_f64(float(records));
    Ok(Cost { each, fuel: fuel / records, memory })
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
