//! Attribute paths: `segment ("." segment | "[" index "]")*`.
//!
//! A bare segment is `[A-Za-z_][A-Za-z0-9_-]*`; any other key is written `["…"]` as a JSON string with RFC 8785's escapes, and
//! only then, so that every attribute has one spelling: `unmapped.annotations["authorization.k8s.io/decision"]`.

/// Whether a key needs no quotes.
#[must_use]
pub fn is_bare(key: &str) -> bool {
    let bytes = key.as_bytes();
    let Some((first, rest)) = bytes.split_first() else { return false };
    (first.is_ascii_alphabetic() || *first == b'_')
        && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Appends an object's key to a path.
///
/// ```
/// let mut path = String::from("unmapped.annotations");
/// cairnlog_plugin::path::push_key(&mut path, "authorization.k8s.io/decision");
/// assert_eq!(path, r#"unmapped.annotations["authorization.k8s.io/decision"]"#);
/// ```
pub fn push_key(path: &mut String, key: &str) {
    if is_bare(key) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        path.push('[');
        push_quoted(path, key);
        path.push(']');
    }
}

/// Appends a list's index to a path.
pub fn push_index(path: &mut String, index: usize) {
    use std::fmt::Write as _;
    write!(path, "[{index}]").expect("writing to a string can't fail");
}

/// RFC 8785 §3.2.2.2.
fn push_quoted(out: &mut String, key: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for char in key.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(char)).expect("writing to a string can't fail");
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// An object's key.
    Key(String),
    /// A list's index.
    Index(u32),
}

/// Reads a path; `None` if it is not of the grammar or not in its one spelling.
#[must_use]
pub fn parse(path: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (segment, after) = step(rest, segments.is_empty())?;
        segments.push(segment);
        rest = after;
    }
    (!segments.is_empty()).then_some(segments)
}

/// Takes the first segment off a path.
fn step(path: &str, first: bool) -> Option<(Segment, &str)> {
    if let Some(inner) = path.strip_prefix('[') {
        return if inner.starts_with('"') { quoted(inner) } else { index(inner).filter(|_| !first) };
    }
    let bare = if first { path } else { path.strip_prefix('.')? };
    let end = bare.find(['.', '[']).unwrap_or(bare.len());
    let (key, rest) = bare.split_at(end);
    is_bare(key).then(|| (Segment::Key(key.to_owned()), rest))
}

fn index(inner: &str) -> Option<(Segment, &str)> {
    let (digits, rest) = inner.split_once(']')?;
    let canonical =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    Some((Segment::Index(digits.parse().ok().filter(|_| canonical)?), rest))
}

fn quoted(inner: &str) -> Option<(Segment, &str)> {
    let mut escaped = false;
    let end = inner.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })? + 2;
    let (text, rest) = (inner.get(..end)?, inner.get(end..)?);
    let key: String = serde_json::from_str(text).ok()?;
    let mut spelled = String::new();
    push_quoted(&mut spelled, &key);
    let one_spelling = spelled == text && !is_bare(&key);
    Some((Segment::Key(key), rest.strip_prefix(']').filter(|_| one_spelling)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_quoted_where_needed_and_only_there() {
        let spelled = |key: &str| {
            let mut path = String::from("unmapped");
            push_key(&mut path, key);
            path
        };
        assert_eq!(spelled("a-b_9"), "unmapped.a-b_9");
        assert_eq!(spelled(""), r#"unmapped[""]"#);
        assert_eq!(spelled("9a"), r#"unmapped["9a"]"#);
        assert_eq!(spelled("a b"), r#"unmapped["a b"]"#);
        assert_eq!(spelled("a\"\\\n\u{1}é"), "unmapped[\"a\\\"\\\\\\n\\u0001é\"]");
    }

    #[test]
    fn other_spellings_are_refused() {
        for path in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a[01]",
            "a[-1]",
            "a[+1]",
            "a[]",
            "a[1",
            "[0]",
            r#"a["b"]"#,
            r#"a["\u0041 "]"#,
            r#"a["x y""#,
            "$received",
            "a[4294967296]",
            r#"a["x y"]b"#,
            "é",
            "a.*",
            "9",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_parsed(keys in proptest::collection::vec(".{0,6}", 1..6), index in any::<u32>()) {
            let mut path = String::from("unmapped");
            for key in &keys {
                push_key(&mut path, key);
            }
            push_index(&mut path, index as usize);
            let mut expected = vec![Segment::Key("unmapped".into())];
            expected.extend(keys.into_iter().map(Segment::Key));
            expected.push(Segment::Index(index));
            prop_assert_eq!(parse(&path), Some(expected));
        }

        #[test]
        fn parsing_never_panics(path in ".{0,40}") {
            let _ = parse(&path);
        }
    }
}
