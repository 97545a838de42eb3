//! Keys in files, rotated while the server runs and while it does not.

use cairnlog_client::RecordQuery;
use cairnlog_tests::http;
use reqwest::Method;
use serde_json::Value;

use super::{LOG, cairnlog, check, file, kek, members, portal, set, stderr};

/// The ids in the log's file `kek`.
fn in_file(server: &cairnlog_tests::Server) -> Vec<String> {
    members(&file(server, "kek"))["keys"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_fresh_key_wraps_all_that_is_there_and_the_one_before_is_gone() {
    let (mut server, log) = portal(&[("CAIRNLOG_LOG", "trace")]).await;
    let (before, secret) = (kek(&server), std::fs::read_to_string(file(&server, "kek")).unwrap());
    let epoch = members(&file(&server, "keyring"))["epoch"].as_u64().unwrap();
    let rotated = log.rotate_kek().await.unwrap();
    assert_eq!((rotated.kek.as_str(), rotated.keyring_epoch), (kek(&server).as_str(), epoch + 1));
    assert_ne!(rotated.kek, before);
    assert_eq!(in_file(&server), [rotated.kek]);
    check(&server).await;
    server.kill();
    server.restart();
    check(&server).await;
    let key = serde_json::from_str::<Value>(&secret).unwrap()["keys"][&before].to_string();
    assert!(!server.stderr().contains(key.trim_matches('"')));

    let of = RecordQuery { action: Some("logs.kek".to_owned()), ..RecordQuery::default() };
    let control = server.client().log("control").unwrap();
    let said = control.search(&of).await.unwrap().items;
    let [entry] = &said[..] else { panic!("once: {}", said.len()) };
    assert_eq!(entry.event["unmapped"]["kek"]["before"], before.as_str());
    assert_eq!(entry.event["resources"][0]["name"], LOG);
}

#[tokio::test]
async fn a_key_that_is_in_no_file_is_rotated_by_a_restart() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let env = [("CAIRNLOG_KEK_SOURCE", "environment"), ("CAIRNLOG_KEK", key)];
    let (mut server, _log) = portal(&env).await;
    let asked = server.request(Method::POST, "/api/v1/logs/hr/kek").send().await.unwrap();
    let problem = http::problem(asked, 409, "conflict").await;
    assert!(problem["detail"].as_str().unwrap().contains("CAIRNLOG_KEK"), "{problem}");
    server.stop();
    let data = server.data().to_str().unwrap().to_owned();
    let ran = cairnlog(&["key", "rotate", LOG, "--data", &data], &env);
    assert_eq!(ran.status.code(), Some(1), "{}", stderr(&ran));
    assert!(stderr(&ran).contains("CAIRNLOG_KEK") && !stderr(&ran).contains(key));
    set(&mut server, &env);
    server.restart();
    check(&server).await;
}

#[tokio::test]
async fn a_stopped_directorys_key_is_rotated_and_one_in_use_is_not() {
    let (mut server, _log) = portal(&[]).await;
    let data = server.data().to_str().unwrap().to_owned();
    let before = kek(&server);
    let ran = cairnlog(&["key", "rotate", LOG, "--data", &data], &[]);
    assert!(ran.status.code() == Some(3) && stderr(&ran).contains("in use"), "{}", stderr(&ran));
    assert_eq!(kek(&server), before);
    server.stop();
    let ran = cairnlog(&["key", "rotate", LOG, "--data", &data, "--output", "json"], &[]);
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(told["kek"], kek(&server));
    assert_ne!(kek(&server), before);
    assert_eq!(in_file(&server), [kek(&server)]);
    server.restart();
    check(&server).await;
    for (args, code) in [
        (vec!["key", "rotate", "it", "--data", "/nowhere/at/all"], 3),
        (vec!["key", "rotate", LOG, "--config", "x.toml"], 64),
    ] {
        assert_eq!(cairnlog(&args, &[]).status.code(), Some(code), "{args:?}");
    }
    server.stop();
    let ran = cairnlog(&["key", "rotate", "it", "--data", &data], &[]);
    assert!(ran.status.code() == Some(1) && stderr(&ran).contains("no log"), "{}", stderr(&ran));
}
