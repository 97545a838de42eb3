//! Opaque logs: one server, the yardsticks beside it, and all that is asked of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cairnlog_tests::paths;

use crate::noop::Noop;
use crate::peer::Peer;
use crate::server::Server;
use crate::stats::Spread;
use crate::{Result, Scale, adds, large, latency};

/// Syncs of the disk that are timed.
const SYNCS: usize = 500;

pub(crate) async fn measure(scale: &Scale, programs: &[PathBuf]) -> Result<String> {
    let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(paths::root().join("target"))?;
    let place = |name: &str| -> Result<_> {
        let place = dir.path().join(name);
        std::fs::create_dir(&place)?;
        Ok(place)
    };
    let noop = Noop::start(&place("files")?)?;
    let data = dir.path().join("data");
    let mut server = Server::start(&data)?;
    let fdatasync = fdatasync(dir.path())?;
    println!("opaque adds: {} rounds of {:?} each", scale.runs, scale.long);
    let adds = {
        let start =
            |(number, program): (usize, &PathBuf)| Peer::start(program, &place(&format!("peer-{number}"))?);
        let peers: Vec<Peer> = programs.iter().enumerate().map(start).collect::<Result<_>>()?;
        adds::measure(&server, &noop, &peers, fdatasync, (scale.runs, scale.long)).await?
    };
    // Starting anew empties the write-ahead log into tables: what lies there then is what the entries cost for good.
    server.stop()?;
    let mut server = Server::start(&data)?;
    let disk = server.disk()?;
    println!("a large log: {} entries", scale.entries);
    let large = large::measure(&mut server, &data, &noop, scale.entries, scale.long).await?;
    server.stop()?;
    Ok(format!(
        "### Opaque entries of {} bytes, one a request (G1, G2)\n\n{}\n### A large log (G2b, G5, G6, G9, G10, G11)\n\n{}",
        adds::ENTRY_BYTES,
        adds.table(disk),
        large.table()
    ))
}

fn fdatasync(dir: &Path) -> Result<Spread> {
    let mut file = latency::allocated(&dir.join("fdatasync"))?;
    let syncs: Result<Vec<Duration>> = (0..SYNCS).map(|_| latency::fdatasync(&mut file)).collect();
    Ok(Spread::of(syncs?))
}
