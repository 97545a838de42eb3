//! A matter from its hold to the erasure, and what the proofs say afterwards.

use cairnlog_client::{
    ContentType, ErasureTarget, HoldQuery, Ingest, Log, NewHold, PageRequest, Record, RecordQuery, Role,
};
use cairnlog_tests::pipelines::EXAMPLES;
use cairnlog_tests::{Server, http, paths, pipelines};
use reqwest::Method;
use serde_json::{Value, json};

use crate::site::run;
use crate::{class, done, found_by_actor, gone, log_of, receipt, token, verified};

/// The example logs, kept by classes without a minimum.
async fn examples(server: &Server) -> Log {
    let log = pipelines::examples(&server.client(), "hr").await;
    for name in paths::example_json("pipelines/classes.json").as_object().unwrap().keys() {
        log.put_class(name, &class(Some(365))).await.unwrap();
    }
    for example in EXAMPLES {
        example.ingest(&log).await;
    }
    log
}

/// The record of somebody who goes by a pseudonym in several records, and the pseudonym.
async fn somebody(log: &Log) -> (Record, String) {
    let page = PageRequest { limit: Some(1_000), cursor: None };
    for record in log.search(&RecordQuery { page, ..RecordQuery::default() }).await.unwrap().items {
        let name = record.event["actor"]["user"]["name"].as_str().unwrap_or_default().to_owned();
        if name.starts_with("tok1_") && found_by_actor(log, &name).await.len() > 3 {
            return (record, name);
        }
    }
    panic!("nobody did anything more than once");
}

#[tokio::test]
async fn what_is_held_stays_and_what_is_erased_leaves_its_proof() {
    let mut server = Server::start();
    let log = examples(&server).await;
    let (officer, auditor) =
        (token(&server, "officer", Role::Compliance).await, token(&server, "auditor", Role::Auditor).await);
    let reading = log_of(&server, &auditor);
    let (Record { index, .. }, who) = somebody(&reading).await;
    let theirs = found_by_actor(&reading, &who).await;
    let before = receipt(&reading, index).await;
    let entry = log.entry(index).await.unwrap();

    // A matter opens: the record can't be erased, neither alone nor with all that names its person.
    let keeping = log_of(&server, &officer);
    let query = HoldQuery { actor: Some(who.clone()), ..HoldQuery::default() };
    let new = NewHold { matter: "case 2026-17".to_owned(), reason: "a claim".to_owned(), query };
    let hold = keeping.hold(&new).await.unwrap();
    assert_eq!((&hold.by, &hold.query), (&officer.info.id, &new.query));
    let request = server.anonymous(Method::POST, "/api/v1/logs/hr/erasures");
    let request =
        request.bearer_auth(officer.token.expose()).json(&json!({"index": index, "reason": "asked"}));
    let problem = http::problem(request.send().await.unwrap(), 409, "held").await;
    assert_eq!(problem["hold"], hold.id);
    let refused = done(keeping.erase(&ErasureTarget::Subject(who.clone()), "asked").await.unwrap());
    assert_eq!(refused.erased, 0);
    let named: Vec<u64> = refused.refused.iter().map(|refused| refused.index).collect();
    assert!(theirs.iter().all(|index| named.contains(index)), "{theirs:?}, not {named:?}");
    assert!(refused.refused.iter().all(|refused| refused.hold.as_ref() == Some(&hold.id)));
    assert_eq!(found_by_actor(&reading, &who).await, theirs);

    // It is settled.
    keeping.release_hold(&hold.id, Some("settled")).await.unwrap();
    assert_eq!(keeping.holds(&PageRequest::default()).await.unwrap().items, []);
    let erasure = done(keeping.erase(&ErasureTarget::Index(index), "request of 9 March").await.unwrap());
    assert_eq!((erasure.erased, erasure.refused.len()), (1, 0));
    let rest: Vec<u64> = theirs.into_iter().filter(|other| *other != index).collect();
    for restarted in [false, true] {
        if restarted {
            assert_eq!(server.stop(), Some(0));
            fsck(&server);
            server.restart();
        }
        let problem = gone(&server, index).await;
        let said = ["by", "reason", "basis"].map(|member| problem[member].as_str().unwrap());
        assert_eq!(said, [officer.info.id.as_str(), "request of 9 March", "GDPR Art. 17"]);
        assert!(problem["at"].as_str().unwrap() < erasure.complete_at.as_str(), "{problem}");
        let log = server.client().log("hr").unwrap();
        verified(&log, &before, index).await;
        assert_eq!(log.entry(index).await.unwrap(), entry, "its entry stays");
        let reading = log_of(&server, &auditor);
        assert_eq!(found_by_actor(&reading, &who).await, rest);
        let again = log_of(&server, &officer).erase(&ErasureTarget::Index(index), "again").await;
        assert_eq!(again.unwrap_err().slug(), Some("erased"));
    }
    verify(&server).await;
}

/// Everything that the log serves hashes to its signed head.
async fn verify(server: &Server) {
    let key = server.client().log("hr").unwrap().info().await.unwrap().verifier_key;
    let url = format!("{}/logs/hr", server.url());
    for command in [&["verify", "log"][..], &["fsck"]] {
        let told = run(&[], &[command, &[&url, "--key", &key, "--output", "json"]].concat()).json();
        assert_eq!(told["verdict"], "good", "{told}");
    }
}

/// Everything that the data directory of a stopped server holds hashes to its signed heads.
fn fsck(server: &Server) {
    let ran = run(&[], &["fsck", "--data", server.data().to_str().unwrap(), "--output", "json"]);
    assert_eq!(ran.code, Some(0), "{} {}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("tampered"), "{}", ran.stdout);
}

#[tokio::test]
async fn each_step_is_an_entry_that_says_who_and_why() {
    let server = Server::start();
    let log = examples(&server).await;
    let officer = token(&server, "officer", Role::Compliance).await;
    let (Record { index, .. }, who) = somebody(&log).await;
    let keeping = log_of(&server, &officer);
    let query = HoldQuery { actor: Some(who.clone()), ..HoldQuery::default() };
    let new = NewHold { matter: "case 2026-17".to_owned(), reason: "a claim".to_owned(), query };
    let first = log.info().await.unwrap().tree_size;
    let hold = keeping.hold(&new).await.unwrap();
    keeping.release_hold(&hold.id, Some("settled")).await.unwrap();
    let erasure = done(keeping.erase(&ErasureTarget::Index(index), "request of 9 March").await.unwrap());

    let set = log.record(first).await.unwrap();
    assert_eq!(set.kind, "hold");
    let said = &set.event["hold"];
    assert_eq!((&said["what"], &said["id"]), (&"set".into(), &hold.id.clone().into()));
    assert_eq!((&said["matter"], &said["reason"]), (&"case 2026-17".into(), &"a claim".into()));
    assert_eq!((&said["by"], &said["query"]["actor"]), (&officer.info.id.clone().into(), &who.into()));
    let released = log.record(first + 1).await.unwrap();
    let said = &released.event["hold"];
    assert_eq!((&said["what"], &said["reason"]), (&"released".into(), &"settled".into()));
    let erased = log.record(first + 2).await.unwrap();
    assert_eq!(erased.kind, "erasure");
    let said = &erased.event["erasure"];
    assert_eq!((&said["by"], &said["id"]), (&officer.info.id.clone().into(), &erasure.id.into()));
    assert_eq!((&said["reason"], &said["ground"]), (&"request of 9 March".into(), &"request".into()));
    assert_eq!(said["ranges"], format!("[[{index},{}]]", index + 1));
    // In public they say that it happened, and not of what.
    for (index, clear) in
        [(first, json!({"kind": "hold"})), (first + 2, json!({"kind": "erasure", "mode": "request"}))]
    {
        let entry: Value = serde_json::from_slice(&log.entry(index).await.unwrap().entry).unwrap();
        let mut members = entry.as_object().unwrap().clone();
        members.retain(|name, _| !["v", "received", "count", "fields"].contains(&name.as_str()));
        assert_eq!(Value::from(members), clear);
    }
}

#[tokio::test]
async fn what_was_erased_may_be_sent_again() {
    let server = Server::start();
    let log = examples(&server).await;
    let lines = String::from_utf8(EXAMPLES[0].bytes()).unwrap();
    let line = lines.lines().find(|line| line.contains("\"eventID\"")).unwrap().to_owned();
    let send =
        async || log.ingest(EXAMPLES[0].name, Ingest::new(ContentType::Ndjson, line.clone())).await.unwrap();
    let index = send().await.results[0].index.unwrap();
    assert_eq!(send().await.duplicates, 1);
    crate::erase(&log, index).await;
    let again = send().await;
    assert_eq!((again.accepted, again.duplicates), (1, 0), "what is gone is not known");
    assert_eq!(log.record(again.first_index.unwrap()).await.unwrap().kind, "record");
    gone(&server, index).await;
}
