//! Serving plain resources: entity tags, conditions, ranges and codings (RFC 9110 §8.4, §8.8.3, §13, §14).

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::problem::{Problem, Slug};

/// A resource on its way to one caller.
pub(crate) struct Resource {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: &'static str,
    pub(crate) cache_control: &'static str,
}

/// How a representation is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Resource {
    /// Answers a GET of it. What is never coded has no choice to vary by.
    ///
    /// # Errors
    /// `range` for a range beyond its end.
    pub(crate) fn answer(self, request: &HeaderMap) -> Result<Response, Problem> {
        self.coded(request, Coding::Identity, None)
    }

    /// Answers a GET of it, coded as the caller prefers. A part is always one of the plain bytes.
    ///
    /// # Errors
    /// As [`Resource::answer`]; `internal`.
    pub(crate) async fn answer_coded(mut self, request: &HeaderMap) -> Result<Response, Problem> {
        let vary = Some(HeaderValue::from_static("accept-encoding"));
        let mut coding =
            if request.contains_key(header::RANGE) { Coding::Identity } else { preferred(request) };
        if coding != Coding::Identity {
            match compressed(self.bytes.clone(), coding).await? {
                Some(bytes) => self.bytes = bytes,
                None => coding = Coding::Identity,
            }
        }
        self.coded(request, coding, vary)
    }

    fn coded(
        self,
        request: &HeaderMap,
        coding: Coding,
        vary: Option<HeaderValue>,
    ) -> Result<Response, Problem> {
        let tag = entity_tag(&self.bytes);
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        headers.extend(vary.map(|vary| (header::VARY, vary)));
        if let Some(name) = coding.name() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        if names_tag(request, &header::IF_NONE_MATCH, &tag) {
            headers.insert(header::ETAG, tag);
            headers.remove(header::CONTENT_ENCODING);
            return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
        }
        let part = part(request, &tag, self.bytes.len())?;
        headers.insert(header::ETAG, tag);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let Some(range) = part else { return Ok((headers, self.bytes).into_response()) };
        let told = format!("bytes {}-{}/{}", range.start, range.end - 1, self.bytes.len());
        headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(&told).map_err(Problem::internal)?);
        Ok((StatusCode::PARTIAL_CONTENT, headers, self.bytes.slice(range)).into_response())
    }
}

impl Coding {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// A strong tag: the same bytes have the same one, whoever serves them.
fn entity_tag(bytes: &[u8]) -> HeaderValue {
    use std::fmt::Write as _;
    let digest = Sha256::digest(bytes);
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &digest[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::from_str(&tag).expect("hex between quotes is a header value")
}

/// Whether the header lists this tag, or any (§13.1.2: compared weakly).
fn names_tag(request: &HeaderMap, name: &HeaderName, tag: &HeaderValue) -> bool {
    let values = request.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut listed = values.flat_map(|value| value.split(',')).map(str::trim);
    listed.any(|listed| {
        listed == "*" || listed.strip_prefix("W/").unwrap_or(listed).as_bytes() == tag.as_bytes()
    })
}

/// The one range that is asked for; none where all is wanted. Several ranges, other units, and what is no range are
/// ignored (§14.2), and so is a range of bytes that were others (`If-Range`).
fn part(
    request: &HeaderMap,
    tag: &HeaderValue,
    length: usize,
) -> Result<Option<std::ops::Range<usize>>, Problem> {
    let Some(value) = request.get(header::RANGE) else { return Ok(None) };
    if request.get(header::IF_RANGE).is_some_and(|wanted| wanted != tag) {
        return Ok(None);
    }
    let set = value.to_str().ok().and_then(|text| text.trim().strip_prefix("bytes="));
    let Some((first, last)) = set.and_then(|set| set.trim().split_once('-')) else { return Ok(None) };
    let number = |text: &str| match text {
        "" => Ok(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Some(digits.parse().unwrap_or(usize::MAX)))
        }
        _ => Err(()),
    };
    let (Ok(first), Ok(last)) = (number(first), number(last)) else { return Ok(None) };
    let range = match (first, last) {
        (None, None) => return Ok(None),
        (None, Some(suffix)) => length.saturating_sub(suffix)..length,
        (Some(first), Some(last)) if last < first => return Ok(None),
        (Some(first), last) => first..last.map_or(length, |last| last.saturating_add(1).min(length)),
    };
    if range.start >= range.end {
        return Err(Problem::new(
            Slug::Range,
            format!("the resource has {length} bytes, and none of that range"),
        )
        .of_length(length));
    }
    Ok(Some(range))
}

/// The coding of the highest weight, among equals the tighter one. Plain where none is named.
fn preferred(request: &HeaderMap) -> Coding {
    let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut best = (Coding::Identity, 0);
    for item in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let (coding, bonus) = match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => (Coding::Gzip, 0),
            "zstd" => (Coding::Zstd, 1),
            _ => continue,
        };
        let weight = weight(parameters);
        if weight > 0 && weight * 2 + bonus > best.1 {
            best = (coding, weight * 2 + bonus);
        }
    }
    best.0
}

/// Whether the caller prefers `wanted` to `usual`, the type that who names none is given (RFC 9110 §12.5.1). A wildcard
/// for all types stands for the usual one.
pub(crate) fn prefers(request: &HeaderMap, wanted: &str, usual: &str) -> bool {
    let values = request.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut weights = (0, 0);
    for item in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case(wanted) {
            weights.0 = weights.0.max(weight(parameters));
        } else if name.eq_ignore_ascii_case(usual) || name == "*/*" {
            weights.1 = weights.1.max(weight(parameters));
        }
    }
    weights.0 > weights.1
}

/// `q` in thousandths; 0 where it can't be read.
fn weight(parameters: &str) -> u32 {
    let quality = parameters.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(quality) = quality else { return 1_000 };
    let (whole, digits) = quality.split_once('.').unwrap_or((quality, ""));
    match (whole, digits) {
        ("1", digits) if digits.bytes().all(|byte| byte == b'0') => 1_000,
        ("0", digits) if digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{digits:0<3}").parse().unwrap_or(0)
        }
        _ => 0,
    }
}

/// The bytes in that coding, off the async threads; none if that has no use.
async fn compressed(bytes: Bytes, coding: Coding) -> Result<Option<Bytes>, Problem> {
    let runtime = tokio::runtime::Handle::current();
    let plain = bytes.len();
    let packing = tokio::task::spawn_blocking(move || runtime.block_on(pack(&bytes, coding)));
    let packed = packing.await.map_err(Problem::internal)?.map_err(Problem::internal)?;
    Ok((packed.len() < plain).then(|| packed.into()))
}

async fn pack(bytes: &[u8], coding: Coding) -> std::io::Result<Vec<u8>> {
    if coding == Coding::Gzip {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(bytes).await?;
        encoder.shutdown().await?;
        return Ok(encoder.into_inner());
    }
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(bytes).await?;
    encoder.shutdown().await?;
    Ok(encoder.into_inner())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::http::every::rows;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn the_coding_is_the_one_preferred_and_plain_unless_named() {
        for (accepted, coding) in [
            ("", Coding::Identity),
            ("*", Coding::Identity),
            ("br, deflate", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("GZIP, identity", Coding::Gzip),
            ("gzip, zstd", Coding::Zstd),
            ("zstd, gzip;q=1.0", Coding::Zstd),
            ("gzip;q=0.9, zstd;q=0.5", Coding::Gzip),
            ("gzip;q=0", Coding::Identity),
            ("gzip;q=0.000, zstd; Q=0.001", Coding::Zstd),
            ("gzip;q=2, zstd;q=x", Coding::Identity),
        ] {
            assert_eq!(preferred(&headers(header::ACCEPT_ENCODING, accepted)), coding, "{accepted:?}");
        }
    }

    #[test]
    fn a_type_is_given_to_who_names_it_and_prefers_it() {
        for (accept, is_preferred) in [
            ("application/cose", true),
            ("Application/COSE; cose-type=\"cose-sign1\"", true),
            ("application/cose, */*;q=0.1", true),
            ("text/plain;q=0.5, application/cose", true),
            ("text/plain, application/cose", false),
            ("text/plain, application/cose;q=0.5", false),
            ("application/cose;q=0", false),
            ("application/cose;q=0.1, */*", false),
            ("application/*", false),
            ("*/*", false),
            ("", false),
        ] {
            let headers = headers(header::ACCEPT, accept);
            assert_eq!(prefers(&headers, "application/cose", "text/plain"), is_preferred, "{accept}");
        }
        assert!(!prefers(&HeaderMap::new(), "application/cose", "text/plain"));
    }

    #[test]
    fn a_range_is_one_part_or_all_or_refused() {
        let tag = entity_tag(b"x");
        for (range, expected) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=2-", Some(2..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-99", Some(0..10)),
            ("bytes=4-99999999999999999999", Some(4..10)),
            ("bytes=0-1,3-4", None),
            ("bytes=5-4", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("items=0-1", None),
        ] {
            assert_eq!(part(&headers(header::RANGE, range), &tag, 10).unwrap(), expected, "{range}");
        }
        for range in ["bytes=10-", "bytes=-0", "bytes=10-11"] {
            let refused = part(&headers(header::RANGE, range), &tag, 10).unwrap_err();
            assert_eq!(refused.slug(), Slug::Range, "{range}");
        }
        let mut outdated = headers(header::RANGE, "bytes=0-1");
        outdated.insert(header::IF_RANGE, HeaderValue::from_static("\"other\""));
        assert_eq!(part(&outdated, &tag, 10).unwrap(), None);
    }

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        let tag = entity_tag(b"bytes");
        let text = tag.to_str().unwrap();
        for (list, found) in [
            (text.to_owned(), true),
            (format!("\"a\", W/{text}"), true),
            ("*".to_owned(), true),
            ("\"a\"".to_owned(), false),
            (text.trim_matches('"').to_owned(), false),
        ] {
            let request = headers(header::IF_NONE_MATCH, &list);
            assert_eq!(names_tag(&request, &header::IF_NONE_MATCH, &tag), found, "{list}");
        }
        assert_ne!(tag, entity_tag(b"other bytes"));
    }

    #[test]
    fn whatever_a_range_says_the_part_lies_within_the_resource() {
        const LENGTH: usize = 10;
        let tag = entity_tag(b"x");
        let mut parts = 0;
        for row in rows(&["bytes=", "-", "0", "9", "10", "99999999999999999999", ",", " ", "+", "x"], 5) {
            match part(&headers(header::RANGE, &row), &tag, LENGTH) {
                Ok(None) => {}
                Ok(Some(range)) => {
                    assert!(range.start < range.end && range.end <= LENGTH, "{row:?}: {range:?}");
                    let again = format!("bytes={}-{}", range.start, range.end - 1);
                    assert_eq!(part(&headers(header::RANGE, &again), &tag, LENGTH).unwrap(), Some(range));
                    parts += 1;
                }
                Err(refused) => assert_eq!(refused.slug(), Slug::Range, "{row:?}"),
            }
        }
        assert!(parts > 0);
    }

    #[test]
    fn whatever_else_is_accepted_what_is_named_plainly_counts() {
        for row in rows(&["gzip", "zstd", ";", "q=", "0", ".", "1", ",", "*", " "], 5) {
            let coding = preferred(&headers(header::ACCEPT_ENCODING, &row));
            assert!(coding.name().is_none_or(|name| row.contains(name)), "{row:?}: {coding:?}");
            let more = headers(header::ACCEPT_ENCODING, &format!("{row},zstd"));
            assert_eq!(preferred(&more), Coding::Zstd, "{row:?}");
            let more = headers(header::ACCEPT, &format!("{row},a/b"));
            assert!(prefers(&more, "a/b", "c/d"), "{row:?}");
        }
    }

    #[test]
    fn whatever_else_is_listed_a_tag_is_found_where_it_stands() {
        let tag = entity_tag(b"bytes");
        let text = tag.to_str().unwrap();
        for row in rows(&[text, "\"", "W/", ",", "*", " ", "a"], 5) {
            let is_named = names_tag(&headers(header::IF_NONE_MATCH, &row), &header::IF_NONE_MATCH, &tag);
            assert!(!is_named || row.contains(text) || row.contains('*'), "{row:?}");
            let more = headers(header::IF_NONE_MATCH, &format!("{row},W/{text}"));
            assert!(names_tag(&more, &header::IF_NONE_MATCH, &tag), "{row:?}");
        }
    }
}
