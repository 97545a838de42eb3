//! Patterns over attribute paths, for configs.
//!
//! A pattern is a path in which `*` (or `[*]`) stands for any one segment, key or index, and `**` at the end for one or more
//! segments of any kind: `src_endpoint.ip`, `resources[*].uid`, `unmapped.**`.

use crate::path;

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    steps: Vec<Step>,
    /// Bytes of `text` before its first wildcard: every path that fits begins with them.
    literal: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A segment as it is spelled: every segment has one spelling.
    Exactly(String),
    Any,
    Rest,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, for the integrator who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        let mut literal = 0;
        while !rest.is_empty() {
            if steps.last() == Some(&Step::Rest) {
                return Err(format!("`{text}`: `**` stands at the end of a path only"));
            }
            let (segment, after) = split_first(rest, steps.is_empty()).ok_or_else(|| malformed(text))?;
            steps.push(Step::parse(segment).ok_or_else(|| malformed(text))?);
            rest = after;
            if steps.iter().all(|step| matches!(step, Step::Exactly(_))) {
                literal = text.len() - rest.len();
            }
        }
        if steps.is_empty() {
            return Err("a path must not be empty".to_owned());
        }
        Ok(Self { text: text.to_owned(), steps, literal })
    }

    /// Whether an attribute's path fits.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        if self.is_exact() {
            return self.text == path;
        }
        if !path.as_bytes().starts_with(&self.text.as_bytes()[..self.literal]) {
            return false;
        }
        let mut rest = path;
        for (index, step) in self.steps.iter().enumerate() {
            let Some((segment, after)) = split_first(rest, index == 0) else { return false };
            match step {
                Step::Rest => return true,
                Step::Exactly(expected) if expected != segment => return false,
                Step::Exactly(_) | Step::Any => rest = after,
            }
        }
        rest.is_empty()
    }

    /// Whether it holds no wildcard.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.literal == self.text.len()
    }
}

impl Step {
    fn parse(segment: &str) -> Option<Self> {
        match segment {
            "*" | "[*]" => Some(Self::Any),
            "**" => Some(Self::Rest),
            _ => {
                let behind = if segment.starts_with('[') { "x" } else { "" };
                path::parse(&format!("{behind}{segment}")).map(|_| Self::Exactly(segment.to_owned()))
            }
        }
    }
}

fn malformed(text: &str) -> String {
    format!("`{text}` is no path: segments are `name`, `[0]`, `[\"any key\"]`, `*` and, at the end, `**`")
}

/// Takes the first segment off a path, as it is spelled: `name` or `[…]`.
fn split_first(path: &str, first: bool) -> Option<(&str, &str)> {
    if path.starts_with('[') {
        let end = if path.starts_with("[\"") { quoted_end(path)? } else { path.find(']')? + 1 };
        return path.split_at_checked(end);
    }
    let bare = if first { path } else { path.strip_prefix('.')? };
    if bare.is_empty() {
        return None;
    }
    bare.split_at_checked(bare.find(['.', '[']).unwrap_or(bare.len()))
}

/// Where `["…"]` ends.
fn quoted_end(path: &str) -> Option<usize> {
    let mut escaped = false;
    let quote = path.bytes().skip(2).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })? + 2;
    (path.as_bytes().get(quote + 1) == Some(&b']')).then_some(quote + 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matching() {
        for (pattern, fits, fits_not) in [
            (
                "src_endpoint.ip",
                &["src_endpoint.ip"][..],
                &["src_endpoint.ips", "src_endpoint", "src_endpoint.ip.x"][..],
            ),
            (
                "resources[*].uid",
                &["resources[0].uid", "resources[17].uid"],
                &["resources.uid", "resources[0].uid.x", "resources[0]"],
            ),
            (
                "unmapped.*",
                &["unmapped.a", r#"unmapped["a.b"]"#, "unmapped[0]"],
                &["unmapped", "unmapped.a.b", "unmappedx.a"],
            ),
            (
                "unmapped.**",
                &["unmapped.a", r#"unmapped["a.b"].c[0]"#, "unmapped[0]"],
                &["unmapped", "unmappedx.a"],
            ),
            ("a.*.c", &["a.b.c", "a.x.c"], &["ab.b.c", "a.b.d", "a.b", "a"]),
            ("*.user.*", &["actor.user.name"], &["user.name", "actor.user.org.name"]),
            ("**", &["time", "a.b"], &[]),
            (r#"a["x]\"y."].z"#, &[r#"a["x]\"y."].z"#], &[r#"a["x]"].z"#]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            for path in fits {
                assert!(parsed.matches(path), "{pattern} {path}");
            }
            for path in fits_not {
                assert!(!parsed.matches(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            ".",
            "a.",
            "a..b",
            "**.a",
            "a.**.b",
            "$received",
            "a[",
            "a[x]",
            "a[01]",
            r#"a["b"]"#,
            r#"a["b c"]d"#,
            "a*",
            "a.***",
            "[**]",
            "a b",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_path_is_a_pattern_that_fits_itself(keys in proptest::collection::vec(".{0,5}", 1..5)) {
            let mut path = String::new();
            path::push_key(&mut path, "unmapped");
            for key in &keys {
                path::push_key(&mut path, key);
            }
            let pattern = Pattern::parse(&path);
            prop_assert!(pattern.is_ok_and(|pattern| pattern.is_exact() && pattern.matches(&path)));
            prop_assert!(Pattern::parse("unmapped.**").is_ok_and(|pattern| pattern.matches(&path)));
        }

        #[test]
        fn nothing_panics(pattern in ".{0,20}", path in ".{0,20}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.matches(&path);
            }
        }
    }
}
