//! The command line as a user meets it: what it prints, and its exit codes.
#![allow(clippy::unwrap_used)]

mod disclosures;
mod files;
mod fsck;
mod keeping;
mod monitor;
mod plugins;
mod publishing;
mod quarantine;
mod rollout;
mod site;
mod trust;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use cairnlog_tests::{ADMIN_TOKEN, Server, paths, start_bare, web};
use files::FileServer;
use serde_json::Value;
use site::{Site, run};

#[test]
fn the_example_pipelines_are_set_up_and_fed_by_commands_alone() {
    let site = Site::new();
    site.run(&["log", "create", "hr"]).json();
    site.push(&["aws-cloudtrail", "kubernetes-audit", "web-access", "redact-fields", "retention-schedule"]);
    let classes = paths::example_json("pipelines/classes.json");
    for (name, class) in classes.as_object().unwrap() {
        let days = |member: &str| class[member].to_string();
        let ran = site.run(&[
            "class",
            "set",
            name,
            "--trigger",
            class["trigger"].as_str().unwrap(),
            "--minimum-days",
            &days("minimum_days"),
            "--maximum-days",
            &days("maximum_days"),
            "--basis",
            class["basis"].as_str().unwrap(),
        ]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    for (name, file) in [
        ("aws-cloudtrail", "aws-cloudtrail.ndjson"),
        ("kubernetes-audit", "kubernetes-audit.ndjson"),
        ("web-access", "web-access.log"),
    ] {
        let redactor = format!("redact-fields=examples/pipelines/{name}.redact.json");
        let retention = format!("retention-schedule=examples/pipelines/{name}.retention.json");
        let arguments =
            ["source", "set", name, "--normalizer", name, "--redactor", &redactor, "--retention", &retention];
        assert_eq!(site.run(&arguments).json()["new"], true);
        let told = site.run(&["ingest", &format!("examples/logs/{file}"), "--source", name]).json();
        assert!(told["accepted"].as_u64().unwrap() > 100, "{name}: {told}");
        assert!(told["quarantined"].as_u64().unwrap() > 0, "{name}: {told}");
        // The same again: the keys of its batches keep everything from being logged twice.
        let ran = site.run(&["ingest", &format!("examples/logs/{file}"), "--source", name]);
        assert!(ran.stderr.contains("nothing was run again"), "{}", ran.stderr);
        let mut again = ran.json();
        assert_eq!(told["earlier"], 0, "{name}");
        assert_ne!(again["earlier"], 0, "{name}");
        again["earlier"] = 0.into();
        assert_eq!(told, again, "{name}");
    }
    assert_eq!(site.run(&["source", "list"]).json().as_array().unwrap().len(), 3);
}

#[test]
fn ingest_reads_standard_input_in_batches() {
    let site = Site::portal();
    let mut child = Command::new(paths::binary())
        .args([
            "ingest",
            "-",
            "--source",
            "portal",
            "--content-type",
            "text",
            "--batch",
            "7",
            "--output",
            "json",
        ])
        .env_clear()
        .envs(site.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = web::lines(0, 50) + "nonsense\n";
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["accepted"], &told["quarantined"]), (&50.into(), &1.into()));
    assert_eq!(told["reasons"].as_object().unwrap().len(), 1);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn search_and_show_print_what_the_server_says() {
    let site = Site::portal();
    let told = site.ingest(30);
    let first = told["first_index"].as_u64().unwrap();
    let found = site.run(&["search", "--source", "portal", "--order", "asc", "--limit", "30"]).json();
    let indices: Vec<u64> =
        found.as_array().unwrap().iter().map(|record| record["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, (first..first + 30).collect::<Vec<_>>());
    let one = site.run(&["search", "--resource", "/page/7"]).json();
    assert_eq!(one[0]["index"], first + 7);
    let shown = site.run(&["show", &(first + 7).to_string()]).json();
    assert_eq!(shown, one[0]);
    let table = run(&site.environment(), &["show", &(first + 7).to_string()]);
    assert!(table.code == Some(0) && table.stdout.contains("/page/7"), "{}", table.stdout);
    let lines = run(&site.environment(), &["search", "--limit", "5", "--output", "ndjson"]).stdout;
    let parsed: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed.len(), 5);
    assert_eq!(site.run(&["search", "--actor", "nobody"]).json(), serde_json::json!([]));
    site.run(&["show", "999999"]).refused(1, "not-found");
}

#[test]
fn a_receipt_is_proved_and_verified_offline() {
    let site = Site::portal();
    let first = site.ingest(30)["first_index"].as_u64().unwrap();
    let key = site.key();
    let path = site.receipt(first + 3);
    let verify = |path: &str, more: &[&str]| {
        run(&[], &[&["verify", "receipt", path, "--key", &key, "--output", "json"], more].concat())
    };
    let verified = verify(&path, &[]).json();
    assert_eq!((&verified["verified"], &verified["index"]), (&true.into(), &(first + 3).into()));
    assert_eq!(verified["tree_size"], first + 30);
    let receipt = std::fs::read_to_string(&path).unwrap();
    let extra = receipt.lines().find_map(|line| line.strip_prefix("extra ")).unwrap();
    let entry = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, extra).unwrap();
    let entry = site.file("entry", entry);
    assert_eq!(verify(&path, &["--entry", &entry]).code, Some(0));
    let index = format!("index {}", first + 3);
    for (name, tampered) in [
        ("another index", receipt.replace(&index, &format!("index {}", first + 4))),
        ("another entry", receipt.replace(extra, &("A".to_owned() + &extra[1..]))),
        ("another size", receipt.replace(&format!("\n{}\n", first + 30), &format!("\n{}\n", first + 31))),
        ("a hash less", without_line(&receipt, 4)),
        ("nothing", String::new()),
        ("a line more", receipt.clone() + "more\n"),
    ] {
        assert_ne!(tampered, receipt, "{name}");
        let file = site.file("tampered", tampered);
        verify(&file, &[]).refused(1, &file);
    }
    let other = site.file("other", "another entry");
    verify(&path, &["--entry", &other]).refused(1, &path);
    let stranger = "log.example/tiles+e94a591d+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    run(&[], &["verify", "receipt", &path, "--key", stranger]).refused(1, &path);
    run(&[], &["verify", "receipt", "/nowhere/receipt", "--key", &key]).refused(3, "/nowhere/receipt");
    run(&[], &["verify", "receipt", &path, "--key", "nonsense"]).refused(64, "--key");
}

fn without_line(text: &str, line: usize) -> String {
    text.lines().enumerate().filter(|(at, _)| *at != line).map(|(_, line)| line.to_owned() + "\n").collect()
}

/// All files of a log's public face, as a mirror would copy them.
async fn mirror(server: &Server, size: u64) -> BTreeMap<String, Vec<u8>> {
    use cairnlog_verify::tile::{BundleId, Tile};
    let mut paths: Vec<String> = BundleId::for_size(size).map(|bundle| bundle.path()).collect();
    paths.extend(Tile::for_size(size).map(|tile| tile.path()));
    paths.push("checkpoint".to_owned());
    let mut files = BTreeMap::new();
    for path in paths {
        let response =
            server.anonymous(reqwest::Method::GET, &format!("/logs/hr/{path}")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        files.insert(path, response.bytes().await.unwrap().to_vec());
    }
    files
}

#[tokio::test]
async fn a_whole_log_is_verified_and_every_tampering_is_found() {
    let site = Site::portal();
    let entries = site.ingest(600)["tree_size"].as_u64().unwrap();
    let key = site.key();
    let verify = |url: &str| run(&[], &["verify", "log", url, "--key", &key, "--output", "json"]);
    let good = verify(&format!("{}/logs/hr", site.server.url())).json();
    assert_eq!((&good["verdict"], &good["entries"]), (&"good".into(), &entries.into()));
    let files = mirror(&site.server, entries).await;
    let copy = FileServer::start(files.clone());
    assert_eq!(verify(copy.url()).json()["root_hash"], good["root_hash"]);
    for path in files.keys() {
        let mut tampered = files.clone();
        let bytes = tampered.get_mut(path).unwrap();
        // A checkpoint's root, since a signature by a key that nobody asks for may be anything; an entry's JSON.
        let text_end = bytes.windows(2).position(|pair| pair == b"\n\n");
        let at = text_end.filter(|_| path == "checkpoint").map_or(bytes.len() / 2, |end| end - 10);
        bytes[at] ^= 1;
        let ran = verify(FileServer::start(tampered).url());
        assert_eq!(ran.code, Some(1), "{path}: {} {}", ran.stdout, ran.stderr);
        if path != "checkpoint" {
            let told: Value = serde_json::from_str(&ran.stdout).unwrap();
            assert_eq!(told["verdict"], "tampered", "{path}");
            let detail = told["detail"].as_str().unwrap();
            let names = ["tile", "bundle", "record"].iter().any(|word| detail.contains(word));
            assert!(names, "{path}: {detail}");
        }
        let mut incomplete = files.clone();
        incomplete.remove(path);
        let ran = verify(FileServer::start(incomplete).url());
        assert_eq!(ran.code, Some(2), "without {path}: {} {}", ran.stdout, ran.stderr);
    }
}

#[test]
fn what_the_server_refuses_is_exit_1_and_what_cannot_be_reached_3() {
    let site = Site::portal();
    site.run(&["log", "create", "hr"]).refused(1, "conflict");
    let garbage = site.file("garbage.wasm", "garbage");
    site.run(&["plugin", "push", &garbage]).refused(1, "not-a-component");
    site.run(&["ingest", "examples/logs/web-access.log", "--source", "nothing"]).refused(1, "not-found");
    site.run(&["ingest", "/nowhere/log", "--source", "portal"]).refused(3, "/nowhere/log");
    let away = [("CAIRNLOG_SERVER", "http://127.0.0.1:1"), ("CAIRNLOG_TOKEN", ADMIN_TOKEN)];
    run(&away, &["search", "--log", "hr"]).refused(3, "");
    run(&[("CAIRNLOG_SERVER", site.server.url())], &["search", "--log", "hr"]).refused(1, "unauthenticated");
    run(&away, &["verify", "log", "http://127.0.0.1:1/logs/hr", "--key", &site.key()]).refused(3, "");
    run(&[], &["serve", "--data", "/proc/nowhere"]).refused(3, "/proc/nowhere");
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    for arguments in
        [&["no-such-command"][..], &["search", "--no-such-flag"], &[], &["show", "x"], &["serve"]]
    {
        let ran = run(&[], arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(64), ""), "{arguments:?}");
        assert!(!ran.stderr.is_empty());
    }
    for arguments in [&["--help"][..], &["ingest", "--help"], &["--version"]] {
        let ran = run(&[], arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!ran.stdout.is_empty());
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&[], &["completions", shell]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("cairnlog") && ran.stdout.contains("completions"), "{shell}");
    }
}

#[test]
fn a_token_made_by_a_command_works_for_its_role() {
    let site = Site::portal();
    let made =
        site.run(&["token", "create", "ci", "--role", "writer", "--log", "hr", "--source", "portal"]).json();
    let token = made["token"].as_str().unwrap();
    let environment = [("CAIRNLOG_SERVER", site.server.url()), ("CAIRNLOG_TOKEN", token)];
    let file = site.file("access.log", web::lines(0, 3));
    let ingest = ["ingest", &file, "--source", "portal", "--log", "hr", "--output", "json"];
    assert_eq!(run(&environment, &ingest).json()["accepted"], 3);
    run(&environment, &["search", "--log", "hr"]).refused(1, "forbidden");
}

#[test]
fn a_new_directorys_first_start_prints_its_first_token_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, ready) = start_bare(dir.path());
    let token = ready["admin_token"].as_str().unwrap();
    assert!(token.starts_with("cl_"));
    assert_eq!((&ready["ready"], &ready["data"]), (&true.into(), &dir.path().to_str().unwrap().into()));
    let environment = [("CAIRNLOG_SERVER", ready["url"].as_str().unwrap()), ("CAIRNLOG_TOKEN", token)];
    assert_eq!(run(&environment, &["log", "create", "hr"]).code, Some(0));
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, ready) = start_bare(dir.path());
    let again = [("CAIRNLOG_SERVER", ready["url"].as_str().unwrap()), ("CAIRNLOG_TOKEN", token)];
    let listed = run(&again, &["token", "list"]).code;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ready.get("admin_token"), None);
    assert_eq!(listed, Some(0));
}

#[test]
fn the_demo_runs_through_and_again_on_its_own_data() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("demo");
    for run_number in 1..=2 {
        let data = data.to_str().unwrap();
        let ran = run(&[], &["demo", "--once", "--listen", "127.0.0.1:0", "--data", data]);
        assert_eq!(ran.code, Some(0), "run {run_number}: {}\n{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stderr, "", "run {run_number}");
        for words in ["quarantined", "pseudonymize", "signed tree head", "receipt", "two tree heads"] {
            assert!(
                ran.stdout.to_lowercase().contains(words),
                "run {run_number} does not tell of {words}: {}",
                ran.stdout
            );
        }
        for secret in ["greta.lindholm@example.com", "QQ987702C"] {
            let stored = paths::files(Path::new(data)).into_iter().any(|path| {
                let bytes = std::fs::read(path).unwrap();
                bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
            });
            assert!(!stored, "{secret} in the demo's data directory");
        }
    }
}
