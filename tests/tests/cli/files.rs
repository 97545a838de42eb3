//! Static files over HTTP, as a mirror of a log would serve them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Serves files until the test ends.
pub(crate) struct FileServer {
    url: String,
}

impl FileServer {
    pub(crate) fn start(files: BTreeMap<String, Vec<u8>>) -> Self {
        let files = files.into_iter().map(|(path, body)| (format!("mirror/{path}"), body)).collect();
        let Self { url } = Self::at_root(files);
        Self { url: format!("{url}/mirror") }
    }

    /// Serves files below `/`.
    pub(crate) fn at_root(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let files = Arc::new(files);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let files = Arc::clone(&files);
                std::thread::spawn(move || answer(stream, &files));
            }
        });
        Self { url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// Answers the requests of one connection until its end.
fn answer(stream: TcpStream, files: &BTreeMap<String, Vec<u8>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        // The head's other lines say nothing that matters here, and a GET has no body.
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        let path = request.split(' ').nth(1).and_then(|path| path.strip_prefix('/')).unwrap_or_default();
        let (status, body) = match files.get(path) {
            Some(body) => ("200 OK", body.as_slice()),
            None => ("404 Not Found", &b""[..]),
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
        if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body)).is_err() {
            return;
        }
    }
}
