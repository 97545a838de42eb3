//! Keys in a PKCS#11 token: `SoftHSM`, where `scripts/install-softhsm.sh` has put it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cairnlog_tests::paths;
use tempfile::TempDir;

use super::{cairnlog, check, file, kek, line, portal, set, stderr};

const PIN: &str = "24681357";

/// A token of a test's own, called `cairnlog`.
struct Token {
    dir: TempDir,
    module: PathBuf,
}

impl Token {
    /// Nothing where there is no `SoftHSM`, which is said.
    fn new() -> Option<Self> {
        let unpacked = paths::root().join(".tools/softhsm/usr");
        let usr = [PathBuf::from("/usr"), unpacked];
        let found = usr.into_iter().find(|usr| usr.join("lib/softhsm/libsofthsm2.so").exists());
        let Some(usr) = found else {
            // Not by a macro, whose output is captured.
            let words = "SKIPPED: no SoftHSM for a test of tokens; run scripts/install-softhsm.sh\n";
            std::io::stderr().write_all(words.as_bytes()).unwrap();
            return None;
        };
        let token =
            Self { dir: tempfile::tempdir().unwrap(), module: usr.join("lib/softhsm/libsofthsm2.so") };
        std::fs::create_dir(token.path("tokens")).unwrap();
        let tokens = token.path("tokens");
        let conf = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
        std::fs::write(token.path("softhsm2.conf"), conf).unwrap();
        let made = Command::new(usr.join("bin/softhsm2-util"))
            .args([
                "--init-token",
                "--free",
                "--label",
                "cairnlog",
                "--so-pin",
                PIN,
                "--pin",
                PIN,
                "--module",
            ])
            .arg(&token.module)
            .env("SOFTHSM2_CONF", token.path("softhsm2.conf"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        std::fs::write(token.path("pin"), format!("{PIN}\n")).unwrap();
        std::fs::set_permissions(token.path("pin"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        Some(token)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The settings in the environment, with a key of this label.
    fn env(&self, source: &'static str, key: &str) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let rows = [
            ("SOFTHSM2_CONF", text(&self.path("softhsm2.conf"))),
            ("CAIRNLOG_KEK_SOURCE", source.to_owned()),
            ("CAIRNLOG_PKCS11_MODULE", text(&self.module)),
            ("CAIRNLOG_PKCS11_TOKEN", "cairnlog".to_owned()),
            ("CAIRNLOG_PKCS11_KEY", key.to_owned()),
            ("CAIRNLOG_PKCS11_PIN_FILE", text(&self.path("pin"))),
            ("CAIRNLOG_LOG", "trace".to_owned()),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    fn create_key(&self, key: &str) {
        let env = self.env("pkcs11", key);
        let ran = cairnlog(&["key", "create"], &refs(&env));
        assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
        let again = cairnlog(&["key", "create"], &refs(&env));
        assert!(again.status.code() == Some(3) && stderr(&again).contains("already"), "{}", stderr(&again));
    }
}

fn refs(env: &[(String, String)]) -> Vec<(&str, &str)> {
    env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn a_token_wraps_the_keyrings_of_a_server_that_moves_to_it_and_away() {
    let Some(token) = Token::new() else { return };
    token.create_key("first");
    token.create_key("second");
    let (mut server, _log) = portal(&[]).await;
    for (source, key, id) in
        [("pkcs11", "first", "pkcs11:first"), ("pkcs11", "second", "pkcs11:second"), ("file", "second", "")]
    {
        server.stop();
        set(&mut server, &refs(&token.env(source, key)));
        server.restart();
        assert!(if id.is_empty() { !kek(&server).contains(':') } else { kek(&server) == id }, "{id}");
        assert_eq!(file(&server, "kek").exists(), id.is_empty());
        check(&server).await;
        server.kill();
        server.restart();
        check(&server).await;
    }
    server.stop();
    set(&mut server, &[]);
    server.restart();
    check(&server).await;
    assert!(!server.stderr().contains(PIN), "the PIN was logged");
}

#[tokio::test]
async fn a_token_that_can_not_be_asked_is_named_and_the_server_does_not_start() {
    let Some(token) = Token::new() else { return };
    token.create_key("first");
    let good = token.env("pkcs11", "first");
    let (mut server, _log) = portal(&refs(&good)).await;
    server.stop();
    let with = |name: &str, value: &str| {
        let mut env = good.clone();
        env.iter_mut().find(|(own, _)| own == name).unwrap().1 = value.to_owned();
        env
    };
    for (env, words) in [
        (with("CAIRNLOG_PKCS11_MODULE", "/nowhere/hsm.so"), "/nowhere/hsm.so"),
        (with("CAIRNLOG_PKCS11_TOKEN", "other"), "no token of that label"),
        (with("CAIRNLOG_PKCS11_KEY", "third"), "cairnlog key create"),
    ] {
        set(&mut server, &refs(&env));
        let refusal = server.try_restart().unwrap_err();
        assert!(line(&refusal).contains(words), "{words}: {refusal:?}");
    }
    set(&mut server, &[]);
    let refusal = server.try_restart().unwrap_err();
    assert!(line(&refusal).contains("pkcs11_module"), "{refusal:?}");
    std::fs::write(token.path("pin"), "00000000\n").unwrap();
    set(&mut server, &refs(&good));
    let refusal = server.try_restart().unwrap_err();
    assert!(line(&refusal).to_lowercase().contains("pin"), "{refusal:?}");
    assert!(!refusal.stderr.contains("00000000"));
    std::fs::write(token.path("pin"), format!("{PIN}\n")).unwrap();
    server.restart();
    check(&server).await;
}
