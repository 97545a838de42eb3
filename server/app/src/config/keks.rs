//! Where the keys come from that wrap keyrings: files, the environment, a PKCS#11 token.
//!
//! Keys and PINs come from the environment or from files of their own, never from the settings' file or a flag, and show up
//! in no message.

use cairnlog_store::secrets::{
    EnvironmentKeks, KekSource, KekSources, SecretsError, TokenKeks, TokenSettings, read_private,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ConfigError, Found};

const KEKS: &str = "CAIRNLOG_KEK";
const PIN: &str = "CAIRNLOG_PKCS11_PIN";

/// Where the keys come from that wrap keyrings.
#[derive(Clone, Debug, Default)]
pub(crate) struct KekSettings {
    wraps: SourceName,
    environment: Option<EnvironmentKeks>,
    token: Option<TokenSettings>,
}

/// Which of them wraps, as it is written in settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SourceName {
    /// A key in the file `kek` of each log, made with the log.
    #[default]
    File,
    /// The first key of `CAIRNLOG_KEK`.
    Environment,
    /// A key in a PKCS#11 token.
    Pkcs11,
}

/// Where the key is that wraps.
pub(crate) enum KekPlace<'a> {
    File,
    Environment,
    Token(&'a TokenSettings),
}

impl KekSettings {
    /// Where the key is that wraps.
    pub(crate) fn place(&self) -> KekPlace<'_> {
        match (self.wraps, &self.token) {
            (SourceName::Environment, _) => KekPlace::Environment,
            (SourceName::Pkcs11, Some(token)) => KekPlace::Token(token),
            _ => KekPlace::File,
        }
    }

    /// Loads the PKCS#11 module, where there is one. Blocks.
    ///
    /// # Errors
    /// [`SecretsError::Token`].
    pub(crate) fn open(&self) -> Result<KekSources, SecretsError> {
        let wraps = match self.wraps {
            SourceName::File => KekSource::File,
            SourceName::Environment => KekSource::Environment,
            SourceName::Pkcs11 => KekSource::Token,
        };
        let token = self.token.clone().map(TokenKeks::open).transpose()?;
        Ok(KekSources::new(wraps, self.environment.clone(), token))
    }

    /// The PKCS#11 token, where settings name one.
    pub(crate) fn token(&self) -> Option<&TokenSettings> {
        self.token.as_ref()
    }
}

/// Checks what was found, and reads the secrets.
pub(super) fn load(found: &Found, env: impl Fn(&str) -> Option<String>) -> Result<KekSettings, ConfigError> {
    let refused = |words: String| Err(ConfigError(words));
    let environment = env(KEKS).map(Zeroizing::new).map(|text| EnvironmentKeks::parse(&text));
    let environment = environment.transpose().map_err(|error| ConfigError(error.to_string()))?;
    let token = token(found, env)?;
    let wraps = found.kek_source.unwrap_or_default();
    match wraps {
        SourceName::Environment if environment.is_none() => {
            refused(format!("kek_source is environment, but {KEKS} is not set: set it to the base64 of 32 bytes"))
        }
        SourceName::Pkcs11 if token.is_none() => refused(
            "kek_source is pkcs11, but no token is named: set pkcs11_module, pkcs11_token, pkcs11_key and the PIN"
                .to_owned(),
        ),
        _ => Ok(KekSettings { wraps, environment, token }),
    }
}

fn token(found: &Found, env: impl Fn(&str) -> Option<String>) -> Result<Option<TokenSettings>, ConfigError> {
    let (module, token, key) = match (&found.pkcs11_module, &found.pkcs11_token, &found.pkcs11_key) {
        (None, None, None) => return Ok(None),
        (Some(module), Some(token), Some(key)) => (module.clone(), token.clone(), key.clone()),
        _ => {
            let words = "pkcs11_module, pkcs11_token and pkcs11_key are set together, or none of them";
            return Err(ConfigError(words.to_owned()));
        }
    };
    let pin = match (env(PIN).map(Zeroizing::new), &found.pkcs11_pin_file) {
        (Some(pin), None) => pin,
        (None, Some(file)) => {
            let text =
                read_private(file).map_err(|error| ConfigError(format!("pkcs11_pin_file: {error}")))?;
            Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (Some(_), Some(_)) => {
            return Err(ConfigError(format!("set {PIN} or pkcs11_pin_file, not both")));
        }
        (None, None) => {
            let words =
                format!("the token's PIN is missing: set pkcs11_pin_file to a file of mode 0600, or {PIN}");
            return Err(ConfigError(words));
        }
    };
    Ok(Some(TokenSettings { module, token, key, pin }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Flags, Settings, load};

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn settings(vars: &[(&str, &str)]) -> Result<Settings, String> {
        let env =
            |name: &str| vars.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        let flags = Flags { data: Some(PathBuf::from("d")), ..Flags::default() };
        load(&flags, env).map_err(|error| error.to_string())
    }

    #[test]
    fn files_wrap_unless_something_else_is_said() {
        let wraps = |vars: &[(&str, &str)]| settings(vars).map(|found| found.keks.wraps);
        assert_eq!(wraps(&[]), Ok(SourceName::File));
        let source = ("CAIRNLOG_KEK_SOURCE", "environment");
        assert_eq!(wraps(&[source, (KEKS, KEY)]), Ok(SourceName::Environment));
        assert_eq!(wraps(&[(KEKS, KEY)]), Ok(SourceName::File));
        assert!(settings(&[(KEKS, KEY)]).unwrap().keks.environment.is_some(), "it is there to be read");
        assert!(wraps(&[source]).unwrap_err().contains("CAIRNLOG_KEK is not set"));
        assert!(wraps(&[("CAIRNLOG_KEK_SOURCE", "paper")]).unwrap_err().contains("kek_source"));
    }

    #[test]
    fn a_key_of_the_environment_is_checked_and_shows_up_nowhere() {
        let shown = format!("{:?}", settings(&[(KEKS, KEY)]).unwrap());
        assert!(shown.contains("env:58a8d0d4") && !shown.contains(KEY), "{shown}");
        let error = settings(&[(KEKS, &KEY[1..])]).unwrap_err();
        assert!(error.contains("CAIRNLOG_KEK") && !error.contains(&KEY[1..]), "{error}");
    }

    #[test]
    fn a_token_has_a_module_a_label_a_key_and_one_pin() {
        let named = [
            ("CAIRNLOG_PKCS11_MODULE", "/lib/hsm.so"),
            ("CAIRNLOG_PKCS11_TOKEN", "t"),
            ("CAIRNLOG_PKCS11_KEY", "k"),
        ];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pin");
        std::fs::write(&file, "987654\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let file_var = ("CAIRNLOG_PKCS11_PIN_FILE", file.to_str().unwrap());
        let error = settings(&[&named[..], &[file_var]].concat()).unwrap_err();
        assert!(error.contains("chmod 600"), "{error}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        for pin in [file_var, (PIN, "987654")] {
            let found = settings(&[&named[..], &[pin]].concat()).unwrap();
            assert_eq!(found.keks.token.as_ref().unwrap().pin.as_str(), "987654");
            assert!(!format!("{found:?}").contains("987654"));
        }
        let both = settings(&[&named[..], &[file_var, (PIN, "987654")]].concat()).unwrap_err();
        assert!(both.contains("not both") && !both.contains("987654"), "{both}");
        assert!(settings(&named).unwrap_err().contains("PIN"));
        assert!(settings(&named[..2]).unwrap_err().contains("together"));
        assert!(settings(&[("CAIRNLOG_KEK_SOURCE", "pkcs11")]).unwrap_err().contains("pkcs11_module"));
    }
}
