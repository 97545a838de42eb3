//! Key-encryption keys in a PKCS#11 token: AES keys that never leave it, called by their labels.
//!
//! The module, a shared library of the token's vendor, is loaded when the server starts and runs in its process: who names
//! it is trusted with everything. The token wraps with AES-256-GCM under a nonce of ours: the same bytes as of the other
//! sources, `nonce[12] || ciphertext[48]`, and the same associated data. It is asked once for each key of a keyring when
//! that is opened, and once for each new one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::Source;
use crate::limits::KEK_ID_BYTES_MAX;
use crate::secrets::SecretsError;
use crate::secrets::key::SecretKey;
use crate::secrets::wrapped::Wrapped;

/// What the ids of these keys begin with in a keyring.
pub(super) const PREFIX: &str = "pkcs11:";

/// Bits of the tag of AES-GCM.
const TAG_BITS: u64 = 128;
/// Bytes of a key of AES-256.
const KEY_BYTES: u64 = 32;

/// Where the token is, and which of its keys wraps.
#[derive(Clone)]
pub struct TokenSettings {
    /// The vendor's shared library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The label of the key that wraps.
    pub key: String,
    /// The user's PIN.
    pub pin: Zeroizing<String>,
}

/// A token that was logged in to.
pub struct TokenKeks {
    settings: TokenSettings,
    /// The id of the key that wraps.
    active: String,
    module: Pkcs11,
    /// A session at a time: none where the last one failed.
    session: Mutex<Option<LoggedIn>>,
}

/// A session, and the keys that were found in it by their labels.
struct LoggedIn {
    session: Session,
    keys: BTreeMap<String, ObjectHandle>,
}

/// Why a token did not answer.
struct Fault(String);

impl TokenKeks {
    /// Loads the module, logs in to the token and looks for the key that wraps. Blocks.
    ///
    /// # Errors
    /// [`SecretsError::Token`].
    pub fn open(settings: TokenSettings) -> Result<Self, SecretsError> {
        let opened = Self::load(settings)?;
        if !opened.has(&opened.active)? {
            return Err(opened.failed(
                &"it has no AES key of the label that pkcs11_key names; `cairnlog key create` makes one",
            ));
        }
        Ok(opened)
    }

    /// Makes the key that is to wrap in the token: of AES-256, and such that it never leaves it. Blocks.
    ///
    /// # Errors
    /// [`SecretsError::Token`], also where it has a key of that label.
    pub fn create_key(settings: TokenSettings) -> Result<(), SecretsError> {
        let opened = Self::load(settings)?;
        if opened.has(&opened.active)? {
            return Err(opened.failed(&"it has a key of that label already"));
        }
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(KEY_BYTES.into()),
            Attribute::Label(opened.settings.key.clone().into_bytes()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        opened.ask(|in_it| {
            in_it.session.generate_key(&Mechanism::AesKeyGen, &template)?;
            Ok(())
        })
    }

    fn load(settings: TokenSettings) -> Result<Self, SecretsError> {
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=KEK_ID_BYTES_MAX).contains(&settings.key.len()) || !settings.key.bytes().all(is_label) {
            return Err(failed(&settings, &"a key's label has 1 to 64 letters, digits, `.`, `_` and `-`"));
        }
        let module = Pkcs11::new(&settings.module).map_err(|error| failed(&settings, &error))?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // By another server of this process.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(failed(&settings, &error)),
        }
        let active = format!("{PREFIX}{}", settings.key);
        Ok(Self { settings, active, module, session: Mutex::default() })
    }

    /// Asks the token, once more in a new session where the first one fails: it may have ended.
    fn ask<T>(&self, ask: impl Fn(&mut LoggedIn) -> Result<T, Fault>) -> Result<T, SecretsError> {
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut session) = held.take()
            && let Ok(answer) = ask(&mut session)
        {
            *held = Some(session);
            return Ok(answer);
        }
        let mut session = self.log_in()?;
        let answer = ask(&mut session).map_err(|Fault(what)| self.failed(&what))?;
        *held = Some(session);
        Ok(answer)
    }

    fn log_in(&self) -> Result<LoggedIn, SecretsError> {
        let slots = self.module.get_slots_with_initialized_token().map_err(|error| self.failed(&error))?;
        let is_it = |info: cryptoki::slot::TokenInfo| info.label() == self.settings.token;
        let mut named = slots.into_iter().filter(|slot| self.module.get_token_info(*slot).is_ok_and(is_it));
        let slot = match (named.next(), named.next()) {
            (Some(slot), None) => slot,
            (None, _) => return Err(self.failed(&"the module knows no token of that label")),
            (Some(_), Some(_)) => return Err(self.failed(&"the module knows several tokens of that label")),
        };
        let session = self.module.open_rw_session(slot).map_err(|error| self.failed(&error))?;
        let pin = AuthPin::new(self.settings.pin.as_str().into());
        match session.login(UserType::User, Some(&pin)) {
            // Who is logged in is so in all sessions.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(self.failed(&error)),
        }
        Ok(LoggedIn { session, keys: BTreeMap::new() })
    }

    fn failed(&self, why: &dyn fmt::Display) -> SecretsError {
        failed(&self.settings, why)
    }
}

impl LoggedIn {
    /// The key of an id; `None` if the token has none.
    fn key(&mut self, id: &str) -> Result<Option<ObjectHandle>, Fault> {
        let label = id.strip_prefix(PREFIX).unwrap_or_default();
        if let Some(key) = self.keys.get(label) {
            return Ok(Some(*key));
        }
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        let found = self.session.find_objects(&template)?;
        let key = match found.as_slice() {
            [] => return Ok(None),
            [key] => *key,
            _ => return Err(Fault(format!("it has several AES keys of the label {label}"))),
        };
        let kinds = [AttributeType::Sensitive, AttributeType::Extractable];
        let attributes = self.session.get_attributes(key, &kinds)?;
        if !attributes.contains(&Attribute::Sensitive(true))
            || !attributes.contains(&Attribute::Extractable(false))
        {
            let words =
                format!("the key {label} can leave it; make one that is sensitive and not extractable");
            return Err(Fault(words));
        }
        self.keys.insert(label.to_owned(), key);
        Ok(Some(key))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl Source for TokenKeks {
    fn active(&self) -> &str {
        &self.active
    }

    fn has(&self, id: &str) -> Result<bool, SecretsError> {
        Ok(self.ask(|in_it| in_it.key(id))?.is_some())
    }

    fn wrap(&self, context: &[u8], key: &SecretKey) -> Result<Wrapped, SecretsError> {
        let nonce = Wrapped::nonce()?;
        let sealed = self.ask(|in_it| {
            let gone = || Fault("the key that wraps is gone from it".to_owned());
            let kek = in_it.key(&self.active)?.ok_or_else(gone)?;
            let mut iv = nonce;
            let gcm = GcmParams::new(&mut iv, context, TAG_BITS.into())?;
            Ok(in_it.session.encrypt(&Mechanism::AesGcm(gcm), kek, key.as_bytes())?)
        })?;
        Wrapped::from_parts(nonce, &sealed)
            .ok_or_else(|| self.failed(&"what it encrypted has another length than AES-GCM gives"))
    }

    fn unwrap(&self, id: &str, context: &[u8], wrapped: &Wrapped) -> Result<Option<SecretKey>, SecretsError> {
        let (nonce, sealed) = wrapped.parts();
        let opened = self.ask(|in_it| {
            let Some(kek) = in_it.key(id)? else { return Ok(None) };
            let mut iv = *nonce;
            let gcm = GcmParams::new(&mut iv, context, TAG_BITS.into())?;
            match in_it.session.decrypt(&Mechanism::AesGcm(gcm), kek, sealed) {
                Err(Error::Pkcs11(RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange, _)) => {
                    Ok(None)
                }
                Err(error) => Err(Fault(format!("a key that {id} is said to wrap does not open: {error}"))),
                Ok(opened) => Ok(Some(Zeroizing::new(opened))),
            }
        })?;
        Ok(opened.and_then(|key| SecretKey::from_slice(&key)))
    }
}

fn failed(settings: &TokenSettings, why: &dyn fmt::Display) -> SecretsError {
    SecretsError::Token {
        token: settings.token.clone(),
        module: settings.module.clone(),
        what: why.to_string(),
    }
}

impl fmt::Debug for TokenSettings {
    /// Without the PIN.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSettings")
            .field("module", &self.module)
            .field("token", &self.token)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenKeks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
