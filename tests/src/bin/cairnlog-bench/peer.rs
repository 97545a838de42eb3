//! The peer: Tessera's POSIX log, where its program is there.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// The key pair of the Go documentation's example: a log for a few minutes on this machine needs no secret one.
const KEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// Tessera's `cmd/conformance/posix` in a process of its own. Dropping it kills it.
pub(crate) struct Peer {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Its program's name, which says how it is set.
    pub(crate) name: String,
}

impl Peer {
    /// Starts it with its data in `dir`, on the disk that the server under measurement writes to.
    pub(crate) fn start(program: &Path, dir: &Path) -> Result<Self> {
        let key = dir.join("key");
        std::fs::write(&key, KEY)?;
        // It takes no port 0, so it gets one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(program)
            .arg(format!("--storage_dir={}", dir.join("data").display()))
            .arg(format!("--private_key={}", key.display()))
            .arg(format!("--listen={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let peer = Self { child, address, name };
        let started = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            if started.elapsed() > START_MAX {
                return Err("Tessera's POSIX log did not start".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
