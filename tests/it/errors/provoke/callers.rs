//! Refusals of callers.

use tonic::Status;
use vestibule::domain::permission::Permission;

use crate::harness::Setup;
use crate::harness::callers::Key;
use crate::harness::fixtures::organization;

/// A call with this credential, or none.
pub(super) async fn with(credential: Option<&str>) -> Status {
    let key = Key::new("billing", &[Permission::Admin]);
    let t = Setup::embedded().callers(&[&key.line]).start().await;
    let clients = credential.map_or_else(|| t.clients(), |credential| t.clients_with(credential));
    clients.create(organization("Acme")).await.unwrap_err()
}

/// A call by somebody who may do something else.
pub(super) async fn without_permission() -> Status {
    let key = Key::new("billing", &[Permission::Read]);
    let t = Setup::embedded().callers(&[&key.line]).start().await;
    t.clients_with(&key.text).create(organization("Acme")).await.unwrap_err()
}
