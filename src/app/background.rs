//! What goes on beside the calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::service::Service;
use crate::store::Store;
use crate::telemetry::chain;
use crate::telemetry::metrics::{Gauge, Metrics};

/// How long receipts and the answers of idempotency keys are kept.
const KEPT: Duration = Duration::from_hours(24);

/// How often the signing keys are read again: other replicas and people make and revoke them.
const KEYS_INTERVAL: Duration = Duration::from_secs(2);

/// How often what has served its time is removed.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// How often it is looked up where the outbox is.
const OUTBOX_INTERVAL: Duration = Duration::from_secs(15);

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

/// Tells where the outbox is, as it was a moment ago.
pub(super) fn watch_outbox(
    store: Store,
    metrics: &Metrics,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let position = Arc::new(Mutex::new(None));
    let read = Arc::clone(&position);
    metrics.observe(Gauge::EventPosition, move |gauge| {
        if let Some(position) = *read.lock().unwrap_or_else(PoisonError::into_inner) {
            #[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
            gauge.observe(position as f64, &[]);
        }
    });
    async move {
        loop {
            // A database that is away is told of by others.
            if let Ok(newest) = store.event_position().await {
                *position.lock().unwrap_or_else(PoisonError::into_inner) = newest;
            }
            tokio::select! {
                () = tokio::time::sleep(OUTBOX_INTERVAL) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Removes, again and again, what has served its time.
pub(super) async fn sweep(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    loop {
        let more = match store.sweep(clock.now() - KEPT).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "old receipts could not be removed; trying again later"
                );
                false
            }
        };
        let pause = if more { Duration::ZERO } else { SWEEP_INTERVAL };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Reads the signing keys again and again, and makes the next one when it is due.
pub(super) async fn refresh_keys(service: Service, stop: CancellationToken) {
    let mut out_of_date = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(KEYS_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
        let outcome = tokio::select! {
            outcome = service.refresh_keys() => outcome,
            () = stop.cancelled() => return,
        };
        if let Err(error) = &outcome
            && !out_of_date
        {
            let error = chain(error);
            tracing::warn!(error, "the signing keys could not be read again; trying until they can");
        }
        out_of_date = outcome.is_err();
    }
}
