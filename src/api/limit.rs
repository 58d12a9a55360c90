//! Refuses the calls of a caller that makes too many, before anything of them is read.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::access::{self, Access};
use super::{Api, status};
use crate::domain::call::Caller;
use crate::service::limits::Limits;

/// Counts the calls of each [`Caller`].
#[derive(Clone, Debug)]
pub(super) struct LimitLayer {
    limits: Arc<Limits>,
}

impl LimitLayer {
    pub(super) fn new(api: &Api) -> Self {
        Self { limits: Arc::clone(&api.limits) }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limit<S>;

    fn layer(&self, inner: S) -> Limit<S> {
        Limit { limits: Arc::clone(&self.limits), inner }
    }
}

/// The service of [`LimitLayer`].
#[derive(Clone, Debug)]
pub(super) struct Limit<S> {
    limits: Arc<Limits>,
    inner: S,
}

impl<S> Service<Request<Body>> for Limit<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limited = matches!(access::of(request.uri().path()), Some(Access::Needs(_)));
        let caller = request.extensions().get::<Caller>().cloned();
        let Some(caller) = caller.filter(|_| limited) else {
            return Box::pin(self.inner.call(request));
        };
        let limits = Arc::clone(&self.limits);
        // The one that said it is ready is called; its copy has yet to say so.
        let ready = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, ready);
        Box::pin(async move {
            match limits.admit_call(&caller).await {
                Ok(()) => ready.call(request).await,
                Err(refusal) => Ok(status::from_error(refusal).into_http()),
            }
        })
    }
}
