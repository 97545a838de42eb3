//! A log in memory, and an HTTP server of a few lines that answers as each test says.

// Each test file is a crate of its own and uses its own part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cairnlog_client::{Client, Secret};
use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::{SigningKey, sign};
use cairnlog_verify::tile::{BundleId, Tile};
use cairnlog_verify::tree::{CompactRange, leaf_hash};
use cairnlog_verify::{Hash, bundle};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const ORIGIN: &str = "log.example/hr";

pub fn signing_key() -> SigningKey {
    SigningKey::ed25519(ORIGIN, [7; 32]).unwrap()
}

/// Entry `i` of every test log: its length varies, 0 included.
pub fn entry(i: u64) -> Vec<u8> {
    format!("entry {i} ").into_bytes().repeat(usize::try_from(i % 4).unwrap())
}

/// A tree written out as files: tiles and bundles by path. Tiles are made level by level from the definition in
/// tlog-tiles, not with the code under test.
pub struct TestLog {
    pub checkpoint: Checkpoint,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl TestLog {
    pub fn new(size: u64) -> Self {
        let entries: Vec<Vec<u8>> = (0..size).map(entry).collect();
        Self::of(&entries)
    }

    pub fn of(entries: &[Vec<u8>]) -> Self {
        let size = entries.len() as u64;
        let leaves: Vec<Hash> = entries.iter().map(|e| leaf_hash(e)).collect();
        let mut files = BTreeMap::new();
        for id in BundleId::for_size(size) {
            let first = usize::try_from(id.index).unwrap() * 256;
            let part = &entries[first..first + usize::from(id.width)];
            let bytes = bundle::encode(part.iter().map(Vec::as_slice)).unwrap();
            files.insert(id.path(), bytes);
        }
        for tile in Tile::for_size(size) {
            let hashes = (0..u64::from(tile.width)).map(|i| {
                let span = 256_usize.pow(u32::from(tile.level));
                let first = usize::try_from(tile.index * 256 + i).unwrap() * span;
                root(&leaves[first..first + span])
            });
            files.insert(tile.path(), hashes.flat_map(|h| h.0).collect());
        }
        let checkpoint =
            Checkpoint { origin: ORIGIN.to_owned(), size, root: root(&leaves), extensions: Vec::new() };
        Self { checkpoint, files }
    }

    pub fn note(&self) -> String {
        sign(&self.checkpoint.to_text(), &[&signing_key()], 0).unwrap()
    }

    pub fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.files.get_mut(path).unwrap_or_else(|| panic!("no {path}"))
    }

    /// Serves the files below `/logs/hr`, with the checkpoint.
    pub async fn serve(&self) -> Server {
        let mut files = self.files.clone();
        files.insert("checkpoint".to_owned(), self.note().into_bytes());
        Server::start(move |request: &Request| {
            let path = request.path.strip_prefix("/logs/hr/").unwrap_or_default();
            match files.get(path) {
                Some(bytes) => Reply::ok(bytes.clone()),
                None => Reply::problem(404, "not-found"),
            }
        })
        .await
    }
}

pub fn root(leaves: &[Hash]) -> Hash {
    let mut range = CompactRange::new();
    for leaf in leaves {
        range.push(*leaf, |_, _| ());
    }
    range.root()
}

/// A request as the server saw it: header names in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

pub struct Reply(Vec<u8>);

impl Reply {
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let mut bytes = format!("HTTP/1.1 {status} Word\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let body = body.as_ref();
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        Self(bytes)
    }

    /// Bytes as they stand, HTTP or not.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new(200, &[], body)
    }

    pub fn problem(status: u16, slug: &str) -> Self {
        let body = format!(r#"{{"type":"/problems/{slug}","title":"t","status":{status},"detail":"d"}}"#);
        Self::new(status, &[("content-type", "application/problem+json")], body)
    }
}

/// Answers each connection once, then closes it.
pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else { continue };
                let Reply(bytes) = answer(&request);
                requests.lock().unwrap().push(request);
                // The client may hang up on an answer that is too long for it.
                let _ = stream.write_all(&bytes).await;
            }
        });
        Self { url, seen, task }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> Request {
        self.requests().pop().expect("a request came")
    }

    pub fn log_prefix(&self) -> String {
        format!("{}/logs/hr", self.url)
    }
}

/// A server that gives this one answer of JSON to everything, and a client of it.
pub async fn answering(status: u16, value: Value) -> (Server, Client) {
    let headers = [("content-type", "application/json")];
    let server = Server::start(move |_| Reply::new(status, &headers, value.to_string())).await;
    let client = Client::new(&server.url, Some(&Secret::new("cl_test"))).unwrap();
    (server, client)
}

/// Method and path of a request, and its body as JSON.
pub fn sent(request: &Request) -> (String, Value) {
    let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    (format!("{} {}", request.method, request.path), body)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let (path, query) = (path.to_owned(), query.to_owned());
    Some(Request { method, path, query, headers, body })
}
