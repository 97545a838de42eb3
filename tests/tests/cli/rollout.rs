//! A new pipeline beside a source's own, taken over and taken back, by commands.

use serde_json::json;

use crate::site::{Site, run};

fn stages(site: &Site) -> Vec<String> {
    let rules = json!({"rules": [{"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"}]});
    let redactor = format!("redact-fields={}", site.file("rules.json", rules.to_string()));
    let retention =
        format!("retention-schedule={}", site.file("keep.json", r#"{"rules": [{"class": "default"}]}"#));
    ["--normalizer", "web-access", "--redactor", &redactor, "--retention", &retention]
        .map(str::to_owned)
        .to_vec()
}

/// What it came to, once it was run over so many batches.
fn shown(site: &Site, batches: u64) -> (Option<i32>, serde_json::Value) {
    for _ in 0..10_000 {
        let ran = site.run(&["source", "canary", "show", "portal"]);
        let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        if shown["batches"] == batches {
            return (ran.code, shown);
        }
    }
    panic!("the canary is never run");
}

#[test]
fn a_canary_is_compared_promoted_and_rolled_back() {
    let site = Site::portal();
    let stages = stages(&site);
    let stages: Vec<&str> = stages.iter().map(String::as_str).collect();
    let start = [&["source", "canary", "start", "portal", "--percent", "100"], stages.as_slice()].concat();
    assert_eq!(site.run(&start).code, Some(0));
    let early = site.run(&["source", "canary", "show", "portal"]);
    assert_eq!(early.code, Some(2), "nothing can be said yet");
    assert!(early.stderr.contains("100 raw records at a time"), "{}", early.stderr);
    assert_eq!(site.ingest(120)["accepted"], 120);
    let (code, shown) = shown(&site, 1);
    assert_eq!(code, Some(1), "it makes something else");
    assert_eq!((&shown["records"], &shown["same"]), (&json!(120), &json!(0)));
    assert_eq!(shown["members"], json!([{"member": "src_endpoint", "records": 120}]));
    let said = site.run(&["search", "--log", "control", "--action", "canary.read"]).json();
    assert_eq!(
        said[0]["event"]["unmapped"]["canary"]["source"], "portal",
        "who looked is in the control log"
    );
    let kept = site.run(&["search", "--limit", "5"]).json();
    assert!(kept[0]["event"]["src_endpoint"]["ip"].is_string(), "nothing of it was logged");

    let promoted = site.run(&["source", "canary", "promote", "portal"]).json();
    assert_eq!(promoted["new"], false);
    assert_eq!(site.run(&["source", "canary", "show", "portal"]).code, Some(1), "it is over");
    let back = site.run(&["source", "rollback", "portal"]).json();
    assert_ne!(back["pipeline"], promoted["pipeline"]);
    assert_eq!(site.run(&["source", "rollback", "portal"]).json()["pipeline"], promoted["pipeline"]);
    let shown = site.run(&["source", "show", "portal"]).json();
    assert_eq!(
        (&shown["pipeline"], &shown["previous"]["pipeline"]),
        (&promoted["pipeline"], &back["pipeline"])
    );
    assert_eq!(shown["redactors"][0]["config"]["rules"][0]["action"], "drop");

    // A push can start one too.
    let canary = ["plugin", "push", "target/plugins/web-access.wasm", "--source", "portal", "--canary", "50"];
    let pushed = site.run(&canary);
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("canary show portal"), "{}", pushed.stderr);
    assert_eq!(site.run(&["source", "show", "portal"]).json()["canary_percent"], 50);
    assert_eq!(site.run(&["source", "canary", "stop", "portal"]).code, Some(0));
}

#[test]
fn an_upload_is_tried_on_samples() {
    let site = Site::portal();
    let line = "192.0.2.7 - user3 [23/Nov/2026:08:59:58 +0000] \"GET /payslips HTTP/1.1\" 200 17";
    let samples = site.file("samples.log", format!("{line}\nnonsense\n"));
    let pushed = site.run(&["plugin", "push", "target/plugins/web-access.wasm", "--sample", &samples]).json();
    let made = &pushed[0]["samples"];
    assert_eq!((&made[0]["outcome"], &made[0]["count"]), (&json!("events"), &json!(1)));
    assert_eq!(made[1]["outcome"], "reject");
    let fuel = |name: &str| made[0][name].as_u64().unwrap();
    assert!(fuel("fuel") > 1_000 && fuel("fuel") < fuel("fuel_max"));
    assert!(fuel("memory_bytes") >= 1 << 16);
    let (instances, compiled) = (&pushed[0]["core_instances"], &pushed[0]["compile_ms"]);
    assert!(instances.as_u64().unwrap() >= 1 && compiled.is_u64(), "{pushed}");

    // A redactor is given events, and its config with them.
    let event = site.file("event.json", r#"{"time": 1700000000000, "actor": {"user": {"name": "anna"}}}"#);
    let rules = json!({"rules": [{"path": "actor.user.name", "action": "drop", "entity": "NAME"}]});
    let config = site.file("rules.json", rules.to_string());
    let redactor = "target/plugins/redact-fields.wasm";
    let pushed = site.run(&["plugin", "push", redactor, "--sample", &event, "--config", &config]).json();
    let made = &pushed[0]["samples"][0];
    assert_eq!((&made["outcome"], &made["count"]), (&json!("redactions"), &json!(1)));
    let others = site.run(&["plugin", "push", redactor, "--sample", &samples, "--config", &config]).json();
    assert_eq!(others[0]["samples"][0]["outcome"], "not-an-event");
    let unconfigured = site.run(&["plugin", "push", redactor, "--sample", &event]).json();
    assert_eq!(unconfigured[0]["samples"][0]["outcome"], "config-refused");
    let long = site.file("long.log", "x".repeat(20 << 10));
    let refused = site.run(&["plugin", "push", redactor, "--sample", &long]);
    refused.refused(64, "line 1 has 20480 bytes");
    let many = site.file("many.log", "x\n".repeat(17));
    site.run(&["plugin", "push", redactor, "--sample", &many]).refused(64, "17 samples");
    let none = site.file("none.log", "\n\n");
    site.run(&["plugin", "push", redactor, "--sample", &none]).refused(64, "no sample");
    // A quote is three bytes of a URL.
    let quotes = site.file("quotes.log", format!("{}\n{}", "\"".repeat(15_000), "\"".repeat(15_000)));
    site.run(&["plugin", "push", redactor, "--sample", &quotes]).refused(64, "the URL would have");
}

#[tokio::test]
async fn a_version_that_understands_less_is_not_bound_unasked() {
    let site = Site::portal();
    let config = site.file("none.json", r#"{"rules": [{"class": "not-there"}]}"#);
    let plain = site.file("plain.json", r#"{"rules": [{"class": "default"}]}"#);
    let bind = |config: &str| {
        let retention = format!("retention-schedule={config}");
        site.run(&["source", "set", "portal", "--normalizer", "web-access", "--retention", &retention])
            .json();
    };
    bind(&config);
    assert_eq!(site.ingest(1)["quarantined"], 1);
    bind(&plain);
    let worse = site.dir.path().join("worse.wasm").to_str().unwrap().to_owned();
    let other = "target/plugins/aws-cloudtrail.wasm";
    let made = ["plugin", "componentize", other, "-o", &worse, "--name", "web-access", "--version", "9.0.0"];
    assert_eq!(run(&[], &made).code, Some(0));
    let push = ["plugin", "push", &worse, "--source", "portal"];
    let refused = site.run(&push);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("1 of which the present pipeline understands"), "{}", refused.stderr);
    // What is tried is told nobody in figures: its fuel could spell a record out.
    let metrics = site.server.get("/metrics").send().await.unwrap().text().await.unwrap();
    let counts =
        |plugin: &str| metrics.contains(&format!("cairnlog_plugin_fuel_total{{plugin=\"{plugin}\"}}"));
    assert!(counts("web-access@0.1.0") && !counts("web-access@9.0.0"), "{metrics}");
    assert_eq!(site.run(&[&push[..], &["--force"]].concat()).code, Some(0));
    // What it understands no less of is bound without a word.
    site.run(&["plugin", "push", "target/plugins/web-access.wasm", "--source", "portal"]).json();
}
