//! Connections to every replica of a service, used by turns, as clients balance their calls.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tower::{Service, ServiceExt as _};

/// The variable that says how many replicas the tests of the calls run against.
const VARIABLE: &str = "TEST_REPLICAS";

/// A connection to each replica. Every call goes to the next one, so that what a test writes at one it reads at
/// another.
#[derive(Clone, Debug)]
pub(crate) struct Replicas {
    channels: Arc<[Channel]>,
    turn: Arc<AtomicUsize>,
}

/// How many replicas there are unless a test says so itself.
pub(crate) fn number() -> usize {
    let text = std::env::var(VARIABLE).unwrap_or_else(|_| "1".to_owned());
    text.parse().ok().filter(|number| *number > 0).unwrap_or_else(|| panic!("{VARIABLE}: {text}"))
}

impl Replicas {
    pub(crate) fn new(channels: impl IntoIterator<Item = Channel>) -> Self {
        Self { channels: channels.into_iter().collect(), turn: Arc::default() }
    }

    /// Each connection.
    pub(crate) fn each(&self) -> impl Iterator<Item = Channel> + '_ {
        self.channels.iter().cloned()
    }
}

impl From<Channel> for Replicas {
    fn from(channel: Channel) -> Self {
        Self::new([channel])
    }
}

impl Service<Request<Body>> for Replicas {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    /// Always: whether the replica is ready is asked once it is known which.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let channel = self.channels[turn % self.channels.len()].clone();
        Box::pin(channel.oneshot(request))
    }
}
