//! What `grpc.health.v1` says: a service serves while what it needs answers.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::api::{Dependency, Readiness, SERVICES};
use crate::kv::Keeper;
use crate::store::Store;

/// How often everything that is needed is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// The name of the program as a whole.
const OVERALL: &str = "";

/// Serves as long as the program runs, whatever is away: whoever restarts what does not live asks for this. A
/// restart brings no database back.
const LIVENESS: &str = "liveness";

/// Reports that the program runs.
pub(super) async fn live(reporter: &HealthReporter) {
    reporter.set_service_status(LIVENESS, ServingStatus::Serving).await;
}

/// Asks what is needed and reports: overall, whether the database answers; for each service, whether
/// everything that it needs does.
pub(super) async fn check(
    reporter: &HealthReporter,
    readiness: &Readiness,
    store: &Store,
    keeper: &dyn Keeper,
) {
    let (store, keeper) = tokio::join!(store.ping(), keeper.ping());
    let (store, keeper) = (store.is_ok(), keeper.is_ok());
    readiness.set(Dependency::Database, store);
    readiness.set(Dependency::Keeper, keeper);
    reporter.set_service_status(OVERALL, status(store)).await;
    for (service, needs_keeper) in SERVICES {
        reporter.set_service_status(service, status(store && (keeper || !needs_keeper))).await;
    }
}

/// Goes on asking until the shutdown begins; then reports that nothing serves any more.
pub(super) async fn watch(
    (reporter, readiness, store, keeper): (HealthReporter, Arc<Readiness>, Store, Arc<dyn Keeper>),
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => break,
        }
        tokio::select! {
            () = check(&reporter, &readiness, &store, &*keeper) => {}
            () = stop.cancelled() => break,
        }
    }
    readiness.drain();
    report(&reporter, ServingStatus::NotServing).await;
}

async fn report(reporter: &HealthReporter, status: ServingStatus) {
    reporter.set_service_status(OVERALL, status).await;
    for (service, _) in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}

/// Ends the streams of those who watch, which would keep their connections open for ever.
pub(super) async fn dismiss_watchers(mut reporter: HealthReporter) {
    reporter.clear_service_status(LIVENESS).await;
    reporter.clear_service_status(OVERALL).await;
    for (service, _) in SERVICES {
        reporter.clear_service_status(service).await;
    }
}

fn status(serving: bool) -> ServingStatus {
    if serving { ServingStatus::Serving } else { ServingStatus::NotServing }
}
