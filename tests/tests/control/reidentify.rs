//! Who may find a person by the plaintext of what was pseudonymized, and that it is said.

use cairnlog_client::{Record, RecordQuery, Role};
use cairnlog_tests::pipelines::{self, EXAMPLES};
use cairnlog_tests::{Server, http};
use serde_json::json;

use super::{at, said_of_token, token};

const PERSON: &str = "greta.lindholm@example.com";

fn indices(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.index).collect()
}

fn by(actor: &str) -> RecordQuery {
    RecordQuery { actor: Some(actor.to_owned()), ..RecordQuery::default() }
}

#[tokio::test]
async fn a_plaintext_finds_what_its_pseudonym_finds_with_the_grant_alone() {
    let mut server = Server::start();
    let log = pipelines::examples(&server.client(), "hr").await;
    for example in EXAMPLES {
        example.ingest(&log).await;
    }
    let auditor = token(&server, "auditor", &[Role::Auditor], Some("hr")).await;
    let officer = token(&server, "officer", &[Role::Auditor, Role::Reidentify], Some("hr")).await;
    for restart in [false, true] {
        if restart {
            server.kill();
            server.restart();
        }
        let plainly = server.client_of(auditor.token.expose()).log("hr").unwrap();
        let granted = server.client_of(officer.token.expose()).log("hr").unwrap();
        assert_eq!(plainly.search(&by(PERSON)).await.unwrap().items, []);
        let found = granted.search(&by(PERSON)).await.unwrap().items;
        assert!(!found.is_empty());
        let event = &found[0].event;
        let named =
            [&event["actor"]["user"]["name"], &event["actor"]["user"]["email_addr"], &event["user"]["name"]];
        let pseudonym =
            named.into_iter().filter_map(|name| name.as_str()).find(|name| name.starts_with("tok1_"));
        let pseudonym = pseudonym.unwrap_or_else(|| panic!("{event:#}"));
        let by_pseudonym = plainly.search(&by(pseudonym)).await.unwrap().items;
        assert_eq!(indices(&found), indices(&by_pseudonym));
        assert_eq!(
            indices(&granted.search(&by(&PERSON.to_uppercase())).await.unwrap().items),
            indices(&found)
        );
        assert_eq!(granted.search(&by("nobody@example.com")).await.unwrap().items, []);
        let narrow = RecordQuery { source: Some("aws-cloudtrail".to_owned()), ..by(PERSON) };
        let narrow = granted.search(&narrow).await.unwrap().items;
        assert!(narrow.iter().all(|record| record.source.as_deref() == Some("aws-cloudtrail")));
    }
    let entries = said_of_token(&server, &officer).await;
    assert!(entries.len() >= 4);
    assert!(entries.iter().all(|entry| at(entry, "unmapped.reidentify") == &json!(true)));
    assert_eq!(at(&entries[0], "unmapped.filters.actor"), PERSON);
    let entries = said_of_token(&server, &auditor).await;
    assert!(entries.iter().all(|entry| at(entry, "unmapped.reidentify").is_null()));
}

#[tokio::test]
async fn pages_of_a_search_by_plaintext_hold_each_record_once() {
    let server = Server::start();
    let log = pipelines::examples(&server.client(), "hr").await;
    for example in EXAMPLES {
        example.ingest(&log).await;
    }
    let officer = token(&server, "officer", &[Role::Auditor, Role::Reidentify], None).await;
    let log = server.client_of(officer.token.expose()).log("hr").unwrap();
    let whole = indices(&log.search(&by(PERSON)).await.unwrap().items);
    let (mut query, mut paged) = (by(PERSON), Vec::new());
    query.page.limit = Some(2);
    loop {
        let page = log.search(&query).await.unwrap();
        paged.extend(indices(&page.items));
        query.page.cursor = page.next_cursor;
        if query.page.cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, whole);
}

#[tokio::test]
async fn the_grant_goes_with_the_role_of_an_auditor() {
    let server = Server::start();
    let alone = json!({"name": "x", "roles": ["reidentify"]});
    http::problem(server.post("/api/v1/tokens", &alone).send().await.unwrap(), 400, "bad-request").await;
    let both = json!({"name": "x", "roles": ["reidentify", "auditor"]});
    let made = http::json(server.post("/api/v1/tokens", &both).send().await.unwrap(), 201).await;
    assert_eq!(made["roles"], json!(["auditor", "reidentify"]));
}
