//! The part of deterministic CBOR (RFC 8949 §4.2.1) that payloads use: byte and text strings, arrays and maps of
//! definite length, every length in its shortest form. The reader takes nothing else.

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// Appends the head of a byte string of `length` bytes; the bytes come next.
pub(crate) fn bytes_head(out: &mut Vec<u8>, length: usize) {
    head(out, BYTES, length);
}

/// Appends a byte string.
pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    bytes_head(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a text string.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends the head of an array; `length` items come next.
pub(crate) fn array(out: &mut Vec<u8>, length: usize) {
    head(out, ARRAY, length);
}

/// Appends the head of a map; `length` pairs come next, their keys in bytewise order.
pub(crate) fn map(out: &mut Vec<u8>, length: usize) {
    head(out, MAP, length);
}

#[allow(clippy::cast_possible_truncation, reason = "every arm has bounded the length")]
fn head(out: &mut Vec<u8>, major: u8, length: usize) {
    let major = major << 5;
    match length as u64 {
        0..=23 => out.push(major | length as u8),
        24..=0xff => out.extend_from_slice(&[major | 0x18, length as u8]),
        0x100..=0xffff => {
            out.push(major | 0x19);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 0x1a);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
        length => {
            out.push(major | 0x1b);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// Reads items one after the other; `None` for whatever this module does not write.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.head(TEXT)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// The number of items that follow; never more than there are bytes for.
    pub(crate) fn array(&mut self) -> Option<usize> {
        self.head(ARRAY)
    }

    /// The number of pairs that follow; never more than there are bytes for.
    pub(crate) fn map(&mut self) -> Option<usize> {
        self.head(MAP)
    }

    /// Nothing, if nothing is left.
    pub(crate) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    fn head(&mut self, major: u8) -> Option<usize> {
        let (&first, rest) = self.rest.split_first()?;
        if first >> 5 != major {
            return None;
        }
        let (length, rest) = match first & 0x1f {
            short @ 0..=23 => (u64::from(short), rest),
            24 => wide::<1>(rest, 24)?,
            25 => wide::<2>(rest, 0x100)?,
            26 => wide::<4>(rest, 0x1_0000)?,
            27 => wide::<8>(rest, 0x1_0000_0000)?,
            _ => return None,
        };
        self.rest = rest;
        usize::try_from(length).ok().filter(|length| *length <= rest.len())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

/// A length of `N` bytes, which must need them all.
fn wide<const N: usize>(rest: &[u8], least: u64) -> Option<(u64, &[u8])> {
    let (bytes, rest) = rest.split_first_chunk::<N>()?;
    let length = bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
    (length >= least).then_some((length, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lengths_take_their_shortest_form_and_read_back() {
        for length in [0, 1, 23, 24, 255, 256, 65_535, 65_536] {
            let mut out = Vec::new();
            bytes(&mut out, &vec![7; length]);
            let mut oracle = Vec::new();
            ciborium::into_writer(&ciborium::Value::Bytes(vec![7; length]), &mut oracle).unwrap();
            assert_eq!(out, oracle);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.bytes().unwrap().len(), length);
            assert_eq!(reader.end(), Some(()));
        }
    }

    #[test]
    fn longer_spellings_of_a_length_are_refused() {
        for bytes in [
            &[0x58, 1, 0][..],
            &[0x59, 0, 1, 0],
            &[0x5a, 0, 0, 0, 1, 0],
            &[0x5b, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[0x5f, 0xff],
        ] {
            assert_eq!(Reader::new(bytes).bytes(), None);
        }
    }

    #[test]
    fn other_types_and_missing_bytes_are_refused() {
        assert_eq!(Reader::new(&[0x41]).bytes(), None);
        assert_eq!(Reader::new(&[0x61, b'a']).bytes(), None);
        assert_eq!(Reader::new(&[0x61, 0xff]).text(), None);
        assert_eq!(Reader::new(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).array(), None);
        assert_eq!(Reader::new(&[]).map(), None);
    }
}
