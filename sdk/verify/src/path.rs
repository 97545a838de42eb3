//! Paths of attributes: where in an event a value stands, in one spelling only.
//!
//! ```text
//! path    = segment *( "." bare / quoted / "[" index "]" )      segment = bare / quoted
//! bare    = [A-Za-z_][A-Za-z0-9_-]*
//! quoted  = "[" JCS-string "]"                                   only for a key that is not bare
//! index   = "0" / [1-9][0-9]*                                    below 2^32
//! ```
//!
//! Paths that start with `$` are the server's own: `$`, then the same grammar. A key that itself starts with `$` is
//! quoted, so the two can't be confused.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// Most bytes of a path, as written: room for any OCSF path and for keys of Kubernetes annotations.
pub const PATH_BYTES_MAX: usize = 1024;

/// Most segments of a path: it bounds every recursion over an event.
pub const SEGMENTS_MAX: usize = 32;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A member of an object, its key unescaped.
    Name(Cow<'a, str>),
    /// An element of a list, counted from 0.
    Index(u32),
}

/// Text that is no path. Positions are byte offsets; the text itself, which may be personal data, is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// There is no segment at all.
    #[error("path is empty")]
    Empty,
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("path has more than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// Deeper than [`SEGMENTS_MAX`].
    #[error("path has more than {SEGMENTS_MAX} segments")]
    TooDeep,
    /// A path of the server's own where none may stand.
    #[error("path starts with `$`, which is the server's own: write such a key as [\"$…\"]")]
    Host,
    /// A path of an event where one of the server's own was asked for.
    #[error("path does not start with `$`")]
    NotHost,
    /// Something other than a segment.
    #[error("path has no segment at byte {at}: write name, .name, [0] or [\"a key\"]")]
    Segment {
        /// Where.
        at: usize,
    },
    /// A quoted key that is no JCS string, or that a bare name spells.
    #[error(
        "path's key at byte {at} is not in its one spelling: [\"…\"] holds a JCS string that no bare name can spell"
    )]
    Quoted {
        /// Where.
        at: usize,
    },
    /// An index that is not canonical decimal below 2^32.
    #[error("path's index at byte {at} is not a decimal number below 2^32 without leading zero")]
    Index {
        /// Where.
        at: usize,
    },
}

/// The segments of an event's path.
///
/// # Errors
/// [`PathError`] for any other text, for another spelling of the same path, and for paths of the server's own.
pub fn parse(path: &str) -> Result<Vec<Segment<'_>>, PathError> {
    if is_host(path) {
        return Err(PathError::Host);
    }
    Segments::new(path)?.map(|located| Ok(located?.segment)).collect()
}

/// The segments behind the `$` of one of the server's own paths.
///
/// # Errors
/// [`PathError`] for any other text, for another spelling of the same path, and for paths without `$`.
pub fn parse_host(path: &str) -> Result<Vec<Segment<'_>>, PathError> {
    if !is_host(path) {
        return Err(PathError::NotHost);
    }
    Segments::new(path)?.map(|located| Ok(located?.segment)).collect()
}

/// Whether `path` is one of an event or of the server's own, in its one spelling.
pub(crate) fn check(path: &str) -> Result<(), PathError> {
    Segments::new(path)?.try_for_each(|located| located.map(drop))
}

/// Extends `path` by the member `key`, in its one spelling. An empty path is the event itself.
pub fn push_key(path: &mut String, key: &str) {
    if is_bare(key) {
        if !(path.is_empty() || path == "$") {
            path.push('.');
        }
        path.push_str(key);
    } else {
        path.push('[');
        push_json_string(path, key);
        path.push(']');
    }
}

/// Extends `path` by the element `index`.
pub fn push_index(path: &mut String, index: u32) {
    path.push('[');
    let _infallible = write!(path, "{index}");
    path.push(']');
}

/// Whether `path` is one of the server's own.
pub(crate) fn is_host(path: &str) -> bool {
    path.starts_with('$')
}

/// Writes `text` as JCS does (RFC 8785 §3.2.2.2): the short escapes, `\u00xx` for other controls, all else as it is.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let Some(escape) = escape(byte) else { continue };
        out.push_str(&text[copied..at]);
        copied = at + 1;
        match escape {
            Escape::Short(letter) => out.extend(['\\', letter]),
            Escape::Hex => {
                let _infallible = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

enum Escape {
    Short(char),
    Hex,
}

fn escape(byte: u8) -> Option<Escape> {
    match byte {
        b'"' | b'\\' => Some(Escape::Short(char::from(byte))),
        0x08 => Some(Escape::Short('b')),
        b'\t' => Some(Escape::Short('t')),
        b'\n' => Some(Escape::Short('n')),
        0x0c => Some(Escape::Short('f')),
        b'\r' => Some(Escape::Short('r')),
        0..0x20 => Some(Escape::Hex),
        _ => None,
    }
}

fn is_bare(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.first().is_some_and(|&byte| starts_bare(byte)) && bytes.iter().all(|&byte| continues_bare(byte))
}

fn starts_bare(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn continues_bare(byte: u8) -> bool {
    starts_bare(byte) || byte.is_ascii_digit() || byte == b'-'
}

/// A segment and the offset of its first byte, behind `.` or `[`.
pub(crate) struct Located<'a> {
    pub(crate) start: usize,
    pub(crate) segment: Segment<'a>,
}

/// Reads a path segment by segment, allocating only for keys with escapes. Stops at the first error.
pub(crate) struct Segments<'a> {
    path: &'a str,
    first: usize,
    at: usize,
    left: usize,
}

impl<'a> Segments<'a> {
    /// Takes event paths and the server's own.
    pub(crate) fn new(path: &'a str) -> Result<Self, PathError> {
        let first = usize::from(is_host(path));
        match path.len() {
            length if length == first => Err(PathError::Empty),
            length if length > PATH_BYTES_MAX => Err(PathError::TooLong),
            _ => Ok(Self { path, first, at: first, left: SEGMENTS_MAX }),
        }
    }

    fn read(&mut self) -> Result<Located<'a>, PathError> {
        self.left = self.left.checked_sub(1).ok_or(PathError::TooDeep)?;
        let rest = &self.path.as_bytes()[self.at..];
        let is_first = self.at == self.first;
        match rest {
            [b'[', b'"', ..] => self.quoted(),
            [b'[', ..] if !is_first => self.index(),
            [b'.', ..] if !is_first => self.bare(self.at + 1),
            _ if is_first => self.bare(self.at),
            _ => Err(PathError::Segment { at: self.at }),
        }
    }

    fn bare(&mut self, start: usize) -> Result<Located<'a>, PathError> {
        let bytes = &self.path.as_bytes()[start..];
        if !bytes.first().is_some_and(|&byte| starts_bare(byte)) {
            return Err(PathError::Segment { at: start });
        }
        let length = bytes.iter().position(|&byte| !continues_bare(byte)).unwrap_or(bytes.len());
        self.at = start + length;
        let name = Cow::Borrowed(&self.path[start..self.at]);
        Ok(Located { start, segment: Segment::Name(name) })
    }

    fn index(&mut self) -> Result<Located<'a>, PathError> {
        let start = self.at + 1;
        let error = PathError::Index { at: start };
        let length = self.path[start..].find(']').ok_or(error)?;
        let digits = &self.path[start..start + length];
        let index = crate::decimal::parse(digits).and_then(|index| u32::try_from(index).ok()).ok_or(error)?;
        self.at = start + length + 1;
        Ok(Located { start, segment: Segment::Index(index) })
    }

    fn quoted(&mut self) -> Result<Located<'a>, PathError> {
        let start = self.at + 1;
        let (key, length) = unquote(&self.path[start..])
            .filter(|(key, length)| self.path[start + length..].starts_with(']') && !is_bare(key))
            .ok_or(PathError::Quoted { at: start })?;
        self.at = start + length + 1;
        Ok(Located { start, segment: Segment::Name(key) })
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Located<'a>, PathError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.path.len() {
            return None;
        }
        let located = self.read();
        if located.is_err() {
            self.at = self.path.len();
        }
        Some(located)
    }
}

/// The text of the JCS string at the start of `quoted`, and how many bytes it takes, quotes included. `None` if it is
/// not what [`push_json_string`] writes.
fn unquote(quoted: &str) -> Option<(Cow<'_, str>, usize)> {
    let inner = quoted.strip_prefix('"')?;
    let mut key = Cow::Borrowed("");
    let mut at = 0;
    loop {
        let plain = inner[at..].find(|character| matches!(character, '"' | '\\' | '\0'..' '))?;
        if key.is_empty() && at == 0 {
            key = Cow::Borrowed(&inner[..plain]);
        } else {
            key.to_mut().push_str(&inner[at..at + plain]);
        }
        at += plain;
        match inner.as_bytes()[at] {
            b'"' => return Some((key, at + 2)),
            b'\\' => {
                let (character, length) = unescape(&inner[at..])?;
                key.to_mut().push(character);
                at += length;
            }
            _ => return None,
        }
    }
}

/// The character that an escape at the start of `text` stands for, and how many bytes it takes; JCS's escapes only.
fn unescape(text: &str) -> Option<(char, usize)> {
    let (byte, length) = match text.as_bytes() {
        [_, b'"', ..] => (b'"', 2),
        [_, b'\\', ..] => (b'\\', 2),
        [_, b'b', ..] => (0x08, 2),
        [_, b't', ..] => (b'\t', 2),
        [_, b'n', ..] => (b'\n', 2),
        [_, b'f', ..] => (0x0c, 2),
        [_, b'r', ..] => (b'\r', 2),
        [_, b'u', b'0', b'0', high @ (b'0' | b'1'), low @ (b'0'..=b'9' | b'a'..=b'f'), ..] => {
            let low = if low.is_ascii_digit() { low - b'0' } else { low - b'a' + 10 };
            let byte = (high - b'0') * 16 + low;
            (matches!(escape(byte), Some(Escape::Hex)).then_some(byte)?, 6)
        }
        _ => return None,
    };
    Some((char::from(byte), length))
}

/// Shows a valid path without the text of its quoted keys, which may be personal data (an address as a key).
pub(crate) struct Elided<'a>(pub(crate) &'a str);

impl fmt::Display for Elided<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find("[\"") {
            f.write_str(&rest[..at])?;
            f.write_str("[\"…\"]")?;
            let Some((_, length)) = unquote(&rest[at + 1..]) else { return Ok(()) };
            rest = rest.get(at + length + 2..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}
