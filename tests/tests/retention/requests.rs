//! Erasure on request: of a person, against a minimum, with two persons.

use std::ffi::OsString;

use cairnlog_client::{
    Erasing, ErasureTarget, HoldQuery, Log, NewHold, PageRequest, Record, RecordQuery, Role,
};
use cairnlog_tests::pipelines::EXAMPLES;
use cairnlog_tests::{Server, http, paths, pipelines};
use serde_json::{Value, json};

use crate::{ask, class, done, erase, found, found_by_actor, gone, log_of, portal, portal_of, send, token};

#[tokio::test]
async fn all_that_names_a_person_goes_and_nothing_else() {
    let (server, log, first) = portal(&class(None), 200).await;
    let (theirs, others) = (found_by_actor(&log, "user3").await, found_by_actor(&log, "user4").await);
    assert!(theirs.len() > 10 && theirs[0] == first + 3, "{theirs:?}");
    let before = log.info().await.unwrap().tree_size;
    let erasure = done(log.erase(&ErasureTarget::Subject("user3".to_owned()), "he asked").await.unwrap());
    assert_eq!((erasure.erased, erasure.refused.len()), (theirs.len() as u64, 0));
    assert_eq!(log.info().await.unwrap().tree_size, before + 1, "one entry, whatever their number");
    assert_eq!(found_by_actor(&log, "user3").await, [0; 0]);
    assert_eq!(found_by_actor(&log, "user4").await, others);
    let all = found(&log, RecordQuery { source: Some("portal".to_owned()), ..RecordQuery::default() }).await;
    let left: Vec<u64> = (first..first + 200).filter(|index| !theirs.contains(index)).collect();
    assert_eq!(all, left);
    for index in theirs {
        assert_eq!(gone(&server, index).await["reason"], "he asked");
    }
    let none = done(log.erase(&ErasureTarget::Subject("user3".to_owned()), "he asked").await.unwrap());
    assert_eq!((none.erased, none.refused.len()), (0, 0));
    // What names them later is no part of it.
    send(&log, 3, 1).await;
    assert_eq!(found_by_actor(&log, "user3").await.len(), 1);
}

#[tokio::test]
async fn a_person_is_found_by_name_where_only_a_pseudonym_is_kept() {
    let server = Server::start();
    let log = examples(&server).await;
    let name = "greta.lindholm@example.com";
    let page = PageRequest { limit: Some(1_000), cursor: None };
    let all = log.search(&RecordQuery { page, ..RecordQuery::default() }).await.unwrap().items;
    assert!(all.iter().all(|record| !record.event.to_string().contains(name)));
    let erasure = done(log.erase(&ErasureTarget::Subject(name.to_owned()), "she asked").await.unwrap());
    assert!(erasure.erased > 3, "{erasure:?}");
    let mut gone_records: Vec<Record> = Vec::new();
    for record in all {
        match log.record(record.index).await {
            Ok(still) => assert_eq!(still, record),
            Err(error) => {
                assert_eq!(error.slug(), Some("erased"));
                gone_records.push(record);
            }
        }
    }
    assert_eq!(gone_records.len() as u64, erasure.erased);
    // Each of them named her by one of her pseudonyms, and no other record does.
    let pseudonyms: Vec<String> = gone_records.iter().filter_map(pseudonym).collect();
    assert!(!pseudonyms.is_empty());
    for pseudonym in pseudonyms {
        assert_eq!(found_by_actor(&log, &pseudonym).await, [0; 0], "{pseudonym}");
    }
}

#[tokio::test]
async fn a_hold_by_name_covers_what_is_kept_by_a_pseudonym() {
    let server = Server::start();
    let log = examples(&server).await;
    let name = "greta.lindholm@example.com";
    let query = HoldQuery { actor: Some(name.to_owned()), ..HoldQuery::default() };
    let new = NewHold { matter: "m".to_owned(), reason: "r".to_owned(), query };
    let hold = log.hold(&new).await.unwrap();
    let subject = ErasureTarget::Subject(name.to_owned());
    let refused = done(log.erase(&subject, "she asked").await.unwrap()).refused;
    let covered = refused.iter().filter(|refused| refused.hold.as_ref() == Some(&hold.id)).count();
    assert!(covered > 3, "{refused:?}");
}

/// The example logs, in classes that let everything be erased on request and nothing by its age.
async fn examples(server: &Server) -> Log {
    let log = pipelines::examples(&server.client(), "hr").await;
    for name in paths::example_json("pipelines/classes.json").as_object().unwrap().keys() {
        log.put_class(name, &class(None)).await.unwrap();
    }
    for example in EXAMPLES {
        example.ingest(&log).await;
    }
    log
}

fn pseudonym(record: &Record) -> Option<String> {
    let name = record.event["actor"]["user"]["name"].as_str()?;
    name.starts_with("tok1_").then(|| name.to_owned())
}

#[tokio::test]
async fn what_a_minimum_protects_is_refused_until_it_ends() {
    let (server, log, first) =
        portal(&cairnlog_client::ClassSettings { minimum_days: 180, ..class(Some(365)) }, 40).await;
    let record = log.record(first).await.unwrap();
    let until = record.retention.unwrap().minimum_until.unwrap();
    let problem = http::problem(
        ask(&server, &json!({"index": first, "reason": "asked"})).await,
        409,
        "retention-minimum",
    );
    assert_eq!(problem.await["until"], until);
    let by_name = http::json(ask(&server, &json!({"subject": "user3", "reason": "asked"})).await, 201).await;
    let refused = by_name["refused"].as_array().unwrap();
    assert_eq!((&by_name["erased"], refused.len()), (&0.into(), found_by_actor(&log, "user3").await.len()));
    assert_eq!((&refused[0]["type"], refused[0].get("hold")), (&"retention-minimum".into(), None));
    assert!(refused[0]["until"].as_str().unwrap() >= until.as_str());
    // A class counts as it was when the record came.
    log.put_class("default", &class(None)).await.unwrap();
    assert_eq!(ask(&server, &json!({"index": first, "reason": "asked"})).await.status(), 409);
    let later = send(&log, 3, 1).await;
    let mixed = http::json(ask(&server, &json!({"subject": "user3", "reason": "asked"})).await, 201).await;
    assert_eq!((&mixed["erased"], mixed["refused"].as_array().unwrap().len()), (&1.into(), refused.len()));
    gone(&server, later).await;
}

#[tokio::test]
async fn who_asks_for_an_erasure_does_not_approve_it_where_two_persons_are_needed() {
    let mut server = Server::start();
    let (_, first) = portal_of(&server, &class(None), 20).await;
    server.set_env(vec![("CAIRNLOG_TWO_PERSON".to_owned(), OsString::from("true"))]);
    server.kill();
    server.restart();
    let log = server.client().log("hr").unwrap();
    let (one, other) =
        (token(&server, "one", Role::Compliance).await, token(&server, "other", Role::Compliance).await);
    let asking = log_of(&server, &one);
    let Erasing::Pending(id) = asking.erase(&ErasureTarget::Index(first), "asked").await.unwrap() else {
        panic!("nobody approved it");
    };
    let subject = ErasureTarget::Subject("user5".to_owned());
    let Erasing::Pending(by_name) = asking.erase(&subject, "asked").await.unwrap() else {
        panic!("nobody approved it");
    };
    assert_eq!(log.record(first).await.unwrap().kind, "record");
    let refused = asking.approve_erasure(&id).await.unwrap_err();
    assert_eq!(refused.slug(), Some("conflict"));
    assert_eq!(log.record(first).await.unwrap().kind, "record");

    server.kill();
    server.restart();
    let approving = log_of(&server, &other);
    let mut pending = approving.pending_erasures(&PageRequest::default()).await.unwrap().items;
    pending.sort_by_key(|pending| pending.id != id);
    assert_eq!((&pending[0].id, &pending[0].target), (&id, &ErasureTarget::Index(first)));
    assert_eq!((&pending[0].by, pending[0].reason.as_str()), (&one.info.id, "asked"));
    assert_eq!((&pending[1].id, &pending[1].target), (&by_name, &subject));
    let erasure = approving.approve_erasure(&id).await.unwrap();
    assert_eq!((&erasure.id, erasure.erased), (&id, 1));
    assert_eq!(gone(&server, first).await["by"], one.info.id);
    let again = approving.approve_erasure(&id).await.unwrap_err();
    assert_eq!(again.slug(), Some("not-found"));
    assert_eq!(approving.approve_erasure(&by_name).await.unwrap().erased, 1);
    assert_eq!(approving.pending_erasures(&PageRequest::default()).await.unwrap().items, []);
    // Both are named where it is said.
    let log = server.client().log("hr").unwrap();
    let last = log.info().await.unwrap().tree_size - 1;
    let said = log.record(last).await.unwrap().event;
    let said = ["by", "approved_by"].map(|member| said["erasure"][member].clone());
    assert_eq!(said, [Value::from(one.info.id), Value::from(other.info.id)]);
}

#[tokio::test]
async fn what_is_refused_when_it_is_approved_still_waits() {
    let mut server = Server::start();
    let (_, first) = portal_of(&server, &class(None), 20).await;
    let (one, other) =
        (token(&server, "one", Role::Compliance).await, token(&server, "other", Role::Compliance).await);
    server.set_env(vec![("CAIRNLOG_TWO_PERSON".to_owned(), OsString::from("true"))]);
    server.kill();
    server.restart();
    let (asking, approving) = (log_of(&server, &one), log_of(&server, &other));
    let Erasing::Pending(id) = asking.erase(&ErasureTarget::Index(first), "asked").await.unwrap() else {
        panic!("nobody approved it");
    };
    let new = NewHold { matter: "m".to_owned(), reason: "r".to_owned(), query: HoldQuery::default() };
    let hold = asking.hold(&new).await.unwrap();
    assert_eq!(approving.approve_erasure(&id).await.unwrap_err().slug(), Some("held"));
    assert_eq!(approving.pending_erasures(&PageRequest::default()).await.unwrap().items.len(), 1);
    asking.release_hold(&hold.id, None).await.unwrap();
    assert_eq!(approving.approve_erasure(&id).await.unwrap().erased, 1);
    gone(&server, first).await;
}

#[tokio::test]
async fn a_frozen_log_is_erased_from_and_the_control_log_says_so() {
    let (server, log, first) = portal(&class(None), 5).await;
    log.freeze().await.unwrap();
    let size = log.info().await.unwrap().tree_size;
    let erasure = erase(&log, first).await;
    assert_eq!(log.info().await.unwrap().tree_size, size, "a frozen tree does not grow");
    let problem = gone(&server, first).await;
    assert_eq!((&problem["reason"], &problem["basis"]), (&"she asked".into(), &"GDPR Art. 17".into()));
    let query = RecordQuery { action: Some("retention.erasure".to_owned()), ..RecordQuery::default() };
    let said = server.client().log("control").unwrap().search(&query).await.unwrap().items;
    assert_eq!(said.len(), 1);
    let said = &said[0].event["unmapped"]["erasure"];
    assert_eq!((&said["id"], &said["reason"]), (&erasure.id.into(), &"she asked".into()));
}

#[tokio::test]
async fn what_the_control_log_says_for_a_frozen_log_outlives_the_control_logs_own_time() {
    let (mut server, log, first) = portal(&class(None), 5).await;
    log.freeze().await.unwrap();
    let query = HoldQuery { actor: Some("user4".to_owned()), ..HoldQuery::default() };
    let new = NewHold { matter: "m".to_owned(), reason: "r".to_owned(), query };
    let control = server.client().log("control").unwrap();
    control.put_class("default", &class(Some(0))).await.unwrap();
    let hold = log.hold(&new).await.unwrap();
    erase(&log, first).await;
    log.record(first + 1).await.unwrap();
    let sweeps = "/api/v1/logs/control/retention/sweeps";
    let swept = http::json(server.post(sweeps, &json!({})).send().await.unwrap(), 200).await;
    assert!(swept["erased"].as_u64().unwrap() > 0, "who read what goes: {swept}");
    gone(&server, first).await;
    server.kill();
    server.restart();
    gone(&server, first).await;
    let log = server.client().log("hr").unwrap();
    assert_eq!(log.holds(&PageRequest::default()).await.unwrap().items, [hold]);
    assert_eq!(log.erase(&ErasureTarget::Index(first + 4), "asked").await.unwrap_err().slug(), Some("held"));
}
