//! One `CloudTrail` record.

use std::borrow::Cow;

use cairnlog_plugin::json::{Json, Object};
use cairnlog_plugin::ocsf::{self, API_ACTIVITY, AUTHENTICATION, Activity, Status};
use cairnlog_plugin::{Attribute, EventBuilder, net, time};

use crate::choice::{self, Choice, Target};
use crate::identity;

/// An unusual rate of calls that `CloudTrail` noticed: no call, so it neither succeeded nor failed.
const INSIGHT: Activity<'static> = Activity::Other("Insight");

/// Turns a record into an event.
///
/// # Errors
/// Why it is rejected; nothing of the record is in the words.
pub(crate) fn event(mut record: Object<'_>) -> Result<Vec<Attribute>, String> {
    let Some(moment) = record.text("eventTime").and_then(time::rfc3339) else {
        return Err("no CloudTrail record: eventTime is not a timestamp".to_owned());
    };
    let Some(kind) = record.text("eventName").or(record.text("eventType")).map(str::to_owned) else {
        return Err("no CloudTrail record: neither eventName nor eventType".to_owned());
    };
    let (source, operation) = origin(&record, kind);
    let choice = applicable(&record, source.as_deref(), &operation);
    let mut event = EventBuilder::new(&choice.class, choice.activity, moment.ms);
    metadata(&mut event, &mut record);
    cloud(&mut event, &mut record);
    status(&mut event, &mut record, choice);
    match choice.target {
        Target::None if choice.class == API_ACTIVITY => resources(&mut event, &mut record),
        Target::None | Target::Caller => {}
        Target::NamedUser | Target::NamedUserOrCaller => named_user(&mut event, &record),
        Target::Group => group(&mut event, &record),
        Target::Bucket => bucket(&mut event, &record),
    }
    who(&mut event, &mut record, choice, source.as_deref());
    endpoint(&mut event, &mut record, source.as_deref());
    api(&mut event, &mut record, source.as_deref(), operation);
    event.unmapped(&record);
    event.finish()
}

/// `eventSource` and the operation. Insight events are about another event, which they describe in `insightDetails`.
fn origin(record: &Object<'_>, kind: String) -> (Option<String>, String) {
    let insight = record.object("insightDetails");
    let of =
        |key: &str| record.text(key).or(insight.and_then(|insight| insight.text(key))).map(str::to_owned);
    (of("eventSource"), of("eventName").unwrap_or(kind))
}

/// The choice, or API Activity if the record lacks what the chosen class requires.
fn applicable<'a>(record: &Object<'_>, source: Option<&str>, operation: &'a str) -> Choice<'a> {
    let read_only = record.boolean("readOnly");
    if record.object("insightDetails").is_some() {
        return Choice { class: API_ACTIVITY, activity: INSIGHT, target: Target::None };
    }
    let is_data = record
        .text("eventCategory")
        .map_or(record.boolean("managementEvent") == Some(false), |category| category == "Data");
    let choice = choice::choose(source.unwrap_or_default(), operation, read_only, is_data);
    let caller = identity::is_user(record.object("userIdentity"));
    let applies = match choice.target {
        Target::None => true,
        Target::Caller => caller,
        Target::NamedUser => parameter(record, "userName").is_some(),
        Target::NamedUserOrCaller => parameter(record, "userName").is_some() || caller,
        Target::Group => parameter(record, "groupName").is_some(),
        Target::Bucket => parameter(record, "bucketName").is_some(),
    };
    if applies { choice } else { choice::api_activity(operation, read_only) }
}

fn parameter<'r>(record: &'r Object<'_>, key: &str) -> Option<&'r str> {
    record.object("requestParameters")?.text(key)
}

fn metadata(event: &mut EventBuilder, record: &mut Object<'_>) {
    event.text("metadata.product.name", "CloudTrail");
    event.text("metadata.product.vendor_name", "AWS");
    event.text("metadata.log_name", "CloudTrail");
    event.text("metadata.profiles[0]", "cloud");
    event.text_if("metadata.log_version", record.take_text("eventVersion"));
    event.text_if("metadata.uid", record.take_text("eventID"));
    event.text_if("metadata.original_time", record.take_text("eventTime"));
    event.text_if("metadata.correlation_uid", record.take_text("sharedEventID"));
    let code = if record.text("eventName").is_some() { "eventName" } else { "eventType" };
    event.text_if("metadata.event_code", record.take_text(code));
}

fn cloud(event: &mut EventBuilder, record: &mut Object<'_>) {
    event.text("cloud.provider", "AWS");
    event.text_if("cloud.region", record.take_text("awsRegion"));
    event.text_if("cloud.account.uid", record.take_text("recipientAccountId"));
}

/// An error code, or what a sign-in says of itself, decides; its `errorMessage` comes without a code.
fn status(event: &mut EventBuilder, record: &mut Object<'_>, choice: Choice<'_>) {
    let sign_in = record.object("responseElements").and_then(|elements| elements.text("ConsoleLogin"));
    let failed = record.text("errorCode").is_some()
        || record.text("errorMessage").is_some()
        || sign_in == Some("Failure");
    event.status(match choice.activity {
        _ if failed => Status::Failure,
        INSIGHT => Status::Unknown,
        _ => Status::Success,
    });
    let mfa = record.object("additionalEventData").and_then(|data| data.text("MFAUsed"));
    if let (AUTHENTICATION, Some(mfa @ ("Yes" | "No"))) = (choice.class, mfa) {
        event.boolean("is_mfa", mfa == "Yes");
    }
    event.text_if("api.response.error", record.take_text("errorCode"));
    event.text_if("api.response.error_message", record.take_text("errorMessage"));
}

/// The account that is changed, and the policy that is attached or detached.
fn named_user(event: &mut EventBuilder, record: &Object<'_>) {
    if let Some(name) = parameter(record, "userName") {
        event.user_name("user", name);
    } else if let Some(caller) = record.object("userIdentity") {
        copy_caller(event, caller);
    }
    policy(event, record);
}

/// Who calls is the user that the class is about; the actor says the rest of it.
fn copy_caller(event: &mut EventBuilder, caller: &Object<'_>) {
    for (key, path) in [("userName", "user.name"), ("arn", "user.uid"), ("accountId", "user.account.uid")] {
        if let Some(value) = caller.text(key) {
            event.text(path, value);
        }
    }
}

fn policy(event: &mut EventBuilder, record: &Object<'_>) {
    for (key, path) in [("policyArn", "policies[0].uid"), ("policyName", "policies[0].name")] {
        if let Some(value) = parameter(record, key) {
            event.text(path, value);
        }
    }
}

fn group(event: &mut EventBuilder, record: &Object<'_>) {
    for (key, path) in [("groupName", "group.name"), ("policyArn", "privileges[0]")] {
        if let Some(value) = parameter(record, key) {
            event.text(path, value);
        }
    }
    if let (None, Some(policy)) = (parameter(record, "policyArn"), parameter(record, "policyName")) {
        event.text("privileges[0]", policy);
    }
    if let Some(name) = parameter(record, "userName") {
        event.user_name("user", name);
    }
}

/// The bucket, and the object in it: a key that ends in `/` stands for a folder.
fn bucket(event: &mut EventBuilder, record: &Object<'_>) {
    event.integer("databucket.type_id", 1);
    if let Some(name) = parameter(record, "bucketName") {
        event.text("databucket.name", name);
    }
    let Some(key) = parameter(record, "key") else { return };
    let name = key.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(key);
    event.text("databucket.file.name", name);
    event.text("databucket.file.path", key);
    event.integer("databucket.file.type_id", if key.ends_with('/') { 2 } else { 1 });
}

fn who(event: &mut EventBuilder, record: &mut Object<'_>, choice: Choice<'_>, source: Option<&str>) {
    if choice.class == AUTHENTICATION {
        event.text("service.name", source.unwrap_or(ocsf::UNKNOWN));
        identity::write(event, record, identity::SUBJECT, source);
        return;
    }
    if let (Target::Caller, Some(caller)) = (choice.target, record.object("userIdentity")) {
        copy_caller(event, caller);
    }
    identity::write(event, record, identity::ACTOR, source);
}

/// Where from: an address, another service, or words such as `AWS Internal`.
fn endpoint(event: &mut EventBuilder, record: &mut Object<'_>, source: Option<&str>) {
    let endpoint = record.take_text("vpcEndpointId");
    match record.take_text("sourceIPAddress") {
        Some(address) => match net::ip(&address) {
            Some(ip) => event.text("src_endpoint.ip", ip.into_owned()),
            None if net::is_hostname(&address) => event.text("src_endpoint.svc_name", address),
            None => event.text("src_endpoint.name", address),
        },
        None if endpoint.is_none() => event.text("src_endpoint.svc_name", source.unwrap_or(ocsf::UNKNOWN)),
        None => {}
    }
    event.text_if("src_endpoint.uid", endpoint);
    event.text_if("http_request.user_agent", record.take_text("userAgent"));
}

/// The call. A request has a place for its parameters only if it has an id.
fn api(event: &mut EventBuilder, record: &mut Object<'_>, source: Option<&str>, operation: String) {
    event.text("api.operation", operation);
    if let Some(source) = source {
        event.text("api.service.name", source);
        record.take_text("eventSource");
    }
    event.text_if("api.version", record.take_text("apiVersion"));
    if let Some(id) = record.take_text("requestID") {
        event.text("api.request.uid", id);
        data(event, record, "requestParameters", "api.request.data");
    }
    data(event, record, "responseElements", "api.response.data");
}

fn data(event: &mut EventBuilder, record: &mut Object<'_>, key: &str, path: &str) {
    if let Some(value) = record.take(key) {
        event.json(path, &value);
    }
}

/// `resources`, if every one of them is just an ARN, an account and a type; else they stay as they are.
fn resources(event: &mut EventBuilder, record: &mut Object<'_>) {
    let plain = |resource: &Json<'_>| match resource {
        Json::Object(resource) => {
            resource.text("ARN").is_some()
                && resource.members().all(|(key, value)| {
                    matches!(key, "ARN" | "accountId" | "type") && matches!(value, Json::Text(_))
                })
        }
        _ => false,
    };
    if !record.list("resources").is_some_and(|list| list.iter().all(plain)) {
        return;
    }
    for (index, resource) in record.take_list("resources").unwrap_or_default().into_iter().enumerate() {
        let Json::Object(mut resource) = resource else { continue };
        let mut write = |path: &str, value: Option<Cow<'_, str>>| {
            event.text_if(format!("resources[{index}].{path}"), value);
        };
        write("uid", resource.take_text("ARN"));
        write("owner.account.uid", resource.take_text("accountId"));
        write("type", resource.take_text("type"));
    }
}
