//! Pipeline manifests: which code with which settings makes a source's records.
//!
//! A pipeline is named by the SHA-256 of its manifest in JCS (RFC 8785). The manifest holds a random nonce, so that the
//! digest, which is public, confirms no guess about plugins and settings.

use cairnlog_verify::b64;
use cairnlog_verify::entry::Digest;
use cairnlog_verify::event::{Attribute, Event, EventError};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::handles::Random;

/// The largest integer that JCS spells exactly: 2^53 - 1.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The code and settings of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The base64 of 32 random bytes.
    pub nonce: String,
    /// Turns raw records into events.
    pub normalizer: Stage,
    /// Say what must not be kept, one after the other.
    pub redactors: Vec<Stage>,
    /// Chooses the retention class.
    pub retention: Stage,
}

/// One plugin with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The digest of its bytes.
    pub plugin: Digest,
    /// Its config, if it takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Json>,
    /// What a failure leads to.
    pub on_error: OnError,
}

/// What becomes of a record on which a stage fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The raw record is quarantined.
    Quarantine,
    /// The request fails and keeps nothing.
    Reject,
    /// Another normalizer tries it; what that fails on is quarantined.
    Fallback(Fallback),
}

/// The normalizer of last resort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// The digest of its bytes.
    pub plugin: Digest,
    /// Its config, if it takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Json>,
}

/// A manifest that can't be hashed or committed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A config holds a fraction or a number beyond 2^53 - 1, of which JSON has more than one spelling.
    #[error("a config holds a fraction or a number beyond 2^53 - 1: write it as text")]
    Number,
    /// A config has too many members, or too deep or too long ones.
    #[error("a config can't be committed to: {0}")]
    Event(#[from] EventError),
}

impl Manifest {
    /// A fresh nonce.
    #[must_use]
    pub fn nonce(random: &dyn Random) -> String {
        let mut nonce = [0; 32];
        random.fill(&mut nonce);
        b64::encode(&nonce)
    }

    /// The manifest's one spelling.
    ///
    /// # Errors
    /// [`ManifestError::Number`].
    pub fn to_jcs(&self) -> Result<Vec<u8>, ManifestError> {
        let json = self.to_json();
        if has_only_integers(&json) {
            serde_jcs::to_vec(&json).map_err(|_| ManifestError::Number)
        } else {
            Err(ManifestError::Number)
        }
    }

    /// The digest of all that it says but its nonce, by which it is found again. It is kept to whoever has the store: it
    /// would confirm a guess.
    ///
    /// # Errors
    /// [`ManifestError::Number`].
    pub fn content(&self) -> Result<Digest, ManifestError> {
        Ok(Digest::of(&Self { nonce: String::new(), ..self.clone() }.to_jcs()?))
    }

    /// What its entry says: the manifest's members below `pipeline`, in the order of their paths.
    ///
    /// # Errors
    /// [`ManifestError::Event`].
    pub fn attributes(&self) -> Result<Vec<Attribute>, ManifestError> {
        let object = Json::Object([("pipeline".to_owned(), self.to_json())].into_iter().collect());
        Ok(Event::new(Event::flatten(&object)?)?.into_attributes())
    }

    fn to_json(&self) -> Json {
        serde_json::to_value(self).expect("its maps have text keys and nothing in it fails to serialize")
    }
}

fn has_only_integers(json: &Json) -> bool {
    match json {
        Json::Number(number) => {
            number.as_u64().or(number.as_i64().map(i64::unsigned_abs)).is_some_and(|n| n <= INTEGER_MAX)
        }
        Json::Array(items) => items.iter().all(has_only_integers),
        Json::Object(members) => members.values().all(has_only_integers),
        Json::Null | Json::Bool(_) | Json::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn manifest(config: Option<Json>) -> Manifest {
        let stage = |byte, config, on_error| Stage { plugin: Digest([byte; 32]), config, on_error };
        let fallback = OnError::Fallback(Fallback { plugin: Digest([9; 32]), config: Some(json!({})) });
        Manifest {
            nonce: b64::encode(&[5; 32]),
            normalizer: stage(1, None, fallback),
            redactors: vec![stage(2, config, OnError::Quarantine)],
            retention: stage(3, Some(json!({"rules": [{"class": "default"}]})), OnError::Reject),
        }
    }

    #[test]
    fn members_are_spelled_as_documented() {
        let manifest = manifest(Some(json!({"rules": [{"path": "actor.user.uid", "keep": -3}]})));
        let expected = format!(
            concat!(
                r#"{{"nonce":"{nonce}","#,
                r#""normalizer":{{"on_error":{{"fallback":{{"config":{{}},"plugin":"{nine}"}}}},"plugin":"{one}"}},"#,
                r#""redactors":[{{"config":{{"rules":[{{"keep":-3,"path":"actor.user.uid"}}]}},"on_error":"quarantine","plugin":"{two}"}}],"#,
                r#""retention":{{"config":{{"rules":[{{"class":"default"}}]}},"on_error":"reject","plugin":"{three}"}}}}"#
            ),
            nonce = b64::encode(&[5; 32]),
            one = Digest([1; 32]),
            two = Digest([2; 32]),
            three = Digest([3; 32]),
            nine = Digest([9; 32]),
        );
        assert_eq!(String::from_utf8(manifest.to_jcs().unwrap()).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Manifest>(&expected).unwrap(), manifest);
    }

    #[test]
    fn the_digest_can_be_recomputed_from_what_the_entry_says() {
        let manifest = manifest(Some(json!({"a.b": [], "list": [1, null, "x", true]})));
        let said = Event::new(manifest.attributes().unwrap()).unwrap().to_json();
        assert_eq!(serde_jcs::to_vec(&said["pipeline"]).unwrap(), manifest.to_jcs().unwrap());
    }

    #[test]
    fn numbers_of_more_than_one_spelling_are_refused() {
        for number in [json!(0.5), json!(1.0), json!(1e300), json!(INTEGER_MAX + 1), json!(i64::MIN)] {
            assert_eq!(
                manifest(Some(json!({"deep": [{"down": number}]}))).to_jcs(),
                Err(ManifestError::Number)
            );
        }
        let largest = json!({"deep": [INTEGER_MAX, -9_007_199_254_740_991_i64]});
        assert!(manifest(Some(largest)).to_jcs().is_ok());
    }
}
