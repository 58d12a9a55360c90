//! Tells who calls. Credentials come later: until then everybody is the anonymous caller, and the
//! server listens on loopback only.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::status;
use crate::domain::call::Caller;

/// The metadata by which the published API makes a call as a member, with fewer rights. Ignoring it
/// would silently give the call full rights.
const MEMBER_SESSION: [&str; 2] = ["x-stytch-member-session", "x-stytch-member-sessionjwt"];

/// Puts a [`Caller`] into every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuthenticateLayer;

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate { inner }
    }
}

/// The service of [`AuthenticateLayer`].
#[derive(Clone, Debug)]
pub(super) struct Authenticate<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Authenticate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<std::future::Ready<Result<Response<Body>, Infallible>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(header) =
            MEMBER_SESSION.into_iter().find(|header| request.headers().contains_key(*header))
        {
            let refused = status::member_session_not_supported(header).into_http();
            return Either::Left(std::future::ready(Ok(refused)));
        }
        request.extensions_mut().insert(Caller::anonymous());
        Either::Right(self.inner.call(request))
    }
}
