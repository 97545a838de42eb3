//! G2b, G5, G6, G9, G10, G11: a large log, filled by batches; proofs and tiles out of it; starting after a kill; growth.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::adds::{ENTRY_BYTES, adding, entry};
use crate::load::{Load, OCTETS, Run, Until, get, post, scattered};
use crate::noop::{FILES, Noop};
use crate::report::millis;
use crate::server::{ADMIN_TOKEN, Memory, Server};
use crate::stats::float;

const LOG: &str = "large";

/// Entries of a batch.
const BATCH: u64 = 256;

/// Batches sent at once.
const BATCH_CONNECTIONS: usize = 4;

/// Connections of single adds, and of reads under load.
const ADD_CONNECTIONS: usize = 512;
/// See [`ADD_CONNECTIONS`].
const READ_CONNECTIONS: usize = 64;

/// Numbers of the single entries here: none of them comes in a batch.
const FIRST_SINGLE: u64 = 1 << 40;

/// Entries of the log when it is small.
pub(crate) const SMALL: u64 = 100_000;

/// What was measured.
pub(crate) struct Large {
    entries: u64,
    filled: Run,
    /// Rates of single adds when the log was small and when it was large.
    adds: [f64; 2],
    proofs: [Run; 2],
    tiles: Run,
    files: Run,
    memory_small: Memory,
    memory: Memory,
    start: Duration,
}

pub(crate) async fn measure(
    server: &mut Server,
    data: &Path,
    noop: &Noop,
    entries: u64,
    long: Duration,
) -> Result<Large> {
    server.create_opaque(LOG).await?;
    let address = server.address()?;
    let batches = batches(address);
    let singles = adding(address, &format!("/logs/{LOG}/add"), Some(ADMIN_TOKEN), FIRST_SINGLE);
    batches.run(BATCH_CONNECTIONS, Until::Answered(SMALL.min(entries) / BATCH)).await?;
    let small = singles.run(ADD_CONNECTIONS, Until::Elapsed(long)).await?;
    let memory_small = server.memory()?;
    let rest = entries.saturating_sub(SMALL + small.answered());
    let filled = batches.run(BATCH_CONNECTIONS, Until::Answered((rest / BATCH).max(1))).await?;
    println!("  filled: {:.0} entries/s in batches of {BATCH}", filled.rate() * float(BATCH));
    let large = singles.run(ADD_CONNECTIONS, Until::Elapsed(long)).await?;
    println!("  adds: {:.0}/s small, {:.0}/s large", small.rate(), large.rate());

    let proofs = proofs(address, entries);
    proofs.run(READ_CONNECTIONS, Until::Elapsed(long)).await?;
    let proofs = [
        proofs.run(1, Until::Elapsed(long)).await?,
        proofs.run(READ_CONNECTIONS, Until::Elapsed(long)).await?,
    ];
    println!("  proofs: {:.0}/s", proofs[1].rate());
    let (tiles, files) = (tiles(address, entries / 256), files(noop.address));
    let (mut read, mut handed) = (Run::default(), Run::default());
    for round in 0..3 {
        let (tile, file) = (
            tiles.run(READ_CONNECTIONS, Until::Elapsed(long / 2)).await?,
            files.run(READ_CONNECTIONS, Until::Elapsed(long / 2)).await?,
        );
        if round > 0 {
            (read, handed) = (read.and(tile), handed.and(file));
        }
    }
    println!("  tiles: {:.0}/s, files {:.0}/s", read.rate(), handed.rate());
    let memory = server.memory()?;
    server.kill()?;
    let started = Instant::now();
    *server = Server::start(data)?;
    let start = started.elapsed();
    println!("  start after kill -9: {:.2} s", start.as_secs_f64());
    Ok(Large {
        entries,
        filled,
        adds: [small.rate(), large.rate()],
        proofs,
        tiles: read,
        files: handed,
        memory_small,
        memory,
        start,
    })
}

/// Bundles of entries, as the batch call takes them.
fn batches(address: SocketAddr) -> Load {
    let bytes = usize::try_from(BATCH).unwrap_or(0) * (2 + ENTRY_BYTES);
    let head = post(address, &format!("/api/v1/logs/{LOG}/entries"), Some(ADMIN_TOKEN), OCTETS, bytes);
    let length = u16::try_from(ENTRY_BYTES).unwrap_or(0).to_be_bytes();
    Load::new(address, move |number, out| {
        out.extend(head.as_bytes());
        for each in number * BATCH..(number + 1) * BATCH {
            out.extend(length);
            entry(each, out);
        }
    })
}

/// Inclusion proofs of entries all over the log, against the newest head.
fn proofs(address: SocketAddr, entries: u64) -> Load {
    Load::new(address, move |number, out| {
        let index = scattered(number) % entries;
        out.extend(
            get(address, &format!("/api/v1/logs/{LOG}/proofs/inclusion?index={index}"), None).as_bytes(),
        );
    })
}

/// Full tiles of the lowest level, all over the log.
fn tiles(address: SocketAddr, tiles: u64) -> Load {
    Load::new(address, move |number, out| {
        let index = scattered(number) % tiles;
        let path = match (index / 1_000, index % 1_000) {
            (0, low) => format!("{low:03}"),
            (high, low) => format!("x{high:03}/{low:03}"),
        };
        out.extend(get(address, &format!("/logs/{LOG}/tile/0/{path}"), None).as_bytes());
    })
}

fn files(address: SocketAddr) -> Load {
    Load::new(address, move |number, out| {
        out.extend(get(address, &format!("/files/{}", scattered(number) % FILES), None).as_bytes());
    })
}

impl Large {
    pub(crate) fn table(&self) -> String {
        let mut table =
            format!("| a log of {} entries of {ENTRY_BYTES} bytes | |\n| --- | --- |\n", self.entries);
        let mut row = |name: &str, value: String| {
            let _ = writeln!(table, "| {name} | {value} |");
        };
        let spread = |run: &Run| {
            let spread = run.spread();
            format!("p50 {:.2} ms, p99 {:.2} ms", millis(spread.p50), millis(spread.p99))
        };
        let mib = |memory: Memory| format!("{} MiB, peak {} MiB", memory.resident >> 20, memory.peak >> 20);
        row(
            &format!("appended in batches of {BATCH}, {BATCH_CONNECTIONS} connections (G2b)"),
            format!("**{:.0} entries/s**, {}", self.filled.rate() * float(BATCH), spread(&self.filled)),
        );
        row(
            &format!("single adds, {ADD_CONNECTIONS} connections, at {SMALL} entries and at the end (G11)"),
            format!(
                "{:.0}/s, {:.0}/s: {:.0} %",
                self.adds[0],
                self.adds[1],
                100.0 * self.adds[1] / self.adds[0]
            ),
        );
        let [one, many] = &self.proofs;
        row("inclusion proofs, one connection (G5)", format!("{:.0}/s, {}", one.rate(), spread(one)));
        row(
            &format!("inclusion proofs, {READ_CONNECTIONS} connections (G5)"),
            format!("**{:.0}/s**, {}", many.rate(), spread(many)),
        );
        row(
            &format!("full tiles, {READ_CONNECTIONS} connections (G6)"),
            format!("**{:.0}/s**, {}", self.tiles.rate(), spread(&self.tiles)),
        );
        row(
            "files of 8 KiB from a plain axum file server, the same client",
            format!(
                "{:.0}/s, {}: {:.1} x the time",
                self.files.rate(),
                spread(&self.files),
                self.files.rate() / self.tiles.rate()
            ),
        );
        row("ready after kill -9 (G9)", format!("{:.2} s", self.start.as_secs_f64()));
        row(&format!("resident memory at {SMALL} entries"), mib(self.memory_small));
        row("resident memory at the end, reads included (G10)", mib(self.memory));
        table
    }
}
