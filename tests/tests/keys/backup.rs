//! Copies of store, keyrings and secrets: taken, deleted in time, and put back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairnlog_client::{ClassSettings, ErasureTarget, Log, Trigger};
use cairnlog_tests::{Server, http, paths};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use super::{LOG, cairnlog, check, file, kek, line, members, portal, send, set, stderr};

/// Where copies go, outside the data directory.
struct Places(TempDir);

impl Places {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// `cairnlog backup` of a stopped server into all three places.
    fn back_up(&self, server: &Server) -> Value {
        let data = server.data().to_str().unwrap();
        let (store, keys, secrets) = (self.text("store"), self.text("keyrings"), self.text("secrets"));
        let args = ["backup", "--data", data, "--to", &store, "--keys-to", &keys, "--secrets-to", &secrets];
        told(&[&args[..], &["--output", "json"]].concat())
    }

    /// The copy of the store of that name.
    fn store(&self, taken: &Value) -> String {
        self.path("store").join(taken["store"].as_str().unwrap()).to_str().unwrap().to_owned()
    }

    /// The names of the files in a place.
    fn files(&self, place: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(place))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// What a command that ends well prints.
fn told(args: &[&str]) -> Value {
    let ran = cairnlog(args, &[]);
    assert_eq!(ran.status.code(), Some(0), "{args:?}: {}", stderr(&ran));
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn restore(server: &Server, args: &[&str]) -> Value {
    let data = server.data().to_str().unwrap();
    let all = told(&[&["restore", "--data", data, "--output", "json"], args].concat());
    let logs = all.as_array().unwrap();
    logs.iter().find(|log| log["log"] == LOG).unwrap().clone()
}

fn fsck(server: &Server) {
    let all = told(&["fsck", "--data", server.data().to_str().unwrap(), "--output", "json"]);
    assert!(all.as_array().unwrap().iter().all(|log| log["verdict"] == "good"), "{all}");
}

#[tokio::test]
async fn what_was_copied_is_put_back_elsewhere() {
    let (mut server, _log) = portal(&[]).await;
    let places = Places::new();
    server.stop();
    let taken = places.back_up(&server);
    assert_eq!((&taken["keyrings"], &taken["secrets"]), (&2.into(), &4.into()), "hr and control");

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let all =
        [("keyrings", ["keyring", "keyring"].as_slice()), ("secrets", &["kek", "signing", "kek", "signing"])];
    for (place, kinds) in all {
        assert_eq!(mode(&places.path(place)), 0o700);
        let names = places.files(place);
        assert!(names.iter().zip(kinds).all(|(name, kind)| name.ends_with(kind)), "{names:?}");
        assert!(names.iter().all(|name| mode(&places.path(place).join(name)) == 0o600));
    }
    for path in paths::files(&places.path("store")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!["kek", "keyring", "signing"].contains(&name), "{name}");
    }

    fs::rename(server.data(), server.aside()).unwrap();
    let (store, keys, secrets) = (places.store(&taken), places.text("keyrings"), places.text("secrets"));
    let log = restore(&server, &["--from", &store, "--keys-from", &keys, "--secrets-from", &secrets]);
    assert!(log["failure"].is_null() && log["closed"] == 0, "{log}");
    fsck(&server);
    server.restart();
    check(&server).await;
    server.kill();
    server.restart();
    check(&server).await;
}

#[tokio::test]
async fn secrets_are_copied_when_they_have_changed() {
    let (mut server, _log) = portal(&[]).await;
    let places = Places::new();
    server.stop();
    places.back_up(&server);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(places.back_up(&server)["secrets"], 0);
    server.restart();
    server.client().log(LOG).unwrap().rotate_kek().await.unwrap();
    server.stop();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(places.back_up(&server)["secrets"], 1);
    // The first copy of the keyring needs the first copy of the key, which is still there.
    let first = places.files("keyrings").into_iter().find(|name| name.starts_with("hr.")).unwrap();
    let first = places.path("keyrings").join(first).to_str().unwrap().to_owned();
    fs::remove_dir_all(server.data().join("keys")).unwrap();
    let (keys, secrets) = (places.text("keyrings"), places.text("secrets"));
    let given = ["--keys-from", &keys, "--secrets-from", &secrets];
    let log = restore(&server, &[&given[..], &["--older-keyring", &first]].concat());
    assert!(log["failure"].is_null(), "{log}");
    server.restart();
    check(&server).await;
}

#[tokio::test]
async fn places_are_apart_and_the_directory_is_not_in_use() {
    let (mut server, _log) = portal(&[]).await;
    let places = Places::new();
    let data = server.data().to_str().unwrap().to_owned();
    let (one, within) = (places.text("one"), places.text("one/within"));
    let run = |args: &[&str]| cairnlog(&[&["backup", "--data", &data], args].concat(), &[]);
    let in_use = run(&["--to", &one]);
    assert!(in_use.status.code() == Some(3) && stderr(&in_use).contains("in use"), "{}", stderr(&in_use));
    server.stop();
    let own = format!("{data}/copies");
    for args in [
        vec!["--to", &one, "--keys-to", &one],
        vec!["--to", &one, "--keys-to", &within],
        vec!["--keys-to", &one, "--secrets-to", &one],
        vec!["--to", &own],
        vec![],
    ] {
        let ran = run(&args);
        assert_eq!(ran.status.code(), Some(64), "{args:?}: {}", stderr(&ran));
    }
    let ran = run(&["--to", &one]);
    assert!(ran.status.success() && stderr(&ran).contains("--keys-to"), "{}", stderr(&ran));
    let ran = run(&["--secrets-to", &places.text("secrets")]);
    assert!(ran.status.success() && stderr(&ran).contains("in the clear"), "{}", stderr(&ran));
    server.restart();
    check(&server).await;
}

#[tokio::test]
async fn copies_of_keyrings_are_deleted_when_their_time_is_over() {
    let (mut server, _log) = portal(&[]).await;
    let places = Places::new();
    server.stop();
    places.back_up(&server);
    let old = ["hr.20200101T000000Z.keyring", "gone.20200101T000000Z.keyring", "hr.20200101T000000Z.kek"];
    for name in old {
        fs::write(places.path("keyrings").join(name), "").unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let taken = places.back_up(&server);
    assert_eq!(taken["expired"], serde_json::json!([old[1], old[0]]));
    assert_eq!(places.files("keyrings").len(), 5, "those that are young, and what is no keyring");
    // A running server looks after the place of its own copies.
    fs::write(places.path("keyrings").join(old[0]), "").unwrap();
    set(&mut server, &[("CAIRNLOG_KEYRING_BACKUP_TO", &places.text("keyrings"))]);
    server.restart();
    for _ in 0..100 {
        if !places.path("keyrings").join(old[0]).exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(places.files("keyrings").len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_running_server_copies_what_can_be_restored() {
    let places = Places::new();
    let (store, keys) = (places.text("store"), places.text("keyrings"));
    let env = [("CAIRNLOG_BACKUP_TO", store.as_str()), ("CAIRNLOG_KEYRING_BACKUP_TO", &keys)];
    let (mut server, log) = portal(&env).await;
    let writers: Vec<_> = (0..3).map(|_| tokio::spawn(write(log.clone()))).collect();
    let mut copies = Vec::new();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let size = log.tree_head().await.unwrap().tree_size;
        copies.push((size, server.client().create_backup().await.unwrap()));
    }
    server.kill();
    for writer in writers {
        writer.await.unwrap();
    }
    let given = [&places.text("secrets")];
    let ran = cairnlog(&["backup", "--data", server.data().to_str().unwrap(), "--secrets-to", given[0]], &[]);
    assert!(ran.status.success(), "{}", stderr(&ran));
    for (place, (size, copy)) in copies.iter().enumerate() {
        fs::rename(server.data(), server.aside().with_extension(place.to_string())).unwrap();
        let store = places.path("store").join(copy.store.as_ref().unwrap());
        let store = store.to_str().unwrap();
        let log = restore(&server, &["--from", store, "--keys-from", &keys, "--secrets-from", given[0]]);
        assert!(log["failure"].is_null() && log["closed"] == 0, "{log}");
        fsck(&server);
        server.restart();
        let now = server.client().log(LOG).unwrap().tree_head().await.unwrap().tree_size;
        assert!(now >= *size, "{now} of {size}");
        check(&server).await;
        server.kill();
    }
    set(&mut server, &[]);
    server.restart();
    let refused = server.request(Method::POST, "/api/v1/backups").send().await.unwrap();
    http::problem(refused, 409, "conflict").await;
}

async fn write(log: Log) {
    let ingest =
        || cairnlog_client::Ingest::new(cairnlog_client::ContentType::Text, cairnlog_tests::web::lines(0, 1));
    while log.ingest("portal", ingest()).await.is_ok() {
        // Few enough that all of them can be read again, one by one.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lets records of the class `default` be erased from now on, and writes some.
async fn send_erasable(log: &Log) {
    let class = ClassSettings {
        trigger: Trigger::Received,
        minimum_days: 0,
        maximum_days: Some(365),
        zone: None,
        basis: "a test".to_owned(),
    };
    log.put_class("default", &class).await.unwrap();
    send(log).await;
}

/// Erases an entry of a server's first run, and waits until its page, the first one, is destroyed.
async fn erase(server: &Server, log: &Log, index: u64) {
    log.erase(&ErasureTarget::Index(index), "a request").await.unwrap();
    let is_there = || members(&file(server, "keyring"))["pages"].as_object().unwrap().contains_key("1");
    for _ in 0..200 {
        if !is_there() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the page is still there");
}

#[tokio::test]
async fn what_was_erased_does_not_open_in_an_older_copy_unless_an_older_keyring_is_asked_for() {
    let (mut server, log) = portal(&[]).await;
    send_erasable(&log).await;
    let index = log.info().await.unwrap().tree_size - 1;
    let places = Places::new();
    server.stop();
    let taken = places.back_up(&server);
    server.restart();
    let log = server.client().log(LOG).unwrap();
    erase(&server, &log, index).await;
    server.stop();

    // The store goes back; the keyring stays, though there is a copy of an older one.
    let (store, keys) = (places.store(&taken), places.text("keyrings"));
    let given = ["--from", store.as_str(), "--keys-from", &keys];
    let restored = restore(&server, &given);
    assert!(restored["keyring"].is_null() && restored["closed"].as_u64().unwrap() > 0, "{restored}");
    // The server has kept a newer head, so it does not go on from here; a test may look all the same.
    let refusal = server.try_restart().unwrap_err();
    assert!(line(&refusal).contains("heads"), "{refusal:?}");
    fs::remove_dir_all(server.data().join("heads")).unwrap();
    server.announce("");
    server.restart();
    let read = |server: &Server| server.get(&format!("/api/v1/logs/{LOG}/records/{index}")).send();
    assert_eq!(read(&server).await.unwrap().status(), 500);
    server.stop();

    let older = places.files("keyrings").into_iter().find(|name| name.starts_with("hr.")).unwrap();
    let path = places.path("keyrings").join(&older);
    let data = server.data().to_str().unwrap();
    let args = ["restore", "--data", data, "--older-keyring", path.to_str().unwrap(), "--output", "json"];
    let ran = cairnlog(&args, &[]);
    assert!(ran.status.success() && stderr(&ran).contains("erase that again"), "{}", stderr(&ran));
    let all: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let log = all.as_array().unwrap().iter().find(|log| log["log"] == LOG).unwrap();
    assert!(log["keyring"] == older.as_str() && log["closed"] == 0, "{log}");
    assert_eq!(
        paths::files(&file(&server, ""))
            .iter()
            .filter(|path| path.to_str().unwrap().contains("keyring.before-"))
            .count(),
        1,
        "the newer keyring was set aside"
    );
    server.restart();
    assert_eq!(read(&server).await.unwrap().status(), 200);
    check(&server).await;
    assert_eq!(kek(&server), members(&path)["kek"].as_str().unwrap());
}

#[tokio::test]
async fn a_restore_that_was_cut_off_is_begun_anew_and_no_server_takes_what_it_left() {
    let (mut server, _log) = portal(&[]).await;
    let places = Places::new();
    server.stop();
    let taken = places.back_up(&server);
    fs::rename(server.data(), server.aside()).unwrap();
    let (store, keys, secrets) = (places.store(&taken), places.text("keyrings"), places.text("secrets"));
    let given = ["--from", store.as_str(), "--keys-from", &keys, "--secrets-from", &secrets];
    restore(&server, &given);
    // As after a kill before the store had its place.
    let data = server.data().to_path_buf();
    fs::remove_file(data.join("VERSION")).unwrap();
    fs::write(data.join("RESTORING"), "").unwrap();
    fs::rename(data.join("db"), data.join("db.new")).unwrap();
    fs::create_dir(data.join("db")).unwrap();
    fs::remove_file(file(&server, "keyring")).unwrap();
    let refusal = server.try_restart().unwrap_err();
    assert!(line(&refusal).contains("no Cairnlog data directory"), "{refusal:?}");
    restore(&server, &given);
    assert!(!data.join("RESTORING").exists() && !data.join("db.new").exists());
    server.restart();
    check(&server).await;
}

#[tokio::test]
async fn what_is_missing_or_no_copy_is_said() {
    let (mut server, _log) = portal(&[]).await;
    let places = Places::new();
    server.stop();
    let taken = places.back_up(&server);
    fs::rename(server.data(), server.aside()).unwrap();
    let (store, secrets) = (places.store(&taken), places.text("secrets"));
    let data = server.data().to_str().unwrap().to_owned();
    let run = |args: &[&str]| cairnlog(&[&["restore", "--data", &data], args].concat(), &[]);
    let no_copy = run(&["--from", &places.text("store")]);
    assert!(no_copy.status.code() == Some(3) && stderr(&no_copy).contains("VERSION"), "{}", stderr(&no_copy));
    assert_eq!(run(&[]).status.code(), Some(64));
    let ran = run(&["--from", &store, "--secrets-from", &secrets]);
    assert_eq!(ran.status.code(), Some(2), "{}", stderr(&ran));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("keyring is missing"), "{ran:?}");
    let refusal = server.try_restart().unwrap_err();
    assert!(line(&refusal).contains("keyring is missing"), "{refusal:?}");
    // Other people's key does not open it.
    let (mut other, _log) = portal(&[]).await;
    other.stop();
    let foreign = Places::new();
    foreign.back_up(&other);
    let (keys, secrets) = (foreign.text("keyrings"), foreign.text("secrets"));
    let ran = run(&["--keys-from", &keys, "--secrets-from", &secrets]);
    assert_eq!(ran.status.code(), Some(2), "{}", stderr(&ran));
    let ran = run(&["--keys-from", &places.text("keyrings"), "--secrets-from", &places.text("secrets")]);
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    server.restart();
    check(&server).await;
}
