//! Witnesses over HTTP (c2sp.org/tlog-witness), as a policy (c2sp.org/tlog-policy) names them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cairnlog_tlog::{Cosigner, Patience, Quorum, Witness, WitnessAnswer, WitnessError, Witnesses};
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::policy::{self, Policy};
use cairnlog_verify::witness::{SIZE_CONTENT_TYPE, parse_size};
use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};

use crate::limits::WITNESS_ANSWER_BYTES_MAX;

/// Whose heads which witnesses cosign.
pub(crate) struct Cosigning {
    /// The keys of the logs that the policy names; none for all logs.
    logs: Vec<VerifierKey>,
    cosigners: Vec<Cosigner>,
    quorum: Quorum,
    /// Of this start: all logs share it.
    patience: Arc<Patience>,
}

/// A witness by its submission prefix.
struct HttpWitness {
    client: Client,
    url: Url,
}

impl Cosigning {
    /// Reads a policy.
    ///
    /// # Errors
    /// One line: the file, and what is wrong with it.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file).map_err(|error| error.to_string());
        let read = text.and_then(|text| Self::parse(&text));
        read.map_err(|words| format!("the witness policy {}: {words}", file.display()))
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let policy = Policy::parse(text).map_err(|error| error.to_string())?;
        let mut urls = Vec::new();
        for witness in policy.witnesses() {
            let url = witness.url.as_deref().and_then(add_checkpoint_url);
            urls.push(
                url.ok_or_else(|| format!("the witness {} has no http:// or https:// URL", witness.name))?,
            );
        }
        let client = client(urls.iter().any(|url| url.scheme() == "https"))?;
        let cosigner = |(witness, url): (&policy::Witness, Url)| {
            let way = HttpWitness { client: client.clone(), url };
            Cosigner { name: witness.name.clone(), key: witness.key.clone(), witness: Arc::new(way) }
        };
        let cosigners = policy.witnesses().iter().zip(urls).map(cosigner).collect();
        let logs = policy.logs().iter().map(|log| log.key.clone()).collect();
        let quorum = Arc::new(move |signed: &[&_]| policy.quorum_met(signed));
        Ok(Self { logs, cosigners, quorum, patience: Arc::default() })
    }

    /// Who cosigns the heads of the log of this origin.
    pub(crate) fn of(&self, origin: &str) -> Option<Arc<Witnesses>> {
        let log_keys: Vec<_> = self.logs.iter().filter(|key| key.name() == origin).cloned().collect();
        if log_keys.is_empty() && !self.logs.is_empty() {
            return None;
        }
        let (cosigners, quorum) = (self.cosigners.clone(), Arc::clone(&self.quorum));
        Some(Arc::new(Witnesses { cosigners, quorum, log_keys, patience: Arc::clone(&self.patience) }))
    }
}

/// A machine that knows no authorities can still ask over plain connections.
fn client(with_tls: bool) -> Result<Client, String> {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let builder = if with_tls { builder } else { builder.tls_certs_only([]) };
    builder.build().map_err(|error| format!("its witnesses can't be asked over TLS: {error}"))
}

/// Where a witness takes checkpoints, from its submission prefix; `None` where that is no HTTP URL.
fn add_checkpoint_url(prefix: &str) -> Option<Url> {
    let mut url = Url::parse(prefix).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let path = format!("{}/add-checkpoint", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url)
}

#[async_trait]
impl Witness for HttpWitness {
    async fn add_checkpoint(&self, body: String) -> Result<WitnessAnswer, WitnessError> {
        let response = self.client.post(self.url.clone()).body(body).send().await.map_err(failed)?;
        let status = response.status();
        let is_size = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == SIZE_CONTENT_TYPE);
        match status {
            StatusCode::OK => Ok(WitnessAnswer::Cosigned(text(response).await?)),
            StatusCode::CONFLICT if is_size => {
                let size = parse_size(&text(response).await?);
                size.map(WitnessAnswer::OtherSize)
                    .ok_or_else(|| WitnessError::Failed("a 409 without a size".to_owned()))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(WitnessError::Busy { after: retry_after(response.headers()) })
            }
            status => Err(WitnessError::Failed(format!("it answered {status}"))),
        }
    }
}

/// What went wrong, with its causes: the error itself only says that the request failed. Without the URL, which may
/// hold a secret; the witness has a name.
fn failed(error: reqwest::Error) -> WitnessError {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    WitnessError::Failed(words)
}

/// The seconds that an answer asks to wait. A date is not read: the witness is asked again when the server thinks fit.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A bounded body.
async fn text(response: Response) -> Result<String, WitnessError> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(failed)?);
        if body.len() > WITNESS_ANSWER_BYTES_MAX {
            return Err(WitnessError::Failed("its answer is too long".to_owned()));
        }
    }
    String::from_utf8(body).map_err(|_| WitnessError::Failed("its answer is not text".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use cairnlog_verify::note::SigningKey;

    use super::*;

    fn policy(logs: &[&str], url: &str) -> String {
        let key = |name: &&str| {
            let seed = [u8::try_from(name.len()).unwrap(); 32];
            SigningKey::ed25519(name, seed).unwrap().verifier_key().to_string()
        };
        let witness = SigningKey::cosignature("w.example/1", [2; 32]).unwrap();
        let logs: Vec<String> = logs.iter().map(|name| format!("log {}\n", key(name))).collect();
        let logs = logs.concat();
        format!("{logs}witness w1 {} {url}\nquorum w1\n", witness.verifier_key())
    }

    #[test]
    fn a_witness_is_reached_over_http_or_https_alone() {
        for url in ["http://w.example:81", "https://w.example/some/prefix/", "HTTP://w.example"] {
            assert!(Cosigning::parse(policy(&[], url).as_bytes()).is_ok(), "{url}");
        }
        for url in ["", "ftp://w.example", "w.example:81", "file:///etc", "unix:/run/w", "http://"] {
            let refused = Cosigning::parse(policy(&[], url).as_bytes()).err().unwrap();
            assert_eq!(refused, "the witness w1 has no http:// or https:// URL", "{url}");
        }
        for (prefix, url) in [
            ("http://w.example", "http://w.example/add-checkpoint"),
            ("http://w.example:81/prefix/", "http://w.example:81/prefix/add-checkpoint"),
        ] {
            assert_eq!(add_checkpoint_url(prefix).unwrap().as_str(), url);
        }
    }

    #[test]
    fn a_policy_is_for_the_logs_that_it_names_or_for_all() {
        let all = Cosigning::parse(policy(&[], "http://w.example").as_bytes()).unwrap();
        assert!(all.of("one").unwrap().log_keys.is_empty());
        let some = Cosigning::parse(policy(&["one", "other"], "http://w.example").as_bytes());
        let some = some.unwrap_or_else(|words| panic!("{words}"));
        assert!(some.of("three").is_none());
        assert_eq!(some.of("other").unwrap().log_keys[0].name(), "other");
    }

    #[test]
    fn seconds_to_wait_are_read() {
        let of = |value: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]));
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
