//! How much is worked on at once. What comes beyond that is sent away early, with a word when to come again:
//! a call that waits behind hundreds of others is answered when nobody wants the answer any more.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use prost::bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::access::{self, Access};
use super::status;
use crate::domain::call::Slot;
use crate::entropy::Entropy;

/// How many KiB of messages are held at once, those included that are still on their way.
const BUFFERED_KIB: usize = 256 * 1024;

/// What a message has before it: whether it is compressed, and its length (gRPC over HTTP/2).
const PREFIX_BYTES: usize = 5;

/// Searches get one slot in so many, as they do of the connections to the database.
const SEARCH_SHARE: usize = 4;

/// When a call that was sent away may come again: at once, and it would meet the same crowd.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How much later at most, so that those who were sent away together do not come back together.
const RETRY_SPREAD_MS: u64 = 500;

/// Reads the whole message of every call that needs a credential, and takes a slot for it.
#[derive(Clone, Debug)]
pub(super) struct CapacityLayer {
    calls: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    buffered: Arc<Semaphore>,
    max_message_bytes: u32,
    entropy: Arc<dyn Entropy>,
}

impl CapacityLayer {
    /// So many slots for all calls together.
    pub(super) fn new(calls: usize, max_message_bytes: u32, entropy: Arc<dyn Entropy>) -> Self {
        let searches = (calls / SEARCH_SHARE).max(1);
        Self {
            calls: Arc::new(Semaphore::new(calls.saturating_sub(searches).max(1))),
            searches: Arc::new(Semaphore::new(searches)),
            buffered: Arc::new(Semaphore::new(BUFFERED_KIB)),
            max_message_bytes,
            entropy,
        }
    }

    /// Reads the message and takes a slot. A slow sender holds no slot.
    async fn admit(&self, request: &mut Request<Body>) -> Result<Slot, Status> {
        let body = std::mem::take(request.body_mut());
        let (message, memory) = self.message(body).await?;
        *request.body_mut() = Body::new(Full::new(message));
        let search = request.uri().path().rsplit('/').next().is_some_and(|name| name.starts_with("Search"));
        let slots = if search { &self.searches } else { &self.calls };
        let slot = Arc::clone(slots).try_acquire_owned().map_err(|_| self.shed())?;
        Ok(Slot::new((slot, memory)))
    }

    async fn message(&self, body: Body) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
        let mut body = pin!(body);
        let mut memory = self.remember(0)?;
        let (mut first, mut rest, mut length) = (Bytes::new(), BytesMut::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| status::broken_message())?.into_data() else {
                continue;
            };
            length += data.len();
            if length > self.max_message_bytes as usize + PREFIX_BYTES {
                return Err(status::message_too_large(self.max_message_bytes));
            }
            memory.merge(self.remember(data.len())?);
            // Most messages come whole, and are not copied.
            if first.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok((if rest.is_empty() { first } else { rest.freeze() }, memory))
    }

    fn remember(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Status> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        Arc::clone(&self.buffered).try_acquire_many_owned(kib).map_err(|_| self.shed())
    }

    fn shed(&self) -> Status {
        let spread =
            u64::from(u16::from_le_bytes(self.entropy.bytes())) * RETRY_SPREAD_MS / u64::from(u16::MAX);
        status::shed(RETRY_AFTER + Duration::from_millis(spread))
    }
}

impl<S> Layer<S> for CapacityLayer {
    type Service = Capacity<S>;

    fn layer(&self, inner: S) -> Capacity<S> {
        Capacity { layer: self.clone(), inner }
    }
}

/// The service of [`CapacityLayer`].
#[derive(Clone, Debug)]
pub(super) struct Capacity<S> {
    layer: CapacityLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Capacity<S>
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
        // Health checks and reflection stream, and cost next to nothing; so do the keys.
        if !matches!(access::of(request.uri().path()), Some(Access::Needs(_))) {
            return Box::pin(self.inner.call(request));
        }
        // The clone has not been asked whether it is ready; this one has.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let slot = match layer.admit(&mut request).await {
                Ok(slot) => slot,
                Err(refusal) => return Ok(refusal.into_http()),
            };
            request.extensions_mut().insert(slot.clone());
            let response = inner.call(request).await;
            drop(slot);
            response
        })
    }
}
