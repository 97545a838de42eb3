//! The part of deterministic CBOR (RFC 8949 §4.2.1) that receipts use. The reader takes no other spelling.

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const NIL: u8 = 0xf6;

pub(super) fn unsigned(out: &mut Vec<u8>, number: u64) {
    head(out, UNSIGNED, number);
}

/// Appends a number below 0.
pub(super) fn negative(out: &mut Vec<u8>, number: i16) {
    head(out, NEGATIVE, u64::from((-1 - number).unsigned_abs()));
}

pub(super) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    head(out, BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends the head of an array; `length` items come next.
pub(super) fn array(out: &mut Vec<u8>, length: usize) {
    head(out, ARRAY, length as u64);
}

/// Appends the head of a map; `length` pairs come next, their keys in bytewise order.
pub(super) fn map(out: &mut Vec<u8>, length: usize) {
    head(out, MAP, length as u64);
}

/// Appends a tag; what it tags comes next.
pub(super) fn tag(out: &mut Vec<u8>, tag: u64) {
    head(out, TAG, tag);
}

pub(super) fn nil(out: &mut Vec<u8>) {
    out.push(NIL);
}

fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    let [.., a, b, c, d] = value.to_be_bytes();
    match value {
        0..=23 => out.push(major | d),
        24..=0xff => out.extend_from_slice(&[major | 0x18, d]),
        0x100..=0xffff => out.extend_from_slice(&[major | 0x19, c, d]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[major | 0x1a, a, b, c, d]),
        _ => {
            out.push(major | 0x1b);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Reads items one after the other; `None` for whatever is not next.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        self.head(UNSIGNED)
    }

    pub(super) fn negative(&mut self) -> Option<i16> {
        let value = i16::try_from(self.head(NEGATIVE)?).ok()?;
        Some(-1 - value)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.head(BYTES)?).ok()?;
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// The number of items that are said to follow.
    pub(super) fn array(&mut self) -> Option<u64> {
        self.head(ARRAY)
    }

    pub(super) fn expect_unsigned(&mut self, number: u64) -> Option<()> {
        (self.unsigned()? == number).then_some(())
    }

    pub(super) fn expect_negative(&mut self, number: i16) -> Option<()> {
        (self.negative()? == number).then_some(())
    }

    pub(super) fn expect_array(&mut self, length: u64) -> Option<()> {
        (self.array()? == length).then_some(())
    }

    pub(super) fn expect_map(&mut self, length: u64) -> Option<()> {
        (self.head(MAP)? == length).then_some(())
    }

    pub(super) fn expect_tag(&mut self, tag: u64) -> Option<()> {
        (self.head(TAG)? == tag).then_some(())
    }

    pub(super) fn nil(&mut self) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[NIL])?;
        Some(())
    }

    /// Nothing, if nothing is left.
    pub(super) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    fn head(&mut self, major: u8) -> Option<u64> {
        let (&first, rest) = self.rest.split_first()?;
        if first >> 5 != major {
            return None;
        }
        let (value, rest) = match first & 0x1f {
            short @ 0..=23 => (u64::from(short), rest),
            24 => wide::<1>(rest, 24)?,
            25 => wide::<2>(rest, 0x100)?,
            26 => wide::<4>(rest, 0x1_0000)?,
            27 => wide::<8>(rest, 0x1_0000_0000)?,
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }
}

/// A value of `N` bytes, which must need them all.
fn wide<const N: usize>(rest: &[u8], least: u64) -> Option<(u64, &[u8])> {
    let (bytes, rest) = rest.split_first_chunk::<N>()?;
    let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    (value >= least).then_some((value, rest))
}
