//! The request line.

/// `METHOD target[ version]`.
#[derive(Debug, PartialEq)]
pub(crate) struct Request<'a> {
    pub method: &'a str,
    /// Name and port of the host, if the target is `http://host…` or `host:port`.
    pub scheme: Option<&'a str>,
    pub host: Option<&'a str>,
    pub target: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    /// Absent in HTTP/0.9.
    pub version: Option<&'a str>,
}

/// Reads a request line; `None` if it is none.
pub(crate) fn parse(line: &str) -> Option<Request<'_>> {
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => (target, Some(version)),
        _ => (rest, None),
    };
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if method.is_empty() || !method.bytes().all(token) || target.trim().is_empty() {
        return None;
    }
    let (scheme, host, from_path) = authority(method, target)?;
    let (path, query) =
        from_path.split_once('?').map_or((from_path, None), |(path, query)| (path, Some(query)));
    Some(Request {
        method,
        scheme,
        host,
        target,
        path: if path.is_empty() { "/" } else { path },
        query,
        version,
    })
}

/// Splits scheme and host off a target (RFC 9112 §3.2).
fn authority<'a>(method: &str, target: &'a str) -> Option<(Option<&'a str>, Option<&'a str>, &'a str)> {
    if target.starts_with('/') || target == "*" {
        return Some((None, None, target));
    }
    if method == "CONNECT" {
        return Some((None, Some(target), target));
    }
    let (scheme, rest) = target
        .split_once("://")
        .filter(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphabetic()))?;
    let (host, from_path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (!host.is_empty()).then_some((Some(scheme), Some(host), from_path))
}

/// Whether a request goes to an API: see the crate's documentation.
pub(crate) fn is_api(host: Option<&str>, path: &str) -> bool {
    let is = |segment: &str, names: &[&str]| names.iter().any(|name| segment.eq_ignore_ascii_case(name));
    let version = |segment: &str| {
        segment
            .strip_prefix(['v', 'V'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut segments = path.split('/').skip(1);
    let (first, second) = (segments.next().unwrap_or(""), segments.next().unwrap_or(""));
    is(first, &["api", "apis", "graphql", "rest", "rpc"])
        || version(first)
        || is(second, &["api", "graphql"])
        || host.and_then(|host| host.get(..4)).is_some_and(|begin| begin.eq_ignore_ascii_case("api."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests() {
        let of = |line: &'static str| {
            parse(line)
                .map(|request| (request.method, request.host, request.path, request.query, request.version))
        };
        for (line, expected) in [
            ("GET / HTTP/1.1", Some(("GET", None, "/", None, Some("HTTP/1.1")))),
            ("GET /a%20b?c=d?e HTTP/2.0", Some(("GET", None, "/a%20b", Some("c=d?e"), Some("HTTP/2.0")))),
            ("GET /a b c HTTP/1.0", Some(("GET", None, "/a b c", None, Some("HTTP/1.0")))),
            ("GET /", Some(("GET", None, "/", None, None))),
            ("OPTIONS * HTTP/1.1", Some(("OPTIONS", None, "*", None, Some("HTTP/1.1")))),
            (
                "CONNECT example.com:443 HTTP/1.1",
                Some(("CONNECT", Some("example.com:443"), "example.com:443", None, Some("HTTP/1.1"))),
            ),
            (
                "GET http://example.com?q HTTP/1.1",
                Some(("GET", Some("example.com"), "/", Some("q"), Some("HTTP/1.1"))),
            ),
            ("PROPFIND /dav HTTP/1.1", Some(("PROPFIND", None, "/dav", None, Some("HTTP/1.1")))),
            ("-", None),
            ("", None),
            ("GET", None),
            ("GET  HTTP/1.1", None),
            (r"\x16\x03\x01\x02", None),
            (r"\x16\x03 / HTTP/1.1", None),
            ("GET nowhere HTTP/1.1", None),
        ] {
            assert_eq!(of(line), expected, "{line}");
        }
    }

    #[test]
    fn apis() {
        for path in ["/api", "/API/users", "/v1/users", "/app/api/x", "/graphql", "/rest/x"] {
            assert!(is_api(None, path), "{path}");
        }
        for path in ["/", "/blog/rest", "/apish", "/v/1", "/va1", "/a/b/api", "*"] {
            assert!(!is_api(None, path), "{path}");
        }
        assert!(is_api(Some("api.example.com"), "/"));
        assert!(!is_api(Some("ap"), "/"));
    }
}
