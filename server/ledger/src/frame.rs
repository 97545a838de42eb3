//! Sealed frames: how a payload and a quarantined raw record become rows.
//!
//! A row is `version || ciphertext || tag`, the plaintext `u32be(length) || zstd frame || zeros` up to a multiple of
//! 64 bytes. The version names the dictionary too. A key seals one frame, so the nonce is zero.

use std::sync::{LazyLock, Mutex, PoisonError};

use cairnlog_verify::Hash;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe;

use crate::aead::{Cipher, TAG_BYTES, bound_to};
use crate::limits::{CODEC_BUFFER_BYTES_MAX, CODECS_IDLE_MAX, PADDING_BYTES};

/// The version of frames that this code writes and reads.
const VERSION: u8 = 1;
const LENGTH_BYTES: usize = 4;

/// The first of zstd's fast levels: for a record of 1.2 kB it takes half the time of level 1 and gives 1 % more bytes.
const LEVEL: i32 = -1;

/// Raw content for zstd: paths and words of OCSF and of this server. It was written from the schema and never trained on
/// records, or it would keep some of them. Frames need these very bytes to be read, so they never change.
pub static DICTIONARY: &[u8] = include_bytes!("payload-v1.dict");

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));
static IDLE: Mutex<Vec<Codec>> = Mutex::new(Vec::new());

/// A row that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A version that this code does not know.
    #[error("sealed row is of a version that is not known here: a newer server wrote it")]
    Version,
    /// Too short, or not padded.
    #[error("sealed row has a length that none has")]
    Length,
    /// Altered, or another record's, or sealed under another key.
    #[error("sealed row does not open: it was altered, or is not this record's")]
    Refused,
    /// Opened, but the plaintext is no padded zstd frame.
    #[error("sealed row opens to something that was never written")]
    Form,
    /// What is to be sealed, or was, is longer than the bound.
    #[error("more than {max} bytes to seal")]
    TooLarge {
        /// The bound.
        max: usize,
    },
}

/// What a frame is: its domain, and how long it may be.
pub(crate) struct Kind {
    /// Begins what the row is bound to; ends with a zero byte.
    pub(crate) domain: &'static [u8],
    /// Bytes before compression, at most.
    pub(crate) bytes_max: usize,
}

/// Compresses and seals `plain` under a key that seals nothing else.
pub(crate) fn seal(
    kind: &Kind,
    origin: &str,
    leaf: &Hash,
    key: &[u8; 32],
    plain: &[u8],
) -> Result<Vec<u8>, FrameError> {
    if plain.len() > kind.bytes_max {
        return Err(FrameError::TooLarge { max: kind.bytes_max });
    }
    let mut codec = Codec::take();
    let mut row = padded(codec.compress(plain));
    codec.give_back();
    Cipher::new(key).seal([0; 12], &bound_to(kind.domain, origin, leaf), &mut row, 1);
    Ok(row)
}

/// Opens what [`seal`] gave for the same record, kind and key, and nothing else.
pub(crate) fn open(
    kind: &Kind,
    origin: &str,
    leaf: &Hash,
    key: &[u8; 32],
    row: &[u8],
) -> Result<Vec<u8>, FrameError> {
    let (&version, sealed) = row.split_first().ok_or(FrameError::Length)?;
    if version != VERSION {
        return Err(FrameError::Version);
    }
    let padded_bytes = sealed.len().checked_sub(TAG_BYTES).ok_or(FrameError::Length)?;
    if padded_bytes == 0 || !padded_bytes.is_multiple_of(PADDING_BYTES) {
        return Err(FrameError::Length);
    }
    let plain = Cipher::new(key)
        .open([0; 12], &bound_to(kind.domain, origin, leaf), sealed)
        .ok_or(FrameError::Refused)?;
    let frame = unpadded(&plain).ok_or(FrameError::Form)?;
    let bytes = zstd_safe::get_frame_content_size(frame).ok().flatten().ok_or(FrameError::Form)?;
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= kind.bytes_max);
    let bytes = bytes.ok_or(FrameError::TooLarge { max: kind.bytes_max })?;
    let mut codec = Codec::take();
    let opened = codec.decompressor.decompress(frame, bytes);
    codec.give_back();
    opened.map_err(|_| FrameError::Form)
}

/// `version || u32be(length) || frame || zeros`, with room for the tag.
fn padded(frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).expect("what is sealed is bounded far below 4 GiB");
    let padded_bytes = (LENGTH_BYTES + frame.len()).next_multiple_of(PADDING_BYTES);
    let mut row = Vec::with_capacity(1 + padded_bytes + TAG_BYTES);
    row.push(VERSION);
    row.extend_from_slice(&length.to_be_bytes());
    row.extend_from_slice(frame);
    row.resize(1 + padded_bytes, 0);
    row
}

/// The frame in a padded plaintext; `None` if the padding is not zero or longer than it has to be.
fn unpadded(plain: &[u8]) -> Option<&[u8]> {
    let (length, rest) = plain.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (frame, padding) = rest.split_at_checked(length)?;
    (padding.len() < PADDING_BYTES && padding.iter().all(|byte| *byte == 0)).then_some(frame)
}

/// Compression contexts, which are dear to make and are kept for their next use.
struct Codec {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    compressed: Vec<u8>,
}

impl Codec {
    fn take() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Self {
            compressor: Compressor::with_prepared_dictionary(&ENCODER)
                .expect("a compressor takes a prepared dictionary"),
            decompressor: Decompressor::with_prepared_dictionary(&DECODER)
                .expect("a decompressor takes a prepared dictionary"),
            compressed: Vec::new(),
        })
    }

    fn give_back(self) {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < CODECS_IDLE_MAX && self.compressed.capacity() <= CODEC_BUFFER_BYTES_MAX {
            idle.push(self);
        }
    }

    fn compress(&mut self, plain: &[u8]) -> &[u8] {
        self.compressed.clear();
        self.compressed.reserve(zstd_safe::compress_bound(plain.len()));
        self.compressor
            .compress_to_buffer(plain, &mut self.compressed)
            .expect("zstd compresses into a buffer of its own bound");
        &self.compressed
    }
}
