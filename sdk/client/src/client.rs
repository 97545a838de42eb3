//! The server as a whole: its address, who asks, and whether it is well.

use std::fmt;

use reqwest::{Method, Response};

use crate::error::Error;
use crate::limits;
use crate::logs::Log;
use crate::secret::Secret;
use crate::transport::{Answer, Call, Transport};

/// A server's API, as one token sees it. Cheap to clone: clones share connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
}

impl Client {
    /// A client of the server at `server`, such as `http://127.0.0.1:8080` (a path below which it is mounted may
    /// follow). Nothing is sent yet. Without a token only what is anonymous answers. An `https://` server's certificate
    /// is checked by the system's authorities, or by those in the file that `SSL_CERT_FILE` names.
    ///
    /// # Errors
    /// [`Error::Input`] if the address is no plain `http://` or `https://` URL or the token is not visible ASCII;
    /// [`TransportKind::NoAuthorities`](crate::TransportKind::NoAuthorities).
    pub fn new(server: &str, token: Option<&Secret>) -> Result<Self, Error> {
        let transport = Transport::new(server, token)?;
        Ok(Self { transport })
    }

    /// One log of the server, by name. Whether it exists shows when it is asked.
    ///
    /// # Errors
    /// [`Error::Input`] if the name is not `[a-z0-9-]{1,64}`.
    pub fn log(&self, name: &str) -> Result<Log, Error> {
        Ok(Log { client: self.clone(), name: checked_name("log", name)? })
    }

    /// `GET /healthz`: whether the process lives.
    ///
    /// # Errors
    /// If the server does not answer, or answers anything but 200 or 503.
    pub async fn health(&self) -> Result<Health, Error> {
        self.probe("asking for the server's health", "healthz").await
    }

    /// `GET /readyz`: whether the server takes requests.
    ///
    /// # Errors
    /// If the server does not answer, or answers anything but 200 or 503.
    pub async fn readiness(&self) -> Result<Health, Error> {
        self.probe("asking whether the server is ready", "readyz").await
    }

    async fn probe(&self, what: &'static str, path: &str) -> Result<Health, Error> {
        let call = Call::get(what, limits::OBJECT_BYTES_MAX).at([path]);
        match self.transport.send(call).await {
            Ok(_) => Ok(Health::Good),
            Err(e) if e.status() == Some(503) => Ok(Health::Bad { reason: e.to_string() }),
            Err(e) => Err(e),
        }
    }

    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Error> {
        self.transport.send(call).await
    }

    pub(crate) async fn open(&self, call: Call) -> Result<Response, Error> {
        self.transport.open(call).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.transport.base().as_str()).finish_non_exhaustive()
    }
}

/// The answer of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Status 200.
    Good,
    /// Status 503.
    Bad {
        /// What the server says is wrong.
        reason: String,
    },
}

/// A call below `/api/v1`.
pub(crate) fn api(what: &'static str, method: Method, segments: &[&str]) -> Call {
    Call::new(what, method, limits::OBJECT_BYTES_MAX).at(["api", "v1"]).at(segments.iter().copied())
}

/// The same for a list, whose page may be long.
pub(crate) fn api_list(what: &'static str, segments: &[&str]) -> Call {
    Call::get(what, limits::PAGE_BYTES_MAX).at(["api", "v1"]).at(segments.iter().copied())
}

/// Names become path segments, so one that would change the path must not get that far.
pub(crate) fn checked_name(what: &str, name: &str) -> Result<String, Error> {
    match cairnlog_verify::name::check(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(_) => Err(Error::Input(format!("a {what}'s name must be 1 to 64 of a-z, 0-9 and -"))),
    }
}

/// The same of ids that the server gives.
pub(crate) fn checked_id<'a>(what: &str, id: &'a str) -> Result<&'a str, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || !id.bytes().all(plain) {
        return Err(Error::Input(format!("the id of a {what} is made of letters, digits, - and _")));
    }
    Ok(id)
}
