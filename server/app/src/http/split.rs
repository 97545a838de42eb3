//! An ingest body into raw records, without copying them.

use axum::body::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::{Problem, Slug};
use crate::limits::INGEST_RECORDS_MAX;

/// The four shapes in which sources send events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `application/x-ndjson`: one raw record a line.
    Ndjson,
    /// `application/json`: one raw record, or an array of them.
    Json,
    /// `text/plain`: one raw record a line.
    Text,
    /// `application/octet-stream`: one raw record.
    Bytes,
}

impl Shape {
    /// The shape of a media type.
    ///
    /// # Errors
    /// `media-type`, naming the four.
    pub(crate) fn of(media_type: Option<&str>) -> Result<Self, Problem> {
        match media_type {
            Some("application/x-ndjson") => Ok(Self::Ndjson),
            Some("application/json") => Ok(Self::Json),
            Some("text/plain") => Ok(Self::Text),
            Some("application/octet-stream") => Ok(Self::Bytes),
            _ => Err(Problem::new(
                Slug::MediaType,
                "the content type is not one of application/x-ndjson, application/json, text/plain and application/octet-stream",
            )),
        }
    }

    /// The content type that the pipeline is told for each raw record.
    pub(crate) fn record_type(self) -> &'static str {
        match self {
            Self::Ndjson | Self::Json => "application/json",
            Self::Text => "text/plain",
            Self::Bytes => "application/octet-stream",
        }
    }
}

/// The raw records of a body, in order, each a slice of it; at most `records_max`, itself at most [`INGEST_RECORDS_MAX`].
///
/// Lines end at LF; a CR before it is cut; empty lines are no records.
///
/// # Errors
/// `bad-request` for a body without a record or, in `application/json`, one that does not parse;
/// `too-large` for too many records.
pub(crate) fn split(shape: Shape, body: &Bytes, records_max: usize) -> Result<Vec<Bytes>, Problem> {
    let records = match shape {
        Shape::Ndjson | Shape::Text => lines(body, records_max)?,
        Shape::Json => json(body, records_max)?,
        Shape::Bytes if body.is_empty() => Vec::new(),
        Shape::Bytes => vec![body.clone()],
    };
    if records.is_empty() {
        return Err(Problem::bad_request("the body holds no record; send at least one"));
    }
    Ok(records)
}

fn lines(body: &Bytes, records_max: usize) -> Result<Vec<Bytes>, Problem> {
    let mut records = Vec::new();
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            push(&mut records, body.slice_ref(line), records_max)?;
        }
    }
    Ok(records)
}

fn json(body: &Bytes, records_max: usize) -> Result<Vec<Bytes>, Problem> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let not_json = |error: serde_json::Error| {
        Problem::bad_request(format!("the body is not JSON ({error}); nothing of it was kept"))
    };
    let whole: &RawValue = serde_json::from_slice(body).map_err(not_json)?;
    if !whole.get().starts_with('[') {
        return Ok(vec![body.slice_ref(whole.get().as_bytes())]);
    }
    let Elements(parts) = serde_json::from_slice(body).map_err(not_json)?;
    let mut records = Vec::with_capacity(parts.len());
    for part in parts {
        push(&mut records, body.slice_ref(part.get().as_bytes()), records_max)?;
    }
    Ok(records)
}

/// The elements of an array, one more than is allowed at most: a body may hold millions.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor)
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Elements<'de>, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= INGEST_RECORDS_MAX {
            match array.next_element()? {
                Some(element) => elements.push(element),
                None => return Ok(Elements(elements)),
            }
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Elements(elements))
    }
}

fn push(records: &mut Vec<Bytes>, record: Bytes, records_max: usize) -> Result<(), Problem> {
    if records.len() == records_max {
        return Err(Problem::new(
            Slug::TooLarge,
            format!("the body holds more than {records_max} records; send them in several requests"),
        ));
    }
    records.push(record);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;
    use crate::http::every::rows;

    fn texts(shape: Shape, body: &'static str) -> Vec<String> {
        split(shape, &Bytes::from_static(body.as_bytes()), 3)
            .unwrap()
            .iter()
            .map(|record| String::from_utf8(record.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn lines_end_at_lf_and_lose_a_cr_and_empty_ones_have_no_row() {
        assert_eq!(
            texts(Shape::Ndjson, "{\"a\":1}\r\n\n\r\n{\"b\r\":2}\nlast"),
            ["{\"a\":1}", "{\"b\r\":2}", "last"]
        );
        assert_eq!(texts(Shape::Text, "x\n"), ["x"]);
    }

    #[test]
    fn json_is_one_record_or_an_array_of_them_byte_for_byte() {
        assert_eq!(texts(Shape::Json, " {\"a\": [1, 2]} "), ["{\"a\": [1, 2]}"]);
        assert_eq!(texts(Shape::Json, "\n[ {\"a\": 1} , 2,\"x\"]"), ["{\"a\": 1}", "2", "\"x\""]);
    }

    #[test]
    fn nothing_and_broken_json_are_bad_requests() {
        for (shape, body) in [
            (Shape::Ndjson, "\n\n"),
            (Shape::Json, ""),
            (Shape::Json, "[]"),
            (Shape::Json, "[{\"a\":1},{]"),
            (Shape::Json, "{} trailing"),
            (Shape::Bytes, ""),
        ] {
            let problem = split(shape, &Bytes::from_static(body.as_bytes()), 3).unwrap_err();
            assert_eq!(problem.slug(), Slug::BadRequest, "{shape:?} {body:?}");
        }
    }

    #[test]
    fn one_record_too_many_is_too_large() {
        for max in [1, 7, INGEST_RECORDS_MAX] {
            for (shape, body) in [
                (Shape::Text, |count: usize| "x\n".repeat(count)),
                (Shape::Json, |count: usize| format!("[{}1]", "1,".repeat(count - 1))),
            ] as [(Shape, fn(usize) -> String); 2]
            {
                let cut = |count| split(shape, &Bytes::from(body(count)), max);
                assert_eq!(cut(max).unwrap().len(), max);
                assert_eq!(cut(max + 1).unwrap_err().slug(), Slug::TooLarge);
            }
        }
    }

    #[test]
    fn json_is_split_where_a_reader_of_values_does() {
        for row in rows(&["[", "]", "{", "}", "1", ",", "\"a\"", ":", " ", "\n"], 5) {
            let records = split(Shape::Json, &Bytes::from(row.clone()), 9);
            let values = match serde_json::from_str(&row) {
                Ok(Value::Array(values)) if !values.is_empty() => values,
                Ok(Value::Array(_)) | Err(_) => {
                    assert_eq!(records.unwrap_err().slug(), Slug::BadRequest, "{row:?}");
                    continue;
                }
                Ok(value) => vec![value],
            };
            let parts = records.unwrap_or_else(|refused| panic!("{row:?}: {refused:?}"));
            let parsed: Vec<Value> = parts.iter().map(|part| serde_json::from_slice(part).unwrap()).collect();
            assert_eq!(parsed, values, "{row:?}");
        }
    }

    #[test]
    fn lines_are_split_where_a_reader_of_text_does() {
        for row in rows(&["a", "\n", "\r", "\r\n", "{", "\0", "é"], 6) {
            let ended = format!("{row}\n");
            let lines: Vec<&[u8]> =
                ended.lines().filter(|line| !line.is_empty()).map(str::as_bytes).collect();
            let records = split(Shape::Text, &Bytes::from(row.clone()), 9);
            assert_eq!(records.is_ok(), !lines.is_empty(), "{row:?}");
            assert!(records.is_ok_and(|records| records == lines) || lines.is_empty(), "{row:?}");
        }
    }
}
