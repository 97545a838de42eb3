//! From an empty folder to a bound source, by commands.

use std::path::Path;
use std::process::{Command, Stdio};

use cairnlog_tests::paths;
use serde_json::{Value, json};

use crate::site::{Ran, Site, run};

/// A command in a folder, in an environment in which Rust builds for WebAssembly.
fn run_in(dir: &Path, arguments: &[&str]) -> Ran {
    let env = paths::root().join(".tools/wasm/env");
    let source = if env.is_file() { format!(". '{}';", env.display()) } else { String::new() };
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{source} exec \"$0\" \"$@\"")]).arg(paths::binary()).args(arguments);
    shell.env("CARGO_TERM_COLOR", "never").env_remove("RUSTFLAGS").current_dir(dir);
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn a_new_plugin_builds_passes_its_test_and_takes_its_place_in_a_pipeline() {
    let site = Site::portal();
    let made = run_in(site.dir.path(), &["plugin", "new", "door-log"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(made.stdout.contains("cairnlog plugin build"), "it says what to do next: {}", made.stdout);
    let project = site.dir.path().join("door-log");
    let early = run_in(&project, &["plugin", "test"]);
    assert_eq!(early.code, Some(64));
    assert!(early.stderr.contains("plugin build"), "{}", early.stderr);

    let code = project.join("src/lib.rs");
    let text = std::fs::read_to_string(&code).unwrap();
    let speaks = text.replace(
        "    fn normalize(&self, record: &Raw) -> Outcome {\n",
        "    fn normalize(&self, record: &Raw) -> Outcome {\n        cairnlog_plugin::log(cairnlog_plugin::Level::Warn, \"a badge\");\n",
    );
    assert_ne!(text, speaks);
    std::fs::write(&code, speaks).unwrap();
    let built = run_in(&project, &["plugin", "build", "--output", "json"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let built: Value = serde_json::from_str(&built.stdout).unwrap();
    assert_eq!((&built["name"], &built["kinds"]), (&json!("door-log"), &json!(["normalizer"])));
    let tested = run_in(&project, &["plugin", "test"]);
    assert_eq!(tested.code, Some(0), "{} {}", tested.stdout, tested.stderr);
    assert!(
        tested.stdout.contains("fuel of a record") && tested.stdout.contains("good"),
        "{}",
        tested.stdout
    );
    let component = project.join("build/door-log.wasm");
    let inspected = run(&[], &["plugin", "inspect", component.to_str().unwrap(), "--output", "json"]).json();
    assert_eq!(inspected["digest"], built["digest"]);

    // A sample that becomes something else than it must is shown, and can be accepted.
    let samples = project.join("samples/records.ndjson");
    let before = std::fs::read_to_string(&samples).unwrap();
    std::fs::write(&samples, before.replace("boris", "berta")).unwrap();
    let differs = run_in(&project, &["plugin", "test"]);
    assert_eq!(differs.code, Some(1));
    for words in ["record 2", "boris", "berta", "--bless"] {
        assert!(differs.stderr.contains(words), "no {words}: {}", differs.stderr);
    }
    assert_eq!(run_in(&project, &["plugin", "test", "--bless"]).code, Some(0));
    assert_eq!(run_in(&project, &["plugin", "test"]).code, Some(0));

    // A golden file of no sample tests nothing.
    std::fs::write(project.join("golden/gone.json"), "[]").unwrap();
    let orphan = run_in(&project, &["plugin", "test"]);
    assert_eq!(orphan.code, Some(1));
    assert!(orphan.stderr.contains("gone.json is of no sample"), "{}", orphan.stderr);
    std::fs::remove_file(project.join("golden/gone.json")).unwrap();

    let class = ["class", "set", "default", "--trigger", "received", "--minimum-days", "0", "--basis", "b"];
    site.run(&class).json();
    // It takes the place of the source's normalizer, and what was in quarantine is understood.
    let records = site.file("records.ndjson", before.lines().next().unwrap());
    site.run(&["ingest", &records, "--source", "portal"]);
    let file = component.to_str().unwrap();
    let other = site.run(&["plugin", "push", file, "--source", "portal"]);
    assert_eq!(other.code, Some(64), "it is not the plugin that is there");
    assert!(other.stderr.contains("in place of web-access@0.1.0"), "{}", other.stderr);
    let pushed = site.run(&["plugin", "push", file, "--source", "portal", "--force"]);
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("in place of web-access@0.1.0"), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("would log 1"), "{}", pushed.stderr);
    let again = site.run(&["plugin", "push", file, "--source", "portal"]);
    assert!(again.stderr.contains("nothing has changed"), "{}", again.stderr);
    assert_eq!(site.run(&["quarantine", "retry"]).json()["logged"], 1);
    let found = site.run(&["search", "--actor", "anna@example.com"]).json();
    assert_eq!(found[0]["event"]["metadata"]["product"]["name"], "door-log");
    // What it says is for auditors who may know whom, and in a dry run for who sent the record.
    site.run(&["source", "messages", "portal"]).refused(1, "reidentify");
    let officer =
        site.run(&["token", "create", "officer", "--role", "auditor", "--role", "reidentify"]).json();
    let officer =
        [("CAIRNLOG_SERVER", site.server.url()), ("CAIRNLOG_TOKEN", officer["token"].as_str().unwrap())];
    let messages = || run(&officer, &["source", "messages", "portal", "--output", "json"]).json();
    let said = messages();
    let last = said.as_array().unwrap().last().unwrap();
    assert_eq!((&last["plugin"], &last["level"]), (&json!("door-log@0.1.0"), &json!("warn")));
    assert_eq!(last["message"], "a badge");
    let tried = site.run(&["source", "dry-run", "portal", &records]).json();
    assert_eq!(tried[0]["messages"][0]["message"], "a badge");
    assert!(!site.server.stderr().contains("a badge"), "the operator's log has it not");
    // Nobody can tell which record a message quotes, so none outlives an erasure.
    let index = found[0]["index"].to_string();
    let erased = site.run(&["erase", &index, "--reason", "a test"]);
    assert_eq!(erased.code, Some(0), "{}", erased.stderr);
    assert_eq!(messages(), json!([]));
    let nonsense = site.file("nonsense.ndjson", "{broken");
    let told = site.run(&["ingest", &nonsense, "--source", "portal"]).json();
    assert_eq!((&told["quarantined"], messages().as_array().unwrap().len()), (&json!(1), 1));
    let index = told["first_index"].to_string();
    assert_eq!(site.run(&["quarantine", "discard", &index, "--reason", "a test"]).code, Some(0));
    assert_eq!(messages(), json!([]));

    // What was built before is not taken for what the project is now.
    let manifest = project.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("version = \"0.1.0\"", "version = \"0.2.0\"")).unwrap();
    let stale = run_in(&project, &["plugin", "test"]);
    assert_eq!(stale.code, Some(64));
    assert!(stale.stderr.contains("build it"), "{}", stale.stderr);
    std::fs::write(project.join("src/lib.rs"), "no Rust").unwrap();
    assert_eq!(run_in(&project, &["plugin", "build"]).code, Some(1));
    assert!(!component.exists());
}

#[test]
fn what_is_no_plugin_is_refused_with_what_to_do() {
    let site = Site::new();
    let text = site.file("text.wasm", "no WebAssembly");
    let refused = run(&[], &["plugin", "inspect", &text]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("not-a-component"), "{}", refused.stderr);
    let dir = site.dir.path().to_str().unwrap();
    let missing = run(&[], &["plugin", "build", dir]);
    assert_eq!(missing.code, Some(64));
    assert!(missing.stderr.contains("plugin new"), "{}", missing.stderr);
    let there = run_in(site.dir.path(), &["plugin", "new", "x", "--dir", dir]);
    assert_eq!(there.code, Some(64));
}

#[test]
fn a_record_is_replayed_from_its_raw_record_and_from_no_other() {
    let site = Site::portal();
    let rules = json!({"rules": [
        {"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"},
        {"path": "src_endpoint.owner.name", "action": "pseudonymize", "entity": "USER"},
    ]});
    let (redactor, retention) = (
        site.file("rules.json", rules.to_string()),
        site.file("keep.json", r#"{"rules": [{"class": "default"}]}"#),
    );
    let (redactor, retention) =
        (format!("redact-fields={redactor}"), format!("retention-schedule={retention}"));
    let bind = [
        "source",
        "set",
        "portal",
        "--normalizer",
        "web-access",
        "--redactor",
        &redactor,
        "--retention",
        &retention,
    ];
    site.run(&bind).json();
    let line = "192.0.2.7 - user3 [23/Nov/2026:08:59:58 +0000] \"GET /payslips HTTP/1.1\" 200 17\n";
    let raw = site.file("one.log", line);
    let kept = site.dir.path().join("openings.ndjson");
    let kept = kept.to_str().unwrap();
    let told = site.run(&["ingest", &raw, "--source", "portal", "--openings", kept]).json();
    let index = told["first_index"].to_string();
    // By another pipeline from now on: the record's own is found in the log.
    site.run(&[&bind[..5], &bind[7..]].concat()).json();

    let replayed = site.run(&["plugin", "replay", &index, "--raw", &raw]).json();
    assert_eq!(replayed["is_good"], true);
    let is = |path: &str| {
        let fields = replayed["fields"].as_array().unwrap();
        fields.iter().find(|field| field["path"] == path).map(|field| field["is"].clone())
    };
    assert_eq!(is("src_endpoint.ip"), Some(json!("dropped")));
    assert_eq!(is("src_endpoint.owner.name"), Some(json!("pseudonymized")));
    assert_eq!(is("http_request.http_method"), Some(json!("same")));
    assert_eq!(is("$retention.class"), Some(json!("same")));

    for (altered, words) in
        [(line.replace("200 17", "403 17"), "differs"), ("nonsense\n".to_owned(), "rejected")]
    {
        let altered = site.file("altered.log", altered);
        let refused = site.run(&["plugin", "replay", &index, "--raw", &altered]);
        assert_eq!(refused.code, Some(1), "{}", refused.stdout);
        assert!((refused.stdout + &refused.stderr).contains(words));
    }
    // Who sent it can open what was dropped, and show that it is no other raw record.
    let opened = ["plugin", "replay", &index, "--openings", kept, "--raw"];
    let replayed = site.run(&[&opened[..], &[&raw]].concat()).json();
    let fields = replayed["fields"].as_array().unwrap();
    let ip = fields.iter().find(|field| field["path"] == "src_endpoint.ip").unwrap();
    assert_eq!(ip["is"], "same");
    // What another log handed back for its entry of the same index is passed over.
    let own = std::fs::read_to_string(kept).unwrap();
    let mut other: Value = serde_json::from_str(&own).unwrap();
    (other["leaf_hash"], other["openings"]["raw_salt"]) = (json!("00".repeat(32)), json!("A".repeat(43)));
    let both = site.file("both.ndjson", format!("{other}\n{own}"));
    let among = ["plugin", "replay", &index, "--openings", &both, "--raw", &raw];
    assert_eq!(site.run(&among).json()["is_good"], true);
    // Sent again, there is nothing more to be had.
    let late = site.dir.path().join("late.ndjson");
    let again = site.run(&["ingest", &raw, "--source", "portal", "--openings", late.to_str().unwrap()]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("nothing to open them with"), "{}", again.stderr);
    // Another address leaves every field that is kept as it is.
    let altered = site.file("altered.log", line.replace("192.0.2.7", "192.0.2.8"));
    assert_eq!(site.run(&["plugin", "replay", &index, "--raw", &altered]).json()["is_good"], true);
    let refused = site.run(&[&opened[..], &[&altered]].concat());
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("is not the raw record"), "{}", refused.stderr);
    let none = site.file("none.ndjson", "");
    let missing = site.run(&["plugin", "replay", &index, "--raw", &raw, "--openings", &none]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    // With the components at hand, the server's are not asked for.
    let dir = paths::root().join("target/plugins");
    let from = ["plugin", "replay", &index, "--raw", &raw, "--plugins", dir.to_str().unwrap()];
    assert_eq!(site.run(&from).json()["is_good"], true);
    assert_eq!(site.run(&["plugin", "replay", "0", "--raw", &raw]).code, Some(64), "entry 0 is no record");
}
