//! Uploading plugins.

use cairnlog_client::PageRequest;
use cairnlog_tests::pipelines::{self, PLUGINS};
use cairnlog_tests::{Server, http, paths};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::portal;

async fn refused(server: &Server, wasm: impl Into<Vec<u8>>) -> Vec<(String, String)> {
    let request = server.request(Method::POST, "/api/v1/plugins").header("content-type", "application/wasm");
    let problem = http::problem(request.body(wasm.into()).send().await.unwrap(), 422, "invalid-plugin").await;
    let text = |error: &Value, member: &str| error[member].as_str().unwrap().to_owned();
    problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(error, "code"), text(error, "detail")))
        .collect()
}

fn codes(errors: &[(String, String)]) -> Vec<&str> {
    errors.iter().map(|(code, _)| code.as_str()).collect()
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_what_is_wrong() {
    let server = Server::start();
    for garbage in [&b"hello"[..], b"\0asm", &[0xff; 5_000]] {
        assert_eq!(codes(&refused(&server, garbage).await), ["not-a-component"]);
    }
    let module = wat::parse_str("(module (func (export \"normalize\")))").unwrap();
    let errors = refused(&server, module).await;
    assert_eq!(codes(&errors), ["not-a-component"]);
    assert!(errors[0].1.contains("core module"), "{errors:?}");
    let mut cut = paths::plugin("web-access");
    cut.truncate(cut.len() / 2);
    assert_eq!(codes(&refused(&server, cut).await), ["not-a-component"]);
    assert!(server.client().plugins(&PageRequest::default()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn imports_that_are_not_lent_are_listed_one_by_one() {
    let server = Server::start();
    let component = wat::parse_str(
        r#"(component
            (import "wasi:clocks/wall-clock@0.2.6" (instance))
            (import "wasi:random/random@0.2.6" (instance))
            (import "wasi:filesystem/types@0.2.6" (instance)))"#,
    )
    .unwrap();
    let errors = refused(&server, component).await;
    let imports: Vec<_> = errors.iter().filter(|(code, _)| code == "unknown-import").collect();
    assert_eq!(imports.len(), 3, "{errors:?}");
    for (name, (_, detail)) in ["wall-clock", "random", "filesystem"].into_iter().zip(imports) {
        assert!(detail.contains(name), "{errors:?}");
    }
    assert!(codes(&errors).contains(&"no-known-interface"), "{errors:?}");
}

#[tokio::test]
async fn a_component_that_plays_no_role_is_refused() {
    let server = Server::start();
    let errors = refused(&server, wat::parse_str("(component)").unwrap()).await;
    assert!(codes(&errors).contains(&"no-known-interface"), "{errors:?}");
}

#[tokio::test]
async fn a_plugin_is_named_by_its_bytes_and_comes_back_as_it_went() {
    let server = Server::start();
    for name in PLUGINS {
        let wasm = paths::plugin(name);
        let digest = cairnlog_tests::hex(&Sha256::digest(&wasm));
        let upload =
            || server.request(Method::POST, "/api/v1/plugins").header("content-type", "application/wasm");
        let first = http::json(upload().body(wasm.clone()).send().await.unwrap(), 201).await;
        let again = http::json(upload().body(wasm.clone()).send().await.unwrap(), 200).await;
        assert_eq!(first, again);
        assert_eq!(first["digest"], format!("sha256:{digest}"));
        assert_eq!((&first["name"], &first["size"]), (&name.into(), &wasm.len().into()));
        let kind = match name {
            "redact-fields" => "redactor",
            "retention-schedule" => "retention",
            _ => "normalizer",
        };
        assert_eq!(first["kinds"], serde_json::json!([kind]));
        let imports = first["imports"].as_array().unwrap();
        assert!(
            imports.iter().all(|import| import.as_str().unwrap().starts_with("cairnlog:plugin/")),
            "{imports:?}"
        );
        let path = format!("/api/v1/plugins/sha256:{digest}");
        assert_eq!(http::json(server.get(&path).send().await.unwrap(), 200).await, first);
        let response = server.get(&format!("{path}/wasm")).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/wasm");
        assert_eq!(response.bytes().await.unwrap(), wasm);
    }
    assert_eq!(server.client().plugins(&PageRequest::default()).await.unwrap().items.len(), PLUGINS.len());
}

#[tokio::test]
async fn other_bytes_under_a_taken_name_and_version_are_a_conflict() {
    let server = Server::start();
    pipelines::plugin(&server.client(), "web-access").await;
    // A custom section changes the bytes and nothing else: id 0, size, name "x".
    let mut wasm = paths::plugin("web-access");
    wasm.extend_from_slice(&[0, 2, 1, b'x']);
    let request = server.request(Method::POST, "/api/v1/plugins").header("content-type", "application/wasm");
    http::problem(request.body(wasm).send().await.unwrap(), 409, "conflict").await;
    assert_eq!(server.client().plugins(&PageRequest::default()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_plugin_is_deleted_when_no_source_uses_it() {
    let (server, log) = portal().await;
    let client = server.client();
    let used = pipelines::plugin(&client, "web-access").await;
    let refused = client.delete_plugin(&used.parse().unwrap()).await.unwrap_err();
    assert_eq!((refused.status(), refused.slug()), (Some(409), Some("conflict")));
    let unused = pipelines::plugin(&client, "redact-fields").await;
    client.delete_plugin(&unused.parse().unwrap()).await.unwrap();
    let gone = client.plugin(&unused.parse().unwrap()).await.unwrap_err();
    assert_eq!(gone.slug(), Some("not-found"));
    assert_eq!(client.delete_plugin(&unused.parse().unwrap()).await.unwrap_err().slug(), Some("not-found"));
    let sent =
        super::send(&log, "portal", cairnlog_client::ContentType::Text, cairnlog_tests::web::lines(0, 1))
            .await;
    assert_eq!(sent.accepted, 1);
}

#[tokio::test]
async fn plugins_are_there_again_after_a_restart() {
    let (mut server, _log) = portal().await;
    let before = server.client().plugins(&PageRequest::default()).await.unwrap();
    server.stop();
    server.restart();
    assert_eq!(server.client().plugins(&PageRequest::default()).await.unwrap(), before);
    let log = server.client().log("hr").unwrap();
    let sent =
        super::send(&log, "portal", cairnlog_client::ContentType::Text, cairnlog_tests::web::lines(0, 1))
            .await;
    assert_eq!(sent.accepted, 1);
}
