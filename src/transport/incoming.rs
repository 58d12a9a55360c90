//! The connections of one port, as they become ready.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

pub use super::connection::Connection;
use super::connection::Silence;
use super::peer::{ClientCertificate, Peer};
use super::slots::Slots;
use super::socket::Socket;
use super::tls::Tls;
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;

/// How long accepting rests when the operating system has no descriptor or memory for a connection. Without
/// a rest the loop would spin: the connection stays in the queue.
const REST: Duration = Duration::from_millis(100);

/// What bounds the connections of a port.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// What the port is for, as metrics name it.
    pub port: &'static str,
    /// The most connections at a time, with those in the middle of a handshake.
    pub max_connections: usize,
    /// How many bytes the client must send first.
    pub preface: usize,
    /// How long the TLS handshake may take, and after it the first bytes.
    pub handshake_timeout: Duration,
    /// How long the client may take nothing of what it is sent.
    pub write_timeout: Duration,
    /// How long a connection may be open, whatever goes on in it.
    pub life: Duration,
}

/// Accepts connections. TLS handshakes go on beside the accepting. When this is dropped, they end, and so do
/// connections whose clients have said nothing yet: an ending server does not wait for them.
#[derive(Debug)]
pub struct Incoming {
    listener: TcpListener,
    bounds: Bounds,
    tls: Option<Arc<Tls>>,
    slots: Arc<Slots>,
    arriving: JoinSet<Option<Connection>>,
    closing: CancellationToken,
}

impl Incoming {
    /// The connections that a listener accepts; all with TLS, or all without.
    #[must_use]
    pub fn new(listener: TcpListener, bounds: Bounds, tls: Option<Arc<Tls>>, metrics: Arc<Metrics>) -> Self {
        let slots = Slots::new(bounds.port, bounds.max_connections, metrics);
        let closing = CancellationToken::new();
        Self { listener, bounds, tls, slots, arriving: JoinSet::new(), closing }
    }

    /// The next connection. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Connection {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        if let Some(connection) = self.admit(stream, address) {
                            return connection;
                        }
                    }
                    Err(error) => self.recover(&error).await,
                },
                Some(arrived) = self.arriving.join_next() => {
                    if let Ok(Some(connection)) = arrived {
                        return connection;
                    }
                }
            }
        }
    }

    /// The connections as a stream without an end.
    pub fn into_stream(self) -> impl Stream<Item = Result<Connection, Infallible>> {
        stream::unfold(self, async |mut this| {
            let connection = this.next().await;
            Some((Ok(connection), this))
        })
    }

    /// Gives the connection a place, and begins its handshake. A plain connection is ready at once.
    fn admit(&mut self, stream: TcpStream, address: SocketAddr) -> Option<Connection> {
        let Some(slot) = self.slots.take() else {
            tracing::debug!("a connection is refused: there are too many, and all have authenticated");
            return None;
        };
        // Answers are small and go out at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = chain(&error), "a connection is gone already");
            return None;
        }
        let Bounds { preface, handshake_timeout, write_timeout, life, .. } = self.bounds;
        let authenticated = Arc::clone(&slot.authenticated);
        let socket = Socket::new(stream, slot, life, write_timeout);
        let closing = self.closing.clone();
        let silence = move || Silence::new(preface, handshake_timeout, closing);
        let Some(tls) = &self.tls else {
            let peer = Peer::new(address, None, authenticated);
            return Some(Connection::new(Either::Left(socket), peer, silence()));
        };
        let acceptor = tls.acceptor();
        self.arriving.spawn(async move {
            let stream = handshake(&acceptor, socket, handshake_timeout).await?;
            let certificate = ClientCertificate::of(stream.get_ref().1.peer_certificates());
            let peer = Peer::new(address, certificate, authenticated);
            Some(Connection::new(Either::Right(Box::new(stream)), peer, silence()))
        });
        None
    }

    /// Goes on after an error of the listener. What was wrong with one connection is over; anything else
    /// lasts until some connection ends, so one is ended.
    async fn recover(&self, error: &io::Error) {
        use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            tracing::warn!(error = chain(error), "a connection can't be accepted");
            self.slots.evict();
            sleep(REST).await;
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

async fn handshake(acceptor: &TlsAcceptor, socket: Socket, longest: Duration) -> Option<TlsStream<Socket>> {
    let late = |_| Err(io::Error::new(ErrorKind::TimedOut, "it takes too long"));
    let done = timeout(longest, acceptor.accept(socket)).await.unwrap_or_else(late);
    // Strangers can cause this at will, so it is no warning.
    done.inspect_err(|error| tracing::debug!(error = chain(error), "a TLS handshake failed")).ok()
}
