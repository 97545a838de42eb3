//! Normalizes Kubernetes audit events (`audit.k8s.io`) to OCSF 1.8.0, class API Activity.
//!
//! A raw record is one `Event`, or an `EventList` as the webhook backend posts it, which becomes one event for each of its
//! items. Every stage of a request is an event of its own. What has no place in the class is kept under `unmapped`, null members
//! aside.
//!
//! | Kubernetes | OCSF |
//! | --- | --- |
//! | `auditID` and `stage` | `metadata.uid` as `auditID:stage`, `api.request.uid`, `metadata.event_code` |
//! | `stageTimestamp` | `time`, and as sent `metadata.original_time` |
//! | `requestReceivedTimestamp` | `start_time`; as sent under `unmapped` where it differs from the above |
//! | `level`, `apiVersion` | `metadata.log_level`, `metadata.log_version` |
//! | `verb` | `api.operation` and the activity, see [`activity`] |
//! | `user` | `actor.user`; a service account is of type 4, other `system:` users of type 3 |
//! | `sourceIPs` | the last, the only one a client can't forge: `src_endpoint.ip`; those before it: `http_request.x_forwarded_for` |
//! | `requestURI`, `userAgent` | `http_request.url`, `http_request.user_agent` |
//! | `objectRef` | `resources[0]`, its type with the subresource (`pods/exec`); the name of a collection is its resource |
//! | `responseStatus` | `api.response`, `status_id`, `status_detail` |
//! | `requestObject`, `responseObject` | `api.request.data`, `api.response.data` |
//!
//! An impersonated user has no place in the class: the actor is who authenticated, `unmapped.impersonatedUser` whom it acted as.

mod event;

use cairnlog_plugin::json::{self, Json, Object};
use cairnlog_plugin::{Attribute, Normalizer, Outcome, Plugin, Raw, settings};

pub use event::activity;

/// The plugin. It takes no config.
#[derive(Clone, Copy, Debug)]
pub struct KubernetesAudit;

cairnlog_plugin::export!(normalizer: KubernetesAudit);

impl Plugin for KubernetesAudit {
    fn configure(config: &str) -> Result<Self, String> {
        settings::none(config).map(|()| Self)
    }
}

impl Normalizer for KubernetesAudit {
    fn normalize(&self, record: &Raw) -> Outcome {
        if record.body.trim_ascii().is_empty() {
            return Outcome::Skip("an empty record".to_owned());
        }
        let mut object = match json::parse(&record.body) {
            Ok(object) => object,
            Err(reason) => return Outcome::Reject(reason),
        };
        if object.text("kind") != Some("EventList") {
            return event::normalize(object)
                .map_or_else(Outcome::Reject, |event| Outcome::Events(vec![event]));
        }
        let version = object.take_text("apiVersion");
        object.take("kind");
        if object.object("metadata").is_some_and(Object::is_empty) {
            object.take("metadata");
        }
        let items = object.take("items");
        if !object.is_empty() {
            return Outcome::Reject("a list of events with other members beside them".to_owned());
        }
        match items {
            Some(Json::List(items)) if items.is_empty() => Outcome::Skip("a list without events".to_owned()),
            Some(Json::List(items)) => {
                list(items, version.as_deref()).map_or_else(Outcome::Reject, Outcome::Events)
            }
            _ => Outcome::Reject("a list of events whose items are no list".to_owned()),
        }
    }
}

/// All items of a list or none: what can't be read must not be lost among what can. Items leave out what the list says.
fn list(items: Vec<Json<'_>>, version: Option<&str>) -> Result<Vec<Vec<Attribute>>, String> {
    let event = |(index, item)| match item {
        Json::Object(mut item) => {
            if item.get("kind").is_none() {
                item.put_back("kind", Json::Text("Event".into()));
            }
            if let (None, Some(version)) = (item.get("apiVersion"), version) {
                item.put_back("apiVersion", Json::Text(version.to_owned().into()));
            }
            event::normalize(item).map_err(|reason| format!("item {index} of the list: {reason}"))
        }
        _ => Err(format!("item {index} of the list is not an object")),
    };
    items.into_iter().enumerate().map(event).collect()
}
