//! Cursors: sealed, bound to the caller's token and to the query, good for this run of the server.

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::problem::{Problem, Slug};

/// Seals where a list goes on. A cursor can't be read back by a later run; lists then start anew.
pub(crate) struct Cursors(Aes256GcmSiv);

impl Cursors {
    /// With a key of this run.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(Aes256GcmSiv::new(&key.into()))
    }

    /// Seals `position` for `token` and `query`.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn seal(&self, token: &str, query: &str, position: &[u8]) -> Result<String, Problem> {
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce).map_err(Problem::internal)?;
        let aad = context(token, query);
        let sealed = self
            .0
            .encrypt(&Nonce::from(nonce), Payload { msg: position, aad: &aad })
            .map_err(Problem::internal)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens a cursor.
    ///
    /// # Errors
    /// `cursor` for one that is damaged, of another caller, of another query or of an earlier run.
    pub(crate) fn open(&self, token: &str, query: &str, cursor: &str) -> Result<Vec<u8>, Problem> {
        let refused = || {
            Problem::new(
                Slug::Cursor,
                "the cursor is damaged, of another token or query, or of before a restart; start from the first page",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
        let (nonce, sealed) = bytes.split_first_chunk::<12>().ok_or_else(refused)?;
        let aad = context(token, query);
        self.0.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &aad }).map_err(|_| refused())
    }
}

fn context(token: &str, query: &str) -> Vec<u8> {
    [token.as_bytes(), b"\0", query.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_token_and_query_only() {
        let cursors = Cursors::new([7; 32]);
        let sealed = cursors.seal("alice", "source=a", b"position").unwrap();
        assert_eq!(cursors.open("alice", "source=a", &sealed).unwrap(), b"position");
        let mut damaged = sealed.clone().into_bytes();
        damaged[20] ^= 1;
        let damaged = String::from_utf8(damaged).unwrap();
        for (token, query, cursor) in [
            ("bob", "source=a", sealed.as_str()),
            ("alice", "source=b", &sealed),
            ("alice", "source=a", &damaged),
            ("alice", "source=a", "AAAA"),
            ("alice", "source=a", "!"),
        ] {
            assert_eq!(cursors.open(token, query, cursor).unwrap_err().slug(), Slug::Cursor);
        }
        assert!(Cursors::new([8; 32]).open("alice", "source=a", &sealed).is_err());
    }
}
