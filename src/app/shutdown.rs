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
    /// Follows SIGTERM and SIGINT until the shutdown is hard.
    ///
    /// # Errors
    /// When the operating system does not let the process handle signals.
    pub async fn follow_signals(self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        for stop in [&self.soft, &self.hard] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = self.hard.cancelled() => return Ok(()),
            }
            tracing::info!(hard = self.soft.is_cancelled(), "shutting down");
            stop.cancel();
        }
        Ok(())
    }
}
