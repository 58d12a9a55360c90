//! Tells who calls, and whether they may: before the message is read, and before anything else is said.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::Api;
use super::access::{self, Access};
use super::status;
use crate::callers::{Callers, Presented, Refusal};
use crate::domain::call::Caller;
use crate::domain::permission::Permission;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::called_by;
use crate::transport::peer::Peer;

/// The metadata by which the published API makes a call as a member, with fewer rights. Ignoring it
/// would silently give the call full rights.
const MEMBER_SESSION: [&str; 2] = ["x-stytch-member-session", "x-stytch-member-sessionjwt"];

/// Puts a [`Caller`] into every request that may go on.
#[derive(Clone, Debug)]
pub(super) struct AuthenticateLayer {
    callers: Arc<Callers>,
    metrics: Arc<Metrics>,
}

impl AuthenticateLayer {
    pub(super) fn new(api: &Api) -> Self {
        let metrics = Arc::clone(&api.metrics);
        for refusal in Refusal::ALL {
            metrics.not_authenticated(refusal.as_str(), 0);
        }
        Self { callers: Arc::clone(&api.callers), metrics }
    }

    /// The caller, who may make this call.
    async fn allow(&self, path: &str, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, Status> {
        let caller = match access::of(path) {
            Some(Access::Open) => Caller::anonymous(),
            access => {
                let caller = self.authenticate(headers, peer).await.map_err(status::not_authenticated)?;
                called_by(&caller.name);
                let allows = |permission: &Permission| caller.permissions.allow(*permission);
                match access {
                    Some(Access::Needs(permissions)) if !permissions.iter().any(allows) => {
                        return Err(status::not_permitted(permissions));
                    }
                    // What does not exist is for whoever serves to tell.
                    _ => caller,
                }
            }
        };
        let header = MEMBER_SESSION.into_iter().find(|header| headers.contains_key(*header));
        header.map_or(Ok(caller), |header| Err(status::member_session_not_supported(header)))
    }

    async fn authenticate(&self, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, Refusal> {
        let authorization: Vec<_> =
            headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
        let (dns_names, uris) = peer
            .and_then(Peer::certificate)
            .map_or((&[][..], &[][..]), |certificate| (&certificate.dns_names, &certificate.uris));
        let presented = Presented { authorization: &authorization, dns_names, uris };
        let outcome = self.callers.authenticate(presented).await;
        if let (Ok(_), Some(peer)) = (&outcome, peer) {
            peer.authenticated();
        }
        outcome.inspect_err(|refusal| {
            self.metrics.not_authenticated(refusal.as_str(), 1);
            tracing::info!(problem = refusal.as_str(), "nobody knows who calls");
        })
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate { layer: self.clone(), inner }
    }
}

/// The service of [`AuthenticateLayer`].
#[derive(Clone, Debug)]
pub(super) struct Authenticate<S> {
    layer: AuthenticateLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Authenticate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The clone has not been asked whether it is ready; this one has.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let allowed =
                layer.allow(request.uri().path(), request.headers(), request.extensions().get()).await;
            match allowed {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(refusal) => Ok(refusal.into_http()),
            }
        })
    }
}
