//! Ending the program: softly on the first signal, hard on the second.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Tells when to stop.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Stop taking work.
    pub soft: CancellationToken,
    /// Stop at once.
    pub hard: CancellationToken,
}

impl Shutdown {
    /// Catches SIGTERM and SIGINT from now on; the future follows them until the shutdown is hard.
    ///
    /// # Errors
    /// When the operating system does not let the process handle signals.
    pub fn catch_signals(self) -> std::io::Result<impl Future<Output = ()> + Send> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            for stop in [&self.soft, &self.hard] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    () = self.hard.cancelled() => return,
                }
                tracing::info!(hard = self.soft.is_cancelled(), "shutting down");
                stop.cancel();
            }
        })
    }
}
