//! A load client that costs little: HTTP/1.1 with keep-alive by hand, each connection waits for its answer before it asks
//! again. What it leaves of the cores is the server's. A server that closes a connection is asked again over a new one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;
use crate::stats::{Spread, float};

/// Bytes of an answer's head, of which none here has more.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How often one connection may be closed: under load a server may give up one that it found no time to read.
const CLOSED_MAX: usize = 3;

/// The type of a body that is an entry as it is, or several.
pub(crate) const OCTETS: &str = "application/octet-stream";

/// Writes the request with that number.
pub(crate) type Request = dyn Fn(u64, &mut Vec<u8>) + Send + Sync;

/// Whom to ask, and what.
#[derive(Clone)]
pub(crate) struct Load {
    address: SocketAddr,
    request: Arc<Request>,
    /// Requests are numbered on from one run to the next: no two entries are alike.
    next: Arc<AtomicU64>,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After so long.
    Elapsed(Duration),
    /// After so many answers.
    Answered(u64),
}

/// What a run of requests came to.
#[derive(Clone, Default)]
pub(crate) struct Run {
    latencies: Vec<Duration>,
    wall: Duration,
}

impl Run {
    pub(crate) fn answered(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        float(self.answered()) / self.wall.as_secs_f64()
    }

    pub(crate) fn spread(&self) -> Spread {
        Spread::of(self.latencies.clone())
    }

    /// Both, as one after the other.
    pub(crate) fn and(mut self, other: Run) -> Run {
        self.latencies.extend(other.latencies);
        self.wall += other.wall;
        self
    }
}

impl Load {
    pub(crate) fn new(
        address: SocketAddr,
        request: impl Fn(u64, &mut Vec<u8>) + Send + Sync + 'static,
    ) -> Self {
        Self { address, request: Arc::new(request), next: Arc::default() }
    }

    /// Asks over so many connections, all opened before the time is taken.
    pub(crate) async fn run(&self, connections: usize, until: Until) -> Result<Run> {
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let started = Instant::now();
        let last = match until {
            Until::Elapsed(_) => u64::MAX,
            Until::Answered(count) => self.next.load(Ordering::Relaxed) + count,
        };
        let deadline = match until {
            Until::Elapsed(long) => Some(started + long),
            Until::Answered(_) => None,
        };
        let asking = |stream| tokio::spawn(ask(stream, self.clone(), deadline, last));
        let asking: Vec<_> = streams.into_iter().map(asking).collect();
        let mut run = Run::default();
        for connection in asking {
            run.latencies.extend(connection.await?.map_err(|error| format!("{}: {error}", self.address))?);
        }
        run.wall = started.elapsed();
        Ok(run)
    }
}

/// One connection. An answer that is not 200 or 201 ends it: it would time another path.
async fn ask(
    mut stream: TcpStream,
    load: Load,
    deadline: Option<Instant>,
    last: u64,
) -> Result<Vec<Duration>, String> {
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    let (mut latencies, mut closed) = (Vec::new(), 0);
    loop {
        let number = load.next.fetch_add(1, Ordering::Relaxed);
        if number >= last {
            return Ok(latencies);
        }
        request.clear();
        (load.request)(number, &mut request);
        let started = Instant::now();
        if deadline.is_some_and(|deadline| started >= deadline) {
            return Ok(latencies);
        }
        let asked = stream.write_all(&request).await;
        if asked.is_ok() && read_answer(&mut stream, &mut answer).await? {
            latencies.push(started.elapsed());
            continue;
        }
        closed += 1;
        if closed > CLOSED_MAX {
            return Err("the server closes connection after connection".into());
        }
        stream = TcpStream::connect(load.address).await.map_err(|error| error.to_string())?;
    }
}

/// Reads one answer to its end; `false` if the server closes the connection instead.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<bool, String> {
    answer.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| answer.len() < whole) {
        if !stream.read_buf(answer).await.is_ok_and(|read| read > 0) {
            return Ok(false);
        }
        if whole.is_none() {
            whole = length(answer)?;
        }
    }
    match answer.get(9..12) {
        Some(b"200" | b"201") => Ok(true),
        _ => Err(String::from_utf8_lossy(answer).into_owned()),
    }
}

/// The length of the whole answer, once its head is there.
fn length(answer: &[u8]) -> Result<Option<usize>, String> {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return if answer.len() > HEAD_BYTES_MAX { Err("an endless head".into()) } else { Ok(None) };
    };
    let text = String::from_utf8_lossy(&answer[..head]);
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    };
    let body = text.lines().find_map(field).ok_or_else(|| format!("an answer without a length: {text}"))?;
    Ok(Some(head + 4 + body))
}

/// The head of a POST of so many bytes.
pub(crate) fn post(
    address: SocketAddr,
    path: &str,
    token: Option<&str>,
    content_type: &str,
    bytes: usize,
) -> String {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\n{token}content-type: {content_type}\r\ncontent-length: {bytes}\r\n\r\n"
    )
}

/// A GET.
pub(crate) fn get(address: SocketAddr, path: &str, token: Option<&str>) -> String {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{token}\r\n")
}

/// The `number`-th of a row of numbers without a pattern (`SplitMix64`).
pub(crate) fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
