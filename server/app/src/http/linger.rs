//! Refusals that reach their caller.
//!
//! A refusal may come before its request's body was read. Were the connection closed then, with bytes of the body unread,
//! the kernel would reset it, and a caller who is still sending would see a broken connection instead of the answer. So what
//! a handler leaves of a body is read and thrown away, within bounds, while the answer is on its way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header;
use futures_util::{Stream, StreamExt as _};
use tokio::runtime::Handle;

use crate::limits::{LINGER_BYTES_MAX, LINGER_WAIT_MAX};

/// The same request; what is left of its body when the handler is done with it is read to its end.
pub(crate) fn watch(request: Request) -> Request {
    // Who waits to be told to go on has sent nothing that could be left.
    if request.headers().contains_key(header::EXPECT) || request.body().is_end_stream() {
        return request;
    }
    request.map(|body| Body::from_stream(Lingering(Some(body.into_data_stream()))))
}

/// A body on its way to its handler; none once it has ended.
struct Lingering(Option<BodyDataStream>);

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let next = ready!(body.poll_next_unpin(context));
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(next)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let left = self.0.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (left, Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(LINGER_WAIT_MAX, discard(body)));
        }
    }
}

async fn discard(mut body: BodyDataStream) {
    let mut bytes = 0;
    while let Some(Ok(chunk)) = body.next().await {
        bytes += chunk.len();
        if bytes > LINGER_BYTES_MAX {
            return;
        }
    }
}
