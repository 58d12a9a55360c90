//! A TCP proxy that misbehaves on demand, to stand between the service and its Postgres or Redis.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long [`ChaosProxy::answer_lost`] waits before it calls the test wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most that is passed on in one piece.
const CHUNK: usize = 64 * 1024;

/// A TCP proxy in front of one address. Its behaviour changes at any moment, for the connections it
/// has and for those to come. It lives on the runtime that started it, until it is dropped.
#[derive(Debug)]
pub(crate) struct ChaosProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    upstream: Arc<Mutex<SocketAddr>>,
    /// Dropping it ends the proxy and its connections.
    _accepting: JoinSet<()>,
}

impl ChaosProxy {
    /// Starts a proxy on a port of 127.0.0.1 that passes everything on to `upstream`.
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.unwrap_or_else(|error| panic!("no port for the proxy: {error}"));
        let address = listener.local_addr();
        let address = address.unwrap_or_else(|error| panic!("no address of the proxy: {error}"));
        let (shared, upstream) = (Arc::new(Shared::default()), Arc::new(Mutex::new(upstream)));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&upstream), Arc::clone(&shared)));
        Self { address, shared, upstream, _accepting: accepting }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// New connections lead to another server; those there are stay with theirs.
    pub(crate) fn lead_to(&self, upstream: SocketAddr) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    /// Everything passes, from now on: what was stalled goes on, and no answer is lost any more.
    pub(crate) fn pass(&self) {
        self.shared.expect_loss(Loss::None);
        self.shared.behaviour.send_modify(|now| now.mode = Mode::Pass);
    }

    /// The connections are cut, and new ones closed at once.
    pub(crate) fn refuse(&self) {
        self.shared.behaviour.send_modify(|now| {
            now.mode = Mode::Refuse;
            now.cuts += 1;
        });
    }

    /// Bytes are held, both ways, and so is the news that a side has closed. New connections open.
    pub(crate) fn stall(&self) {
        self.shared.behaviour.send_modify(|now| now.mode = Mode::Stall);
    }

    /// The connections are cut once, now; new ones work.
    pub(crate) fn cut(&self) {
        self.shared.behaviour.send_modify(|now| {
            now.mode = Mode::Pass;
            now.cuts += 1;
        });
    }

    /// The next bytes that come back from the server, on the connection on which the client next sends
    /// `pattern` (within one chunk of at most 64 KiB), are dropped and that connection is cut; then
    /// everything passes again. What the client sends still arrives.
    pub(crate) fn lose_next_answer_to(&self, pattern: &'static [u8]) {
        assert!(!pattern.is_empty(), "an empty pattern stands in every chunk");
        self.lose(Loss::To(pattern));
    }

    /// Waits until the answer is lost that was to be lost. Panics after 30 seconds.
    pub(crate) async fn answer_lost(&self) {
        let mut lost = self.shared.lost.subscribe();
        let happened = timeout(PATIENCE, lost.wait_for(|lost| *lost)).await.is_ok();
        let pending = self.shared.loss();
        assert!(happened, "no answer was lost within {PATIENCE:?}; still to be lost: {pending:?}");
    }

    /// The bytes passed on so far: client to server, server to client.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let Shared { sent, received, .. } = self.shared.as_ref();
        (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed))
    }

    /// How often, on any one connection, the client spoke first or again after an answer.
    pub(crate) fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::Relaxed)
    }

    fn lose(&self, loss: Loss) {
        self.shared.expect_loss(loss);
        self.shared.behaviour.send_modify(|now| now.mode = Mode::Pass);
    }
}

#[derive(Debug, Default)]
struct Shared {
    behaviour: watch::Sender<Behaviour>,
    loss: Mutex<Loss>,
    lost: watch::Sender<bool>,
    sent: AtomicU64,
    received: AtomicU64,
    round_trips: AtomicU64,
}

#[derive(Debug, Default)]
struct Behaviour {
    mode: Mode,
    /// A connection ends when this is no longer what it was at the connection's start.
    cuts: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    #[default]
    Pass,
    Refuse,
    Stall,
}

/// Which answer is still to be lost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Loss {
    #[default]
    None,
    /// The one to a request that holds this.
    To(&'static [u8]),
    /// The next one on this connection.
    On(u64),
}

impl Shared {
    fn loss(&self) -> Loss {
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect_loss(&self, loss: Loss) {
        *self.loss.lock().unwrap_or_else(PoisonError::into_inner) = loss;
        self.lost.send_replace(false);
    }

    /// The client has sent `chunk` on `connection`.
    fn see_request(&self, connection: u64, chunk: &[u8]) {
        let mut loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*loss, Loss::To(pattern) if holds(chunk, pattern)) {
            *loss = Loss::On(connection);
        }
    }

    /// Whether the answer that came on `connection` is to be lost.
    fn loses_answer(&self, connection: u64) -> bool {
        let mut loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = *loss == Loss::On(connection);
        if hit {
            *loss = Loss::None;
            self.lost.send_replace(true);
        }
        hit
    }

    /// Returns when bytes may pass.
    async fn gate(&self) {
        let mut behaviour = self.behaviour.subscribe();
        let opened = behaviour.wait_for(|now| now.mode == Mode::Pass).await.is_ok();
        assert!(opened, "a connection outlived its proxy");
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Mutex<SocketAddr>>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        let (client, _) = tokio::select! {
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => {
                accepted.unwrap_or_else(|error| panic!("the proxy cannot accept: {error}"))
            }
        };
        let cuts = match *shared.behaviour.borrow() {
            Behaviour { mode: Mode::Refuse, .. } => continue,
            Behaviour { mode: Mode::Pass | Mode::Stall, cuts } => cuts,
        };
        number += 1;
        let connection = Connection { shared: Arc::clone(&shared), number, answered: AtomicBool::new(true) };
        let upstream = *upstream.lock().unwrap_or_else(PoisonError::into_inner);
        connections.spawn(async move {
            let mut behaviour = connection.shared.behaviour.subscribe();
            tokio::select! {
                biased;
                _ = behaviour.wait_for(|now| now.cuts != cuts) => {}
                _ = connection.carry(client, upstream) => {}
            }
        });
    }
}

struct Connection {
    shared: Arc<Shared>,
    number: u64,
    /// The server spoke last.
    answered: AtomicBool,
}

impl Connection {
    /// Carries bytes until both sides have closed, or one has failed.
    async fn carry(&self, client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(
            self.carry_requests(from_client, to_server),
            self.carry_answers(from_server, to_client)
        )?;
        Ok(())
    }

    async fn carry_requests(&self, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = client.read(&mut buffer).await?;
            self.shared.gate().await;
            if length == 0 {
                return server.shutdown().await;
            }
            let chunk = &buffer[..length];
            self.shared.see_request(self.number, chunk);
            if self.answered.swap(false, Ordering::Relaxed) {
                self.shared.round_trips.fetch_add(1, Ordering::Relaxed);
            }
            server.write_all(chunk).await?;
            self.shared.sent.fetch_add(length as u64, Ordering::Relaxed);
        }
    }

    async fn carry_answers(&self, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = server.read(&mut buffer).await?;
            self.shared.gate().await;
            if length == 0 {
                return client.shutdown().await;
            }
            if self.shared.loses_answer(self.number) {
                return Err(io::Error::other("the answer is lost"));
            }
            self.answered.store(true, Ordering::Relaxed);
            client.write_all(&buffer[..length]).await?;
            self.shared.received.fetch_add(length as u64, Ordering::Relaxed);
        }
    }
}

/// Whether `word` stands in `chunk`.
fn holds(chunk: &[u8], word: &[u8]) -> bool {
    chunk.windows(word.len()).any(|window| window == word)
}
