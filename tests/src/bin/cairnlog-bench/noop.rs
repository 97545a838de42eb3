//! The yardsticks: an axum server that does nothing with what it is sent, and hands out files.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Named, State};
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::Result;

/// The argument that makes this program the yardstick's server.
pub(crate) const ARGUMENT: &str = "noop-server";

/// Files that it hands out, as large as a tile.
pub(crate) const FILES: u64 = 256;

/// Bytes of a full tile.
const FILE_BYTES: usize = 256 * 32;

/// The server in a process of its own. Dropping it kills it.
pub(crate) struct Noop {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Noop {
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        for number in 0..FILES {
            std::fs::write(dir.join(number.to_string()), vec![7; FILE_BYTES])?;
        }
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("it has no stdout")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }
}

impl Drop for Noop {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves until it is killed.
pub(crate) fn serve(dir: PathBuf) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let router = Router::new()
            .route("/add", post(async |_: Bytes| "0"))
            .route("/files/{name}", get(file))
            .with_state(dir);
        Ok(axum::serve(listener, router).await?)
    })
}

async fn file(State(dir): State<PathBuf>, Named(name): Named<u64>) -> Result<Vec<u8>, StatusCode> {
    let read = tokio::task::spawn_blocking(move || std::fs::read(dir.join(name.to_string())));
    read.await.ok().and_then(Result::ok).ok_or(StatusCode::NOT_FOUND)
}
