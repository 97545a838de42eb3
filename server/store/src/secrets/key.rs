//! Key material: zeroized when dropped, never shown, and in one place of memory however often it is shared.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Names a page key within its log. Ascending, never given twice; 0 is none.
pub type PageId = u32;

/// 32 secret bytes of one purpose. Clones share them, so that no collection that moves them about leaves any behind; the
/// last one that is dropped wipes them.
#[derive(Clone)]
pub struct SecretKey(Arc<Zeroizing<[u8; 32]>>);

/// A key that wraps record keys.
#[derive(Clone, Debug)]
pub struct PageKey(SecretKey);

impl SecretKey {
    /// A fresh key from the system's randomness.
    ///
    /// # Errors
    /// The system's, if it has none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = Arc::new(Zeroizing::new([0; 32]));
        getrandom::fill(bytes_of(&mut key))?;
        Ok(Self(key))
    }

    /// A key of 32 given bytes; `None` if they are not 32.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Arc::new(Zeroizing::new([0; 32]));
        if bytes.len() != key.len() {
            return None;
        }
        bytes_of(&mut key).copy_from_slice(bytes);
        Some(Self(key))
    }

    /// A key of 32 bytes in base64; `None` if it is something else.
    pub(super) fn from_base64(text: &str) -> Option<Self> {
        // One byte more than a key has: the decoder counts padding as bytes.
        let mut bytes = Zeroizing::new([0; 33]);
        let length = STANDARD.decode_slice(text, bytes.as_mut_slice()).ok()?;
        Self::from_slice(bytes.get(..length)?)
    }

    /// The bytes. Copies of them are the caller's to wipe.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes as base64.
    pub(super) fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.as_bytes()))
    }
}

/// The bytes of a key that is not shared yet.
fn bytes_of(key: &mut Arc<Zeroizing<[u8; 32]>>) -> &mut [u8] {
    Arc::get_mut(key).expect("nobody else has it").as_mut_slice()
}

impl PageKey {
    pub(super) fn new(key: SecretKey) -> Self {
        Self(key)
    }

    /// The bytes. Copies of them are the caller's to wipe.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}
