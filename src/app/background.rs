//! What goes on beside the calls.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::Service;
use crate::telemetry::chain;

/// How often it is written down which sessions were used.
const TOUCHED_INTERVAL: Duration = Duration::from_secs(5);

/// Writes down, again and again, which sessions were used.
pub(super) async fn write_touched(service: Service, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TOUCHED_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
        write_touched_last(&service).await;
    }
}

/// Writes down which sessions were used since the last time.
pub(super) async fn write_touched_last(service: &Service) {
    if let Err(error) = service.write_touched().await {
        tracing::warn!(error = chain(&error), "the last uses of some sessions were not written down");
    }
}
