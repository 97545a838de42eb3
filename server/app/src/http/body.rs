//! Request bodies: bounded before and after decompression, one content encoding at most.

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::io::StreamReader;

use super::problem::{Problem, Slug};
use crate::limits::{BODY_BYTES_MIN, ROOM_WAIT_MAX};

enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// A body's share of the memory that all bodies together may take, one permit a byte. It doubles with what has arrived, so
/// that who announces much and sends little keeps nobody else out.
pub(crate) struct Room<'a> {
    all: &'a Semaphore,
    held: SemaphorePermit<'a>,
}

impl<'a> Room<'a> {
    /// Waits for room for a small body. Who finds none for a while comes again: a queue that only grows would make
    /// everyone wait.
    ///
    /// # Errors
    /// `queue-full`.
    pub(crate) async fn enter(all: &'a Semaphore) -> Result<Self, Problem> {
        match tokio::time::timeout(ROOM_WAIT_MAX, all.acquire_many(permits(BODY_BYTES_MIN))).await {
            Ok(held) => Ok(Self { all, held: held.map_err(Problem::internal)? }),
            Err(_) => Err(full()),
        }
    }

    /// Room for `bytes` at least, at once: to wait while holding some would be to wait for each other.
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let held = self.held.num_permits();
        if bytes <= held {
            return Ok(());
        }
        let more = permits(held * bytes.div_ceil(held).next_power_of_two() - held);
        let more = self.all.try_acquire_many(more).map_err(|_| full())?;
        self.held.merge(more);
        Ok(())
    }
}

fn full() -> Problem {
    Problem::new(Slug::QueueFull, "too many bytes of other requests are being received; send it again")
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Reads the whole body, decompressed, refusing more than `max` bytes as sent or as unpacked
/// without reading further.
///
/// # Errors
/// `too-large`, `media-type` for an unknown or a second encoding, `queue-full`, `bad-request` for a body that
/// breaks off or does not unpack.
pub(crate) async fn read(
    request: Request,
    max: usize,
    room: Option<&mut Room<'_>>,
) -> Result<Bytes, Problem> {
    let encoding = encoding(request.headers())?;
    if announced(request.headers()).is_some_and(|length| length > max as u64) {
        return Err(too_large(max));
    }
    let stream = request.into_body().into_data_stream();
    // One byte more than allowed tells a full body from one that is too large.
    let sent = StreamReader::new(stream.map_err(std::io::Error::other)).take(max as u64 + 1);
    let mut sent = tokio::io::BufReader::new(sent);
    let read = match encoding {
        Encoding::Identity => collect(&mut sent, max, room).await,
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(&mut sent);
            decoder.multiple_members(true);
            unpack(decoder, max, room).await
        }
        Encoding::Zstd => {
            let mut decoder = ZstdDecoder::new(&mut sent);
            decoder.multiple_members(true);
            unpack(decoder, max, room).await
        }
    };
    // Cut short by us: whatever it unpacked to is not all of it.
    if sent.get_ref().limit() == 0 { Err(too_large(max)) } else { read }
}

/// Reads the whole of a short body into a buffer of its own, which is not larger than it must be.
///
/// # Errors
/// As [`read`].
pub(crate) async fn whole(request: Request, max: usize) -> Result<Vec<u8>, Problem> {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Ok(read(request, max, None).await?.into());
    }
    let length = announced(request.headers()).unwrap_or(0);
    let length =
        usize::try_from(length).ok().filter(|length| *length <= max).ok_or_else(|| too_large(max))?;
    let mut bytes = Vec::with_capacity(length);
    let mut chunks = request.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|error| Problem::bad_request("the body broke off; send it again").caused_by(error))?;
        if chunk.len() > max - bytes.len() {
            return Err(too_large(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn unpack<R: AsyncRead + Unpin>(
    decoder: R,
    max: usize,
    room: Option<&mut Room<'_>>,
) -> Result<Bytes, Problem> {
    collect(&mut tokio::io::BufReader::new(decoder), max, room).await
}

async fn collect<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    max: usize,
    mut room: Option<&mut Room<'_>>,
) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    let mut reader = reader.take(max as u64 + 1);
    loop {
        let read = reader.read_buf(&mut bytes).await.map_err(|error| {
            Problem::bad_request("the body broke off or does not unpack; send it again").caused_by(error)
        })?;
        if bytes.len() > max {
            return Err(too_large(max));
        }
        if read == 0 {
            return Ok(bytes.into());
        }
        if let Some(room) = &mut room {
            room.grow(bytes.len())?;
        }
        // Unpacking never waits by itself while there is input.
        tokio::task::consume_budget().await;
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let mut named = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = named.next() else { return Ok(Encoding::Identity) };
    let name = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    match (name.as_str(), named.next()) {
        ("" | "identity", None) => Ok(Encoding::Identity),
        ("gzip" | "x-gzip", None) => Ok(Encoding::Gzip),
        ("zstd", None) => Ok(Encoding::Zstd),
        _ => Err(Problem::new(
            Slug::MediaType,
            "the content encoding is not one of gzip and zstd, one at most",
        )),
    }
}

fn too_large(max: usize) -> Problem {
    Problem::new(
        Slug::TooLarge,
        format!("the body has more than {max} bytes, compressed or not; send it in smaller parts"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
    use axum::body::Body;
    use tokio::io::AsyncWriteExt as _;

    fn request(encoding: Option<&str>, body: Vec<u8>) -> Request {
        let mut builder = Request::builder();
        if let Some(name) = encoding {
            builder = builder.header(header::CONTENT_ENCODING, name);
        }
        builder.body(Body::from(body)).unwrap()
    }

    async fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(bytes).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }

    async fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZstdEncoder::new(Vec::new());
        encoder.write_all(bytes).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }

    #[tokio::test]
    async fn every_encoding_gives_the_same_bytes() {
        let text = b"one\ntwo\n".repeat(100);
        for (name, body) in
            [(None, text.clone()), (Some("gzip"), gzip(&text).await), (Some("zstd"), zstd(&text).await)]
        {
            let read = read(request(name, body), text.len(), None).await.unwrap();
            assert_eq!(read, text, "{name:?}");
        }
    }

    /// Members of gzip (RFC 1952 §2.2) and frames of zstd (RFC 8878 §3) follow each other in one body.
    #[tokio::test]
    async fn all_members_are_read_and_what_is_none_is_refused() {
        let (first, second) = (b"one\n".repeat(100), b"two\n".repeat(100));
        let text = [first.clone(), second.clone()].concat();
        for (name, one, two) in [
            ("gzip", gzip(&first).await, gzip(&second).await),
            ("zstd", zstd(&first).await, zstd(&second).await),
        ] {
            let both = [one.clone(), two].concat();
            assert_eq!(read(request(Some(name), both.clone()), 800, None).await.unwrap(), text, "{name}");
            assert_eq!(read(request(Some(name), both), 799, None).await.unwrap_err().slug(), Slug::TooLarge);
            let garbage = [one, b"garbage".to_vec()].concat();
            let refused = read(request(Some(name), garbage), 800, None).await.unwrap_err();
            assert_eq!(refused.slug(), Slug::BadRequest, "{name}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_larger_packed_than_allowed_is_too_large() {
        let noise: Vec<u8> = (0..200_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (name, body) in [("gzip", gzip(&noise).await), ("zstd", zstd(&noise).await)] {
            assert!(body.len() > noise.len());
            let refused = read(request(Some(name), body), noise.len(), None).await.unwrap_err();
            assert_eq!(refused.slug(), Slug::TooLarge, "{name}");
        }
    }

    #[tokio::test]
    async fn a_bomb_stops_at_the_bound() {
        let bomb = gzip(&vec![b'a'; 1 << 20]).await;
        assert!(bomb.len() < 1 << 12);
        let problem = read(request(Some("gzip"), bomb), 1 << 12, None).await.unwrap_err();
        assert_eq!(problem.slug(), Slug::TooLarge);
    }

    #[tokio::test]
    async fn one_byte_over_is_refused_and_the_bound_itself_is_not() {
        assert!(read(request(None, vec![0; 8]), 8, None).await.is_ok());
        assert_eq!(read(request(None, vec![0; 9]), 8, None).await.unwrap_err().slug(), Slug::TooLarge);
    }

    #[tokio::test]
    async fn a_body_takes_room_as_it_arrives_and_is_refused_where_there_is_none() {
        let all = Semaphore::new(3 * BODY_BYTES_MIN);
        let mut room = Room::enter(&all).await.unwrap();
        let body = vec![b'a'; 2 * BODY_BYTES_MIN];
        assert!(read(request(None, body.clone()), 1 << 20, Some(&mut room)).await.is_ok());
        assert_eq!(all.available_permits(), BODY_BYTES_MIN);
        let mut late = Room::enter(&all).await.unwrap();
        let problem = read(request(None, body), 1 << 20, Some(&mut late)).await.unwrap_err();
        assert_eq!(problem.slug(), Slug::QueueFull);
        drop((room, late));
        assert_eq!(all.available_permits(), 3 * BODY_BYTES_MIN);
    }

    #[tokio::test]
    async fn truncated_and_unknown_encodings_are_refused() {
        let mut cut = gzip(b"hello hello hello").await;
        cut.truncate(cut.len() - 6);
        assert_eq!(read(request(Some("gzip"), cut), 100, None).await.unwrap_err().slug(), Slug::BadRequest);
        for name in ["br", "gzip, gzip", "deflate"] {
            let problem = read(request(Some(name), vec![1]), 100, None).await.unwrap_err();
            assert_eq!(problem.slug(), Slug::MediaType, "{name}");
        }
    }
}
