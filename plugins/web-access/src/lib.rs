//! Normalizes access logs of Apache and nginx to OCSF 1.8.0.
//!
//! Reads the common and combined formats, nginx's `main`, and either behind the name of the virtual host:
//!
//! ```text
//! [vhost[:port] ]remote ident user [dd/Mon/yyyy:HH:MM:SS ±zzzz] "request" status bytes[ "referrer" "user agent"[ more]]
//! ```
//!
//! A raw record is one line; one of several lines becomes an event for each. Text is kept as the server escaped it (`\"`, `\x16`) and
//! URLs as they were encoded: decoding would lose what was sent.
//!
//! Requests to an API are API Activity (6003), others Web Resources Activity (6001). A request is one to an API if the first
//! segment of its path is `api`, `apis`, `graphql`, `rest`, `rpc` or a version such as `v1`, if the second is `api` or `graphql`, or if
//! the host's name begins with `api.`; letter case aside. `GET`, `HEAD`, `OPTIONS` and `TRACE` read, `POST` creates, `PUT` and `PATCH` update, `DELETE`
//! deletes; another method is activity 99 under its own name. A request line that is none (`-`, or TLS sent to a plain
//! port) is Web Resources Activity 0, the line under `unmapped.request`.
//!
//! | access log | OCSF |
//! | --- | --- |
//! | remote | `src_endpoint.ip`, else `.hostname` or `.name` |
//! | user | `actor.user.name`; 6001 has no actor, there it is `src_endpoint.owner.name` |
//! | time | `time` and `timezone_offset`, and as sent `metadata.original_time` |
//! | request | `http_request.http_method`, `.url`, `.version`; `web_resources[0].name` is the path |
//! | status, bytes | `http_response.code` and `status_id`, `http_response.body_length` |
//! | referrer, user agent | `http_request.referrer`, `.user_agent` |
//! | a list of addresses behind them (nginx `main`) | `http_request.x_forwarded_for` |
//! | vhost | `dst_endpoint.hostname` and `.port` |
//!
//! These logs have no ids of their own, so there is no `metadata.uid`.

mod event;
mod line;
mod request;

use cairnlog_plugin::{Normalizer, Outcome, Plugin, Raw, settings};

/// The plugin. It takes no config.
#[derive(Clone, Copy, Debug)]
pub struct WebAccess;

cairnlog_plugin::export!(normalizer: WebAccess);

impl Plugin for WebAccess {
    fn configure(config: &str) -> Result<Self, String> {
        settings::none(config).map(|()| Self)
    }
}

impl Normalizer for WebAccess {
    fn normalize(&self, record: &Raw) -> Outcome {
        let Ok(text) = std::str::from_utf8(&record.body) else {
            return Outcome::Reject("the line is not UTF-8".to_owned());
        };
        let lines =
            text.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| !line.trim().is_empty());
        // Lines that begin so are headers (`#Fields:`), not requests.
        let events: Result<Vec<_>, _> =
            lines.filter(|line| !line.starts_with('#')).map(event::normalize).collect();
        match events {
            Ok(events) if events.is_empty() => {
                Outcome::Skip("no request: an empty line or a header".to_owned())
            }
            Ok(events) => Outcome::Events(events),
            Err(reason) => Outcome::Reject(reason),
        }
    }
}
