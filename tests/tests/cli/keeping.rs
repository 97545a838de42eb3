//! Retention, sweeps, holds and erasures by commands.

use cairnlog_tests::Server;
use serde_json::{Value, json};

use crate::site::{Site, run};

/// With the log `hr`, whose records nothing protects and which are due at once, and 40 of them; the first one's index.
fn due() -> (Site, u64) {
    let site = Site::portal();
    set_default(&site, "0", Some("0"));
    let first = site.ingest(40)["first_index"].as_u64().unwrap();
    (site, first)
}

fn set_default(site: &Site, minimum: &str, maximum: Option<&str>) {
    let mut arguments = vec!["class", "set", "default", "--trigger", "received", "--minimum-days", minimum];
    arguments.extend(maximum.iter().flat_map(|maximum| ["--maximum-days", maximum]));
    site.run(&[&arguments[..], &["--basis", "a rule", "--log", "hr"]].concat()).json();
}

fn counts(swept: &Value) -> [&Value; 3] {
    ["due", "erased", "held"].map(|member| &swept[member])
}

/// The command's table.
fn table(site: &Site, arguments: &[&str]) -> String {
    let ran = run(&site.environment(), arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout
}

#[test]
fn what_is_due_is_shown_and_swept() {
    let (site, first) = due();
    let kept = site.run(&["retention"]).json();
    assert_eq!(
        (&kept[0]["class"], &kept[0]["records"], &kept[0]["overdue"]),
        (&"default".into(), &40.into(), &40.into())
    );
    let shown = table(&site, &["retention"]);
    let head: Vec<&str> =
        shown.lines().next().unwrap().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(head, ["CLASS", "BASIS", "RECORDS", "NEXT DUE", "OVERDUE", "HELD"], "{shown}");
    let tried = site.run(&["sweep", "--dry-run", "--at", "2300-01-01T00:00:00Z"]).json();
    assert_eq!(counts(&tried), [&json!(40), &json!(0), &json!(0)]);
    let past = site.run(&["sweep", "--dry-run", "--at", "2000-01-01T00:00:00Z"]).json();
    assert_eq!(counts(&past), [&json!(0); 3]);
    site.run(&["sweep", "--dry-run", "--at", "yesterday"]).refused(1, "bad-request");
    let usage = site.run(&["sweep", "--at", "2300-01-01T00:00:00Z"]);
    assert!(usage.code == Some(64) && usage.stderr.contains("--dry-run"), "{}", usage.stderr);
    let shown = table(&site, &["sweep"]);
    let last: Vec<&str> = shown.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(last, ["all", "40", "40", "0"], "{shown}");

    let ran = run(&site.environment(), &["show", &first.to_string()]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    for words in ["environment", "a rule", "the time of the class default was over"] {
        assert!(ran.stdout.contains(words), "no {words}: {}", ran.stdout);
    }
    assert!(ran.stderr.contains("erased") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    let ran = site.run(&["show", &first.to_string()]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (ran.code, &told["index"], &told["erased"]["by"]),
        (Some(1), &first.into(), &"environment".into())
    );
    assert_eq!(site.run(&["search", "--source", "portal"]).json(), json!([]));
    // What is gone can be proven, and the log verifies.
    let receipt = site.receipt(first);
    let key = site.key();
    assert_eq!(run(&[], &["verify", "receipt", &receipt, "--key", &key]).code, Some(0));
    let url = format!("{}/logs/hr", site.server.url());
    assert_eq!(run(&[], &["verify", "log", &url, "--key", &key]).code, Some(0));
}

#[test]
fn a_hold_is_set_listed_and_released() {
    let (site, first) = due();
    let hold =
        site.run(&["hold", "set", "--matter", "case 7", "--reason", "a claim", "--actor", "user3"]).json();
    let id = hold["id"].as_str().unwrap();
    assert_eq!(hold["query"], json!({"actor": "user3"}));
    assert_eq!(site.run(&["hold", "list"]).json(), json!([hold]));
    assert!(table(&site, &["hold", "list"]).contains("actor=\"user3\""));
    let index = (first + 3).to_string();
    site.run(&["erase", &index, "--reason", "asked"]).refused(1, id);
    let ran = site.run(&["erase", "--subject", "user3", "--reason", "asked"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &told["erased"]), (Some(1), &0.into()), "{}", ran.stderr);
    assert!(told["refused"].as_array().unwrap().iter().all(|refused| refused["hold"] == id), "{told}");
    let swept = site.run(&["sweep"]).json();
    let kept_back = told["refused"].as_array().unwrap().len();
    assert_eq!(counts(&swept), [&json!(40), &json!(40 - kept_back), &json!(kept_back)]);
    let released = site.run(&["hold", "release", id, "--reason", "settled"]);
    assert_eq!((released.code, released.stdout.as_str()), (Some(0), ""), "{}", released.stderr);
    site.run(&["hold", "release", id]).refused(1, "not-found");
    assert_eq!(site.run(&["hold", "list"]).json(), json!([]));
    assert_eq!(counts(&site.run(&["sweep"]).json()), [&json!(kept_back), &json!(kept_back), &json!(0)]);
}

#[test]
fn an_erasure_is_done_in_part_or_refused_until_a_moment() {
    let site = Site::portal();
    set_default(&site, "180", Some("365"));
    let first = site.ingest(40)["first_index"].as_u64().unwrap();
    site.run(&["erase", &first.to_string(), "--reason", "asked"]).refused(1, "it ends 2");
    site.run(&["erase", "0", "--reason", "asked"]).refused(1, "conflict");
    site.run(&["erase", "999999", "--reason", "asked"]).refused(1, "not-found");
    site.run(&["erase", &first.to_string(), "--reason", ""]).refused(1, "bad-request");
    set_default(&site, "0", None);
    let later = site.ingest(41)["first_index"].as_u64().unwrap();
    let erased = site.run(&["erase", "--subject", "user4", "--reason", "asked"]);
    let told: Value = serde_json::from_str(&erased.stdout).unwrap();
    assert_eq!(erased.code, Some(2), "{}", erased.stderr);
    let refused = told["refused"].as_array().unwrap();
    assert_eq!((told["erased"].as_u64(), refused.len()), (Some(3), 3), "{told}");
    assert!(
        refused.iter().all(|refused| refused["type"] == "retention-minimum" && refused["until"].is_string())
    );
    let shown = run(&site.environment(), &["erase", "--subject", "user5", "--reason", "asked"]);
    assert!(shown.code == Some(2) && shown.stdout.contains("Not erased:"), "{}", shown.stdout);
    let done = site.run(&["erase", &later.to_string(), "--reason", "asked"]).json();
    assert_eq!((&done["erased"], &done["refused"]), (&1.into(), &json!([])));
    assert!(done["complete_at"].as_str().unwrap().ends_with('Z'));
    site.run(&["erase", &later.to_string(), "--reason", "asked"]).refused(1, "erased");
    let nobody = site.run(&["erase", "--subject", "nobody", "--reason", "asked"]).json();
    assert_eq!(nobody["erased"], 0);
    assert_eq!(site.run(&["erase", "list"]).json(), json!([]));
    site.run(&["erase", "approve", "0000000000000000"]).refused(1, "not-found");
    site.run(&["erase", "approve", "../x"]).refused(64, "id");
}

#[test]
fn an_erasure_waits_for_a_second_token_where_the_server_says_so() {
    let mut server = Server::idle();
    server.set_env(vec![("CAIRNLOG_TWO_PERSON".to_owned(), "true".into())]);
    server.restart();
    let site = Site::portal_of(server);
    let made = site.run(&["token", "create", "other", "--role", "compliance"]).json();
    let other = [("CAIRNLOG_SERVER", site.server.url()), ("CAIRNLOG_TOKEN", made["token"].as_str().unwrap())];
    let class = ["class", "set", "default", "--trigger", "received", "--minimum-days", "0", "--basis", "b"];
    site.run(&class).refused(2, "change approve");
    let waiting = site.run(&["change", "list"]).json();
    let change = waiting[0]["id"].as_str().unwrap();
    assert_eq!((&waiting[0]["class"]["minimum_days"], waiting[0].get("source")), (&json!(0), None));
    site.run(&["change", "approve", change]).refused(1, "conflict");
    let approve = ["change", "approve", change, "--log", "hr", "--output", "json"];
    assert_eq!(run(&other, &approve).code, Some(0));
    assert_eq!(site.run(&["change", "list"]).json(), json!([]));
    let first = site.ingest(3)["first_index"].as_u64().unwrap();
    let index = first.to_string();
    let noted = site.run(&["erase", &index, "--reason", "asked"]);
    assert!(noted.stderr.contains("erase approve"), "{}", noted.stderr);
    let id = noted.json()["id"].as_str().unwrap().to_owned();
    let listed = site.run(&["erase", "list"]).json();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["index"], &listed[0]["reason"]),
        (&json!(id), &json!(first), &json!("asked"))
    );
    site.run(&["erase", "approve", &id]).refused(1, "conflict");
    let approved = run(&other, &["erase", "approve", &id, "--log", "hr", "--output", "json"]).json();
    assert_eq!((&approved["id"], &approved["erased"]), (&json!(id), &json!(1)));
    assert_eq!(site.run(&["show", &index]).code, Some(1));
}

#[test]
fn an_archive_that_can_not_be_written_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("archive.secret").to_str().unwrap().to_owned();
    let made = run(&[], &["archive", "key", "--out", &secret]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    run(&[], &["archive", "key", "--out", &secret]).refused(3, "never overwritten");
    let file = dir.path().join("no-directory");
    std::fs::write(&file, "").unwrap();
    let mut server = Server::idle();
    server.set_env(vec![
        ("CAIRNLOG_ARCHIVE_TO".to_owned(), file.into()),
        ("CAIRNLOG_ARCHIVE_KEY".to_owned(), made.stdout.trim().into()),
    ]);
    let refusal = server.try_restart().unwrap_err();
    assert_eq!(refusal.code, Some(3));
    assert!(refusal.stderr.contains("archive_to"), "{}", refusal.stderr);
}
