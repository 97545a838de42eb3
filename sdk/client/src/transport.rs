//! One request and its answer: addresses, the token, bounds, problems. All HTTP is here.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Problem};
use crate::limits;
use crate::secret::Secret;

/// Where requests go and who sends them. Cheap to clone: clones share connections.
#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

impl Transport {
    /// Proxies of the environment are not used and redirects not followed: either would hand the token to someone else.
    pub(crate) fn new(base: &str, token: Option<&Secret>) -> Result<Self, Error> {
        let base = base_url(base)?;
        let authorization = token.map(authorization).transpose()?;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cairnlog-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits::CONNECT_WAIT_MAX)
            .read_timeout(limits::READ_WAIT_MAX);
        if base.scheme() == "http" {
            // No authority vouches for a plain connection, so a machine that knows none can still make it.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(Error::setup)?;
        Ok(Self { http, base, authorization })
    }

    /// The same connections and token below a longer address.
    pub(crate) fn below(&self, segments: &[&str]) -> Self {
        let mut transport = self.clone();
        push(&mut transport.base, segments);
        transport
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// Sends and reads the whole answer. Any status but 2xx is an error.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, Error> {
        let Call { what, limit, .. } = call;
        let request = self.request(call)?;
        let response = request.send().await.map_err(|e| Error::transport(what, e))?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(what, response).await);
        }
        let retry_after = retry_after(response.headers());
        let body = read(what, response, limit).await?;
        Ok(Answer { what, status, retry_after, body })
    }

    /// Sends, and hands out an answer that comes bit by bit and has no end of its own. Any status but 2xx is an error.
    pub(crate) async fn open(&self, call: Call) -> Result<Response, Error> {
        let what = call.what;
        let request = self.request(Call { wait: None, ..call })?;
        let response = request.send().await.map_err(|e| Error::transport(what, e))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(what, response).await) }
    }

    fn request(&self, call: Call) -> Result<reqwest::RequestBuilder, Error> {
        let mut url = self.base.clone();
        let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
        push(&mut url, &segments);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let bytes = url.as_str().len();
        if bytes > limits::URL_BYTES_MAX {
            let most = limits::URL_BYTES_MAX;
            return Err(Error::Input(format!(
                "{}: the URL would have {bytes} bytes, quotes and blanks written as three, and holds {most}: give less",
                call.what
            )));
        }
        let mut request = self.http.request(call.method, url).headers(call.headers);
        if let Some(wait) = call.wait {
            request = request.timeout(wait);
        }
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        Ok(match call.body {
            Some(body) => request.body(body),
            None => request,
        })
    }
}

/// A request being put together.
pub(crate) struct Call {
    what: &'static str,
    method: Method,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Option<Bytes>,
    wait: Option<Duration>,
    limit: usize,
}

impl Call {
    /// `what` is what the request is for, as error messages name it; `limit` bounds the answer.
    pub(crate) fn new(what: &'static str, method: Method, limit: usize) -> Self {
        Self {
            what,
            method,
            segments: Vec::new(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            wait: Some(limits::REQUEST_WAIT_MAX),
            limit,
        }
    }

    pub(crate) fn get(what: &'static str, limit: usize) -> Self {
        Self::new(what, Method::GET, limit)
    }

    pub(crate) fn at<S: Into<String>>(mut self, segments: impl IntoIterator<Item = S>) -> Self {
        self.segments.extend(segments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.query.push((name, value.to_string()));
        }
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = Some(body);
        self
    }

    /// The value as a JSON body.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(value)
            .map_err(|_| Error::Input(format!("{}: can't be written as JSON", self.what)))?;
        Ok(self.body("application/json", bytes.into()))
    }

    /// Bounds the answer otherwise.
    pub(crate) fn up_to(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn slow(mut self) -> Self {
        self.wait = Some(limits::WRITE_WAIT_MAX);
        self
    }
}

/// An answer with a 2xx status.
pub(crate) struct Answer {
    what: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|e| Error::json(self.what, &e))
    }

    pub(crate) fn text(&self) -> Result<String, Error> {
        match std::str::from_utf8(&self.body) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Error::Malformed { what: self.what, detail: "it is not UTF-8".to_owned() }),
        }
    }

    pub(crate) fn is_created(&self) -> bool {
        self.status == StatusCode::CREATED
    }

    /// Itself, unless what was asked for waits for a second person.
    pub(crate) fn unless_it_waits(self) -> Result<Self, Error> {
        #[derive(serde::Deserialize)]
        struct Proposed {
            id: String,
        }
        if self.status != StatusCode::ACCEPTED {
            return Ok(self);
        }
        let Proposed { id } = self.json()?;
        Err(Error::Waits { id })
    }
}

fn base_url(text: &str) -> Result<Url, Error> {
    let refuse = |why: &str| Error::Input(format!("the server's address {why}"));
    let url = Url::parse(text).map_err(|_| refuse("is not a URL, such as http://host:8080"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("must not hold a user or password; give a token"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("must not hold a query or a fragment"));
    }
    Ok(url)
}

fn authorization(token: &Secret) -> Result<HeaderValue, Error> {
    let text = token.expose();
    let visible = text.bytes().all(|b| b.is_ascii_graphic());
    if text.is_empty() || text.len() > limits::TOKEN_CHARS_MAX || !visible {
        return Err(Error::Input(format!(
            "the token must be 1 to {} visible ASCII characters",
            limits::TOKEN_CHARS_MAX
        )));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {text}"))
        .map_err(|_| Error::Input("the token can't stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// An http or https URL always has path segments, so the `else` is out of reach.
fn push(url: &mut Url, segments: &[&str]) {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
}

async fn read(what: &'static str, mut response: Response, limit: usize) -> Result<Bytes, Error> {
    let too_large = Error::TooLarge { what, limit };
    let announced = response.content_length().unwrap_or(0);
    let Some(announced) = usize::try_from(announced).ok().filter(|n| *n <= limit) else {
        return Err(too_large);
    };
    let mut body = BytesMut::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(|e| Error::transport(what, e))? {
        if chunk.len() > limit - body.len() {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The error of an answer that is not 2xx. A body that can't be read loses to the status.
async fn refusal(what: &'static str, response: Response) -> Error {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = read(what, response, limits::PROBLEM_BYTES_MAX).await.unwrap_or_default();
    match serde_json::from_slice::<Problem>(&body) {
        Ok(mut problem) => {
            problem.status = status;
            problem.retry_after = retry_after;
            Error::Problem(Box::new(problem))
        }
        Err(_) => Error::Unexpected { what, status, retry_after },
    }
}

/// `retry-after` in seconds; its other form, a date, is not used by the server.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
