//! The one list of routes, and the API's own description held against it.

use std::collections::{BTreeMap, BTreeSet};

use cairnlog_client::{Mode, NewLog, NewToken, Role};
use cairnlog_tests::{Server, http, pipelines};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A body that the route understands.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    None,
    Token,
    Log,
    Class,
    Source,
    Plugin,
    Lines,
    Query,
    Disclosure,
    Entry,
    Entries,
    Hold,
    Erasure,
    Reason,
    Canary,
}

pub(crate) struct Route {
    pub(crate) method: Method,
    /// As the API's description writes it.
    pub(crate) path: &'static str,
    /// Who may; anyone if none.
    pub(crate) role: Option<Role>,
    pub(crate) body: Body,
}

impl Route {
    /// Whether it needs settings that these servers have not, or a past.
    pub(crate) fn is_not_set_up(&self) -> bool {
        self.path.ends_with("/backups") || self.path.ends_with("/rollback")
    }

    /// Whether it is about something that is not there.
    pub(crate) fn misses(&self) -> bool {
        let is_of_canary = self.path.contains("/canary") && self.method != Method::PUT;
        let ends = ["/approve", "/discard"];
        self.method == Method::DELETE || is_of_canary || ends.iter().any(|end| self.path.ends_with(end))
    }
}

const fn route(method: Method, path: &'static str, role: Option<Role>, body: Body) -> Route {
    Route { method, path, role, body }
}

/// All of them.
pub(crate) static ROUTES: [Route; 63] = [
    route(Method::GET, "/healthz", None, Body::None),
    route(Method::GET, "/readyz", None, Body::None),
    route(Method::GET, "/metrics", Some(Role::Admin), Body::None),
    route(Method::GET, "/api/v1/openapi.json", None, Body::None),
    route(Method::POST, "/api/v1/tokens", Some(Role::Admin), Body::Token),
    route(Method::GET, "/api/v1/tokens", Some(Role::Admin), Body::None),
    route(Method::DELETE, "/api/v1/tokens/{id}", Some(Role::Admin), Body::None),
    route(Method::POST, "/api/v1/logs", Some(Role::Admin), Body::Log),
    route(Method::GET, "/api/v1/logs", None, Body::None),
    route(Method::GET, "/api/v1/logs/{log}", None, Body::None),
    route(Method::GET, "/logs/{log}/checkpoint", None, Body::None),
    route(Method::GET, "/logs/{log}/tile/{path}", None, Body::None),
    route(Method::GET, "/api/v1/logs/{log}/sth", None, Body::None),
    route(Method::GET, "/api/v1/logs/{log}/proofs/inclusion", None, Body::None),
    route(Method::GET, "/api/v1/logs/{log}/proofs/consistency", None, Body::None),
    route(Method::GET, "/api/v1/logs/{log}/entries/{index}", None, Body::None),
    route(Method::GET, "/api/v1/logs/{log}/entries/{index}/receipt", None, Body::None),
    route(Method::POST, "/api/v1/plugins", Some(Role::Integrator), Body::Plugin),
    route(Method::GET, "/api/v1/plugins", Some(Role::Integrator), Body::None),
    route(Method::GET, "/api/v1/plugins/{digest}", Some(Role::Integrator), Body::None),
    route(Method::DELETE, "/api/v1/plugins/{digest}", Some(Role::Integrator), Body::None),
    route(Method::GET, "/api/v1/plugins/{digest}/wasm", Some(Role::Integrator), Body::None),
    route(Method::PUT, "/api/v1/logs/{log}/sources/{source}", Some(Role::Integrator), Body::Source),
    route(Method::GET, "/api/v1/logs/{log}/sources/{source}", Some(Role::Integrator), Body::None),
    route(Method::GET, "/api/v1/logs/{log}/sources", Some(Role::Integrator), Body::None),
    route(Method::PUT, "/api/v1/logs/{log}/retention/classes/{class}", Some(Role::Compliance), Body::Class),
    route(Method::GET, "/api/v1/logs/{log}/retention/classes/{class}", Some(Role::Compliance), Body::None),
    route(Method::GET, "/api/v1/logs/{log}/retention/classes", Some(Role::Compliance), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/sources/{source}/events", Some(Role::Writer), Body::Lines),
    route(Method::GET, "/api/v1/logs/{log}/records/{index}", Some(Role::Auditor), Body::None),
    route(Method::GET, "/api/v1/logs/{log}/records", Some(Role::Auditor), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/records/search", Some(Role::Auditor), Body::Query),
    route(
        Method::POST,
        "/api/v1/logs/{log}/records/{index}/disclosures",
        Some(Role::Auditor),
        Body::Disclosure,
    ),
    route(Method::POST, "/logs/{log}/add", Some(Role::Writer), Body::Entry),
    route(Method::POST, "/api/v1/logs/{log}/entries", Some(Role::Writer), Body::Entries),
    route(Method::POST, "/api/v1/logs/{log}/freeze", Some(Role::Admin), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/keys", Some(Role::Admin), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/kek", Some(Role::Admin), Body::None),
    route(Method::POST, "/api/v1/backups", Some(Role::Admin), Body::None),
    route(Method::GET, "/api/v1/logs/{log}/stream", Some(Role::Auditor), Body::None),
    route(Method::GET, "/api/v1/logs/{log}/retention", Some(Role::Compliance), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/retention/sweeps", Some(Role::Compliance), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/holds", Some(Role::Compliance), Body::Hold),
    route(Method::GET, "/api/v1/logs/{log}/holds", Some(Role::Compliance), Body::None),
    route(Method::DELETE, "/api/v1/logs/{log}/holds/{id}", Some(Role::Compliance), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/erasures", Some(Role::Compliance), Body::Erasure),
    route(Method::GET, "/api/v1/logs/{log}/erasures", Some(Role::Compliance), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/erasures/{id}/approve", Some(Role::Compliance), Body::None),
    route(Method::DELETE, "/api/v1/logs/{log}/erasures/{id}", Some(Role::Compliance), Body::None),
    route(Method::GET, "/api/v1/logs/{log}/changes", Some(Role::Compliance), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/changes/{id}/approve", Some(Role::Compliance), Body::None),
    route(Method::DELETE, "/api/v1/logs/{log}/changes/{id}", Some(Role::Compliance), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/sources/{source}/dry-run", Some(Role::Integrator), Body::Lines),
    route(Method::GET, "/api/v1/logs/{log}/quarantine", Some(Role::Integrator), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/quarantine/retry", Some(Role::Integrator), Body::None),
    route(
        Method::POST,
        "/api/v1/logs/{log}/quarantine/{index}/discard",
        Some(Role::Integrator),
        Body::Reason,
    ),
    route(Method::PUT, "/api/v1/logs/{log}/sources/{source}/canary", Some(Role::Integrator), Body::Canary),
    route(Method::GET, "/api/v1/logs/{log}/sources/{source}/canary", Some(Role::Integrator), Body::None),
    route(
        Method::POST,
        "/api/v1/logs/{log}/sources/{source}/canary/promote",
        Some(Role::Integrator),
        Body::None,
    ),
    route(Method::DELETE, "/api/v1/logs/{log}/sources/{source}/canary", Some(Role::Integrator), Body::None),
    route(Method::POST, "/api/v1/logs/{log}/sources/{source}/rollback", Some(Role::Integrator), Body::None),
    route(Method::GET, "/api/v1/logs/{log}/sources/{source}/messages", Some(Role::Auditor), Body::None),
    // Axum answers HEAD wherever it answers GET; the description need not repeat it.
    route(Method::HEAD, "/healthz", None, Body::None),
];

/// A server on which every route of the list has something to answer.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) digest: String,
    pub(crate) pipeline: Value,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let server = Server::start();
        let log = pipelines::log(&server.client(), "hr").await;
        pipelines::plain(&server.client(), &log, "portal", "web-access").await;
        pipelines::log(&server.client(), "old").await;
        let opaque = NewLog { mode: Some(Mode::Opaque), ..NewLog::new("plain") };
        server.client().create_log(&opaque).await.unwrap();
        let pipeline = pipelines::plain_json(&server.client(), "web-access").await;
        let digest = pipeline["normalizer"]["plugin"].as_str().unwrap().to_owned();
        Self { server, digest, pipeline }
    }

    /// The route's path with everything filled in that is there; what is deleted is not there.
    pub(crate) fn path(&self, route: &Route) -> String {
        let digest = if route.method == Method::DELETE {
            format!("sha256:{}", "0".repeat(64))
        } else {
            self.digest.clone()
        };
        let log = match route.body {
            Body::Entry | Body::Entries => "plain",
            _ if route.path.ends_with("/freeze") => "old",
            _ => "hr",
        };
        let path = route
            .path
            .replace("{log}", log)
            .replace("{source}", "portal")
            .replace("{class}", "default")
            .replace("{digest}", &digest)
            .replace("{index}", "0")
            .replace("{id}", "0000000000000000")
            .replace("{path}", "0/000.p/1");
        match route.path.rsplit('/').next() {
            Some("inclusion") => path + "?index=0",
            Some("consistency") => path + "?from=1",
            _ => path,
        }
    }

    /// The route's request without a token; `salt` keeps what is made apart.
    pub(crate) fn request(&self, route: &Route, salt: &str) -> RequestBuilder {
        self.request_to(route, &self.path(route), salt)
    }

    pub(crate) fn request_to(&self, route: &Route, path: &str, salt: &str) -> RequestBuilder {
        let request = self.server.anonymous(route.method.clone(), path);
        match route.body {
            Body::None => request,
            Body::Token => request.json(&json!({"name": salt, "roles": ["monitor"]})),
            Body::Log => request.json(&json!({"name": format!("new-{salt}")})),
            Body::Class => request
                .json(&json!({"trigger": "received", "minimum_days": 1, "maximum_days": 2, "basis": "test"})),
            Body::Source => request.json(&self.pipeline),
            Body::Canary => {
                let mut canary = self.pipeline.clone();
                canary["percent"] = 10.into();
                request.json(&canary)
            }
            Body::Plugin => {
                let wasm = cairnlog_tests::paths::plugin("web-access");
                request.header("content-type", "application/wasm").body(wasm)
            }
            Body::Lines => {
                request.header("content-type", "text/plain").body(cairnlog_tests::web::lines(0, 1))
            }
            Body::Hold => {
                request.json(&json!({"matter": "test", "reason": "test", "query": {"actor": salt}}))
            }
            Body::Erasure => request.json(&json!({"subject": "nobody", "reason": "test"})),
            Body::Reason => request.json(&json!({"reason": "test"})),
            Body::Query => request.json(&json!({})),
            Body::Disclosure => request.json(&json!({"fields": ["$received"]})),
            Body::Entry => request.body("an entry"),
            Body::Entries => {
                request.header("content-type", "application/octet-stream").body(b"\0\x01a\0\x01b".to_vec())
            }
        }
    }
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_lists_exactly_the_routes() {
    let server = Server::start();
    let response = server.anonymous(Method::GET, "/api/v1/openapi.json").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let document = http::json(response, 200).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert!(document["info"]["version"].as_str().is_some_and(|version| !version.is_empty()));
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.to_ascii_uppercase(), path.clone()));
            let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            let named: BTreeSet<&str> = parameters
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let in_path: BTreeSet<&str> =
                path.split('{').skip(1).map(|part| part.split('}').next().unwrap()).collect();
            assert_eq!(named, in_path, "{method} {path}");
            assert!(
                operation["responses"].as_object().is_some_and(|responses| !responses.is_empty()),
                "{method} {path}"
            );
        }
    }
    let ours: BTreeSet<_> = ROUTES
        .iter()
        .filter(|route| route.method != Method::HEAD)
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    assert_eq!(described, ours);
    // Every reference leads somewhere.
    let mut left = vec![&document];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let place = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(place).is_some(), "{reference}");
                }
                left.extend(members.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
}

#[tokio::test]
async fn every_described_route_answers() {
    let site = Site::start().await;
    // What one of an auditor's routes asks for besides is a grant that no administrator has.
    let roles = vec![Role::Auditor, Role::Reidentify];
    let new = NewToken { name: "auditor".to_owned(), roles, log: None, sources: None, expires: None };
    let auditor = site.server.client().create_token(&new).await.unwrap().token;
    for route in &ROUTES {
        let is_auditors = route.role == Some(Role::Auditor);
        let token = if is_auditors { auditor.expose() } else { cairnlog_tests::ADMIN_TOKEN };
        let response = site.request(route, "answers").bearer_auth(token).send().await.unwrap();
        let status = response.status().as_u16();
        assert!(
            (200..300).contains(&status)
                || (route.misses() && status == 404)
                || (route.is_not_set_up() && status == 409),
            "{} {}: {status}",
            route.method,
            route.path
        );
        if status == 404 {
            let problem = http::problem(response, 404, "not-found").await;
            assert!(!problem["detail"].as_str().unwrap().contains("nothing at this path"), "{}", route.path);
        }
    }
}

#[tokio::test]
async fn another_method_is_405_and_told_which_there_are() {
    let site = Site::start().await;
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for route in &ROUTES {
        methods.entry(route.path).or_default().insert(route.method.as_str());
    }
    for route in &ROUTES {
        let path = site.path(route);
        let path = path.split('?').next().unwrap();
        let response = site.server.request(Method::PATCH, path).send().await.unwrap();
        let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
        http::problem(response, 405, "method").await;
        let allow = allow.unwrap_or_else(|| panic!("{path}: no Allow header"));
        let told: BTreeSet<&str> = allow.split(',').map(str::trim).collect();
        assert!(methods[route.path].is_subset(&told), "{path}: {allow}");
    }
}

#[tokio::test]
async fn health_readiness_and_metrics() {
    let site = Site::start().await;
    for path in ["/healthz", "/readyz"] {
        let response = site.server.anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    let sent = site.request(&ROUTES[28], "").bearer_auth(cairnlog_tests::ADMIN_TOKEN).send().await.unwrap();
    assert_eq!(sent.status(), 201);
    let response = site.server.get("/metrics").send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = response.text().await.unwrap();
    let value = |start: &str| {
        let line =
            text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start}: {text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let entries = size_of(&site).await;
    assert!((value("cairnlog_tree_size{log=\"hr\"}") - entries).abs() < 0.5);
    let logged = text
        .lines()
        .find(|line| line.starts_with("cairnlog_raw_records_total") && line.contains("status=\"logged\""))
        .unwrap();
    assert!(logged.ends_with(" 1"), "{logged}");
}

async fn size_of(site: &Site) -> f64 {
    let head = http::json(site.server.get("/api/v1/logs/hr/sth").send().await.unwrap(), 200).await;
    head["tree_size"].as_f64().unwrap()
}
