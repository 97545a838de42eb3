//! Tokens and roles.

use cairnlog_client::{ContentType, Ingest, NewToken, Role};
use cairnlog_tests::{Server, http, pipelines, web};
use reqwest::Method;
use serde_json::json;

use super::portal;
use super::routes::{ROUTES, Site};

const ROLES: [Role; 6] =
    [Role::Monitor, Role::Writer, Role::Auditor, Role::Integrator, Role::Compliance, Role::Admin];

fn new_token(roles: &[Role]) -> NewToken {
    NewToken { name: "test".to_owned(), roles: roles.to_vec(), log: None, sources: None, expires: None }
}

/// The role, with what else some of its routes ask for.
fn roles_of(role: Role) -> Vec<Role> {
    if role == Role::Auditor { vec![role, Role::Reidentify] } else { vec![role] }
}

async fn token(server: &Server, new: &NewToken) -> String {
    server.client().create_token(new).await.unwrap().token.expose().to_owned()
}

#[tokio::test]
async fn each_role_has_its_own_routes_and_no_other() {
    let site = Site::start().await;
    for role in ROLES {
        let token = token(&site.server, &new_token(&roles_of(role))).await;
        for route in &ROUTES {
            let salt = format!("{role:?}").to_lowercase();
            let response = site.request(route, &salt).bearer_auth(&token).send().await.unwrap();
            let what = format!("{role:?} {} {}", route.method, route.path);
            if route.role.is_none_or(|needed| needed == role) {
                let status = response.status().as_u16();
                let is_answered = (200..300).contains(&status)
                    || status == 404 && route.misses()
                    || status == 409 && route.is_not_set_up();
                assert!(is_answered, "{what}: {status}");
            } else {
                let problem = http::problem(response, 403, "forbidden").await;
                assert!(problem["detail"].as_str().unwrap().contains("role"), "{what}: {problem}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_valid_token_it_is_401_with_a_challenge() {
    let site = Site::start().await;
    let unknown = format!("cl_{}_{}", "0".repeat(16), "A".repeat(43));
    for route in ROUTES.iter().filter(|route| route.role.is_some()) {
        let response = site.request(route, "nobody").send().await.unwrap();
        http::problem(response, 401, "unauthenticated").await;
        for header in
            [format!("Bearer {unknown}"), "Bearer x".to_owned(), "Basic YTpi".to_owned(), "Bearer".to_owned()]
        {
            let request = site.request(route, "nobody").header("authorization", header);
            http::problem(request.send().await.unwrap(), 401, "unauthenticated").await;
        }
    }
}

#[tokio::test]
async fn a_token_has_the_documented_form_and_its_secret_is_shown_once() {
    let server = Server::start();
    let created = server.client().create_token(&new_token(&[Role::Admin])).await.unwrap();
    let secret = created.token.expose();
    let (id, random) = secret.strip_prefix("cl_").unwrap().split_once('_').unwrap();
    assert!(
        id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()),
        "{id}"
    );
    assert_eq!(id, created.info.id);
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    assert!(random.len() == 43 && random.bytes().all(base64url));
    let list = server.get("/api/v1/tokens").send().await.unwrap().text().await.unwrap();
    assert!(list.contains(id) && !list.contains(random));
    for path in cairnlog_tests::paths::files(server.data()) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(random.len()).any(|window| window == random.as_bytes()), "{}", path.display());
    }
    assert!(!server.stderr().contains(random));
}

#[tokio::test]
async fn a_deleted_token_is_refused_at_once() {
    let server = Server::start();
    let created = server.client().create_token(&new_token(&[Role::Admin])).await.unwrap();
    let client = server.client_of(created.token.expose());
    assert!(client.tokens(&cairnlog_client::PageRequest::default()).await.is_ok());
    server.client().delete_token(&created.info.id).await.unwrap();
    let refused = client.tokens(&cairnlog_client::PageRequest::default()).await.unwrap_err();
    assert_eq!(refused.slug(), Some("unauthenticated"));
    let again = server.client().delete_token(&created.info.id).await.unwrap_err();
    assert_eq!(again.slug(), Some("not-found"));
}

#[tokio::test]
async fn an_expired_token_is_refused_and_none_is_made_that_has_ended() {
    let server = Server::start();
    let new = NewToken { expires: Some("2020-01-01T00:00:00Z".to_owned()), ..new_token(&[Role::Admin]) };
    assert_eq!(server.client().create_token(&new).await.unwrap_err().slug(), Some("bad-request"));
    let new = NewToken { expires: Some("2999-01-01T00:00:00Z".to_owned()), ..new_token(&[Role::Admin]) };
    let token = token(&server, &new).await;
    assert!(server.client_of(&token).tokens(&cairnlog_client::PageRequest::default()).await.is_ok());
}

#[tokio::test]
async fn a_token_of_one_log_sees_no_other() {
    let site = Site::start().await;
    pipelines::log(&site.server.client(), "other").await;
    let new = NewToken { log: Some("other".to_owned()), ..new_token(&ROLES) };
    let token = token(&site.server, &new).await;
    for route in ROUTES.iter().filter(|route| route.role.is_some()) {
        let response = site.request(route, "other").bearer_auth(&token).send().await.unwrap();
        if route.path.contains("{log}") {
            // Its own log's sibling looks as if it were not there.
            http::problem(response, 404, "not-found").await;
        } else {
            http::problem(response, 403, "forbidden").await;
        }
    }
    let own = site.server.client_of(&token).log("other").unwrap();
    assert_eq!(own.classes(&cairnlog_client::PageRequest::default()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_log_that_is_not_there_looks_like_one_of_others() {
    let site = Site::start().await;
    pipelines::log(&site.server.client(), "own").await;
    let new = NewToken { log: Some("own".to_owned()), ..new_token(&ROLES) };
    let token = token(&site.server, &new).await;
    for name in ["hr", "no-such-log"] {
        let path = format!("/api/v1/logs/{name}/records");
        let response = site.server.anonymous(Method::GET, &path).bearer_auth(&token).send().await.unwrap();
        let problem = http::problem(response, 404, "not-found").await;
        let detail = problem["detail"].as_str().unwrap().replace(name, "…");
        assert_eq!(detail, "there is no log \"…\" here, or it is not yours to see");
    }
}

#[tokio::test]
async fn a_writer_of_one_source_finds_no_other() {
    let (server, log) = portal().await;
    pipelines::plain(&server.client(), &log, "second", "web-access").await;
    let sources = Some(vec!["portal".to_owned()]);
    let new = NewToken { log: Some("hr".to_owned()), sources, ..new_token(&[Role::Writer]) };
    let token = token(&server, &new).await;
    let log = server.client_of(&token).log("hr").unwrap();
    let body = || Ingest::new(ContentType::Text, web::lines(0, 1));
    assert_eq!(log.ingest("portal", body()).await.unwrap().accepted, 1);
    for source in ["second", "no-such-source"] {
        let refused = log.ingest(source, body()).await.unwrap_err();
        assert_eq!(refused.slug(), Some("not-found"), "{source}");
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_are_refused() {
    let server = Server::start();
    pipelines::log(&server.client(), "hr").await;
    for (body, status, slug) in [
        (json!({"name": "", "roles": ["admin"]}), 400, "bad-request"),
        (json!({"name": "x".repeat(129), "roles": ["admin"]}), 400, "bad-request"),
        (json!({"name": "x", "roles": []}), 400, "bad-request"),
        (json!({"name": "x", "roles": ["root"]}), 400, "bad-request"),
        (json!({"roles": ["admin"]}), 400, "bad-request"),
        (json!({"name": "x", "roles": ["writer"], "sources": ["a"]}), 400, "bad-request"),
        (json!({"name": "x", "roles": ["writer"], "log": "nothing"}), 404, "not-found"),
        (json!({"name": "x", "roles": ["writer"], "expires": "soon"}), 400, "bad-request"),
        (json!({"name": "x", "roles": ["writer"], "id": "0"}), 400, "unknown-member"),
    ] {
        http::problem(server.post("/api/v1/tokens", &body).send().await.unwrap(), status, slug).await;
    }
}

/// What plugins say may quote what redactors take, so an auditor alone is not shown it; nor does any other route ask for more.
#[tokio::test]
async fn an_auditor_may_all_but_read_messages_without_reidentify() {
    let site = Site::start().await;
    let token = token(&site.server, &new_token(&[Role::Auditor])).await;
    for route in ROUTES.iter().filter(|route| route.role == Some(Role::Auditor)) {
        let response = site.request(route, "alone").bearer_auth(&token).send().await.unwrap();
        let is_shown = response.status() != 403;
        assert_eq!(is_shown, !route.path.ends_with("/messages"), "{} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn several_roles_add_up() {
    let site = Site::start().await;
    let roles = [roles_of(Role::Auditor), roles_of(Role::Compliance)].concat();
    let token = token(&site.server, &new_token(&roles)).await;
    for route in ROUTES.iter().filter(|route| route.role.is_some()) {
        let response = site.request(route, "both").bearer_auth(&token).send().await.unwrap();
        let may = matches!(route.role, Some(Role::Auditor | Role::Compliance));
        assert_eq!(response.status() != 403, may, "{} {}", route.method, route.path);
    }
}
