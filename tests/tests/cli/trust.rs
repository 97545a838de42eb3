//! Whom `verify`, `monitor` and `fsck` believe: one of several keys, a quorum of witnesses; and who they say they are.

use std::collections::BTreeMap;

use cairnlog_verify::checkpoint::Checkpoint;
use cairnlog_verify::note::{self, SigningKey};
use cairnlog_verify::receipt::Receipt;
use cairnlog_verify::tree::{CompactRange, leaf_hash};
use serde_json::Value;

use crate::files::FileServer;
use crate::site::{Ran, Site, run};

const ORIGIN: &str = "log.example/rotating";
const STRANGERS: &str =
    "signed by none of the given keys; if the log has rotated its keys, add the new one with --key";

fn key(seed: u8) -> SigningKey {
    SigningKey::ed25519(ORIGIN, [seed; 32]).unwrap()
}

fn vkey(key: &SigningKey) -> String {
    key.verifier_key().to_string()
}

/// The head of a log of these entries, signed by these keys, and its only tile.
fn head(entries: &[&str], keys: &[&SigningKey]) -> (String, Vec<u8>) {
    let mut range = CompactRange::new();
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
    for leaf in &leaves {
        range.push(*leaf, |_, _| {});
    }
    let (size, root) = (entries.len() as u64, range.root());
    let head = Checkpoint { origin: ORIGIN.to_owned(), size, root, extensions: Vec::new() };
    let note = note::sign(&head.to_text(), keys, 1_700_000_000).unwrap();
    (note, leaves.iter().flat_map(|leaf| leaf.0).collect())
}

fn served(entries: &[&str], keys: &[&SigningKey]) -> BTreeMap<String, Vec<u8>> {
    let (note, tile) = head(entries, keys);
    let path = format!("tile/0/000.p/{}", entries.len());
    BTreeMap::from([("checkpoint".to_owned(), note.into_bytes()), (path, tile)])
}

/// One look at what is served, by these keys.
fn look(state: &str, files: &BTreeMap<String, Vec<u8>>, keys: &[&SigningKey]) -> Ran {
    let server = FileServer::start(files.clone());
    let mut arguments = vec!["monitor", server.url(), "--state", state, "--once", "--output", "json"];
    let keys: Vec<String> = keys.iter().map(|key| vkey(key)).collect();
    for key in &keys {
        arguments.extend(["--key", key]);
    }
    run(&[], &arguments)
}

#[test]
fn a_monitor_follows_a_log_over_a_rotation_with_both_keys() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("log.head").to_str().unwrap().to_owned();
    let (old, new, other) = (key(1), key(2), key(3));
    assert_eq!(look(&state, &served(&["a"], &[&old]), &[&old]).json()["verdict"], "first");
    let rotated = served(&["a", "b"], &[&new]);
    look(&state, &rotated, &[&old]).refused(3, STRANGERS);
    look(&state, &rotated, &[&old, &other]).refused(3, STRANGERS);
    look(&state, &rotated, &[&new]).refused(3, "add the one it was checked by with --key");
    assert_eq!(look(&state, &rotated, &[&old, &new]).json()["verdict"], "grown");
    assert_eq!(look(&state, &rotated, &[&new]).json()["verdict"], "unchanged");
    // Where both sign, either will do.
    let overlapping = served(&["a", "b", "c"], &[&new, &old]);
    assert_eq!(look(&state, &overlapping, &[&new]).json()["verdict"], "grown");
    assert_eq!(look(&state, &overlapping, &[&old]).json()["verdict"], "unchanged");
    // A fork is one whichever of the keys has signed it.
    let forked = served(&["a", "x", "c", "d"], &[&new]);
    assert_eq!(look(&state, &forked, &[&old, &new]).code, Some(1));
}

#[test]
fn a_wrong_signature_by_a_given_key_outweighs_a_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("log.head").to_str().unwrap().to_owned();
    let (old, new) = (key(1), key(2));
    let mut files = served(&["a", "b"], &[&new]);
    let (elsewhere, _) = head(&["x"], &[&old]);
    let line = elsewhere.lines().last().unwrap();
    files.get_mut("checkpoint").unwrap().extend(format!("{line}\n").into_bytes());
    look(&state, &files, &[&old, &new]).refused(1, "does not hold");
    look(&state, &files, &[&old]).refused(1, "does not hold");
    assert!(!std::path::Path::new(&state).exists());
    assert_eq!(look(&state, &files, &[&new]).json()["verdict"], "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_log_is_verified_after_its_old_key_has_ended() {
    let site = Site::new();
    site.run(&["log", "create", "hr", "--mode", "opaque"]).json();
    let (url, old) = (format!("{}/logs/hr", site.server.url()), site.key());
    site.add(0..1).await;
    let state = site.dir.path().join("hr.head").to_str().unwrap().to_owned();
    let watch = |keys: &[&str]| {
        let look = ["monitor", &url, "--state", &state, "--once", "--output", "json"];
        run(&[], &[&look[..], keys].concat())
    };
    assert_eq!(watch(&["--key", &old]).json()["verdict"], "first");
    let new = site.run(&["log", "rotate", "hr", "--overlap", "1"]).json()["verifier_key"].clone();
    let new = new.as_str().unwrap();
    site.add(1..7).await;
    let both = ["--key", &old, "--key", new];
    watch(&["--key", &old]).refused(3, STRANGERS);
    assert_eq!(watch(&both).json()["verdict"], "grown");
    for check in [&["verify", "log"][..], &["fsck"]] {
        let check = |keys: &[&str]| run(&[], &[check, &[&url, "--output", "json"], keys].concat());
        check(&["--key", &old]).refused(3, STRANGERS);
        assert_eq!(check(&["--key", new]).json()["verdict"], "good");
        assert_eq!(check(&both).json()["entries"], 7);
        check(&[&both[..], &["--key", "nonsense"]].concat()).refused(64, "--key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_log_is_watched_with_a_token_of_role_monitor() {
    let site = Site::new();
    site.run(&["log", "create", "hr", "--mode", "opaque", "--private"]).json();
    site.add(0..5).await;
    let token = site.run(&["token", "create", "watch", "--role", "monitor", "--log", "hr"]).json();
    let token = token["token"].as_str().unwrap();
    let (url, key) = (format!("{}/logs/hr", site.server.url()), site.key());
    let state = site.dir.path().join("hr.head").to_str().unwrap().to_owned();
    for (command, verdict) in [
        (&["monitor", "--once", "--state", &state][..], "first"),
        (&["verify", "log"], "good"),
        (&["fsck"], "good"),
    ] {
        let arguments = [command, &[&url, "--key", &key, "--output", "json"]].concat();
        run(&[], &arguments).refused(2, "checkpoint");
        run(&[("CAIRNLOG_TOKEN", "")], &arguments).refused(2, "checkpoint");
        let given = run(&[], &[&arguments[..], &["--token", token]].concat());
        assert_eq!(given.json()["verdict"], verdict);
        // The environment's token is for the environment's server.
        let (own, other) =
            (("CAIRNLOG_SERVER", site.server.url()), ("CAIRNLOG_SERVER", "http://127.0.0.1:1"));
        run(&[("CAIRNLOG_TOKEN", token), other], &arguments).refused(2, "checkpoint");
        let of_the_environment = run(&[("CAIRNLOG_TOKEN", token), own], &arguments);
        assert_eq!(of_the_environment.json()["tree_size"], 5);
        let help = run(&[("CAIRNLOG_TOKEN", token)], &[command, &["--help"]].concat());
        assert!(help.stdout.contains("CAIRNLOG_TOKEN") && !help.stdout.contains(token), "{}", help.stdout);
    }
}

/// The receipt of the entry "b", whose head these keys have signed.
fn receipt(keys: &[&SigningKey]) -> String {
    let (checkpoint, _) = head(&["a", "b"], keys);
    let hashes = vec![leaf_hash(b"a")];
    Receipt { extra: Some(b"b".to_vec()), index: 1, hashes, checkpoint }.to_string()
}

/// Two of three witnesses.
fn policy(witnesses: &[SigningKey]) -> String {
    let lines = witnesses.iter().enumerate().map(|(at, key)| format!("witness w{at} {}\n", vkey(key)));
    lines.collect::<String>() + "group trusted 2 w0 w1 w2\nquorum trusted\n"
}

#[test]
fn a_receipt_is_held_against_a_policy() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(&path, text).unwrap();
        path
    };
    let (old, new) = (key(1), key(2));
    let witnesses = [11, 12, 13]
        .map(|seed| SigningKey::cosignature(&format!("witness.example/w{seed}"), [seed; 32]).unwrap());
    let policy = file("policy", &policy(&witnesses));
    let verify = |receipt: &str, more: &[&str]| {
        let (old, new) = (vkey(&old), vkey(&new));
        let given = ["verify", "receipt", receipt, "--key", &old, "--key", &new, "--output", "json"];
        run(&[], &[&given[..], more].concat())
    };
    let quorum = file("quorum", &receipt(&[&new, &witnesses[0], &witnesses[2]]));
    assert_eq!(verify(&quorum, &["--policy", &policy]).json()["tree_size"], 2);
    let too_few = file("too few", &receipt(&[&new, &witnesses[0]]));
    assert_eq!(verify(&too_few, &[]).json()["verified"], true);
    verify(&too_few, &["--policy", &policy]).refused(1, "quorum of witnesses");
    // A cosignature of another head counts for less than none.
    let text = receipt(&[&new, &witnesses[0], &witnesses[1]]);
    let (elsewhere, _) = head(&["x"], &[&witnesses[1]]);
    let without = text.trim_end().rsplit_once('\n').unwrap().0;
    let forged = format!("{without}\n{}\n", elsewhere.lines().last().unwrap());
    let forged = file("forged", &forged);
    assert_eq!(verify(&forged, &[]).code, Some(0));
    verify(&forged, &["--policy", &policy]).refused(1, "does not hold");
    // Witnesses alone make no log: one of its keys must have signed.
    let unsigned = file("unsigned", &receipt(&[&key(3), &witnesses[0], &witnesses[1]]));
    verify(&unsigned, &["--policy", &policy]).refused(1, &unsigned);
    let cose = file("cose", "\u{d2}");
    std::fs::write(&cose, [0xd2, 0x84]).unwrap();
    verify(&cose, &["--entry", &quorum, "--policy", &policy]).refused(1, "no cosignatures");
    let broken = file("broken", "quorum nobody\n");
    verify(&quorum, &["--policy", &broken]).refused(64, "line 1");
    verify(&quorum, &["--policy", "/nowhere/policy"]).refused(3, "/nowhere/policy");
}

#[test]
fn heads_are_held_against_a_policy() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("log.head").to_str().unwrap().to_owned();
    let log = key(1);
    let witnesses = [11, 12, 13]
        .map(|seed| SigningKey::cosignature(&format!("witness.example/w{seed}"), [seed; 32]).unwrap());
    let file = dir.path().join("policy");
    std::fs::write(&file, policy(&witnesses)).unwrap();
    let watch = |files: &BTreeMap<String, Vec<u8>>| {
        let (server, key) = (FileServer::start(files.clone()), vkey(&log));
        let (url, policy) = (server.url(), file.to_str().unwrap());
        let look = ["monitor", url, "--key", &key, "--policy", policy, "--state", &state, "--once"];
        run(&[], &[&look[..], &["--output", "json"]].concat())
    };
    watch(&served(&["a"], &[&log, &witnesses[1]])).refused(1, "quorum of witnesses");
    assert!(!std::path::Path::new(&state).exists());
    let seen = watch(&served(&["a"], &[&log, &witnesses[1], &witnesses[2]])).json();
    assert_eq!(seen["verdict"], Value::from("first"));
}

#[test]
fn a_list_of_logs_names_their_witnesses() {
    let site = Site::new();
    site.run(&["log", "create", "hr"]).json();
    assert_eq!(site.run(&["log", "list"]).json()[0]["witnesses"], serde_json::json!([]));
}

#[test]
fn addresses_of_other_schemes_are_refused_by_name() {
    let key = vkey(&key(1));
    run(&[], &["verify", "log", "ftp://log.example/logs/hr", "--key", &key]).refused(64, "https://");
    run(&[], &["verify", "log", "https://127.0.0.1:1/logs/hr", "--key", &key]).refused(3, "");
}
