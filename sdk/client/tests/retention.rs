//! What is kept and what goes: what is sent, and what is made of the answers and refusals.

#![allow(clippy::unwrap_used)]

mod support;

use cairnlog_client::{
    Client, Erasing, ErasureTarget, Error, HoldQuery, NewHold, PageRequest, PendingErasure, Secret,
};
use serde_json::{Value, json};
use support::{Reply, Server, answering, sent};

const ID: &str = "00112233445566aa";

#[tokio::test]
async fn what_is_kept_is_listed_by_class() {
    let items = json!([
        {"class": "a", "basis": "b", "records": 7, "next_due": "2027-11-23", "overdue": 3, "held": 1},
        {"class": "c", "basis": "d", "records": 0, "overdue": 0, "held": 0},
    ]);
    let (server, client) = answering(200, json!({"items": items, "next_cursor": "n"})).await;
    let page = PageRequest { limit: Some(2), cursor: None };
    let page = client.log("hr").unwrap().retention(&page).await.unwrap();
    assert_eq!((page.items[0].records, page.items[0].next_due.as_deref()), (7, Some("2027-11-23")));
    assert_eq!((page.items[0].overdue, page.items[0].held, page.items[1].next_due.as_deref()), (3, 1, None));
    assert_eq!((page.next_cursor.as_deref(), server.last().query.as_str()), (Some("n"), "limit=2"));
    assert_eq!(sent(&server.last()).0, "GET /api/v1/logs/hr/retention");
}

#[tokio::test]
async fn a_sweep_sends_nothing_and_a_dry_run_its_moment() {
    let class = json!({"class": "default", "due": 5, "erased": 4, "held": 1});
    let answer = json!({"due": 5, "erased": 4, "held": 1, "by_class": [class], "complete": true});
    let (server, client) = answering(200, answer).await;
    let log = client.log("hr").unwrap();
    let swept = log.sweep().await.unwrap();
    assert_eq!((swept.due, swept.erased, swept.held), (5, 4, 1));
    assert_eq!((swept.by_class[0].class.as_str(), swept.by_class[0].erased), ("default", 4));
    let post = "POST /api/v1/logs/hr/retention/sweeps".to_owned();
    assert_eq!(sent(&server.last()), (post.clone(), Value::Null));
    assert_eq!(log.sweep_dry(None).await.unwrap(), swept);
    assert_eq!(sent(&server.last()), (post.clone(), json!({"dry_run": true})));
    log.sweep_dry(Some("2027-01-01T00:00:00Z")).await.unwrap();
    assert_eq!(sent(&server.last()), (post, json!({"dry_run": true, "at": "2027-01-01T00:00:00Z"})));
}

#[tokio::test]
async fn holds_are_set_listed_and_released() {
    let query = json!({"actor": "greta", "class": 6003, "from": "2026-03-09T00:00:00Z"});
    let hold = json!({"id": ID, "matter": "case 7", "reason": "a claim", "query": query, "by": "b",
        "set": "2026-03-09T08:00:00Z"});
    let (server, client) = answering(201, hold.clone()).await;
    let log = client.log("hr").unwrap();
    let new = NewHold {
        matter: "case 7".to_owned(),
        reason: "a claim".to_owned(),
        query: HoldQuery {
            actor: Some("greta".to_owned()),
            class: Some(6003),
            from: Some("2026-03-09T00:00:00Z".to_owned()),
            ..HoldQuery::default()
        },
    };
    let set = log.hold(&new).await.unwrap();
    assert_eq!((set.id.as_str(), &set.query, set.set.as_str()), (ID, &new.query, "2026-03-09T08:00:00Z"));
    let body = json!({"matter": "case 7", "reason": "a claim", "query": query});
    assert_eq!(sent(&server.last()), ("POST /api/v1/logs/hr/holds".to_owned(), body));
    let everything = NewHold { query: HoldQuery::default(), ..new };
    log.hold(&everything).await.unwrap();
    assert_eq!(sent(&server.last()).1["query"], json!({}));

    let (server, client) = answering(200, json!({"items": [hold]})).await;
    assert_eq!(client.log("hr").unwrap().holds(&PageRequest::default()).await.unwrap().items, [set]);
    assert_eq!(sent(&server.last()).0, "GET /api/v1/logs/hr/holds");

    let server = Server::start(|_| Reply::new(204, &[], "")).await;
    let log = Client::new(&server.url, None).unwrap().log("hr").unwrap();
    log.release_hold(ID, None).await.unwrap();
    let delete = format!("DELETE /api/v1/logs/hr/holds/{ID}");
    assert_eq!(sent(&server.last()), (delete.clone(), Value::Null));
    log.release_hold(ID, Some("settled")).await.unwrap();
    assert_eq!(sent(&server.last()), (delete, json!({"reason": "settled"})));
    assert!(matches!(log.release_hold("../erasures", None).await, Err(Error::Input(_))));
}

#[tokio::test]
async fn an_erasure_is_done_or_waits_for_another_person() {
    let refused = json!([{"index": 4, "type": "held", "hold": ID},
        {"index": 5, "type": "retention-minimum", "until": "2027-01-01T00:00:00Z"},
        {"index": 6, "type": "retention-minimum"}]);
    let answer = json!({"id": ID, "erased": 2, "complete_at": "2026-12-24T00:00:00Z", "refused": refused});
    let (server, client) = answering(201, answer).await;
    let log = client.log("hr").unwrap();
    let Erasing::Done(erasure) = log.erase(&ErasureTarget::Index(3), "she asked").await.unwrap() else {
        panic!("it waits");
    };
    assert_eq!((erasure.erased, erasure.complete_at.as_str()), (2, "2026-12-24T00:00:00Z"));
    let [held, until, awaited] = erasure.refused.as_slice() else { panic!("{erasure:?}") };
    assert_eq!((held.r#type.as_str(), held.hold.as_deref(), held.until.as_deref()), ("held", Some(ID), None));
    assert_eq!((until.until.as_deref(), awaited.until.as_deref()), (Some("2027-01-01T00:00:00Z"), None));
    let post = "POST /api/v1/logs/hr/erasures".to_owned();
    assert_eq!(sent(&server.last()), (post.clone(), json!({"index": 3, "reason": "she asked"})));
    assert_eq!(log.approve_erasure(ID).await.unwrap(), erasure);
    assert_eq!(sent(&server.last()), (format!("{post}/{ID}/approve"), Value::Null));
    assert!(matches!(log.approve_erasure("").await, Err(Error::Input(_))));

    let (server, client) = answering(202, json!({"id": ID, "status": "pending"})).await;
    let subject = ErasureTarget::Subject("greta".to_owned());
    let erasing = client.log("hr").unwrap().erase(&subject, "she asked").await.unwrap();
    assert_eq!(erasing, Erasing::Pending(ID.to_owned()));
    assert_eq!(sent(&server.last()), (post, json!({"subject": "greta", "reason": "she asked"})));
}

#[tokio::test]
async fn erasures_that_wait_are_listed_with_what_is_to_go() {
    let rest = json!({"id": ID, "status": "pending", "reason": "r", "by": "b", "at": "2026-03-09T08:00:00Z"});
    let pending = |member: &str, value: Value| {
        let mut pending = rest.clone();
        pending[member] = value;
        pending
    };
    let items = json!([pending("index", 7.into()), pending("subject", "greta".into())]);
    let (server, client) = answering(200, json!({"items": items})).await;
    let found = client.log("hr").unwrap().pending_erasures(&PageRequest::default()).await.unwrap().items;
    let targets: Vec<_> = found.iter().map(|PendingErasure { target, .. }| target.clone()).collect();
    assert_eq!(targets, [ErasureTarget::Index(7), ErasureTarget::Subject("greta".to_owned())]);
    assert_eq!((found[0].by.as_str(), found[0].reason.as_str()), ("b", "r"));
    assert_eq!(sent(&server.last()).0, "GET /api/v1/logs/hr/erasures");
}

#[tokio::test]
async fn a_refusal_has_its_own_members() {
    let body = r#"{"type":"/problems/erased","title":"t","status":410,"detail":"entry 7 was erased","request_id":"r",
        "by":"0011","reason":"she asked","basis":"GDPR Art. 17","at":"2026-03-09T08:00:00Z","receipt":"c2sp\n","count":3}"#;
    let server = Server::start(move |_| Reply::new(410, &[], body)).await;
    let client = Client::new(&server.url, Some(&Secret::new("cl_test"))).unwrap();
    let error = client.log("hr").unwrap().record(7).await.unwrap_err();
    assert_eq!((error.status(), error.slug()), (Some(410), Some("erased")));
    let Error::Problem(problem) = error else { panic!("{error:?}") };
    let members = ["by", "reason", "basis", "at", "receipt"].map(|name| problem.member(name).unwrap());
    assert_eq!(members, ["0011", "she asked", "GDPR Art. 17", "2026-03-09T08:00:00Z", "c2sp\n"]);
    assert_eq!((problem.member("hold"), problem.member("count")), (None, None));
    assert_eq!(problem.more["count"], 3);
    assert_eq!(problem.to_string(), "entry 7 was erased (erased, status 410, request r)");
}
