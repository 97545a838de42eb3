//! As many connections at once as there are places; who comes later waits in the kernel's queue.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;
use tower::Service;

/// Makes the service of each connection, once there is a place for it.
pub(super) struct Doors {
    router: Router,
    places: PollSemaphore,
    place: Option<OwnedSemaphorePermit>,
}

impl Doors {
    /// At most `places` connections of `router` at once.
    pub(super) fn new(router: Router, places: usize) -> Self {
        Self { router, places: PollSemaphore::new(Arc::new(Semaphore::new(places))), place: None }
    }
}

impl Service<SocketAddr> for Doors {
    type Response = Guest;
    type Error = Infallible;
    type Future = Ready<Result<Guest, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.place.is_none() {
            self.place = std::task::ready!(self.places.poll_acquire(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: SocketAddr) -> Self::Future {
        ready(Ok(Guest { router: self.router.clone(), address, _place: self.place.take().map(Arc::new) }))
    }
}

/// The router of one connection, which knows its other end, and gives its place back when it ends.
#[derive(Clone)]
pub(super) struct Guest {
    router: Router,
    address: SocketAddr,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

impl<B> Service<Request<B>> for Guest
where
    Router: Service<Request<B>>,
{
    type Response = <Router as Service<Request<B>>>::Response;
    type Error = <Router as Service<Request<B>>>::Error;
    type Future = <Router as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.address));
        self.router.call(request)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures_util::FutureExt as _;

    use super::*;

    /// Whether there is a place now.
    fn knock(doors: &mut Doors) -> Option<&mut Doors> {
        tower::ServiceExt::<SocketAddr>::ready(doors).now_or_never()?.ok()
    }

    #[test]
    fn the_next_one_waits_until_a_place_is_free() {
        let mut doors = Doors::new(Router::new(), 1);
        let guest = knock(&mut doors).unwrap().call(([127, 0, 0, 1], 1).into()).into_inner().unwrap();
        let request = guest.clone();
        assert!(knock(&mut doors).is_none());
        drop(guest);
        assert!(knock(&mut doors).is_none(), "a request is under way");
        drop(request);
        assert!(knock(&mut doors).is_some());
    }
}
