//! What needs a second person before it changes: a pipeline that takes more away, a class that keeps less long.

use cairnlog_client::{Error, Log, PageRequest, Pipeline, Role, Stage};
use cairnlog_tests::{Server, pipelines};
use serde_json::json;

use crate::{class, log_of, token};

/// A server that asks for a second person, and an integrator, two officers and everybody's view of the log `hr`.
struct Site {
    server: Server,
    integrator: Log,
    officer: Log,
    other: Log,
    log: Log,
}

impl Site {
    async fn new() -> Self {
        let mut server = Server::idle();
        server.set_env(vec![("CAIRNLOG_TWO_PERSON".to_owned(), "true".into())]);
        server.restart();
        let log = pipelines::log(&server.client(), "hr").await;
        let tokens = [
            token(&server, "integrator", Role::Integrator).await,
            token(&server, "officer", Role::Compliance).await,
            token(&server, "other", Role::Compliance).await,
        ];
        let [integrator, officer, other] = tokens.map(|token| log_of(&server, &token));
        Self { server, integrator, officer, other, log }
    }

    async fn pipeline(&self, drops: &[&str]) -> Pipeline {
        let client = self.server.client();
        let redactor = async |path: &&str| {
            let rules = json!({"rules": [{"path": path, "action": "drop", "entity": "X"}]});
            Stage::new(pipelines::plugin(&client, "redact-fields").await, Some(rules))
        };
        let mut redactors = Vec::new();
        for path in drops {
            redactors.push(redactor(path).await);
        }
        let retention = pipelines::plugin(&client, "retention-schedule").await;
        Pipeline {
            normalizer: Stage::new(pipelines::plugin(&client, "web-access").await, None),
            redactors,
            retention: Stage::new(retention, Some(json!({"rules": [{"class": "default"}]}))),
        }
    }
}

fn waits<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    match answer {
        Err(Error::Waits { id }) => id,
        other => panic!("it does not wait: {other:?}"),
    }
}

async fn pending(log: &Log) -> Vec<String> {
    let changes = log.pending_changes(&PageRequest::default()).await.unwrap().items;
    changes.into_iter().map(|change| change.id).collect()
}

#[tokio::test]
async fn a_pipeline_that_takes_more_away_waits_for_compliance() {
    let mut site = Site::new().await;
    let plain = site.pipeline(&[]).await;
    assert!(site.integrator.put_source("web", &plain).await.unwrap().new, "it takes nothing away");
    let drops = site.pipeline(&["src_endpoint.ip"]).await;
    let id = waits(site.integrator.put_source("web", &drops).await);
    let source = || async { site.integrator.source("web").await.unwrap() };
    assert_eq!(source().await.redactors.len(), 0, "nothing has changed");
    assert_eq!(site.integrator.approve_change(&id).await.unwrap_err().status(), Some(403));

    // A later proposal for the same source takes the place of the earlier one.
    let both = site.pipeline(&["src_endpoint.ip", "actor.user.name"]).await;
    let later = waits(site.integrator.put_source("web", &both).await);
    assert_eq!(pending(&site.officer).await, std::slice::from_ref(&later));
    assert_eq!(site.officer.approve_change(&id).await.unwrap_err().slug(), Some("not-found"));
    site.server.kill();
    site.server.restart();
    let officer = log_of(&site.server, &token(&site.server, "officer 2", Role::Compliance).await);
    let shown = officer.pending_changes(&PageRequest::default()).await.unwrap().items.remove(0);
    let proposed = shown.source.unwrap();
    assert_eq!((proposed.source.as_str(), proposed.redactors.len(), shown.class), ("web", 2, None));
    officer.approve_change(&later).await.unwrap();
    assert!(pending(&officer).await.is_empty());
    let log = site.server.client().log("hr").unwrap();
    let bound = log.source("web").await.unwrap();
    assert_eq!((bound.redactors.len(), &bound.redactors), (2, &proposed.redactors));
    // Fewer of them, or the same ones, need nobody.
    log.put_source("web", &site.pipeline(&["src_endpoint.ip"]).await).await.unwrap();
    assert_eq!(log.source("web").await.unwrap().redactors.len(), 1);
    // What can't be bound is refused at once.
    let mut bad = site.pipeline(&["src_endpoint.ip", "file.path"]).await;
    bad.redactors[1].config = Some(json!({"rules": 1}));
    assert_eq!(log.put_source("web", &bad).await.unwrap_err().slug(), Some("bad-request"));
}

#[tokio::test]
async fn a_class_that_keeps_less_long_waits_for_another_officer() {
    let site = Site::new().await;
    let long = cairnlog_client::ClassSettings { minimum_days: 100, ..class(Some(200)) };
    site.officer.put_class("sign-in", &long).await.unwrap();
    let longer = cairnlog_client::ClassSettings { minimum_days: 150, ..class(None) };
    site.officer.put_class("sign-in", &longer).await.unwrap();
    let id = waits(site.officer.put_class("sign-in", &long).await);
    assert_eq!(site.officer.class("sign-in").await.unwrap().settings, longer);
    assert_eq!(site.officer.approve_change(&id).await.unwrap_err().slug(), Some("conflict"));
    site.other.approve_change(&id).await.unwrap();
    assert_eq!(site.officer.class("sign-in").await.unwrap().settings, long);

    // What was changed meanwhile is not what somebody wanted to change.
    let id = waits(site.officer.put_class("sign-in", &class(Some(1))).await);
    site.officer.put_class("sign-in", &longer).await.unwrap();
    assert_eq!(site.other.approve_change(&id).await.unwrap_err().slug(), Some("conflict"));
    assert_eq!(site.officer.class("sign-in").await.unwrap().settings, longer);
    let id = waits(site.officer.put_class("sign-in", &long).await);
    site.other.approve_change(&id).await.unwrap();

    let id = waits(site.officer.put_class("sign-in", &class(Some(1))).await);
    site.officer.withdraw_change(&id).await.unwrap();
    assert!(pending(&site.other).await.is_empty());
    assert_eq!(site.other.approve_change(&id).await.unwrap_err().slug(), Some("not-found"));
    assert_eq!(site.officer.class("sign-in").await.unwrap().settings, long);
}

#[tokio::test]
async fn an_erasure_that_waits_can_be_taken_back() {
    let site = Site::new().await;
    let index = site.log.info().await.unwrap().tree_size - 1;
    let target = cairnlog_client::ErasureTarget::Index(index);
    let cairnlog_client::Erasing::Pending(id) = site.officer.erase(&target, "asked").await.unwrap() else {
        panic!("nobody approved it");
    };
    site.officer.withdraw_erasure(&id).await.unwrap();
    assert_eq!(site.officer.withdraw_erasure(&id).await.unwrap_err().slug(), Some("not-found"));
    assert_eq!(site.other.approve_erasure(&id).await.unwrap_err().slug(), Some("not-found"));
    assert!(site.officer.pending_erasures(&PageRequest::default()).await.unwrap().items.is_empty());
}
