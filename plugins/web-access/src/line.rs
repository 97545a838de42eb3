//! The parts of a line.

use cairnlog_plugin::net;
use cairnlog_plugin::time::{self, Timestamp};

/// A line, taken apart; `-` stands for nothing.
#[derive(Debug, PartialEq)]
pub(crate) struct Line<'a> {
    /// Name and port of the virtual host.
    pub vhost: Option<(&'a str, Option<u16>)>,
    pub remote: &'a str,
    pub ident: Option<&'a str>,
    pub user: Option<&'a str>,
    pub time: Timestamp,
    pub time_text: &'a str,
    /// The request line between its quotes.
    pub request: &'a str,
    pub status: Option<u16>,
    pub bytes: Option<i64>,
    /// Whether the line is of a combined format.
    pub combined: bool,
    pub referrer: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    /// What follows.
    pub more: Option<&'a str>,
}

/// Takes a line apart.
///
/// # Errors
/// Which part is not as it should be; nothing of the line is in the words.
pub(crate) fn parse(line: &str) -> Result<Line<'_>, &'static str> {
    let (head, time_text, time, rest) =
        split_at_time(line).ok_or("no access log line: no time in brackets")?;
    let (vhost, remote, ident, user) =
        parse_head(head).ok_or("no access log line: no remote, ident and user before the time")?;
    let (request, rest) = quoted(rest).ok_or("no access log line: no quoted request after the time")?;
    let (status, rest) = word(rest);
    let (bytes, rest) = word(rest);
    let code = |digits: &str| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !(status == "-" || code(status)) {
        return Err("no access log line: no status after the request");
    }
    let bytes = match bytes {
        "-" => None,
        digits => Some(number(digits).ok_or("no access log line: no number of bytes after the status")?),
    };
    let (referrer, user_agent, combined, more) =
        match quoted(rest).map(|(referrer, after)| (referrer, quoted(after))) {
            Some((referrer, Some((agent, more)))) => (given(referrer), given(agent), true, more),
            _ => (None, None, false, rest),
        };
    let status = status.parse().ok();
    let more = given(more.trim());
    Ok(Line {
        vhost,
        remote,
        ident,
        user,
        time,
        time_text,
        request,
        status,
        bytes,
        combined,
        referrer,
        user_agent,
        more,
    })
}

/// Splits at the first ` [time] `: a user's name may hold a bracket, but no time in brackets.
fn split_at_time(line: &str) -> Option<(&str, &str, Timestamp, &str)> {
    line.match_indices(" [").find_map(|(at, _)| {
        let (text, rest) = line.get(at + 2..)?.split_once(']')?;
        let time = time::clf(text).or_else(|| time::rfc3339(text))?;
        Some((line.get(..at)?, text, time, rest))
    })
}

type Head<'a> = (Option<(&'a str, Option<u16>)>, &'a str, Option<&'a str>, Option<&'a str>);

/// `[vhost[:port] ]remote ident user`, where a user's name may hold spaces.
fn parse_head(head: &str) -> Option<Head<'_>> {
    let (first, after) = head.split_once(' ')?;
    let (second, _) = after.split_once(' ')?;
    let host = vhost(first).filter(|(_, port)| {
        net::ip(second).is_some() || (port.is_some() && after.splitn(3, ' ').count() == 3)
    });
    let (remote, after) = if host.is_some() { after.split_once(' ')? } else { (first, after) };
    let (ident, user) = after.split_once(' ')?;
    (!remote.is_empty()).then(|| (host, remote, given(ident), given(user.trim_matches('"'))))
}

/// A virtual host's name and port; an IPv6 address is one only in brackets.
fn vhost(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        _ if text.contains("::") && !text.starts_with('[') => None,
        Some((name, port)) if !name.is_empty() => port.parse().ok().map(|port| (name, Some(port))),
        Some(_) => None,
        None => Some((text, None)),
    }
}

/// What is between quotes, and what follows: a quote behind a backslash ends nothing.
fn quoted(rest: &str) -> Option<(&str, &str)> {
    let inner = rest.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    Some((inner.get(..end)?, inner.get(end + 1..)?))
}

fn word(rest: &str) -> (&str, &str) {
    let rest = rest.trim_start();
    rest.split_at(rest.find(' ').unwrap_or(rest.len()))
}

fn number(digits: &str) -> Option<i64> {
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty() && text != "-").then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const REST: &str = r#"[17/May/2015:18:05:42 +0000] "GET / HTTP/1.1" 200 5"#;

    #[test]
    fn heads() {
        for (head, expected) in [
            ("203.0.113.7 - -", (None, "203.0.113.7", None, None)),
            ("2001:db8::7 - alice", (None, "2001:db8::7", None, Some("alice"))),
            ("host.example.com id John Doe", (None, "host.example.com", Some("id"), Some("John Doe"))),
            ("www.example.com 203.0.113.7 - -", (Some(("www.example.com", None)), "203.0.113.7", None, None)),
            (
                "www.example.com:443 203.0.113.7 - bob",
                (Some(("www.example.com", Some(443))), "203.0.113.7", None, Some("bob")),
            ),
            (
                "www.example.com:443 client.example.org - -",
                (Some(("www.example.com", Some(443))), "client.example.org", None, None),
            ),
            ("192.0.2.1:80 2001:db8::7 - -", (Some(("192.0.2.1", Some(80))), "2001:db8::7", None, None)),
            ("::1 - -", (None, "::1", None, None)),
            ("203.0.113.7 - \"\"", (None, "203.0.113.7", None, None)),
        ] {
            let line = format!("{head} {REST}");
            let line = parse(&line).unwrap();
            assert_eq!((line.vhost, line.remote, line.ident, line.user), expected, "{head}");
        }
    }

    #[test]
    fn tails() {
        let head = r#"203.0.113.7 - - [17/May/2015:18:05:42 +0000] "x" "#;
        for (tail, expected) in [
            ("404 -", (Some(404), None, false, None, None, None)),
            (r#"- 0 "-" "-""#, (None, Some(0), true, None, None, None)),
            (
                r#"200 7 "http://a/" "b \"c\"" "203.0.113.9" 0.1"#,
                (
                    Some(200),
                    Some(7),
                    true,
                    Some("http://a/"),
                    Some(r#"b \"c\""#),
                    Some(r#""203.0.113.9" 0.1"#),
                ),
            ),
            (r#"200 7 "half"#, (Some(200), Some(7), false, None, None, Some(r#""half"#))),
        ] {
            let line = format!("{head}{tail}");
            let line = parse(&line).unwrap();
            assert_eq!(
                (line.status, line.bytes, line.combined, line.referrer, line.user_agent, line.more),
                expected,
                "{tail}"
            );
        }
    }

    #[test]
    fn others_are_refused() {
        for line in [
            "",
            "203.0.113.7",
            r#"203.0.113.7 - - "GET / HTTP/1.1" 200 5"#,
            r#"203.0.113.7 - - [yesterday] "GET / HTTP/1.1" 200 5"#,
            r#"- [17/May/2015:18:05:42 +0000] "GET / HTTP/1.1" 200 5"#,
            r"203.0.113.7 - - [17/May/2015:18:05:42 +0000] GET / HTTP/1.1 200 5",
            r#"203.0.113.7 - - [17/May/2015:18:05:42 +0000] "GET / HTTP/1.1 200 5"#,
            r#"203.0.113.7 - - [17/May/2015:18:05:42 +0000] "GET / HTTP/1.1" OK 5"#,
            r#"203.0.113.7 - - [17/May/2015:18:05:42 +0000] "GET / HTTP/1.1" 200 many"#,
            r#"203.0.113.7 - - [17/May/2015:18:05:42 +0000] "GET / HTTP/1.1" 200"#,
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
