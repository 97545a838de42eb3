//! Tokens at rest and in memory.
//!
//! A token is `cl_` + 16 hex (its id) + `_` + 43 base64url characters (256 random bits). Only its
//! SHA-256 is stored, so neither the store nor a backup of it opens anything. All tokens are held
//! in memory; a deleted one stops working before the deletion is acknowledged.

use std::collections::HashMap;
use std::sync::RwLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cairnlog_ledger::LedgerError;
use cairnlog_store::{Engine, Family, ReadError, Scan, layout};
use cairnlog_verify::Hash;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Grant;
use crate::limits::TOKENS_MAX;

/// Why tokens could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the store holds {TOKENS_MAX} tokens, the most it may; delete some")]
    Full,
    #[error("no randomness could be had from the operating system")]
    Random,
    #[error("a stored token row can't be read")]
    Row,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] LedgerError),
}

#[derive(Clone, Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    grant: Grant,
    /// Lower-case hex of the SHA-256 of the whole token.
    sha256: String,
}

/// A token, ready to be asked.
struct Known {
    grant: Grant,
    sha256: [u8; 32],
    expires: Option<Timestamp>,
}

impl TryFrom<Row> for Known {
    type Error = TokenError;

    fn try_from(row: Row) -> Result<Self, TokenError> {
        let sha256 = Hash::from_hex(&row.sha256).map_err(|_| TokenError::Row)?.0;
        let expires = row.grant.expires.as_deref().map(str::parse).transpose();
        Ok(Self { expires: expires.map_err(|_| TokenError::Row)?, grant: row.grant, sha256 })
    }
}

/// The server's tokens.
pub(crate) struct Tokens {
    by_id: RwLock<HashMap<String, Known>>,
    /// Tokens are made and deleted one after the other, so that there are never too many.
    changing: tokio::sync::Mutex<()>,
    /// SHA-256 of the administrator's token of this run, and what it allows.
    environment: Option<([u8; 32], Grant)>,
}

impl Tokens {
    /// Loads all tokens.
    pub(crate) async fn open(engine: &dyn Engine, environment: Option<&str>) -> Result<Self, TokenError> {
        let from = layout::token_key("");
        let to = layout::prefix_end(from.clone());
        let scan = Scan { family: Family::Tokens, from, to, reverse: false, limit: TOKENS_MAX };
        let mut by_id = HashMap::new();
        for (_, value) in engine.scan(scan).await? {
            let row: Row = serde_json::from_slice(&value).map_err(|_| TokenError::Row)?;
            by_id.insert(row.grant.id.clone(), row.try_into()?);
        }
        let environment = environment.map(|token| (Sha256::digest(token).into(), Grant::everything()));
        Ok(Self { by_id: RwLock::new(by_id), changing: tokio::sync::Mutex::default(), environment })
    }

    /// What `ask` says of what `token` allows at `now`, if it is one of ours and has not expired. It is asked in place:
    /// every request does, and must not copy the grant for it.
    pub(crate) fn ask<T>(&self, token: &str, now: Timestamp, ask: impl FnOnce(&Grant) -> T) -> Option<T> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some((expected, everything)) = &self.environment
            && bool::from(expected.ct_eq(&digest))
        {
            return Some(ask(everything));
        }
        let id = token.strip_prefix("cl_")?.get(..16)?;
        let all = self.by_id.read().ok()?;
        let known = all.get(id)?;
        let is_ours = bool::from(known.sha256.ct_eq(&digest));
        let has_ended = known.expires.is_some_and(|expires| expires <= now);
        (is_ours && !has_ended).then(|| ask(&known.grant))
    }

    /// Whether the token of this id is good at `now`.
    pub(crate) fn has(&self, id: &str, now: Timestamp) -> bool {
        if self.environment.as_ref().is_some_and(|(_, everything)| everything.id == id) {
            return true;
        }
        let is_good = |known: &Known| known.expires.is_none_or(|expires| expires > now);
        self.by_id.read().is_ok_and(|all| all.get(id).is_some_and(is_good))
    }

    /// Makes a token, of which `write` says what it allows and stores the row. `grant.id` is chosen here. The secret is
    /// returned once and never again.
    pub(crate) async fn create(
        &self,
        mut grant: Grant,
        write: impl AsyncFnOnce(&Grant, Vec<u8>, Option<Vec<u8>>) -> Result<(), LedgerError>,
    ) -> Result<(Grant, Zeroizing<String>), TokenError> {
        let _changing = self.changing.lock().await;
        if self.by_id.read().is_ok_and(|rows| rows.len() >= TOKENS_MAX) {
            return Err(TokenError::Full);
        }
        let (mut id, mut secret) = ([0; 8], Zeroizing::new([0; 32]));
        getrandom::fill(&mut id).map_err(|_| TokenError::Random)?;
        getrandom::fill(secret.as_mut()).map_err(|_| TokenError::Random)?;
        grant.id = hex(&id);
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*secret));
        let token = Zeroizing::new(format!("cl_{}_{}", grant.id, *secret));
        let row = Row { grant: grant.clone(), sha256: hex(&Sha256::digest(token.as_bytes())) };
        let written = serde_json::to_vec(&row).map_err(|_| TokenError::Row)?;
        write(&grant, layout::token_key(&grant.id), Some(written)).await?;
        let known = Known::try_from(row)?;
        self.change(|all| all.insert(grant.id.clone(), known));
        Ok((grant, token))
    }

    /// Deletes a token, as `write` says and stores; false where there is none of that id.
    pub(crate) async fn delete(
        &self,
        id: &str,
        write: impl AsyncFnOnce(&Grant, Vec<u8>, Option<Vec<u8>>) -> Result<(), LedgerError>,
    ) -> Result<bool, TokenError> {
        let _changing = self.changing.lock().await;
        let known = self.by_id.read().ok().and_then(|rows| rows.get(id).map(|known| known.grant.clone()));
        let Some(grant) = known else { return Ok(false) };
        write(&grant, layout::token_key(id), None).await?;
        self.change(|rows| rows.remove(id));
        Ok(true)
    }

    /// All grants, by id.
    pub(crate) fn list(&self) -> Vec<Grant> {
        let mut grants: Vec<Grant> = self
            .by_id
            .read()
            .map(|rows| rows.values().map(|row| row.grant.clone()).collect())
            .unwrap_or_default();
        grants.sort_by(|a, b| a.id.cmp(&b.id));
        grants
    }

    /// Whether no token is stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.read().is_ok_and(|rows| rows.is_empty())
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<String, Known>) -> T) {
        // A panic while the map was held can't have left it half changed: single map operations.
        let mut rows = self.by_id.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut rows);
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::super::Role;
    use super::*;
    use cairnlog_store::Batch;
    use cairnlog_store::memory::MemoryEngine;

    impl Tokens {
        fn check(&self, token: &str, now: Timestamp) -> Option<Grant> {
            self.ask(token, now, Grant::clone)
        }
    }

    async fn tokens(engine: &Arc<dyn Engine>, environment: Option<&str>) -> Tokens {
        Tokens::open(engine.as_ref(), environment).await.unwrap()
    }

    /// Stores a row without saying anything.
    async fn write(engine: &Arc<dyn Engine>, key: Vec<u8>, row: Option<Vec<u8>>) -> Result<(), LedgerError> {
        let mut batch = Batch::new();
        match row {
            Some(row) => batch.put(Family::Tokens, key, row),
            None => batch.delete(Family::Tokens, key),
        }
        let writer = engine.claim().await.unwrap();
        Ok(engine.commit(&writer, batch).await?)
    }

    async fn create(tokens: &Tokens, engine: &Arc<dyn Engine>, grant: Grant) -> (Grant, Zeroizing<String>) {
        tokens.create(grant, async |_, key, row| write(engine, key, row).await).await.unwrap()
    }

    async fn delete(tokens: &Tokens, engine: &Arc<dyn Engine>, id: &str) -> bool {
        tokens.delete(id, async |_, key, row| write(engine, key, row).await).await.unwrap()
    }

    fn wanted(expires: Option<&str>) -> Grant {
        Grant {
            id: String::new(),
            name: "ci".to_owned(),
            roles: [Role::Writer].into(),
            log: Some("hr".to_owned()),
            sources: None,
            expires: expires.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn a_token_works_until_deleted_and_across_a_restart() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let now = Timestamp::UNIX_EPOCH;
        let first = tokens(&engine, None).await;
        assert!(first.is_empty());
        let (grant, token) = create(&first, &engine, wanted(None)).await;
        assert_eq!(token.len(), 3 + 16 + 1 + 43);
        assert_eq!(first.check(&token, now), Some(grant.clone()));
        let second = tokens(&engine, None).await;
        assert_eq!(second.check(&token, now), Some(grant.clone()));
        assert!(second.has(&grant.id, now));
        assert!(delete(&second, &engine, &grant.id).await);
        assert_eq!(second.check(&token, now), None);
        assert!(!second.has(&grant.id, now));
        assert!(!delete(&second, &engine, &grant.id).await);
        assert!(tokens(&engine, None).await.is_empty());
    }

    #[tokio::test]
    async fn a_token_that_is_not_said_is_not_made_nor_deleted() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let tokens = tokens(&engine, None).await;
        let refuse = async |_: &Grant, _, _| Err(LedgerError::QueueFull);
        assert!(tokens.create(wanted(None), refuse).await.is_err());
        assert!(tokens.is_empty());
        let (grant, token) = create(&tokens, &engine, wanted(None)).await;
        assert!(tokens.delete(&grant.id, refuse).await.is_err());
        assert!(tokens.check(&token, Timestamp::UNIX_EPOCH).is_some());
    }

    #[tokio::test]
    async fn a_changed_or_expired_token_is_none() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let tokens = tokens(&engine, None).await;
        let (_, token) = create(&tokens, &engine, wanted(Some("2026-01-01T00:00:00Z"))).await;
        let before: Timestamp = "2025-12-31T23:59:59Z".parse().unwrap();
        assert!(tokens.check(&token, before).is_some());
        assert!(tokens.check(&token, "2026-01-01T00:00:00Z".parse().unwrap()).is_none());
        let mut other = token.to_string();
        let last = if other.pop() == Some('A') { 'B' } else { 'A' };
        other.push(last);
        assert!(tokens.check(&other, before).is_none());
        for junk in ["", "cl_", "cl_0123456789abcdef_", "cl_é", &"x".repeat(300)] {
            assert!(tokens.check(junk, before).is_none(), "{junk}");
        }
    }

    #[tokio::test]
    async fn the_secret_is_nowhere_in_the_store() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let tokens = tokens(&engine, None).await;
        let (grant, token) = create(&tokens, &engine, wanted(None)).await;
        let row = engine.get(Family::Tokens, &layout::token_key(&grant.id)).await.unwrap().unwrap();
        let secret = token.rsplit('_').next().unwrap();
        assert!(!String::from_utf8(row).unwrap().contains(secret));
    }

    #[tokio::test]
    async fn the_run_s_own_token_has_every_role_and_is_not_stored() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let secret = "correct-horse-battery-staple-0123456789";
        let tokens = tokens(&engine, Some(secret)).await;
        assert_eq!(tokens.check(secret, Timestamp::UNIX_EPOCH), Some(Grant::everything()));
        assert!(tokens.check("correct-horse-battery-staple-0123456788", Timestamp::UNIX_EPOCH).is_none());
        assert!(tokens.is_empty());
    }
}
