//! G1, G2: opaque entries, one a request, beside a server that does nothing and, where it is there, Tessera's POSIX log.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Result;
use crate::load::{Load, OCTETS, Run, Until, post, scattered};
use crate::noop::Noop;
use crate::peer::Peer;
use crate::report::millis;
use crate::server::{ADMIN_TOKEN, Server};
use crate::stats::{Spread, float};

/// Bytes of an entry.
pub(crate) const ENTRY_BYTES: usize = 256;

/// Connections at once.
const CONNECTIONS: [usize; 4] = [1, 64, 512, 2_048];

/// The log that they go to.
const LOG: &str = "adds";

/// What was measured.
pub(crate) struct Adds {
    rows: Vec<Row>,
    /// Their names.
    peers: Vec<String>,
    fdatasync: Spread,
    /// Bytes on disk an entry, all that belongs to it included; filled in when the server has been started anew.
    disk_before: u64,
    pub(crate) entries: u64,
}

struct Row {
    connections: usize,
    noop: Run,
    ours: Run,
    syncs: u64,
    /// In the order of the peers.
    peers: Vec<Run>,
}

/// An entry without a pattern, so that compressing it gains nothing, and unlike every other.
pub(crate) fn entry(number: u64, out: &mut Vec<u8>) {
    for part in 0..ENTRY_BYTES as u64 / 8 {
        out.extend(scattered(number * (ENTRY_BYTES as u64 / 8) + part).to_le_bytes());
    }
}

/// Adds to the log at that path.
pub(crate) fn adding(address: SocketAddr, path: &str, token: Option<&str>, first: u64) -> Load {
    let head = post(address, path, token, OCTETS, ENTRY_BYTES);
    Load::new(address, move |number, out| {
        out.extend(head.as_bytes());
        entry(first + number, out);
    })
}

pub(crate) async fn measure(
    server: &Server,
    noop: &Noop,
    peers: &[Peer],
    fdatasync: Spread,
    (rounds, long): (usize, Duration),
) -> Result<Adds> {
    let disk_before = server.disk()?;
    server.create_opaque(LOG).await?;
    let ours = adding(server.address()?, &format!("/logs/{LOG}/add"), Some(ADMIN_TOKEN), 0);
    let nothing = adding(noop.address, "/add", Some(ADMIN_TOKEN), 0);
    let theirs: Vec<Load> = peers.iter().map(|peer| adding(peer.address, "/add", None, 0)).collect();
    let names = peers.iter().map(|peer| peer.name.clone()).collect();
    let mut adds = Adds { rows: Vec::new(), peers: names, fdatasync, disk_before, entries: 0 };
    for connections in CONNECTIONS {
        let none = Run::default;
        let mut row = Row {
            connections,
            noop: none(),
            ours: none(),
            syncs: 0,
            peers: theirs.iter().map(|_| none()).collect(),
        };
        // Taking turns, so that a disturbance meets them all; the first round warms up.
        for round in 0..=rounds {
            let until = Until::Elapsed(if round == 0 { long / 4 } else { long });
            let noop = nothing.run(connections, until).await?;
            let syncs = server.syncs().await?;
            let own = ours.run(connections, until).await?;
            let syncs = server.syncs().await? - syncs;
            adds.entries += own.answered();
            let mut others = Vec::new();
            for load in &theirs {
                others.push(load.run(connections, until).await?);
            }
            if round > 0 {
                row.noop = row.noop.and(noop);
                row.ours = row.ours.and(own);
                row.syncs += syncs;
                row.peers = row.peers.into_iter().zip(others).map(|(run, other)| run.and(other)).collect();
            }
        }
        println!("  {connections}: {:.0} adds/s, no-op {:.0}/s", row.ours.rate(), row.noop.rate());
        adds.rows.push(row);
    }
    Ok(adds)
}

impl Adds {
    /// The table, with the bytes on disk after the server has been started anew.
    pub(crate) fn table(&self, disk: u64) -> String {
        let mut table = String::from(
            "| connections | adds/s | p50 ms | p99 ms | fsyncs an entry | no-op adds/s | p50 ms | p99 ms | against no-op |",
        );
        for name in &self.peers {
            let _ = write!(table, " Tessera `{name}` adds/s | p50 ms | p99 ms |");
        }
        let _ = writeln!(table, "\n|{}", " --- |".repeat(9 + 3 * self.peers.len()));
        for Row { connections, noop, ours, syncs, peers } in &self.rows {
            let cells = |run: &Run| {
                let spread = run.spread();
                format!("{:.0} | {:.2} | {:.2}", run.rate(), millis(spread.p50), millis(spread.p99))
            };
            let _ = write!(
                table,
                "| {connections} | {} | {:.4} | {} | {:.0} % |",
                cells(ours),
                float(*syncs) / float(ours.answered()),
                cells(noop),
                100.0 * ours.rate() / noop.rate(),
            );
            for peer in peers {
                let _ = match peer.answered() {
                    0 => write!(table, " - | - | - |"),
                    _ => write!(table, " {} |", cells(peer)),
                };
            }
            table.push('\n');
        }
        let _ = writeln!(
            table,
            "\nBytes on disk an entry of {ENTRY_BYTES} bytes, tiles and lookup rows included: {}.",
            disk.saturating_sub(self.disk_before) / self.entries.max(1)
        );
        if let Some(Row { noop, ours, .. }) = self.rows.first() {
            let floor = self.fdatasync.p50 + noop.spread().p50;
            let own = ours.spread().p50;
            let _ = writeln!(
                table,
                "\nOne connection: {:.1} x of one fdatasync of 4 KiB ({:.2} ms) and one no-op request.",
                own.as_secs_f64() / floor.as_secs_f64(),
                millis(self.fdatasync.p50)
            );
        }
        table
    }
}
