//! `disclose` and `verify disclosure`.

use cairnlog_tests::web;
use serde_json::Value;

use crate::site::{Ran, Site, run};

impl Site {
    /// Discloses fields of an entry into a file; its path.
    fn disclose(&self, index: u64, more: &[&str]) -> String {
        let path = self.dir.path().join("disclosure").to_str().unwrap().to_owned();
        let (index, environment) = (index.to_string(), self.environment());
        let ran = run(&environment, &[&["disclose", &index, "-o", &path], more].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.contains("verify disclosure"), "{}", ran.stderr);
        path
    }
}

/// Checks a disclosure without any server.
fn verify(path: &str, key: &str, more: &[&str]) -> Ran {
    run(&[], &[&["verify", "disclosure", path, "--key", key], more].concat())
}

fn verify_json(path: &str, key: &str, more: &[&str]) -> Value {
    verify(path, key, &[&["--output", "json"], more].concat()).json()
}

/// The values by their paths.
fn field<'a>(verified: &'a Value, path: &str) -> &'a Value {
    verified["fields"].as_array().unwrap().iter().find(|field| field["path"] == path).unwrap()
}

#[test]
fn fields_are_disclosed_and_verified_offline() {
    let site = Site::portal();
    let first = site.ingest(30)["first_index"].as_u64().unwrap();
    let key = site.key();
    let fields = ["--field", "src_endpoint.owner.name", "--field", "time", "--field", "$retention.class"];
    let path = site.disclose(first + 7, &fields);
    let verified = verify_json(&path, &key, &[]);
    assert_eq!((&verified["verified"], &verified["index"]), (&true.into(), &(first + 7).into()));
    assert_eq!((&verified["kind"], &verified["source"]), (&"record".into(), &"portal".into()));
    assert_eq!(verified["tree_size"], first + 30);
    assert!(verified["hour"].as_str().unwrap().ends_with(":00:00Z"));
    assert_eq!(verified["raw"], "hidden");
    assert_eq!(verified["fields"].as_array().unwrap().len(), 3);
    assert_eq!(field(&verified, "src_endpoint.owner.name")["value"], "user7");
    assert_eq!(field(&verified, "time")["type"], "integer");
    let shown = site.run(&["show", &(first + 7).to_string()]).json();
    assert_eq!(field(&verified, "time")["value"], shown["event"]["time"]);
    assert_eq!(verified["leaf_hash"], shown["leaf_hash"]);

    let table = verify(&path, &key, &[]);
    for words in
        ["user7", "portal", "src_endpoint.owner.name", "It does not prove that the record says nothing else"]
    {
        assert!(table.code == Some(0) && table.stdout.contains(words), "{words}: {}", table.stdout);
    }
    // Of any entry: the log's own first one.
    let path = site.disclose(0, &["--field", "$received"]);
    assert_eq!(verify_json(&path, &key, &[])["kind"], "log");
}

#[test]
fn what_does_not_hold_is_exit_1_and_says_why() {
    let site = Site::portal();
    let first = site.ingest(9)["first_index"].as_u64().unwrap();
    let key = site.key();
    let path = site.disclose(first, &["--field", "src_endpoint.owner.name", "--field", "time"]);
    let good = std::fs::read_to_string(&path).unwrap();
    for (tampered, words) in [
        (good.replace("user0", "user1"), "fields root does not match"),
        (good.replace("\"fields\":[", "\"fields\":[{},"), "field 0 lacks the member path"),
        (
            good.replace(
                "\"multiproof\":[",
                "\"multiproof\":[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",",
            ),
            "more hashes",
        ),
        (
            good.replace(&format!("index {first}"), &format!("index {}", first + 1)),
            "does not prove the entry",
        ),
        (good.replace("\"v\":1", "\"v\":1,\"x\":1"), "a member that none has"),
        (good.clone() + "x", "nothing behind it"),
        (String::new(), "one JSON object"),
    ] {
        assert_ne!(tampered, good, "{words}");
        let file = site.file("tampered", tampered);
        let ran = verify(&file, &key, &[]);
        ran.refused(1, words);
        assert!(ran.stderr.contains(&file), "{}", ran.stderr);
    }
    let stranger = "log.example/tiles+e94a591d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    verify(&path, stranger, &[]).refused(1, "no signature by a trusted key");
    verify("/nowhere/disclosure", &key, &[]).refused(3, "/nowhere/disclosure");
    verify(&path, "nonsense", &[]).refused(64, "--key");
    let witness =
        "witness one witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X\nquorum one\n";
    let policy = site.file("policy", witness);
    verify(&path, &key, &["--policy", &policy]).refused(1, "quorum");
    let nobody = site.file("policy", "quorum none\n");
    assert_eq!(verify(&path, &key, &["--policy", &nobody]).code, Some(0));

    let index = first.to_string();
    site.run(&["disclose", &index, "--field", "actor.user.uid.x", "-o", "/dev/null"]).refused(1, "not-found");
    site.run(&["disclose", "999999", "--field", "time", "-o", "/dev/null"]).refused(1, "not-found");
}

#[test]
fn the_raw_record_is_proven_by_who_has_its_bytes() {
    let site = Site::portal();
    let first = site.ingest(3)["first_index"].as_u64().unwrap();
    let key = site.key();
    let lines = web::lines(0, 3);
    let line = site.file("line", lines.lines().nth(1).unwrap());
    let ended = site.file("ended", format!("{}\r\n", lines.lines().nth(1).unwrap()));
    let other = site.file("other", lines.lines().next().unwrap());

    let path = site.disclose(first + 1, &["--raw"]);
    assert_eq!(verify_json(&path, &key, &[])["raw"], "salt-alone");
    assert!(verify(&path, &key, &[]).stdout.contains("proves nothing before its bytes are given"));
    for file in [&line, &ended] {
        assert_eq!(verify_json(&path, &key, &["--raw", file])["raw"], "proven");
    }
    verify(&path, &key, &["--raw", &other]).refused(1, "raw record does not match");

    let path = site.disclose(first + 1, &["--field", "time", "--raw-record", &line]);
    assert_eq!(verify_json(&path, &key, &[])["raw"], "proven");
    let arguments = ["disclose", &(first + 1).to_string(), "--raw-record", &other, "-o", "/dev/null"];
    site.run(&arguments).refused(1, "raw record does not match");
    let without = site.disclose(first + 1, &["--field", "time"]);
    verify(&without, &key, &["--raw", &line]).refused(1, "$received");
}

#[test]
fn what_was_dropped_is_named_as_dropped() {
    let site = Site::portal();
    let rules = r#"{"rules": [{"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"}]}"#;
    let redact = format!("redact-fields={}", site.file("redact.json", rules));
    let plain = site.file("plain.json", r#"{"rules": [{"class": "default"}]}"#);
    let retention = format!("retention-schedule={plain}");
    let source = ["source", "set", "portal", "--normalizer", "web-access"];
    site.run(&[&source[..], &["--redactor", &redact, "--retention", &retention]].concat()).json();
    let first = site.ingest(1)["first_index"].as_u64().unwrap();
    let key = site.key();
    let path = site.disclose(first, &["--field", "src_endpoint.ip"]);
    let verified = verify_json(&path, &key, &[]);
    assert_eq!(verified["fields"][0], serde_json::json!({"path": "src_endpoint.ip", "type": "dropped"}));
    let table = verify(&path, &key, &[]).stdout;
    assert!(table.contains("dropped") && table.contains("nobody keeps it"), "{table}");
    site.run(&["disclose", &first.to_string(), "--raw", "-o", "/dev/null"]).refused(1, "conflict");
}
