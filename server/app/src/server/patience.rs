//! Connections that take no answer are given up, so that who never reads keeps no place.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_io_timeout::TimeoutStream;

/// Accepts connections that end once a write has waited too long.
#[derive(Clone, Copy)]
pub(super) struct Patience(pub(super) Duration);

impl<I: AsyncRead + AsyncWrite, S> Accept<I, S> for Patience {
    type Stream = Pin<Box<TimeoutStream<I>>>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.0));
        ready(Ok((Box::pin(stream), service)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn a_reader_that_never_reads_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let (mut stream, ()) = Patience(Duration::from_millis(1)).accept(ours, ()).await.unwrap();
        let error = stream.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
