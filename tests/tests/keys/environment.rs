//! Keys of the environment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{check, file, kek, line, portal, set};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const KEY_ID: &str = "env:58a8d0d4";
const OTHER: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
const WRAPS: (&str, &str) = ("CAIRNLOG_KEK_SOURCE", "environment");
const LOUD: (&str, &str) = ("CAIRNLOG_LOG", "trace");

/// Whether one of the files below a directory has these bytes in it.
fn has(dir: &std::path::Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return has(&path, bytes);
        }
        std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn a_key_of_the_environment_wraps_and_is_written_nowhere() {
    let (mut server, _log) = portal(&[WRAPS, LOUD, ("CAIRNLOG_KEK", KEY)]).await;
    assert_eq!(kek(&server), KEY_ID);
    assert!(!file(&server, "kek").exists());
    check(&server).await;
    assert_eq!(server.stop(), Some(0));
    server.restart();
    check(&server).await;
    server.stop();
    let said = server.stderr();
    assert!(!said.contains(KEY) && !said.contains(&KEY[..16]), "a key was logged");
    for bytes in [KEY.as_bytes(), &STANDARD.decode(KEY).unwrap()] {
        assert!(!has(server.data(), bytes), "a key was stored");
    }
}

#[tokio::test]
async fn without_its_key_the_server_says_what_to_do_and_does_not_start() {
    let (mut server, _log) = portal(&[WRAPS, ("CAIRNLOG_KEK", KEY)]).await;
    server.stop();
    for (env, words) in [
        (vec![], "set CAIRNLOG_KEK"),
        (vec![WRAPS, ("CAIRNLOG_KEK", OTHER)], "add it behind the others"),
        (vec![("CAIRNLOG_KEK", OTHER)], "add it behind the others"),
    ] {
        set(&mut server, &env);
        let refusal = server.try_restart().unwrap_err();
        let line = line(&refusal);
        assert!(line.contains(words) && line.contains(KEY_ID), "{line}");
    }
    assert!(!file(&server, "kek").exists(), "nothing was made");
    set(&mut server, &[WRAPS, ("CAIRNLOG_KEK", KEY)]);
    server.restart();
    check(&server).await;
}

#[tokio::test]
async fn what_is_no_key_is_wrong_usage_and_not_quoted() {
    let mut server = cairnlog_tests::Server::idle();
    for (env, words) in [
        (vec![WRAPS], "CAIRNLOG_KEK is not set"),
        (vec![WRAPS, ("CAIRNLOG_KEK", &KEY[..20])], "base64 of 32 bytes"),
        (vec![("CAIRNLOG_KEK_SOURCE", "vault")], "kek_source"),
    ] {
        set(&mut server, &env);
        let refusal = server.try_restart().unwrap_err();
        assert_eq!(refusal.code, Some(64), "{refusal:?}");
        assert!(refusal.stderr.contains(words) && !refusal.stderr.contains(&KEY[..20]), "{refusal:?}");
    }
    assert!(!server.data().exists());
}

#[tokio::test]
async fn a_server_moves_to_the_environment_and_to_another_key_of_it_and_back_to_files() {
    let (mut server, _log) = portal(&[]).await;
    let of_file = kek(&server);
    for (env, id) in [
        (vec![WRAPS, ("CAIRNLOG_KEK", KEY)], KEY_ID),
        (vec![WRAPS, ("CAIRNLOG_KEK", &format!("2027:{OTHER},{KEY}"))], "env:2027"),
        (vec![WRAPS, ("CAIRNLOG_KEK", &format!("2027:{OTHER}"))], "env:2027"),
    ] {
        server.stop();
        set(&mut server, &env);
        server.restart();
        assert_eq!(kek(&server), id);
        assert!(!file(&server, "kek").exists());
        check(&server).await;
    }
    server.kill();
    set(&mut server, &[("CAIRNLOG_KEK", &format!("2027:{OTHER}"))]);
    server.restart();
    assert!(kek(&server) != of_file && file(&server, "kek").exists());
    server.stop();
    set(&mut server, &[]);
    server.restart();
    check(&server).await;
    assert!(server.stderr().contains("the keyring is wrapped by another key now"));
}
