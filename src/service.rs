//! The use cases. Each is one file; what they share is [`Service`]. Nothing here knows of gRPC, SQL
//! or Redis.

mod admission;
mod answers;
pub mod discovery;
pub mod error;
pub mod intermediate_sessions;
pub mod limits;
pub mod login;
pub mod members;
mod mint;
pub mod organizations;
pub mod sessions;
pub mod signing_keys;
mod write;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::domain::email_domain::CommonDomains;
use crate::domain::rbac::RbacPolicy;
use crate::entropy::Entropy;
use crate::kv::Keeper;
use crate::store::Store;
use crate::telemetry::metrics::{Gauge, Metrics};
use crate::tokens::jwt::Issuer;
use crate::tokens::sealing::SealingKey;

use limits::Limits;
use sessions::Touched;
use signing_keys::{KeyAges, Keys};

/// What the use cases work with.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field is documented by its type")]
pub struct Parts {
    pub store: Store,
    pub keeper: Arc<dyn Keeper>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub sealing_key: SealingKey,
    pub keys: Keys,
    pub issuer: Issuer,
    pub common_domains: Arc<CommonDomains>,
    pub rbac: Arc<RbacPolicy>,
    pub touched: Touched,
    pub limits: Arc<Limits>,
    pub metrics: Arc<Metrics>,
    /// Work that goes on when its caller is gone; shutting down waits for it.
    pub tasks: TaskTracker,
    /// How long a call that spends a token holds it.
    pub claim_lease: Duration,
    /// Whether people may create organizations with an intermediate session token.
    pub discovery_organization_creation: bool,
}

/// The use cases. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    parts: Arc<Parts>,
}

impl Service {
    /// The use cases, working with these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let service = Self { parts: Arc::new(parts) };
        service.watch_keys();
        service
    }

    /// Tells how old the keys are whenever metrics are read.
    fn watch_keys(&self) {
        type Tell = fn(KeyAges) -> Option<f64>;
        let gauges: [(Gauge, Tell); 3] = [
            (Gauge::SigningKeysReadAge, |ages| Some(ages.read.as_secs_f64())),
            (Gauge::SigningKeyAge, |ages| ages.signing),
            (Gauge::SigningKeyRemaining, |ages| ages.remaining),
        ];
        for (gauge, tell) in gauges {
            // The parts hold the metrics.
            let parts = Arc::downgrade(&self.parts);
            self.parts.metrics.observe(gauge, move |gauge| {
                if let Some(seconds) = parts.upgrade().and_then(|parts| tell(parts.keys.ages())) {
                    gauge.observe(seconds, &[]);
                }
            });
        }
    }
}
