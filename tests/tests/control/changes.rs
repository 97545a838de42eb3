//! Changes that no other log says, and refusals.

use cairnlog_client::{Client, Mode, NewKeys, NewLog, RecordQuery, Role, Secret};
use cairnlog_tests::{Server, http, paths, pipelines, start_bare};
use reqwest::Method;
use serde_json::json;

use super::{at, operations, portal, resources, said, said_of, token};

#[tokio::test]
async fn tokens_are_made_and_deleted_in_one_commit_with_their_entries() {
    let mut server = Server::start();
    let made = token(&server, "the shipper", &[Role::Writer, Role::Auditor], None).await;
    server.client().delete_token(&made.info.id).await.unwrap();
    server.client().delete_token(&made.info.id).await.unwrap_err();
    server.kill();
    server.restart();
    let by_token = RecordQuery { resource: Some(made.info.id.clone()), ..RecordQuery::default() };
    let entries = said(&server, by_token).await;
    assert_eq!(operations(&entries), ["tokens.create", "tokens.delete"]);
    assert_eq!(
        at(&entries[0], "unmapped.token"),
        &json!({"name": "the shipper", "roles": ["writer", "auditor"]})
    );
    assert_eq!((at(&entries[0], "activity_id"), at(&entries[1], "activity_id")), (&json!(1), &json!(4)));
    let secret = made.token.expose().rsplit('_').next().unwrap();
    assert!(!entries.iter().any(|entry| entry.event.to_string().contains(secret)));
}

#[test]
fn the_first_administrators_token_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, ready) = start_bare(dir.path());
    let token = ready["admin_token"].as_str().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entries = runtime.block_on(async {
        let admin = Client::new(ready["url"].as_str().unwrap(), Some(&Secret::new(token))).unwrap();
        let new = cairnlog_client::NewToken {
            name: "reader".to_owned(),
            roles: vec![Role::Auditor],
            log: Some("control".to_owned()),
            sources: None,
            expires: None,
        };
        let reader = admin.create_token(&new).await.unwrap().token;
        let reader = Client::new(ready["url"].as_str().unwrap(), Some(&reader)).unwrap();
        let query = RecordQuery { action: Some("tokens.create".to_owned()), ..RecordQuery::default() };
        reader.log("control").unwrap().search(&query).await.unwrap().items
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let [made, first] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(at(first, "actor.user.uid"), "server");
    assert_eq!(resources(first), [&token[3..19]]);
    assert_eq!(at(made, "actor.user.uid"), &token[3..19]);
}

#[tokio::test]
async fn logs_keys_and_plugins_are_changed_after_their_entries() {
    let (server, log, _) = portal(1).await;
    let client = server.client();
    let plain =
        client.create_log(&NewLog { mode: Some(Mode::Opaque), ..NewLog::new("plain") }).await.unwrap();
    let plain_log = client.log(&plain.name).unwrap();
    let keys = NewKeys { signing_keys: None, overlap: Some(7), reason: Some("it was copied".to_owned()) };
    let rotated = plain_log.rotate_keys(&keys).await.unwrap();
    plain_log.freeze().await.unwrap();
    plain_log.freeze().await.unwrap();
    // A log of records says itself that its keys change.
    log.rotate_keys(&NewKeys::default()).await.unwrap();
    let digest = pipelines::plugin(&client, "redact-fields").await;
    let again = client.upload_plugin(paths::plugin("redact-fields")).await.unwrap();
    client.delete_plugin(&again.plugin.digest).await.unwrap();
    for refused in [
        client.create_log(&NewLog::new("hr")).await.err(),
        client.delete_plugin(&again.plugin.digest).await.err(),
    ] {
        assert!(refused.is_some());
    }

    let created = said_of(&server, "logs.create").await;
    assert_eq!(created.iter().map(|entry| resources(entry)[0]).collect::<Vec<_>>(), ["hr", "plain"]);
    let [frozen] = &said_of(&server, "logs.freeze").await[..] else { panic!("once") };
    assert_eq!(resources(frozen), ["plain"]);
    let [changed] = &said_of(&server, "logs.keys").await[..] else { panic!("once") };
    assert_eq!(resources(changed), ["plain"]);
    assert_eq!(at(changed, "unmapped.key.reason"), "it was copied");
    assert_eq!(at(changed, "unmapped.key.new").as_array().unwrap().len(), 2);
    assert!(rotated.verifier_keys.contains(&at(changed, "unmapped.key.new")[0].as_str().unwrap().to_owned()));
    let uploaded = said_of(&server, "plugins.upload").await;
    assert_eq!(uploaded.len(), 3, "the same bytes again are no change");
    assert_eq!(resources(&uploaded[2]), ["redact-fields@0.1.0", &digest]);
    let [deleted] = &said_of(&server, "plugins.delete").await[..] else { panic!("once") };
    assert_eq!(resources(deleted), resources(&uploaded[2]));
}

#[tokio::test]
async fn who_binds_a_source_is_said() {
    let (server, _log, _) = portal(1).await;
    let integrator = token(&server, "integrator", &[Role::Integrator], Some("hr")).await;
    let log = server.client_of(integrator.token.expose()).log("hr").unwrap();
    let pipeline = pipelines::plain_json(&server.client(), "web-access").await;
    log.put_source("second", &serde_json::from_value(pipeline).unwrap()).await.unwrap();
    let entry = said_of(&server, "sources.put").await.pop().unwrap();
    assert_eq!(resources(&entry)[..2], ["hr", "hr/sources/second"]);
    assert!(resources(&entry)[2].starts_with("sha256:"));
    assert_eq!(at(&entry, "actor.user.uid"), integrator.info.id.as_str());
}

#[tokio::test]
async fn refusals_are_counted_by_reason_and_said_when_the_server_ends() {
    let (mut server, _log, _) = portal(1).await;
    let writer = token(&server, "writer", &[Role::Writer], Some("hr")).await;
    for _ in 0..3 {
        let nobody = server.anonymous(Method::GET, "/api/v1/logs/hr/records/0").send().await.unwrap();
        http::problem(nobody, 401, "unauthenticated").await;
    }
    for (path, status, slug) in [
        ("/api/v1/logs/hr/records/0", 403, "forbidden"),
        ("/api/v1/logs/other/records/0", 404, "not-found"),
        ("/api/v1/nothing", 404, "not-found"),
    ] {
        let request = server.anonymous(Method::GET, path).bearer_auth(writer.token.expose());
        http::problem(request.send().await.unwrap(), status, slug).await;
    }
    assert_eq!(server.stop(), Some(0));
    server.restart();
    let [refused] = &said_of(&server, "requests.refuse").await[..] else { panic!("one entry") };
    assert_eq!(
        at(refused, "unmapped.refused"),
        &json!({"forbidden": 1, "not-found": 1, "unauthenticated": 3})
    );
    assert_eq!((at(refused, "status_id"), at(refused, "activity_name")), (&json!(2), &json!("Refuse")));
    assert_eq!(server.stop(), Some(0));
    server.restart();
    assert_eq!(said_of(&server, "requests.refuse").await.len(), 1, "nothing was refused since");
}
