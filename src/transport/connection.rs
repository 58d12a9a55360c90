//! A connection that is ready to be served.

use std::fmt::{self, Debug, Formatter};
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::peer::Peer;
use super::socket::Socket;

/// A plain connection, or one behind TLS whose handshake is done.
#[derive(Debug)]
pub struct Connection {
    stream: Either<Socket, Box<TlsStream<Socket>>>,
    peer: Peer,
    silence: Option<Silence>,
}

/// The time until the client has said enough to be believed to speak the protocol at all.
pub(super) struct Silence {
    /// How many bytes it has yet to send.
    bytes: usize,
    /// Ends, with the reason, when the connection must.
    end: Pin<Box<dyn Future<Output = &'static str> + Send>>,
}

impl Silence {
    /// The client must send so many bytes within `timeout`, and before the port is closed.
    pub(super) fn new(bytes: usize, timeout: Duration, closing: CancellationToken) -> Self {
        let end = Box::pin(async move {
            tokio::select! {
                () = sleep(timeout) => "the client says nothing",
                () = closing.cancelled() => "the port is closed",
            }
        });
        Self { bytes, end }
    }
}

impl Debug for Silence {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Silence").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(stream: Either<Socket, Box<TlsStream<Socket>>>, peer: Peer, silence: Silence) -> Self {
        Self { stream, peer, silence: Some(silence) }
    }

    /// Fails a read that has waited for the first bytes for too long.
    fn in_time(
        &mut self,
        read: Poll<io::Result<()>>,
        bytes: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(silence) = &mut self.silence else {
            return read;
        };
        silence.bytes = silence.bytes.saturating_sub(bytes);
        if silence.bytes == 0 {
            self.silence = None;
            return read;
        }
        if read.is_ready() {
            return read;
        }
        silence.end.as_mut().poll(context).map(|reason| Err(io::Error::new(ErrorKind::TimedOut, reason)))
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        self.in_time(read, bytes, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
