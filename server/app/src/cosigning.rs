//! Witnesses over HTTP (c2sp.org/tlog-witness), as a policy (c2sp.org/tlog-policy) names them.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cairnlog_tlog::{Cosigner, Witness, WitnessAnswer, WitnessError, Witnesses};
use cairnlog_verify::policy::Policy;
use cairnlog_verify::witness::{SIZE_CONTENT_TYPE, parse_size};
use futures_util::StreamExt as _;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};

use crate::limits::WITNESS_ANSWER_BYTES_MAX;

/// Whose heads which witnesses cosign.
pub(crate) struct Cosigning {
    /// Origins of the logs that the policy names; empty for all.
    origins: Vec<String>,
    witnesses: Arc<Witnesses>,
}

/// A witness by its submission prefix.
struct HttpWitness {
    client: Client,
    url: String,
}

impl Cosigning {
    /// Reads a policy.
    ///
    /// # Errors
    /// One line: the file, and what is wrong with it.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let refused = |words: String| format!("the witness policy {}: {words}", file.display());
        let text = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
        let policy = Policy::parse(text).map_err(|error| refused(error.to_string()))?;
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| refused(error.to_string()))?;
        let mut cosigners = Vec::new();
        for witness in policy.witnesses() {
            let url = witness.url.as_deref();
            let url = url.ok_or_else(|| refused(format!("the witness {} has no URL", witness.name)))?;
            let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
            let way = HttpWitness { client: client.clone(), url };
            let (name, key) = (witness.name.clone(), witness.key.clone());
            cosigners.push(Cosigner { name, key, witness: Arc::new(way) });
        }
        let origins = policy.logs().iter().map(|log| log.key.name().to_owned()).collect();
        let quorum = Arc::new(move |signed: &[&_]| policy.quorum_met(signed));
        Ok(Self { origins, witnesses: Arc::new(Witnesses { cosigners, quorum }) })
    }

    /// Who cosigns the heads of the log of this origin.
    pub(crate) fn of(&self, origin: &str) -> Option<Arc<Witnesses>> {
        let is_governed = self.origins.is_empty() || self.origins.iter().any(|named| named == origin);
        is_governed.then(|| Arc::clone(&self.witnesses))
    }
}

#[async_trait]
impl Witness for HttpWitness {
    async fn add_checkpoint(&self, body: String) -> Result<WitnessAnswer, WitnessError> {
        let failed = |error: reqwest::Error| WitnessError(error.to_string());
        let response = self.client.post(&self.url).body(body).send().await.map_err(failed)?;
        let status = response.status();
        let is_size = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == SIZE_CONTENT_TYPE);
        match status {
            StatusCode::OK => Ok(WitnessAnswer::Cosigned(text(response).await?)),
            StatusCode::CONFLICT if is_size => {
                let size = parse_size(&text(response).await?);
                size.map(WitnessAnswer::OtherSize)
                    .ok_or_else(|| WitnessError("a 409 without a size".to_owned()))
            }
            status => Err(WitnessError(format!("it answered {status}"))),
        }
    }
}

/// A bounded body.
async fn text(response: Response) -> Result<String, WitnessError> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(|error| WitnessError(error.to_string()))?);
        if body.len() > WITNESS_ANSWER_BYTES_MAX {
            return Err(WitnessError("its answer is too long".to_owned()));
        }
    }
    String::from_utf8(body).map_err(|_| WitnessError("its answer is not text".to_owned()))
}
