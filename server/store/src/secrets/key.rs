//! Key material: zeroized when dropped, never shown.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Names a page key within its log. Ascending, never given twice; 0 is none.
pub type PageId = u32;

/// 32 secret bytes of one purpose.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

/// A key that wraps record keys.
#[derive(Clone, Debug)]
pub struct PageKey(SecretKey);

impl SecretKey {
    /// A fresh key from the system's randomness.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut key = Self([0; 32]);
        getrandom::fill(&mut key.0)?;
        Ok(key)
    }

    /// A key of 32 given bytes; `None` if they are not 32.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Self([0; 32]);
        if bytes.len() != key.0.len() {
            return None;
        }
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    /// The bytes. Copies of them are the caller's to wipe.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes as base64.
    pub(super) fn to_base64(&self) -> Zeroizing<String> {
        use base64::Engine as _;
        Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(self.0))
    }
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
