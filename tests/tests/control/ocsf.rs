//! What the control log says is valid OCSF, whatever was done.

use std::collections::BTreeSet;

use cairnlog_client::{Mode, NewKeys, NewLog, Order, PageRequest, RecordQuery, Role};
use cairnlog_host::ocsf;
use cairnlog_tests::{paths, pipelines};
use cairnlog_verify::event::Event;
use reqwest::Method;
use serde_json::Value;

use super::{control, portal, token};

#[tokio::test]
async fn every_entry_is_valid_ocsf() {
    let (mut server, log, first) = portal(3).await;
    let client = server.client();
    let made = token(&server, "x", &[Role::Auditor], Some("hr")).await;
    client.delete_token(&made.info.id).await.unwrap();
    log.record(first).await.unwrap();
    let query = RecordQuery {
        actor: Some("user1".to_owned()),
        source: Some("portal".to_owned()),
        from: Some("2020-01-01T00:00:00Z".to_owned()),
        ..RecordQuery::default()
    };
    log.search(&query).await.unwrap();
    log.follow(None).await.unwrap();
    let plain =
        client.create_log(&NewLog { mode: Some(Mode::Opaque), ..NewLog::new("plain") }).await.unwrap();
    let plain = client.log(&plain.name).unwrap();
    plain.rotate_keys(&NewKeys::default()).await.unwrap();
    plain.freeze().await.unwrap();
    log.freeze().await.unwrap();
    let class =
        serde_json::json!({"trigger": "received", "minimum_days": 1, "basis": "frozen logs change too"});
    let path = "/api/v1/logs/hr/retention/classes/short";
    assert!(server.request(Method::PUT, path).json(&class).send().await.unwrap().status().is_success());
    let digest = pipelines::plugin(&client, "redact-fields").await;
    client.delete_plugin(&digest.parse().unwrap()).await.unwrap();
    server.anonymous(Method::GET, "/api/v1/tokens").send().await.unwrap();
    server.stop();
    server.restart();

    let schema = std::fs::read(paths::root().join("tests/fixtures/ocsf/api_activity.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let page = PageRequest { limit: Some(1_000), cursor: None };
    let query = RecordQuery { order: Some(Order::Asc), page, ..RecordQuery::default() };
    let entries = control(&server).search(&query).await.unwrap().items;
    let mut operations = BTreeSet::new();
    for entry in entries {
        let Value::Object(mut event) = entry.event else { panic!("an object") };
        event.retain(|member, _| !member.starts_with('$'));
        let event = Value::Object(event);
        let faults: Vec<String> =
            schema.iter_errors(&event).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert_eq!(faults, Vec::<String>::new(), "{event:#}");
        let read = Event::new(Event::flatten(&event).unwrap()).unwrap();
        assert_eq!(ocsf::violations(&read), Vec::<String>::new(), "{event:#}");
        operations.insert(event["api"]["operation"].as_str().unwrap().to_owned());
    }
    for operation in [
        "logs.create",
        "logs.freeze",
        "logs.keys",
        "plugins.delete",
        "plugins.upload",
        "records.read",
        "records.search",
        "records.stream",
        "requests.refuse",
        "retention.class",
        "sources.put",
        "tokens.create",
        "tokens.delete",
    ] {
        assert!(operations.contains(operation), "no {operation} among {operations:?}");
    }
}
