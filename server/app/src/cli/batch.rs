//! Cutting a stream of raw records into requests that may safely be sent again.
//!
//! Each request has an idempotency key that follows from the source, from where the request starts and from all bytes
//! up to its end. Cut anew, the same file gives the same requests with the same keys, so a run that broke off can be
//! repeated and nothing is logged twice; a file that has grown since keeps the keys of its earlier requests.

use std::io::{self, BufRead, Read as _};

use cairnlog_client::ContentType;
use sha2::{Digest as _, Sha256};

use super::limits::BATCH_BYTES_MAX;
use crate::limits::INGEST_BYTES_MAX;

/// One request's worth of raw records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The raw records, as they stand in the stream.
    pub(crate) body: Vec<u8>,
    /// The line of each raw record, from 1 on; just 1 where the stream is one request as a whole.
    pub(crate) lines: Vec<u64>,
    /// The request's idempotency key.
    pub(crate) key: String,
    /// Bytes of the stream up to the request's end.
    pub(crate) end: u64,
}

/// Why a stream can't be cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CutError {
    /// It can't be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A line that no request can hold.
    #[error("line {0} is longer than {INGEST_BYTES_MAX} bytes, the most that a request can hold")]
    Line(u64),
    /// A document that no request can hold.
    #[error(
        "it has more than {INGEST_BYTES_MAX} bytes, the most of one request; send one record a line as NDJSON instead"
    )]
    Whole,
}

/// Cuts a stream.
pub(crate) struct Cutter<R> {
    reader: R,
    source: String,
    content_type: ContentType,
    /// One request as a whole, not one raw record a line.
    whole: bool,
    records_max: usize,
    /// Over all bytes that were handed out.
    hash: Sha256,
    offset: u64,
    line: u64,
    /// A line that did not fit into the last request.
    next: Option<Vec<u8>>,
}

impl<R: BufRead> Cutter<R> {
    /// Cuts `reader` for `source` into requests of at most `records_max` raw records.
    pub(crate) fn new(reader: R, source: &str, content_type: ContentType, records_max: usize) -> Self {
        let whole = matches!(content_type, ContentType::Json | ContentType::Bytes);
        let source = source.to_owned();
        Self {
            reader,
            source,
            content_type,
            whole,
            records_max,
            hash: Sha256::new(),
            offset: 0,
            line: 0,
            next: None,
        }
    }

    /// The next request; none at the end.
    ///
    /// # Errors
    /// [`CutError`].
    pub(crate) fn next(&mut self) -> Result<Option<Batch>, CutError> {
        let start = self.offset;
        let (body, lines) = if self.whole { self.read_whole()? } else { self.read_lines()? };
        if lines.is_empty() {
            return Ok(None);
        }
        Ok(Some(Batch { body, lines, key: self.key(start), end: self.offset }))
    }

    fn read_whole(&mut self) -> Result<(Vec<u8>, Vec<u64>), CutError> {
        let mut body = Vec::new();
        (&mut self.reader).take(INGEST_BYTES_MAX as u64 + 1).read_to_end(&mut body)?;
        if body.len() > INGEST_BYTES_MAX {
            return Err(CutError::Whole);
        }
        self.count(&body);
        let lines = if body.is_empty() { Vec::new() } else { vec![1] };
        Ok((body, lines))
    }

    fn read_lines(&mut self) -> Result<(Vec<u8>, Vec<u64>), CutError> {
        let (mut body, mut lines) = (Vec::new(), Vec::new());
        while lines.len() < self.records_max {
            let line = match self.next.take() {
                Some(line) => line,
                None => self.read_line()?,
            };
            if line.is_empty() {
                break;
            }
            if !body.is_empty() && body.len() + line.len() > BATCH_BYTES_MAX {
                self.next = Some(line);
                break;
            }
            self.line += 1;
            self.count(&line);
            // A line without anything on it is no raw record; the server counts none either.
            if !matches!(line.as_slice(), b"\n" | b"\r\n" | b"\r") {
                lines.push(self.line);
                body.extend_from_slice(&line);
            }
        }
        Ok((body, lines))
    }

    /// The next line with its end; nothing at the end of the stream.
    fn read_line(&mut self) -> Result<Vec<u8>, CutError> {
        let mut line = Vec::new();
        (&mut self.reader).take(INGEST_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if line.len() > INGEST_BYTES_MAX {
            return Err(CutError::Line(self.line + 1));
        }
        Ok(line)
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
    }

    fn key(&self, start: u64) -> String {
        let mut hash = Sha256::new();
        hash.update(b"cairnlog ingest v1\0");
        hash.update((self.source.len() as u64).to_be_bytes());
        hash.update(&self.source);
        hash.update([self.content_type as u8]);
        hash.update(start.to_be_bytes());
        hash.update(self.hash.clone().finalize());
        let digest: [u8; 32] = hash.finalize().into();
        format!("ingest-{}", cairnlog_verify::Hash(digest).to_hex())
    }
}

/// The content type of a file, after its name; NDJSON where the name says nothing.
pub(crate) fn guess(path: &std::path::Path) -> ContentType {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "json" => ContentType::Json,
        "log" | "txt" | "text" => ContentType::Text,
        "bin" => ContentType::Bytes,
        _ => ContentType::Ndjson,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;

    fn cut(text: &[u8], source: &str, content_type: ContentType, most: usize) -> Vec<Batch> {
        let mut cutter = Cutter::new(text, source, content_type, most);
        std::iter::from_fn(|| cutter.next().unwrap()).collect()
    }

    fn lines(text: &str, most: usize) -> Vec<Batch> {
        cut(text.as_bytes(), "s", ContentType::Ndjson, most)
    }

    #[test]
    fn batches_hold_the_lines_in_order_and_know_their_numbers() {
        let batches = lines("a\n\nb\r\n\r\nc\nd", 2);
        assert_eq!(
            batches.iter().map(|b| b.body.as_slice()).collect::<Vec<_>>(),
            [&b"a\nb\r\n"[..], b"c\nd"]
        );
        assert_eq!(batches[0].lines, [1, 3]);
        assert_eq!(batches[1].lines, [5, 6]);
        assert_eq!(batches[1].end, 11);
    }

    #[test]
    fn nothing_but_empty_lines_is_nothing() {
        assert!(lines("", 5).is_empty());
        assert!(lines("\n\r\n\n", 5).is_empty());
        assert!(cut(b"", "s", ContentType::Json, 5).is_empty());
        assert_eq!(lines("a\n\n\n", 1).len(), 1);
    }

    #[test]
    fn a_document_is_one_batch() {
        let batches = cut(b"[\n1,\n2\n]\n", "s", ContentType::Json, 1);
        assert_eq!(batches.len(), 1);
        assert_eq!(
            (batches[0].body.as_slice(), batches[0].lines.as_slice()),
            (&b"[\n1,\n2\n]\n"[..], &[1][..])
        );
    }

    #[test]
    fn keys_depend_on_source_place_and_content_alone() {
        let text = "a\na\na\na\n";
        let keys = |batches: Vec<Batch>| batches.into_iter().map(|batch| batch.key).collect::<Vec<_>>();
        let first = keys(lines(text, 2));
        assert_eq!(first, keys(lines(text, 2)), "the same run again");
        assert_ne!(first[0], first[1], "equal batches in two places");
        assert_ne!(first, keys(cut(text.as_bytes(), "t", ContentType::Ndjson, 2)), "another source");
        assert_ne!(first[0], keys(lines("b\na\na\na\n", 2))[0], "other content");
        assert_ne!(first[1], keys(lines("b\na\na\na\n", 2))[1], "other content before");
        assert_eq!(first[0], keys(lines("a\na\na\na\nb\n", 2))[0], "a file that has grown");
        assert!(first.iter().all(|key| key.len() <= crate::limits::IDEMPOTENCY_KEY_MAX && key.is_ascii()));
    }

    #[test]
    fn a_batch_stays_within_its_bytes() {
        let line = vec![b'x'; BATCH_BYTES_MAX / 2];
        let text = [line.as_slice(); 5].join(&b'\n');
        let batches = cut(&text, "s", ContentType::Text, 100);
        assert!(batches.len() > 2 && batches.iter().all(|batch| batch.body.len() <= BATCH_BYTES_MAX));
        assert_eq!(batches.iter().flat_map(|batch| batch.lines.clone()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(batches.iter().map(|batch| batch.body.len()).sum::<usize>(), text.len());
    }

    #[test]
    fn what_fits_in_no_request_is_refused() {
        let text = [b"a\n".as_slice(), &vec![b'x'; INGEST_BYTES_MAX + 1]].concat();
        let mut cutter = Cutter::new(text.as_slice(), "s", ContentType::Ndjson, 1);
        assert!(cutter.next().unwrap().is_some());
        assert!(matches!(cutter.next(), Err(CutError::Line(2))));
        let mut cutter = Cutter::new(text.as_slice(), "s", ContentType::Bytes, 1);
        assert!(matches!(cutter.next(), Err(CutError::Whole)));
    }

    #[test]
    fn names_tell_content_types() {
        for (name, expected) in [
            ("a.ndjson", ContentType::Ndjson),
            ("a.JSON", ContentType::Json),
            ("access.log", ContentType::Text),
            ("a.txt", ContentType::Text),
            ("a.bin", ContentType::Bytes),
            ("-", ContentType::Ndjson),
            ("a.jsonl", ContentType::Ndjson),
        ] {
            assert_eq!(guess(Path::new(name)), expected, "{name}");
        }
    }
}
