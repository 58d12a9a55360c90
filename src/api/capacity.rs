//! How much is worked on at once. What comes beyond that is sent away early, with a word when to come again:
//! a call that waits behind hundreds of others is answered when nobody wants the answer any more.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use prost::bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::Api;
use super::access::{self, Access};
use super::status;
use crate::domain::call::{Caller, Slot};
use crate::entropy::Entropy;
use crate::telemetry::metrics::{Gauge, Metrics, Shed};

/// How many KiB of messages are held at once, those included that are still on their way, unless one message
/// may take up more than half.
const BUFFERED_KIB: usize = 256 * 1024;

/// What a message has before it: whether it is compressed, and its length (gRPC over HTTP/2).
const PREFIX_BYTES: usize = 5;

/// From here on bytes count several times: decoded, a message of many small parts takes up far more memory.
const SMALL_BYTES: usize = 64 * 1024;

/// How many times.
const DECODED: usize = 16;

/// The most bytes that a call without a credential may send, in all.
const OPEN_BYTES: u32 = 4 * 1024;

/// Where reflection is.
const REFLECTION: &str = "/grpc.reflection.";

/// The most bytes that a stream of reflection may send, in all: some hundred questions.
pub(super) const REFLECTION_BYTES: usize = 16 * 1024;

/// Searches get one slot in so many, as they do of the connections to the database.
const SEARCH_SHARE: usize = 4;

/// When a call that was sent away may come again: at once, and it would meet the same crowd.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How much later at most, so that those who were sent away together do not come back together.
const RETRY_SPREAD_MS: u64 = 500;

/// Reads the whole message of every call that needs a credential, and takes a slot for it. One of several
/// callers gets no more than half of anything, so that there is something left for the others.
#[derive(Clone, Debug)]
pub(super) struct CapacityLayer {
    places: Arc<Places>,
    /// What is left of each caller's half; there are as many as callers.
    halves: Arc<Mutex<HashMap<String, Arc<Places>>>>,
    calls: usize,
    max_message_bytes: u32,
    entropy: Arc<dyn Entropy>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Places {
    calls: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    buffered: Arc<Semaphore>,
}

impl Places {
    /// One in `divisor` of what there is for so many calls and such messages.
    fn new(calls: usize, max_message_bytes: u32, divisor: usize) -> Arc<Self> {
        let searches = (calls / SEARCH_SHARE).max(1);
        let buffered = BUFFERED_KIB.max(2 * kib(max_message_bytes as usize + PREFIX_BYTES));
        let some = |all: usize| Arc::new(Semaphore::new((all / divisor).max(1)));
        Arc::new(Self {
            calls: some(calls.saturating_sub(searches)),
            searches: some(searches),
            buffered: some(buffered),
        })
    }

    fn slots(&self, kind: Shed) -> &Arc<Semaphore> {
        if kind == Shed::Searches { &self.searches } else { &self.calls }
    }

    /// How many slots nobody has.
    fn free(&self) -> usize {
        self.calls.available_permits() + self.searches.available_permits()
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are not that many slots")]
fn as_f64(slots: usize) -> f64 {
    slots as f64
}

/// What a message of so many bytes takes up.
fn kib(bytes: usize) -> usize {
    (bytes + bytes.saturating_sub(SMALL_BYTES) * (DECODED - 1)).div_ceil(1024)
}

impl CapacityLayer {
    pub(super) fn new(api: &Api) -> Self {
        let Api { max_calls_in_flight: calls, max_message_bytes, .. } = *api;
        let places = Places::new(calls, max_message_bytes, 1);
        let (entropy, metrics) = (Arc::clone(&api.entropy), Arc::clone(&api.metrics));
        let (free, most) = (Arc::clone(&places), places.free());
        metrics.observe(Gauge::CallsMax, move |gauge| gauge.observe(as_f64(most), &[]));
        metrics.observe(Gauge::CallsActive, move |gauge| {
            gauge.observe(as_f64(most.saturating_sub(free.free())), &[]);
        });
        Self { places, halves: Arc::default(), calls, max_message_bytes, entropy, metrics }
    }

    /// Reads the message and takes a slot. A slow sender holds no slot.
    async fn admit(&self, request: &mut Request<Body>) -> Result<Slot, Status> {
        let half = request.extensions().get::<Caller>().and_then(|caller| self.half(caller));
        let places: Vec<_> = std::iter::once(Arc::clone(&self.places)).chain(half).collect();
        let body = std::mem::take(request.body_mut());
        let (message, memory) = self.message(body, &places).await?;
        *request.body_mut() = Body::new(Full::new(message));
        let name = request.uri().path().rsplit('/').next().unwrap_or_default();
        let kind = if name.starts_with("Search") { Shed::Searches } else { Shed::Calls };
        let slots: Result<Vec<_>, _> =
            places.iter().map(|places| Arc::clone(places.slots(kind)).try_acquire_owned()).collect();
        Ok(Slot::new((slots.map_err(|_| self.shed(kind))?, memory)))
    }

    /// The caller's half. `None`: nobody is told apart, and all is one caller's.
    fn half(&self, caller: &Caller) -> Option<Arc<Places>> {
        if caller.name == Caller::ANONYMOUS {
            return None;
        }
        // Nobody panics while holding the lock.
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(half) = halves.get(&caller.name) {
            return Some(Arc::clone(half));
        }
        let half = Places::new(self.calls, self.max_message_bytes, 2);
        halves.insert(caller.name.clone(), Arc::clone(&half));
        Some(half)
    }

    async fn message(
        &self,
        body: Body,
        places: &[Arc<Places>],
    ) -> Result<(Bytes, Vec<OwnedSemaphorePermit>), Status> {
        let mut body = pin!(body);
        let mut memory = Vec::new();
        for places in places {
            memory.push(self.remember(places, 0)?);
        }
        let (mut first, mut rest, mut length) = (Bytes::new(), BytesMut::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| status::broken_message())?.into_data() else {
                continue;
            };
            length += data.len();
            if length > self.max_message_bytes as usize + PREFIX_BYTES {
                return Err(status::message_too_large(self.max_message_bytes));
            }
            for (memory, places) in memory.iter_mut().zip(places) {
                memory.merge(self.remember(places, kib(length) - memory.num_permits())?);
            }
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

    fn remember(&self, places: &Places, kib: usize) -> Result<OwnedSemaphorePermit, Status> {
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        Arc::clone(&places.buffered).try_acquire_many_owned(kib).map_err(|_| self.shed(Shed::Memory))
    }

    fn shed(&self, reason: Shed) -> Status {
        self.metrics.call_shed(reason);
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
        let path = request.uri().path();
        let open = match access::of(path) {
            Some(Access::Needs(_)) => false,
            // Health checks and keys cost next to nothing, and strangers may not make them cost more.
            Some(Access::Open) if !path.starts_with(REFLECTION) => true,
            // A stream of questions, each read and answered as it comes; or nothing that would be read.
            Some(Access::Open) | None => {
                let body = std::mem::take(request.body_mut());
                *request.body_mut() = Body::new(Limited::new(body, REFLECTION_BYTES));
                return Box::pin(self.inner.call(request));
            }
        };
        // The clone has not been asked whether it is ready; this one has.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let admitted = if open { small(&mut request).await } else { layer.admit(&mut request).await };
            let slot = match admitted {
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

/// Reads a message that can only be small.
async fn small(request: &mut Request<Body>) -> Result<Slot, Status> {
    let body = std::mem::take(request.body_mut());
    let message = Limited::new(body, OPEN_BYTES as usize).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            status::message_too_large(OPEN_BYTES)
        } else {
            status::broken_message()
        }
    })?;
    *request.body_mut() = Body::new(Full::new(message.to_bytes()));
    Ok(Slot::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(places: &Places) -> [usize; 3] {
        [&places.calls, &places.searches, &places.buffered].map(|places| places.available_permits())
    }

    #[test]
    fn a_caller_gets_half_of_everything_and_a_largest_message_fits_into_it() {
        for largest in [64 * 1024, 4 * 1024 * 1024, 64 * 1024 * 1024] {
            let [calls, searches, buffered] = left(&Places::new(256, largest, 1));
            assert_eq!((calls, searches), (192, 64));
            let half = left(&Places::new(256, largest, 2));
            assert_eq!(half, [calls / 2, searches / 2, buffered / 2]);
            assert!(kib(largest as usize + PREFIX_BYTES) <= half[2], "{largest}");
        }
        assert_eq!(left(&Places::new(4, 1, 2))[..2], [1, 1]);
    }

    #[test]
    fn what_is_large_takes_up_more_than_it_is_long() {
        assert_eq!([0, 1, 1024, 1025, SMALL_BYTES].map(kib), [0, 1, 1, 2, 64]);
        assert_eq!(kib(SMALL_BYTES + 1024), 64 + DECODED);
    }
}
