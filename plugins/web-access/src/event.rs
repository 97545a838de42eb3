//! From a line to an event.

use cairnlog_plugin::ocsf::{self, API_ACTIVITY, Activity, HTTP_METHODS, Status, WEB_RESOURCES_ACTIVITY};
use cairnlog_plugin::{Attribute, EventBuilder, net};

use crate::line::{self, Line};
use crate::request::{self, Request};

/// Turns a line into an event.
///
/// # Errors
/// Why it is rejected; nothing of the line is in the words.
pub(crate) fn normalize(text: &str) -> Result<Vec<Attribute>, String> {
    let line = line::parse(text)?;
    let request = request::parse(line.request);
    let host = request.as_ref().and_then(|request| request.host).or(line.vhost.map(|(name, _)| name));
    let is_api = request.as_ref().is_some_and(|request| request::is_api(host, request.path));
    let class = if is_api { API_ACTIVITY } else { WEB_RESOURCES_ACTIVITY };
    let activity = request.as_ref().map_or(Activity::Known(0), |request| activity(request.method));
    let mut event = EventBuilder::new(&class, activity, line.time.ms);
    metadata(&mut event, &line);
    match &request {
        Some(request) => write_request(&mut event, request, &line, is_api),
        None => no_request(&mut event, &line),
    }
    endpoints(&mut event, &line, is_api);
    response(&mut event, &line);
    trailer(&mut event, &line);
    event.finish()
}

fn activity(method: &str) -> Activity<'_> {
    match method {
        "GET" | "HEAD" | "OPTIONS" | "TRACE" => Activity::Known(2),
        "POST" => Activity::Known(1),
        "PUT" | "PATCH" => Activity::Known(3),
        "DELETE" => Activity::Known(4),
        other => Activity::Other(other),
    }
}

fn metadata(event: &mut EventBuilder, line: &Line<'_>) {
    event.text("metadata.product.name", "Web Server");
    event.text("metadata.log_name", "access");
    event.text("metadata.log_format", if line.combined { "combined" } else { "common" });
    event.text("metadata.original_time", line.time_text);
    event.integer("timezone_offset", i64::from(line.time.offset_minutes));
    if let Some(ident) = line.ident {
        event.text("unmapped.ident", ident);
    }
}

fn write_request(event: &mut EventBuilder, request: &Request<'_>, line: &Line<'_>, is_api: bool) {
    if HTTP_METHODS.contains(&request.method) {
        event.text("http_request.http_method", request.method);
    } else {
        event.text("unmapped.http_method", request.method);
    }
    let url = [
        ("path", Some(request.path)),
        ("query_string", request.query),
        ("scheme", request.scheme),
        ("url_string", request.host.map(|_| request.target)),
    ];
    for (member, value) in url {
        if let Some(value) = value {
            event.text(["http_request.url.", member].concat(), value);
        }
    }
    if let Some(version) = request.version {
        event.text("http_request.version", version);
    }
    if is_api {
        event.text("api.operation", format!("{} {}", request.method, request.path));
        match line.user {
            Some(user) => event.user_name("actor.user", user),
            None => event.text("actor.app_name", ocsf::UNKNOWN),
        }
    } else {
        event.text("web_resources[0].name", request.path);
    }
}

fn no_request(event: &mut EventBuilder, line: &Line<'_>) {
    event.text("web_resources[0].name", ocsf::UNKNOWN);
    event.text("unmapped.request", line.request);
}

fn endpoints(event: &mut EventBuilder, line: &Line<'_>, is_api: bool) {
    match net::ip(line.remote) {
        Some(ip) => event.text("src_endpoint.ip", ip),
        None if net::is_hostname(line.remote) => event.text("src_endpoint.hostname", line.remote),
        None => event.text("src_endpoint.name", line.remote),
    }
    if let Some(user) = line.user.filter(|_| !is_api) {
        event.user_name("src_endpoint.owner", user);
    }
    let Some((name, port)) = line.vhost else { return };
    match net::ip(name.trim_matches(['[', ']'])) {
        Some(ip) => event.text("dst_endpoint.ip", ip),
        None if net::is_hostname(name) => event.text("dst_endpoint.hostname", name),
        None => event.text("dst_endpoint.name", name),
    }
    // Port 0 is none.
    if let Some(port) = port.filter(|port| *port != 0) {
        event.integer("dst_endpoint.port", i64::from(port));
    }
}

/// OCSF asks for the code of a response; a number of bytes without one has no place.
fn response(event: &mut EventBuilder, line: &Line<'_>) {
    let code = line.status.map(i64::from);
    event.status(code.map_or(Status::Unknown, Status::of_http));
    match (code, line.bytes) {
        (Some(code), bytes) => {
            event.integer("http_response.code", code);
            if let Some(bytes) = bytes {
                event.integer("http_response.body_length", bytes);
            }
        }
        (None, Some(bytes)) => event.integer("unmapped.bytes", bytes),
        (None, None) => {}
    }
}

fn trailer(event: &mut EventBuilder, line: &Line<'_>) {
    for (path, value) in
        [("http_request.referrer", line.referrer), ("http_request.user_agent", line.user_agent)]
    {
        if let Some(value) = value {
            event.text(path, value);
        }
    }
    let Some(more) = line.more.filter(|more| *more != "\"-\"") else { return };
    match forwarded_for(more) {
        Some(addresses) => {
            for (index, address) in addresses.into_iter().enumerate() {
                event.text(format!("http_request.x_forwarded_for[{index}]"), address);
            }
        }
        None => event.text("unmapped.more", more),
    }
}

/// The quoted list of addresses that nginx's `main` format ends with.
fn forwarded_for(more: &str) -> Option<Vec<String>> {
    let list = more.strip_prefix('"')?.strip_suffix('"')?;
    list.split(',').map(|address| net::ip(address.trim()).map(std::borrow::Cow::into_owned)).collect()
}
