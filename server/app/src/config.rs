//! What a server is told: defaults, then a TOML file, then `CAIRNLOG_*`, then flags; the last one wins.
//!
//! The administrator's token of a run comes from `CAIRNLOG_ADMIN_TOKEN` alone, never from a file or a flag, and shows
//! up in no message.

mod keks;
mod signers;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use cairnlog_client::Secret;
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};

use cairnlog_ledger::Archive;
use cairnlog_ledger::limits::{KEYRING_BACKUP_DAYS, RECORD_BYTES_DEFAULT};
use cairnlog_verify::note::VerifierKey;

use crate::backup::Places;
pub(crate) use keks::{KekPlace, KekSettings, SourceName};

use crate::limits::{
    ADMIN_TOKEN_LEN, INGEST_BYTES_MAX, INGEST_RECORDS_DEFAULT, INGEST_RECORDS_MAX, KEYRING_BACKUP_DAYS_MAX,
    SETTING_BYTES_MIN,
};

/// Where a server listens if it is not told.
pub(crate) const LISTEN_DEFAULT: &str = "127.0.0.1:8080";

/// What is logged if the server is not told: a level, or directives of `tracing`.
const LOG_DEFAULT: &str = "info";

/// The settings that stand in a file or, as `CAIRNLOG_` and the name in capitals, in the environment. Other variables of
/// that prefix are not ours to refuse: platforms set some for a service of this name.
const KEYS: [&str; 21] = [
    "data",
    "heads",
    "listen",
    "public_host",
    "log",
    "witness_policy",
    "ingest_bytes_max",
    "ingest_records_max",
    "record_bytes_max",
    "two_person",
    "keyring_backup_days",
    "archive_to",
    "archive_key",
    "plugin_keys",
    "backup_to",
    "keyring_backup_to",
    "kek_source",
    "pkcs11_module",
    "pkcs11_token",
    "pkcs11_key",
    "pkcs11_pin_file",
];

const ADMIN_TOKEN: &str = "CAIRNLOG_ADMIN_TOKEN";

/// A server's settings, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Where the newest tree heads are kept outside the store; `heads` in the data directory where absent.
    pub(crate) heads: Option<PathBuf>,
    /// A tlog-policy file: who cosigns tree heads before they are published.
    pub(crate) witness_policy: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Before `/logs/<name>` in the origin of new logs: host and perhaps port. The address listened on where absent.
    pub(crate) public_host: Option<String>,
    /// What is logged.
    pub(crate) log: String,
    /// A token with every role, for this run.
    pub(crate) admin_token: Option<Secret>,
    /// How much one ingest may send.
    pub(crate) ingest: IngestLimits,
    /// Whether an erasure on request needs a second person.
    pub(crate) two_person: bool,
    /// Days that a copy of a keyring lives, at most.
    pub(crate) keyring_backup_days: u32,
    /// Where what a sweep erases goes before, and to whom it is sealed.
    pub(crate) archive: Option<Archive>,
    /// One of these must have signed a plugin; with none, anybody's are taken.
    pub(crate) plugin_keys: Vec<VerifierKey>,
    /// Where the running server's copies go.
    pub(crate) backups: Places,
    /// Where the keys come from that wrap keyrings.
    pub(crate) keks: KekSettings,
}

/// How much one ingest may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IngestLimits {
    /// Bytes of the body, as sent and after decompression.
    pub(crate) body_bytes: usize,
    /// Raw records.
    pub(crate) records: usize,
    /// Bytes of a raw record beyond which it is quarantined.
    pub(crate) record_bytes: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            body_bytes: INGEST_BYTES_MAX,
            records: INGEST_RECORDS_DEFAULT,
            record_bytes: RECORD_BYTES_DEFAULT,
        }
    }
}

/// What the command line said.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Flags {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) heads: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) witness_policy: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kek_source: Option<SourceName>,
    /// The file to read; not a setting itself.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
}

/// Why settings were refused: one line, without the value of a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heads: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    witness_policy: Option<PathBuf>,
    listen: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_host: Option<String>,
    log: String,
    ingest_bytes_max: usize,
    ingest_records_max: usize,
    record_bytes_max: usize,
    two_person: bool,
    keyring_backup_days: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive_to: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_keys: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_to: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyring_backup_to: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kek_source: Option<SourceName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs11_module: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs11_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs11_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs11_pin_file: Option<PathBuf>,
}

/// Merges and checks the settings. `env` reads the environment.
///
/// # Errors
/// An unreadable file, an unknown key in it, a value that can't be, no data directory.
pub(crate) fn load(flags: &Flags, env: impl Fn(&str) -> Option<String>) -> Result<Settings, ConfigError> {
    let found = merge(flags, &env)?;
    let data = found.data.clone().filter(|path| !path.as_os_str().is_empty());
    let data = data
        .ok_or_else(|| ConfigError("name the data directory with --data DIR or CAIRNLOG_DATA".to_owned()))?;
    let heads = found.heads.clone().filter(|path| !path.as_os_str().is_empty());
    let ingest = IngestLimits {
        body_bytes: within("ingest_bytes_max", found.ingest_bytes_max, SETTING_BYTES_MIN, INGEST_BYTES_MAX)?,
        records: within("ingest_records_max", found.ingest_records_max, 1, INGEST_RECORDS_MAX)?,
        record_bytes: within(
            "record_bytes_max",
            found.record_bytes_max,
            SETTING_BYTES_MIN,
            INGEST_BYTES_MAX,
        )?,
    };
    let keks = keks::load(&found, &env)?;
    let days_max = KEYRING_BACKUP_DAYS_MAX as usize;
    let days = within("keyring_backup_days", found.keyring_backup_days, 1, days_max)?;
    let archive = archive(&found)?;
    let plugin_keys = found.plugin_keys.as_deref().map(signers::load).transpose()?.unwrap_or_default();
    let backups =
        Places { store: found.backup_to.clone(), keyrings: found.keyring_backup_to.clone(), secrets: None };
    let Found { listen, public_host, log, witness_policy, two_person, .. } = found;
    check_public_host(public_host.as_deref())?;
    check_log(&log)?;
    let admin_token = admin_token(env)?;
    Ok(Settings {
        data,
        heads,
        witness_policy,
        listen,
        public_host,
        log,
        admin_token,
        ingest,
        two_person,
        keyring_backup_days: u32::try_from(days).unwrap_or(KEYRING_BACKUP_DAYS_MAX),
        archive,
        plugin_keys,
        backups,
        keks,
    })
}

/// The settings of the keys that wrap keyrings alone, for who needs no data directory.
///
/// # Errors
/// As [`load`].
pub(crate) fn keks(
    file: Option<PathBuf>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<KekSettings, ConfigError> {
    let flags = Flags { file, ..Flags::default() };
    keks::load(&merge(&flags, &env)?, env)
}

fn merge(flags: &Flags, env: impl Fn(&str) -> Option<String>) -> Result<Found, ConfigError> {
    let defaults = IngestLimits::default();
    let mut figment = Figment::new()
        .merge(Serialized::default("listen", LISTEN_DEFAULT))
        .merge(Serialized::default("log", LOG_DEFAULT))
        .merge(Serialized::default("ingest_bytes_max", defaults.body_bytes))
        .merge(Serialized::default("ingest_records_max", defaults.records))
        .merge(Serialized::default("record_bytes_max", defaults.record_bytes))
        .merge(Serialized::default("two_person", false))
        .merge(Serialized::default("keyring_backup_days", KEYRING_BACKUP_DAYS));
    if let Some(file) = &flags.file {
        if !file.is_file() {
            return Err(ConfigError(format!(
                "there is no file {}; name another one with --config",
                file.display()
            )));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    for key in KEYS {
        if let Some(value) = env(&format!("CAIRNLOG_{}", key.to_ascii_uppercase())) {
            figment = match (value.parse::<usize>(), value.parse::<bool>()) {
                (Ok(number), _) if key.ends_with("_max") || key.ends_with("_days") => {
                    figment.merge(Serialized::default(key, number))
                }
                (_, Ok(is_so)) if key == "two_person" => figment.merge(Serialized::default(key, is_so)),
                _ => figment.merge(Serialized::default(key, value)),
            };
        }
    }
    figment.merge(Serialized::defaults(flags)).extract().map_err(|error| refused(&error))
}

/// A word alone would be taken for the name of a module, of which nothing is then logged.
fn check_log(log: &str) -> Result<(), ConfigError> {
    let is_level = |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
    let is_directive = |part: &str| part.contains('=') || is_level(&part.to_ascii_lowercase());
    let words = || ConfigError("log is error, warn, info, debug or trace".to_owned());
    log.split(',').map(str::trim).all(is_directive).then_some(()).ok_or_else(words)
}

/// Both settings of the archive, or none.
fn archive(found: &Found) -> Result<Option<Archive>, ConfigError> {
    match (found.archive_to.clone(), &found.archive_key) {
        (None, None) => Ok(None),
        (Some(dir), Some(key)) => {
            let key = key.parse().map_err(|error| ConfigError(format!("archive_key: {error}")))?;
            Ok(Some(Archive { dir, key }))
        }
        _ => Err(ConfigError(
            "archive_to and archive_key belong together; make a key with `cairnlog archive key --out FILE`"
                .to_owned(),
        )),
    }
}

fn within(key: &str, value: usize, min: usize, max: usize) -> Result<usize, ConfigError> {
    let words = || ConfigError(format!("{key} is {min} to {max}, not {value}"));
    (min..=max).contains(&value).then_some(value).ok_or_else(words)
}

fn refused(error: &figment::Error) -> ConfigError {
    // Settings lie in figment's profile `default`, which is no word for the reader.
    let words = error.to_string().replace('\n', "; ").replace("key \"default.", "key \"");
    ConfigError(format!("the settings can't be used: {words}"))
}

/// The host becomes a part of origins, which are names in signed notes: neither white space nor `+`.
fn check_public_host(host: Option<&str>) -> Result<(), ConfigError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+' || c == '/';
    match host {
        Some(host) if host.is_empty() || host.contains(bad) => Err(ConfigError(
            "public_host is a host and perhaps a port, such as logs.example.com, without scheme and path"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// The administrator's token of this run, if the environment has one.
///
/// # Errors
/// If it is too short, too long, or not visible ASCII.
pub(crate) fn admin_token(env: impl Fn(&str) -> Option<String>) -> Result<Option<Secret>, ConfigError> {
    let Some(token) = env(ADMIN_TOKEN) else { return Ok(None) };
    if ADMIN_TOKEN_LEN.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(Secret::new(token)));
    }
    let (least, most) = (ADMIN_TOKEN_LEN.start(), ADMIN_TOKEN_LEN.end());
    Err(ConfigError(format!("{ADMIN_TOKEN} must have {least} to {most} visible ASCII characters")))
}

/// The environment of this process. What is not UTF-8 comes with replacement characters, which no setting accepts.
pub(crate) fn env(name: &str) -> Option<String> {
    // Moved, so that no copy of a secret is left behind.
    let text = |value: std::ffi::OsString| value.into_string();
    std::env::var_os(name)
        .map(|value| text(value).unwrap_or_else(|value| value.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cairnlog.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn flags(data: Option<&str>, file: Option<PathBuf>) -> Flags {
        Flags { data: data.map(PathBuf::from), file, ..Flags::default() }
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn an_archive_has_a_place_and_a_key() {
        let of = |dir: Option<&'static str>, key: Option<&'static str>| {
            let env = move |name: &str| match name {
                "CAIRNLOG_ARCHIVE_TO" => dir.map(str::to_owned),
                "CAIRNLOG_ARCHIVE_KEY" => key.map(str::to_owned),
                _ => None,
            };
            load(&flags(Some("d"), None), env).map(|settings| settings.archive)
        };
        let key = "cairnlog-archive-key+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert!(of(None, None).unwrap().is_none());
        assert_eq!(of(Some("a"), Some(key)).unwrap().unwrap().key.to_string(), key);
        for (dir, key) in [(Some("a"), None), (None, Some(key)), (Some("a"), Some("PRIVATE+x"))] {
            assert!(of(dir, key).unwrap_err().to_string().contains("archive_key"));
        }
    }

    #[test]
    fn defaults_need_only_a_directory() {
        let settings = load(&flags(Some("d"), None), nothing).unwrap();
        assert_eq!(settings.listen.to_string(), LISTEN_DEFAULT);
        assert_eq!((settings.data, settings.log.as_str()), (PathBuf::from("d"), "info"));
        assert!(settings.public_host.is_none() && settings.admin_token.is_none());
        let error = load(&flags(None, None), nothing).unwrap_err();
        assert!(error.to_string().contains("--data"), "{error}");
    }

    #[test]
    fn the_later_source_wins() {
        let (_dir, path) = file("data = \"from-file\"\nlisten = \"127.0.0.1:1\"\nlog = \"warn\"\n");
        let env = |name: &str| (name == "CAIRNLOG_LISTEN").then(|| "127.0.0.1:2".to_owned());
        let settings = load(&flags(None, Some(path.clone())), env).unwrap();
        assert_eq!((settings.data.clone(), settings.listen.port()), (PathBuf::from("from-file"), 2));
        assert_eq!(settings.log, "warn");
        let mut flags = flags(Some("from-flag"), Some(path));
        flags.listen = Some("127.0.0.1:3".parse().unwrap());
        flags.heads = Some(PathBuf::from("elsewhere"));
        let settings = load(&flags, env).unwrap();
        assert_eq!(settings.heads, Some(PathBuf::from("elsewhere")));
        assert_eq!((settings.data, settings.listen.port()), (PathBuf::from("from-flag"), 3));
    }

    #[test]
    fn a_number_in_the_environment_stays_text() {
        let env = |name: &str| (name == "CAIRNLOG_DATA").then(|| "2026".to_owned());
        assert_eq!(load(&Flags::default(), env).unwrap().data, PathBuf::from("2026"));
    }

    #[test]
    fn unknown_keys_and_bad_values_are_one_line() {
        for text in [
            "dta = \"x\"",
            "listen = \"here\"",
            "admin_token = \"0\"",
            "data = ",
            "public_host = \"https://x\"",
        ] {
            let (_dir, path) = file(text);
            let error = load(&flags(Some("d"), Some(path)), nothing).unwrap_err().to_string();
            assert!(!error.is_empty() && !error.contains('\n'), "{text}: {error}");
        }
        let missing = load(&flags(Some("d"), Some(PathBuf::from("/nowhere/c.toml"))), nothing).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/c.toml"), "{missing}");
    }

    #[test]
    fn a_level_of_logging_is_one() {
        for (level, is_good) in
            [("info", true), ("WARN", true), ("info,cairnlog_tlog=debug", true), ("loud", false), ("", false)]
        {
            let env = |name: &str| (name == "CAIRNLOG_LOG").then(|| level.to_owned());
            assert_eq!(load(&flags(Some("d"), None), env).is_ok(), is_good, "{level}");
        }
    }

    #[test]
    fn limits_are_settings_within_their_bounds() {
        assert_eq!(load(&flags(Some("d"), None), nothing).unwrap().ingest, IngestLimits::default());
        let (_dir, path) = file("ingest_bytes_max = 2048\ningest_records_max = 5\n");
        let env = |name: &str| (name == "CAIRNLOG_RECORD_BYTES_MAX").then(|| "4096".to_owned());
        let found = load(&flags(Some("d"), Some(path)), env).unwrap().ingest;
        assert_eq!(found, IngestLimits { body_bytes: 2_048, records: 5, record_bytes: 4_096 });
        for bad in ["0", "1", "16777217", "-1", "many"] {
            let env = |name: &str| (name == "CAIRNLOG_INGEST_BYTES_MAX").then(|| bad.to_owned());
            let error = load(&flags(Some("d"), None), env).unwrap_err().to_string();
            assert!(error.contains("ingest_bytes_max"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_second_person_is_needed_where_a_setting_says_so() {
        assert!(!load(&flags(Some("d"), None), nothing).unwrap().two_person);
        for (value, expected) in [("true", Some(true)), ("false", Some(false)), ("yes", None)] {
            let env = |name: &str| (name == "CAIRNLOG_TWO_PERSON").then(|| value.to_owned());
            let found = load(&flags(Some("d"), None), env).ok().map(|settings| settings.two_person);
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn the_life_of_a_keyrings_copy_is_a_setting() {
        let with = |days: &'static str| {
            move |name: &str| (name == "CAIRNLOG_KEYRING_BACKUP_DAYS").then(|| days.to_owned())
        };
        let days = |days| load(&flags(Some("d"), None), with(days)).map(|found| found.keyring_backup_days);
        assert_eq!(load(&flags(Some("d"), None), nothing).unwrap().keyring_backup_days, 30);
        assert_eq!(days("7"), Ok(7));
        for bad in ["0", "3651", "-1", "a week"] {
            assert!(days(bad).unwrap_err().to_string().contains("keyring_backup_days"), "{bad}");
        }
    }

    #[test]
    fn the_admin_token_is_checked_and_hidden() {
        let with = |token: &str| {
            let token = token.to_owned();
            move |name: &str| (name == ADMIN_TOKEN).then(|| token.clone())
        };
        let good = "correct-horse-battery-staple-0123456789";
        let settings = load(&flags(Some("d"), None), with(good)).unwrap();
        assert_eq!(settings.admin_token.as_ref().unwrap().expose(), good);
        assert!(!format!("{settings:?}").contains(good));
        for bad in ["short", &"x".repeat(257), "with a space in it, but long enough to pass"] {
            let error = load(&flags(Some("d"), None), with(bad)).unwrap_err().to_string();
            assert!(!error.contains(bad), "{error}");
        }
    }
}
