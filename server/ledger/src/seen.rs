//! What was seen within the last day: Idempotency-Keys and events that carry their source's own id.
//!
//! Rows are named by an HMAC under a window key that lives a day and dies with its rows, so the store
//! tells nobody who lacks the key which events or keys there were. The answer that an Idempotency-Key
//! gives back is sealed under a key of the same window.

use cairnlog_store::secrets::SecretKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::aead::Cipher;
use crate::answer::Fates;
use crate::inflight::Fingerprint;
use crate::limits::WINDOW_MS;

/// The windows that a moment's rows may lie in: its own day's, the day before's if that has any, and at the end of a day
/// the next one's, for a repeat that overtakes a request across midnight.
#[derive(Clone)]
pub(crate) struct Windows {
    pub(crate) today: Window,
    pub(crate) yesterday: Option<Window>,
    pub(crate) tomorrow: Option<Window>,
}

/// One day's key, keyed and ready.
#[derive(Clone)]
pub(crate) struct Window {
    pub(crate) day: u32,
    keyed: Hmac<Sha256>,
}

/// Something that can be seen again, under both windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Its row's day and name, today's first.
    pub(crate) rows: Vec<(u32, Fingerprint)>,
}

/// A request with an Idempotency-Key.
pub(crate) struct Keyed {
    pub(crate) sighting: Sighting,
    /// SHA-256 of its whole body, unpacked.
    digest: [u8; 32],
}

/// Where and when an event was logged: a row of `seen`, `u64be first index || u32be entries || u64be milliseconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) first: u64,
    pub(crate) events: u32,
    pub(crate) received_ms: u64,
}

/// Whether what was received then is still remembered now.
pub(crate) fn is_within_window(received_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(received_ms) < WINDOW_MS
}

impl Window {
    /// The window of a day.
    pub(crate) fn new(day: u32, key: &SecretKey) -> Self {
        Self { day, keyed: Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length") }
    }

    /// HMAC over a purpose and parts, each behind its length.
    fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.keyed.clone().chain_update(purpose);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn fingerprint(&self, purpose: &[u8], parts: &[&[u8]]) -> Fingerprint {
        let mac = self.mac(purpose, parts);
        let (fingerprint, _) = mac.split_at(16);
        fingerprint.try_into().expect("a half of 32 bytes")
    }

    fn answer_cipher(&self, fingerprint: &Fingerprint) -> Cipher {
        let key = Zeroizing::new(self.mac(b"answer\0", &[fingerprint]));
        Cipher::new(&key)
    }
}

impl Windows {
    fn each(&self) -> impl Iterator<Item = &Window> {
        std::iter::once(&self.today).chain(&self.yesterday).chain(&self.tomorrow)
    }

    /// The window of a day, if it is one of these.
    pub(crate) fn of_day(&self, day: u32) -> Option<&Window> {
        self.each().find(|window| window.day == day)
    }

    /// An Idempotency-Key of a token at a source.
    pub(crate) fn key(&self, source: &str, token: &str, key: &str) -> Sighting {
        self.sighting(b"key\0", &[source.as_bytes(), token.as_bytes(), key.as_bytes()])
    }

    /// A raw record whose event has the source's own id `uid`.
    pub(crate) fn event(&self, source: &str, uid: &str, body: &[u8]) -> Sighting {
        let digest = Sha256::digest(body);
        self.sighting(b"event\0", &[source.as_bytes(), uid.as_bytes(), &digest])
    }

    fn sighting(&self, purpose: &[u8], parts: &[&[u8]]) -> Sighting {
        Sighting {
            rows: self.each().map(|window| (window.day, window.fingerprint(purpose, parts))).collect(),
        }
    }
}

impl Keyed {
    /// Hashes the body with its type, which decides what raw records it is cut into. Off the async threads, for it may
    /// be long.
    pub(crate) fn new(sighting: Sighting, content_type: &str, body: &[u8]) -> Self {
        let length = (content_type.len() as u64).to_be_bytes();
        let digest =
            Sha256::new().chain_update(length).chain_update(content_type).chain_update(body).finalize();
        Self { sighting, digest: digest.into() }
    }

    /// The HMAC that tells whether the key comes with the same body again.
    pub(crate) fn body(&self, window: &Window) -> [u8; 32] {
        window.mac(b"body\0", &[&self.digest])
    }
}

impl Sighting {
    /// The row to write: today's.
    pub(crate) fn today(&self) -> (u32, Fingerprint) {
        self.rows[0]
    }

    /// The names to reserve.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.rows.iter().map(|(_, fingerprint)| *fingerprint)
    }
}

impl Logged {
    pub(crate) fn to_row(self) -> Vec<u8> {
        [&self.first.to_be_bytes()[..], &self.events.to_be_bytes(), &self.received_ms.to_be_bytes()].concat()
    }

    pub(crate) fn from_row(row: &[u8]) -> Option<Self> {
        let (first, rest) = row.split_first_chunk::<8>()?;
        let (events, received) = rest.split_first_chunk::<4>()?;
        // Rows of before they had a time are of long ago.
        let received = if received.is_empty() { [0; 8] } else { received.try_into().ok()? };
        Some(Self {
            first: u64::from_be_bytes(*first),
            events: u32::from_be_bytes(*events),
            received_ms: u64::from_be_bytes(received),
        })
    }
}

/// A row of `seen` for an Idempotency-Key: `u64be first index || HMAC of the body[32] || sealed fates`.
pub(crate) struct Kept {
    pub(crate) first: u64,
    pub(crate) body: [u8; 32],
    pub(crate) fates: Fates,
}

/// Seals the fates of a request, still without its first index, so that the sequencer has nothing to do
/// but to put that before it.
pub(crate) fn seal_fates(
    window: &Window,
    fingerprint: &Fingerprint,
    body: &[u8; 32],
    fates: &Fates,
) -> Vec<u8> {
    let json = serde_json::to_vec(fates).expect("fates are plain data");
    let mut row = body.to_vec();
    row.extend(zstd::bulk::compress(&json, 1).expect("zstd compresses in memory"));
    window.answer_cipher(fingerprint).seal([0; 12], fingerprint, &mut row, 32);
    row
}

/// Opens a row made of the first index and what [`seal_fates`] gave; `None` if it is damaged.
pub(crate) fn open_fates(window: &Window, fingerprint: &Fingerprint, row: &[u8]) -> Option<Kept> {
    let (first, rest) = row.split_first_chunk::<8>()?;
    let (body, sealed) = rest.split_first_chunk::<32>()?;
    let packed = window.answer_cipher(fingerprint).open([0; 12], fingerprint, sealed)?;
    let json = zstd::bulk::decompress(&packed, crate::limits::FATES_BYTES_MAX).ok()?;
    Some(Kept { first: u64::from_be_bytes(*first), body: *body, fates: serde_json::from_slice(&json).ok()? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::answer::Fate;

    fn window(day: u32, byte: u8) -> Window {
        Window { day, keyed: Hmac::new_from_slice(&[byte; 32]).unwrap() }
    }

    #[test]
    fn sightings_differ_by_every_part_and_by_day() {
        let windows = Windows { today: window(2, 2), yesterday: Some(window(1, 1)), tomorrow: None };
        let first = windows.key("a", "bc", "d");
        assert_eq!(first, windows.key("a", "bc", "d"));
        assert_eq!(first.rows.len(), 2);
        assert_ne!(first.rows[0].1, first.rows[1].1);
        for other in
            [windows.key("ab", "c", "d"), windows.key("a", "bc", "e"), windows.event("a", "bc", b"d")]
        {
            assert_ne!(first.today(), other.today());
        }
        assert_ne!(windows.event("a", "id", b"x").today(), windows.event("a", "id", b"y").today());
        let next_day = Windows { today: window(3, 3), yesterday: Some(window(2, 2)), tomorrow: None };
        assert_eq!(next_day.key("a", "bc", "d").rows[1], first.today(), "yesterday's row is found today");
    }

    #[test]
    fn fates_come_back_and_only_under_their_own_name() {
        let window = window(1, 1);
        let rows = vec![Fate::Skipped { reason: "heartbeat".to_owned() }];
        let fates = Fates { entries: 0, tree_size: Some(3), received_ms: 1, rows };
        let row = [&7_u64.to_be_bytes()[..], &seal_fates(&window, &[1; 16], &[9; 32], &fates)].concat();
        let kept = open_fates(&window, &[1; 16], &row).unwrap();
        assert_eq!((kept.first, kept.body, kept.fates), (7, [9; 32], fates));
        assert!(open_fates(&window, &[2; 16], &row).is_none());
        assert!(!row.windows(9).any(|bytes| bytes == b"heartbeat"));
        for at in 40..row.len() {
            let mut damaged = row.clone();
            damaged[at] ^= 1;
            assert!(open_fates(&window, &[1; 16], &damaged).is_none(), "byte {at}");
        }
    }

    #[test]
    fn logged_rows_round_trip() {
        let logged = Logged { first: 1 << 40, events: 3, received_ms: 1 << 41 };
        assert_eq!(Logged::from_row(&logged.to_row()), Some(logged));
        assert_eq!(Logged::from_row(&[0; 19]), None);
        assert_eq!(Logged::from_row(&[0; 12]), Some(Logged { first: 0, events: 0, received_ms: 0 }));
    }
}
