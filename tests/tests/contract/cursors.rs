//! Cursors are sealed and bound to the caller and the query.

use cairnlog_client::{ContentType, NewToken, PageRequest, Role};
use cairnlog_tests::{http, web};
use reqwest::Method;

use super::{portal, send};

#[tokio::test]
async fn a_damaged_cursor_and_one_of_another_query_are_refused() {
    let (server, log) = portal().await;
    send(&log, "portal", ContentType::Text, web::lines(0, 20)).await;
    let page =
        http::json(server.get("/api/v1/logs/hr/records?limit=5&order=asc").send().await.unwrap(), 200).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let good = server.get(&format!("/api/v1/logs/hr/records?limit=5&order=asc&cursor={cursor}"));
    http::json(good.send().await.unwrap(), 200).await;
    // Another page size goes on at the same place.
    let good = server.get(&format!("/api/v1/logs/hr/records?limit=7&order=asc&cursor={cursor}"));
    http::json(good.send().await.unwrap(), 200).await;
    let mut damaged = cursor.to_owned().into_bytes();
    let middle = damaged.len() / 2;
    damaged[middle] = if damaged[middle] == b'A' { b'B' } else { b'A' };
    let damaged = String::from_utf8(damaged).unwrap();
    for query in [
        format!("order=asc&cursor={damaged}"),
        format!("order=asc&cursor={}", &cursor[..cursor.len() - 4]),
        "order=asc&cursor=x".to_owned(),
        "order=asc&cursor=".to_owned(),
        format!("order=desc&cursor={cursor}"),
        format!("cursor={cursor}"),
        format!("order=asc&source=portal&cursor={cursor}"),
    ] {
        let response = server.get(&format!("/api/v1/logs/hr/records?{query}")).send().await.unwrap();
        http::problem(response, 400, "cursor").await;
    }
    for path in ["tokens", "logs", "plugins", "logs/hr/sources", "logs/hr/retention/classes"] {
        let response = server.get(&format!("/api/v1/{path}?cursor={cursor}")).send().await.unwrap();
        http::problem(response, 400, "cursor").await;
    }
}

#[tokio::test]
async fn a_cursor_of_another_token_is_refused() {
    let (server, log) = portal().await;
    send(&log, "portal", ContentType::Text, web::lines(0, 20)).await;
    let roles = vec![Role::Auditor, Role::Admin, Role::Integrator];
    let new = NewToken { name: "second".to_owned(), roles, log: None, sources: None, expires: None };
    let second = server.client().create_token(&new).await.unwrap().token;
    for path in ["/api/v1/logs/hr/records?limit=1", "/api/v1/plugins?limit=1"] {
        let page = http::json(server.get(path).send().await.unwrap(), 200).await;
        let next = format!("{path}&cursor={}", page["next_cursor"].as_str().unwrap());
        let theirs = server.anonymous(Method::GET, &next).bearer_auth(second.expose());
        http::problem(theirs.send().await.unwrap(), 400, "cursor").await;
        http::json(server.get(&next).send().await.unwrap(), 200).await;
    }
}

#[tokio::test]
async fn every_list_comes_in_pages() {
    let (server, log) = portal().await;
    let client = server.client();
    for name in ["a", "b"] {
        client.create_log(&cairnlog_client::NewLog::new(name)).await.unwrap();
        let new = NewToken {
            name: name.to_owned(),
            roles: vec![Role::Monitor],
            log: None,
            sources: None,
            expires: None,
        };
        client.create_token(&new).await.unwrap();
    }
    let class = log.class("default").await.unwrap().settings;
    log.put_class("second", &class).await.unwrap();
    for (path, member, rows) in [
        ("logs", "name", 4),
        ("tokens", "id", 2),
        ("plugins", "digest", 2),
        ("logs/hr/retention/classes", "class", 2),
    ] {
        let mut seen = Vec::new();
        let mut page = PageRequest { limit: Some(1), cursor: None };
        loop {
            let cursor = page.cursor.take().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let response = server.get(&format!("/api/v1/{path}?limit=1{cursor}")).send().await.unwrap();
            let body = http::json(response, 200).await;
            let items = body["items"].as_array().unwrap();
            assert_eq!(items.len(), 1, "{path}");
            seen.push(items[0][member].as_str().unwrap().to_owned());
            page.cursor = body["next_cursor"].as_str().map(str::to_owned);
            if page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), rows, "{path}: {seen:?}");
        assert!(seen.is_sorted_by(|a, b| a < b), "{path}: {seen:?}");
    }
}
