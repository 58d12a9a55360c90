//! Who calls, and what a repeat of the call is recognized by.

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
