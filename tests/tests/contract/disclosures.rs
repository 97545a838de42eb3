//! Disclosures over HTTP, and the openings of an ingest.

use cairnlog_client::{ContentType, Ingest, NewToken, Pipeline, Role, Stage};
use cairnlog_tests::{Server, http, pipelines, web};
use cairnlog_verify::disclosure::{Disclosure, Raw};
use cairnlog_verify::entry::Entry;
use cairnlog_verify::field::drop_commitment;
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::raw::RawInput;
use cairnlog_verify::value::Value;
use reqwest::Method;
use serde_json::json;

use super::portal;

async fn key(log: &cairnlog_client::Log) -> Vec<VerifierKey> {
    vec![log.info().await.unwrap().verifier_key.parse().unwrap()]
}

/// A server with the log `hr` whose source `portal` drops addresses.
async fn dropping() -> (Server, cairnlog_client::Log) {
    let (server, log) = portal().await;
    let rules = json!({"rules": [{"path": "src_endpoint.ip", "action": "drop", "entity": "IP_ADDRESS"}]});
    let redactor = pipelines::plugin(&server.client(), "redact-fields").await;
    let mut pipeline: Pipeline =
        serde_json::from_value(pipelines::plain_json(&server.client(), "web-access").await).unwrap();
    pipeline.redactors = vec![Stage::new(redactor, Some(rules))];
    log.put_source("portal", &pipeline).await.unwrap();
    (server, log)
}

fn asking(body: impl Into<Vec<u8>>) -> Ingest {
    Ingest { openings: true, ..Ingest::new(ContentType::Text, body.into()) }
}

#[tokio::test]
async fn a_disclosure_is_json_that_verifies_with_the_logs_key() {
    let (server, log) = portal().await;
    let line = web::lines(0, 1);
    let first = log
        .ingest("portal", Ingest::new(ContentType::Text, line.clone()))
        .await
        .unwrap()
        .first_index
        .unwrap();
    let path = format!("/api/v1/logs/hr/records/{first}/disclosures");
    let body = json!({"fields": ["src_endpoint.ip", "time"], "raw": true});
    let response = server.post(&path, &body).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.status(), 200);
    let mut disclosure = Disclosure::parse(&response.text().await.unwrap()).unwrap();
    let verified = disclosure.verify(&key(&log).await, None).unwrap();
    let paths: Vec<&str> = verified.fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!((verified.index, paths), (first, vec!["$received", "src_endpoint.ip", "time"]));
    assert!(verified.raw == Raw::SaltAlone);
    disclosure.complete_raw(&["text/plain"], line.trim_end().as_bytes()).unwrap();
    assert!(matches!(disclosure.verify(&key(&log).await, None).unwrap().raw, Raw::Proven(_)));
}

#[tokio::test]
async fn what_cannot_be_disclosed_is_refused_and_names_no_value() {
    let (server, log) = dropping().await;
    let answer = log.ingest("portal", Ingest::new(ContentType::Text, web::lines(0, 1))).await.unwrap();
    let first = answer.first_index.unwrap();
    for (index, body, status, slug) in [
        (first, json!({"fields": ["time", "src_endpoint.nickname"]}), 404, "not-found"),
        (first, json!({"fields": ["actor"]}), 404, "not-found"),
        (99_999, json!({"fields": ["time"]}), 404, "not-found"),
        (first, json!({"fields": ["time"], "raw": true}), 409, "conflict"),
        (0, json!({"fields": ["$received"], "raw": true}), 409, "conflict"),
        (first, json!({"fields": []}), 400, "bad-request"),
        (first, json!({"fields": ["time", "time"]}), 400, "bad-request"),
        (first, json!({}), 400, "bad-request"),
        (first, json!({"fields": "time"}), 400, "bad-request"),
        (first, json!({"fields": ["time"], "salt": true}), 400, "unknown-member"),
    ] {
        let path = format!("/api/v1/logs/hr/records/{index}/disclosures");
        let problem = http::problem(server.post(&path, &body).send().await.unwrap(), status, slug).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.contains("user0") && !detail.contains("nickname"), "{detail}");
    }
    let path = "/api/v1/logs/hr/records/first/disclosures";
    let refused = server.post(path, &json!({"fields": ["time"]})).send().await.unwrap();
    http::problem(refused, 400, "bad-request").await;
}

#[tokio::test]
async fn a_writer_who_asks_is_handed_what_opens_the_entries_once() {
    let (server, log) = dropping().await;
    let line = web::lines(7, 1);
    let new = NewToken {
        name: "shipper".to_owned(),
        roles: vec![Role::Writer],
        log: Some("hr".to_owned()),
        sources: None,
        expires: None,
    };
    let token = server.client().create_token(&new).await.unwrap().token;
    let writer = server.client_of(token.expose()).log("hr").unwrap();
    let keyed =
        || Ingest { idempotency_key: Some("seven".to_owned()), ..asking(line.clone() + "nonsense\n") };
    let answer = writer.ingest("portal", keyed()).await.unwrap();
    let [logged, quarantined] = answer.results.as_slice() else { panic!("{answer:?}") };
    let openings = logged.openings.as_ref().unwrap();

    let [[dropped]] = [openings.events[0].as_slice()] else { panic!("{openings:?}") };
    assert_eq!(dropped.path, "src_endpoint.ip");
    let address = line.split(' ').next().unwrap();
    let expected = drop_commitment(&dropped.salt, &Value::Text(address.to_owned()));
    let index = logged.index.unwrap();
    let disclosure = log.disclose(index, std::slice::from_ref(&dropped.path), false).await.unwrap();
    let verified = disclosure.verify(&key(&log).await, None).unwrap();
    assert_eq!(verified.fields[0].value, Value::Dropped(expected));

    for (row, body) in [(logged, line.trim_end()), (quarantined, "nonsense")] {
        let openings = row.openings.as_ref().unwrap();
        let input = RawInput {
            received_ms: openings.received_ms,
            source: "portal",
            content_type: &openings.content_type,
            attributes: &[],
            body: body.as_bytes(),
        };
        let entry = log.entry(row.index.unwrap()).await.unwrap().entry;
        assert_eq!(Entry::parse(&entry).unwrap().raw(), Some(&input.commit(&openings.raw_salt)));
    }

    let again = writer.ingest("portal", keyed()).await.unwrap();
    assert!(again.results.iter().all(|row| row.openings.is_none()));
    assert_eq!(again.results[0].index, logged.index);
    let unasked = writer.ingest("portal", Ingest::new(ContentType::Text, web::lines(8, 1))).await.unwrap();
    assert_eq!(unasked.results[0].openings, None);
}

#[tokio::test]
async fn openings_are_asked_for_by_true_or_false() {
    let (server, _log) = portal().await;
    let send = async |query: &str| {
        let path = format!("/api/v1/logs/hr/sources/portal/events?{query}");
        let request = server.request(Method::POST, &path).header("content-type", "text/plain");
        request.body(web::lines(0, 1)).send().await.unwrap()
    };
    let answer = http::json(send("openings=true").await, 201).await;
    let openings = &answer["results"][0]["openings"];
    assert_eq!((&openings["content_type"], &openings["events"]), (&json!("text/plain"), &json!([[]])));
    assert_eq!(openings["raw_salt"].as_str().unwrap().len(), 44);
    assert!(openings["received_ms"].as_u64().unwrap() > 1_700_000_000_000);
    let answer = http::json(send("openings=false").await, 201).await;
    assert_eq!(answer["results"][0].get("openings"), None);
    for query in ["openings=1", "openings=", "openings=yes", "openings=true&openings=true"] {
        http::problem(send(query).await, 400, "bad-request").await;
    }
}
