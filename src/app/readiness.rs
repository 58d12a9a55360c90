//! What `grpc.health.v1` says: a service serves while what it needs answers.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::api::SERVICES;
use crate::kv::Keeper;
use crate::store::Store;

/// How often everything that is needed is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// The name of the program as a whole.
const OVERALL: &str = "";

/// Asks what is needed and reports: overall, whether the database answers; for each service, whether
/// everything that it needs does.
pub(super) async fn check(reporter: &HealthReporter, store: &Store, keeper: &dyn Keeper) {
    let (store, keeper) = tokio::join!(store.ping(), keeper.ping());
    let (store, keeper) = (store.is_ok(), keeper.is_ok());
    reporter.set_service_status(OVERALL, status(store)).await;
    for (service, needs_keeper) in SERVICES {
        reporter.set_service_status(service, status(store && (keeper || !needs_keeper))).await;
    }
}

/// Goes on asking until the shutdown begins.
pub(super) async fn watch(
    reporter: HealthReporter,
    store: Store,
    keeper: Arc<dyn Keeper>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = check(&reporter, &store, &*keeper) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Reports that nothing serves any more.
pub(super) async fn stop(reporter: &HealthReporter) {
    reporter.set_service_status(OVERALL, ServingStatus::NotServing).await;
    for (service, _) in SERVICES {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
}

fn status(serving: bool) -> ServingStatus {
    if serving { ServingStatus::Serving } else { ServingStatus::NotServing }
}
