//! One audit event.

use std::borrow::Cow;

use cairnlog_plugin::json::{Json, Object};
use cairnlog_plugin::ocsf::{self, API_ACTIVITY, Activity, Status};
use cairnlog_plugin::{Attribute, EventBuilder, net, time};

/// The activity of a verb: those of resources, and HTTP methods in lower case for other URLs. Others, such as `proxy`, are
/// activity 99 under their own name.
#[must_use]
pub fn activity(verb: &str) -> Activity<'_> {
    match verb {
        "create" | "post" => Activity::Known(1),
        "get" | "list" | "watch" | "head" | "options" => Activity::Known(2),
        "update" | "patch" | "put" => Activity::Known(3),
        "delete" | "deletecollection" => Activity::Known(4),
        other => Activity::Other(other),
    }
}

/// Turns an audit event into an OCSF event.
///
/// # Errors
/// Why it is rejected; nothing of the record is in the words.
pub(crate) fn normalize(mut record: Object<'_>) -> Result<Vec<Attribute>, String> {
    let of_audit = |version: &str| version.starts_with("audit.k8s.io/");
    if record.text("kind") != Some("Event") || !record.text("apiVersion").is_some_and(of_audit) {
        return Err("no audit event: kind is not Event, or apiVersion not of audit.k8s.io".to_owned());
    }
    let Some(verb) = record.take_text("verb") else {
        return Err("no audit event: it has no verb".to_owned());
    };
    let moment = ["stageTimestamp", "requestReceivedTimestamp"]
        .iter()
        .find_map(|key| record.text(key).and_then(time::rfc3339));
    let Some(moment) = moment else {
        return Err(
            "no audit event: neither stageTimestamp nor requestReceivedTimestamp is a timestamp".to_owned()
        );
    };
    let panicked = record.text("stage") == Some("Panic");
    let identified = record.text("auditID").is_some();
    let mut event = EventBuilder::new(&API_ACTIVITY, activity(&verb), moment.ms);
    event.text("api.operation", verb);
    times(&mut event, &mut record);
    metadata(&mut event, &mut record);
    actor(&mut event, &mut record);
    addresses(&mut event, &mut record);
    request(&mut event, &mut record);
    resource(&mut event, &mut record);
    response(&mut event, &mut record, panicked);
    bodies(&mut event, &mut record, identified);
    event.unmapped(&record);
    event.finish()
}

/// `time` is there already; the strings may be finer than milliseconds, so they are kept, equal ones once.
fn times(event: &mut EventBuilder, record: &mut Object<'_>) {
    let start = record.text("requestReceivedTimestamp").and_then(time::rfc3339);
    let stage = record.text("stageTimestamp").and_then(time::rfc3339);
    if let (Some(start), Some(_)) = (start, stage) {
        event.integer("start_time", start.ms);
    }
    if record.text("stageTimestamp") == record.text("requestReceivedTimestamp") {
        record.take("requestReceivedTimestamp");
    }
    let key = if stage.is_some() { "stageTimestamp" } else { "requestReceivedTimestamp" };
    event.text_if("metadata.original_time", record.take_text(key));
}

fn metadata(event: &mut EventBuilder, record: &mut Object<'_>) {
    record.take("kind");
    event.text("metadata.product.name", "Kubernetes");
    event.text("metadata.log_name", "audit");
    event.text_if("metadata.log_version", record.take_text("apiVersion"));
    event.text_if("metadata.log_level", record.take_text("level"));
    let id = record.take_text("auditID");
    let stage = record.take_text("stage");
    if let Some(id) = &id {
        // One request has one id and an event for each of its stages.
        let uid = stage.as_ref().map_or_else(|| id.to_string(), |stage| format!("{id}:{stage}"));
        event.text("metadata.uid", uid);
    }
    event.text_if("api.request.uid", id);
    event.text_if("metadata.event_code", stage);
}

fn actor(event: &mut EventBuilder, record: &mut Object<'_>) {
    let mut user = record.take_object("user").unwrap_or_default();
    let named = user.text("username").is_some() || user.text("uid").is_some();
    if let Some(name) = user.take_text("username") {
        event.user_name("actor.user", &name);
        event.integer("actor.user.type_id", user_type(&name));
    }
    event.text_if("actor.user.uid", user.take_text("uid"));
    let is_name = |group: &Json<'_>| matches!(group, Json::Text(name) if !name.is_empty());
    if named && user.list("groups").is_some_and(|groups| groups.iter().all(is_name)) {
        for (index, group) in user.take_list("groups").unwrap_or_default().into_iter().enumerate() {
            if let Json::Text(name) = group {
                event.text(format!("actor.user.groups[{index}].name"), name);
            }
        }
    }
    if !named {
        event.text("actor.app_name", ocsf::UNKNOWN);
    }
    record.put_rest("user", user);
}

/// 4 Service, 3 System, 0 Unknown for who did not authenticate, 1 User.
fn user_type(name: &str) -> i64 {
    match name {
        "system:anonymous" => 0,
        name if name.starts_with("system:serviceaccount:") => 4,
        name if name.starts_with("system:") => 3,
        _ => 1,
    }
}

/// The last address is the peer's; what stands before it comes from headers that a client can forge.
fn addresses(event: &mut EventBuilder, record: &mut Object<'_>) {
    let is_ip = |address: &Json<'_>| matches!(address, Json::Text(text) if net::ip(text).is_some());
    if !record.list("sourceIPs").is_some_and(|list| !list.is_empty() && list.iter().all(is_ip)) {
        event.text("src_endpoint.name", ocsf::UNKNOWN);
        return;
    }
    let list = record.take_list("sourceIPs").unwrap_or_default();
    let mut addresses: Vec<Cow<'_, str>> = list
        .iter()
        .filter_map(|address| if let Json::Text(text) = address { net::ip(text) } else { None })
        .collect();
    event.text_if("src_endpoint.ip", addresses.pop());
    for (index, address) in addresses.into_iter().enumerate() {
        event.text(format!("http_request.x_forwarded_for[{index}]"), address);
    }
}

fn request(event: &mut EventBuilder, record: &mut Object<'_>) {
    event.text_if("http_request.user_agent", record.take_text("userAgent"));
    if let Some(uri) = record.take_text("requestURI") {
        let (path, query) =
            uri.split_once('?').map_or((uri.as_ref(), None), |(path, query)| (path, Some(query)));
        event.text("http_request.url.path", path);
        if let Some(query) = query {
            event.text("http_request.url.query_string", query);
        }
    }
}

/// OCSF asks for a name or a uid of a resource; a request about a collection has neither, so the collection gives its own.
fn resource(event: &mut EventBuilder, record: &mut Object<'_>) {
    let Some(mut reference) = record.take_object("objectRef") else { return };
    event.text_if("api.group.name", reference.take_text("apiGroup"));
    event.text_if("api.version", reference.take_text("apiVersion"));
    let name = reference
        .take_text("name")
        .or_else(|| reference.text("resource").map(|resource| Cow::Owned(resource.to_owned())));
    if name.is_some() || reference.text("uid").is_some() {
        event.text_if("resources[0].name", name);
        event.text_if("resources[0].uid", reference.take_text("uid"));
        event.text_if("resources[0].namespace", reference.take_text("namespace"));
        event.text_if("resources[0].version", reference.take_text("resourceVersion"));
        let kind = reference.take_text("resource").map(|kind| match reference.take_text("subresource") {
            Some(part) => Cow::Owned(format!("{kind}/{part}")),
            None => kind,
        });
        event.text_if("resources[0].type", kind);
    }
    record.put_rest("objectRef", reference);
}

fn response(event: &mut EventBuilder, record: &mut Object<'_>, panicked: bool) {
    let mut status = record.take_object("responseStatus").unwrap_or_default();
    event.status(outcome(&status, panicked));
    if let Some(code) = status.take_integer("code") {
        event.integer("api.response.code", code);
    }
    event.text_if("api.response.error", status.take_text("reason"));
    event.text_if("status_detail", status.take_text("message"));
    record.put_rest("responseStatus", status);
}

/// A request has a place for its object only if it has an id.
fn bodies(event: &mut EventBuilder, record: &mut Object<'_>, identified: bool) {
    if identified && let Some(value) = record.take("requestObject") {
        event.json("api.request.data", &value);
    }
    if let Some(value) = record.take("responseObject") {
        event.json("api.response.data", &value);
    }
}

fn outcome(status: &Object<'_>, panicked: bool) -> Status {
    match (status.integer("code"), status.text("status")) {
        _ if panicked => Status::Failure,
        (Some(code), _) => Status::of_http(code),
        (None, Some("Success")) => Status::Success,
        (None, Some("Failure")) => Status::Failure,
        (None, _) => Status::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs() {
        for (verb, expected) in
            [("get", 2), ("list", 2), ("watch", 2), ("create", 1), ("update", 3), ("patch", 3), ("delete", 4)]
        {
            assert_eq!(activity(verb), Activity::Known(expected), "{verb}");
        }
        assert_eq!(activity("proxy"), Activity::Other("proxy"));
    }
}
