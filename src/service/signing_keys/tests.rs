use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::domain::reason::Reason;
use crate::entropy::OsEntropy;
use crate::service::error::Error;
use crate::store::{Transaction, open_sqlite};
use crate::telemetry::metrics::Metrics;
use crate::tokens::jwt::UnverifiedJwt;

const ROTATION: Rotation = Rotation {
    algorithm: JwtAlgorithm::Es256,
    period: Duration::from_hours(24 * 180),
    overlap: Duration::from_hours(24 * 30),
};

/// Milliseconds since a fixed moment, by the wall clock and the monotonic one.
#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> OffsetDateTime {
        datetime!(2026-11-22 12:00 UTC) + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A database of its own, which goes with the test.
struct Deployment {
    folder: PathBuf,
    sealing_key: SealingKey,
    clock: Arc<Hand>,
}

impl Deployment {
    fn new() -> Self {
        let entropy: &dyn Entropy = &OsEntropy;
        let number = u64::from_ne_bytes(entropy.bytes());
        let folder = std::env::temp_dir().join(format!("vestibule-keys-{number:016x}"));
        std::fs::create_dir(&folder).unwrap();
        Self { folder, sealing_key: SealingKey::generate(entropy), clock: Arc::default() }
    }

    fn advance(&self, milliseconds: u64) {
        self.clock.0.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// What one replica knows.
    async fn replica(&self) -> Keys {
        let metrics = Metrics::unread();
        let store =
            open_sqlite(&self.folder.join("keys.sqlite"), Duration::from_secs(10), metrics).await.unwrap();
        let tools = KeyTools {
            store,
            sealing_key: self.sealing_key.clone(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::new(OsEntropy),
            environment: Environment::Test,
            rotation: ROTATION,
        };
        Keys::agree(tools).await.unwrap().1
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn signing(keys: &Keys) -> KeyId {
    ROTATION.signing(keys.ring().lives(), keys.tools.clock.now()).unwrap().id
}

/// Whether the key that signs a JWT at one replica is found at another.
async fn finds(keys: &Keys, id: KeyId, signed_at: &Keys) -> Result<(), Error> {
    let jwt = signed_at.ring().key(id).unwrap().sign(&json!({})).unwrap();
    let jwt = UnverifiedJwt::parse(&jwt, Environment::Test).unwrap();
    assert_eq!(jwt.key_id(), id);
    keys.find(&jwt).await.map(|key| assert_eq!(key.public().kid, id.text(Environment::Test)))
}

fn unable_to_parse(found: Result<(), Error>) -> bool {
    matches!(found, Err(Error::Invalid(violations)) if violations[0].reason == Reason::UnableToParseSessionJwt
        && violations[0].field == "session_jwt" && violations.len() == 1)
}

#[tokio::test]
async fn a_key_that_another_replica_made_is_looked_for_once_a_second() {
    let deployment = Deployment::new();
    let (one, other) = (deployment.replica().await, deployment.replica().await);
    let first = signing(&one);
    assert_eq!(signing(&other), first);
    assert!(finds(&other, first, &one).await.is_ok());

    let unaware = one.ring();
    let follow = async |revoked| {
        let outcome = one.revoke(revoked).await.unwrap();
        assert!(matches!(outcome, Revoked::Succeeded(Successor { unheard: true, .. })));
        one.refresh().await.unwrap();
        assert!(!unaware.knows(signing(&one)));
        signing(&one)
    };
    // It has read the keys a moment ago, before there was this one.
    other.refresh().await.unwrap();
    let second = follow(first).await;
    assert!(finds(&other, second, &one).await.is_ok());
    let third = follow(second).await;
    deployment.advance(999);
    assert!(unable_to_parse(finds(&other, third, &one).await), "it has looked for one a moment ago");
    deployment.advance(1);
    assert!(finds(&other, third, &one).await.is_ok());
    // What it has read tells of the revoked one too.
    let jwt = unaware.key(first).unwrap().sign(&json!({})).unwrap();
    let jwt = UnverifiedJwt::parse(&jwt, Environment::Test).unwrap();
    assert!(unable_to_parse(other.find(&jwt).await.map(drop)));
    assert_eq!(other.ring().published(&ROTATION, deployment.clock.now()).len(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_not_refused_while_nobody_can_look_for_it() {
    let deployment = Deployment::new();
    let (one, other) = (deployment.replica().await, deployment.replica().await);
    let first = signing(&one);
    one.rotate().await.unwrap();
    one.refresh().await.unwrap();
    let next = ROTATION.next(one.ring().lives(), deployment.clock.now()).unwrap().id;
    other.tools.store.clone().close().await;
    deployment.advance(1_000);
    assert!(matches!(finds(&other, next, &one).await, Err(Error::Unavailable { .. })));
    assert!(finds(&other, first, &one).await.is_ok(), "what is known stays");
    assert!(other.refresh().await.is_err());
    assert_eq!(signing(&other), first);
}

#[tokio::test]
async fn a_key_that_does_not_open_hides_no_other() {
    let deployment = Deployment::new();
    let (one, other) = (deployment.replica().await, deployment.replica().await);
    let first = signing(&one);
    let foreign = SealedKey {
        generation: 2,
        sealed_private_key: vec![1; 64],
        ..one.make(ROTATION.following(&[], deployment.clock.now())).await.unwrap()
    };
    assert!(one.tools.store.signing_key_keep(&foreign).await.unwrap());
    assert!(!one.tools.store.signing_key_keep(&foreign).await.unwrap());
    assert!(matches!(other.refresh().await, Err(LoadError::Key(_))));
    assert_eq!(signing(&other), first);
    assert_eq!(other.ring().published(&ROTATION, deployment.clock.now()).len(), 1);
    // That the key was revoked is known all the same.
    let now = deployment.clock.now();
    let revoke = async |transaction: &Transaction| transaction.signing_key_revoke(first, now).await;
    one.tools.store.transaction("signing_key_revoke", revoke).await.unwrap();
    assert!(matches!(other.refresh().await, Err(LoadError::Key(_))));
    assert!(other.ring().key(first).is_none());
}

#[tokio::test]
async fn keys_in_memory_are_opened_once() {
    let deployment = Deployment::new();
    let one = deployment.replica().await;
    let before = Arc::clone(one.ring().key(signing(&one)).unwrap());
    one.refresh().await.unwrap();
    assert!(Arc::ptr_eq(&before, one.ring().key(signing(&one)).unwrap()));
}
