//! G1, G2: opaque entries, one a request, beside a server that does nothing and, where it is there, Tessera's POSIX log.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Result;
use crate::load::{Load, Run, Until, post, scattered};
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
    peer: Option<Run>,
}

/// An entry without a pattern, so that compressing it gains nothing, and unlike every other.
pub(crate) fn entry(number: u64, out: &mut Vec<u8>) {
    for part in 0..ENTRY_BYTES as u64 / 8 {
        out.extend(scattered(number * (ENTRY_BYTES as u64 / 8) + part).to_le_bytes());
    }
}

/// Adds to the log at that path.
pub(crate) fn adding(address: SocketAddr, path: &str, token: Option<&str>, first: u64) -> Load {
    let head = post(address, path, token, ENTRY_BYTES);
    Load::new(address, move |number, out| {
        out.extend(head.as_bytes());
        entry(first + number, out);
    })
}

pub(crate) async fn measure(
    server: &Server,
    noop: &Noop,
    peer: Option<&Peer>,
    fdatasync: Spread,
    (rounds, long): (usize, Duration),
) -> Result<Adds> {
    let disk_before = server.disk()?;
    server.create_opaque(LOG).await?;
    let ours = adding(server.address()?, &format!("/logs/{LOG}/add"), Some(ADMIN_TOKEN), 0);
    let nothing = adding(noop.address, "/add", Some(ADMIN_TOKEN), 0);
    let peers = peer.map(|peer| adding(peer.address, "/add", None, 0));
    let mut adds = Adds { rows: Vec::new(), fdatasync, disk_before, entries: 0 };
    for connections in CONNECTIONS {
        let none = Run::default;
        let mut row =
            Row { connections, noop: none(), ours: none(), syncs: 0, peer: peers.as_ref().map(|_| none()) };
        // Taking turns, so that a disturbance meets them all; the first round warms up.
        for round in 0..=rounds {
            let until = Until::Elapsed(if round == 0 { long / 4 } else { long });
            let noop = nothing.run(connections, until).await?;
            let syncs = server.syncs().await?;
            let own = ours.run(connections, until).await?;
            let syncs = server.syncs().await? - syncs;
            adds.entries += own.answered();
            let other = match &peers {
                Some(peers) => Some(peers.run(connections, until).await?),
                None => None,
            };
            if round > 0 {
                row.noop = row.noop.and(noop);
                row.ours = row.ours.and(own);
                row.syncs += syncs;
                row.peer = row.peer.zip(other).map(|(run, other)| run.and(other));
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
            "| connections | adds/s | p50 ms | p99 ms | no-op adds/s | p50 ms | against no-op | fsyncs an entry | Tessera POSIX adds/s | p50 ms |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for Row { connections, noop, ours, syncs, peer } in &self.rows {
            let (own, nothing) = (ours.spread(), noop.spread());
            let peer = match peer {
                Some(peer) if peer.answered() > 0 => {
                    format!("{:.0} | {:.1}", peer.rate(), millis(peer.spread().p50))
                }
                _ => "- | -".to_owned(),
            };
            let _ = writeln!(
                table,
                "| {connections} | **{:.0}** | {:.2} | {:.2} | {:.0} | {:.2} | {:.0} % | {:.4} | {peer} |",
                ours.rate(),
                millis(own.p50),
                millis(own.p99),
                noop.rate(),
                millis(nothing.p50),
                100.0 * ours.rate() / noop.rate(),
                float(*syncs) / float(ours.answered()),
            );
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
