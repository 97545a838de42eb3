//! Quarantined raw records by commands: seen, tried again, given up.

use serde_json::json;

use crate::site::Site;

#[test]
fn what_a_new_pipeline_understands_is_logged_and_the_rest_is_given_up() {
    let site = Site::portal();
    let line = "192.0.2.7 - user3 [23/Nov/2026:08:59:58 +0000] \"GET /payslips HTTP/1.1\" 200 17\n";
    let file = site.file("mixed.log", format!("{line}nonsense\n"));
    let tried = site.run(&["source", "dry-run", "portal", &file]).json();
    assert_eq!((&tried[0]["outcome"], &tried[1]["outcome"]), (&json!("logged"), &json!("quarantined")));
    assert_eq!(tried[0]["events"][0]["src_endpoint"]["owner"]["name"], "user3");
    assert_eq!(tried[0]["retention"][0]["class"], "default");
    assert!(tried[0]["fuel"].as_u64().unwrap() < tried[0]["fuel_max"].as_u64().unwrap());
    assert_eq!(site.run(&["search"]).json(), json!([]), "nothing was logged");

    // Of a class that the log lacks, so even the good line is quarantined.
    let config = site.file("none.json", r#"{"rules": [{"class": "not-there"}]}"#);
    let retention = format!("retention-schedule={config}");
    let bind = ["source", "set", "portal", "--normalizer", "web-access", "--retention"];
    site.run(&[&bind[..], &[&retention]].concat()).json();
    site.run(&["ingest", &file, "--source", "portal"]);
    let listed = site.run(&["quarantine", "list", "--source", "portal"]).json();
    let words: Vec<_> = listed.as_array().unwrap().iter().map(|aside| aside["reason"].clone()).collect();
    assert_eq!(words, ["no-retention-class", "rejected"]);
    assert!(!listed.to_string().contains("user3"));

    let config = site.file("plain.json", r#"{"rules": [{"class": "default"}]}"#);
    let retention = format!("retention-schedule={config}");
    site.run(&[&bind[..], &[&retention]].concat()).json();
    let dry = site.run(&["quarantine", "retry", "--dry-run"]);
    assert_eq!(dry.code, Some(2), "one is not understood");
    let (good, bad) = (listed[0]["index"].to_string(), listed[1]["index"].to_string());
    let dry: serde_json::Value = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!((&dry["logged"], &dry["quarantined"]), (&json!(1), &json!(1)));
    let retried = site.run(&["quarantine", "retry", &good]).json();
    let first = retried["results"][0]["first"].to_string();
    assert_eq!(site.run(&["show", &first]).json()["event"]["src_endpoint"]["owner"]["name"], "user3");
    let release =
        site.run(&["show", &(retried["results"][0]["first"].as_u64().unwrap() + 1).to_string()]).json();
    assert_eq!(
        (&release["kind"], &release["event"]["release"]["reason"]),
        (&json!("release"), &json!("retried"))
    );
    assert_eq!(site.run(&["quarantine", "discard", &bad, "--reason", "a test"]).code, Some(0));
    site.run(&["quarantine", "discard", &bad, "--reason", "a test"]).refused(1, "not-found");
    assert_eq!(site.run(&["quarantine", "list"]).json(), json!([]));
    let key = site.key();
    let log = format!("{}/logs/hr", site.server.url());
    assert_eq!(site.run(&["verify", "log", &log, "--key", &key]).code, Some(0));
}
