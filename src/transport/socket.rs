//! A socket that can be taken away and does not wait for ever.

use std::fmt::{self, Debug, Formatter};
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::slots::Slot;

/// A TCP connection. Reading and writing fail once its place is given to another, when its life is over,
/// and when its client takes nothing for too long. It stands below TLS, so handshakes obey it too.
pub(super) struct Socket {
    stream: TcpStream,
    /// Ends, with the reason, when the connection must.
    end: Pin<Box<dyn Future<Output = &'static str> + Send>>,
    ended: Option<&'static str>,
    write_timeout: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Held as long as the socket is open.
    _slot: Slot,
}

impl Socket {
    /// `life`: how long it may be open. `write_timeout`: how long its client may take nothing.
    pub(super) fn new(stream: TcpStream, slot: Slot, life: Duration, write_timeout: Duration) -> Self {
        let evicted = slot.evicted.clone();
        let end = Box::pin(async move {
            tokio::select! {
                () = evicted.cancelled() => "the connection was replaced by another",
                () = sleep(life) => "the connection has been open for too long",
            }
        });
        Self { stream, end, ended: None, write_timeout, stalled: None, _slot: slot }
    }

    /// Whether the connection may go on. Wakes the task when that changes.
    fn goes_on(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.ended.is_none()
            && let Poll::Ready(reason) = self.end.as_mut().poll(context)
        {
            self.ended = Some(reason);
        }
        self.ended.map_or(Ok(()), |reason| Err(io::Error::new(ErrorKind::ConnectionAborted, reason)))
    }

    /// Fails a write that has waited for too long.
    fn in_time(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        stalled
            .as_mut()
            .poll(context)
            .map(|()| Err(io::Error::new(ErrorKind::TimedOut, "the client reads nothing of what it is sent")))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.goes_on(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.goes_on(context)?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.goes_on(context)?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.in_time(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // Neither of these two waits: a TCP socket keeps nothing back.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Debug for Socket {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Socket").field("stream", &self.stream).finish_non_exhaustive()
    }
}
