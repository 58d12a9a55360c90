//! Who calls, and what a repeat of the call is recognized by.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::permission::Permissions;

/// The service at the other end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name, unique in the deployment.
    pub name: String,
    /// What its credential lets it do.
    pub permissions: Permissions,
    /// How many calls a second it may make, where that is not the default.
    pub calls_per_second: Option<u32>,
}

impl Caller {
    /// The name of the caller who needs no credential, which no other can have.
    pub const ANONYMOUS: &'static str = "anonymous";

    /// Whoever can reach the loopback interface, as long as no credentials exist.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: Self::ANONYMOUS.to_owned(), permissions: Permissions::all(), calls_per_second: None }
    }
}

/// What a use case knows about the call it serves.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// Identifies the call in logs, answers and events.
    pub request_id: String,
    /// Set when the caller wants a repeat to get the first answer again.
    pub idempotency: Option<Idempotency>,
    /// What the call takes up. Work that goes on without the caller keeps it.
    pub slot: Slot,
}

/// A place among the calls that are worked on at once: free again when the last clone is gone.
#[derive(Clone, Default)]
pub struct Slot(Option<Arc<dyn Any + Send + Sync>>);

impl Slot {
    /// Whatever it is that gives the place back when it is dropped.
    #[must_use]
    pub fn new(place: impl Any + Send + Sync) -> Self {
        Self(Some(Arc::new(place)))
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Slot(taken)" } else { "Slot(none)" })
    }
}

/// Recognizes a repeat: bound to the caller by the [`Call`] around it, to the method and to the
/// request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The SHA-256 of the caller's key. Callers put secrets into keys; the database keeps none.
    pub key_hash: [u8; 32],
    /// The full name of the method.
    pub method: &'static str,
    /// The SHA-256 of the request, encoded again.
    pub request_hash: [u8; 32],
}
