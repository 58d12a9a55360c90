//! What a handler learns from a request besides its message.

use prost::Message;
use tonic::{Request, Status};

use super::status;
use crate::domain::call::{Call, Caller, Idempotency, Slot};
use crate::domain::reason::{Reason, Violation};
use crate::service::error::Error;
use crate::tokens::opaque::sha256;

/// The metadata that identifies a call, in requests and in answers.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// The metadata that lets a repeated call get the first answer again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The longest key.
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// Identifies the call; put into every request by the outermost layer.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// The id of the call.
pub(super) fn request_id<T>(request: &Request<T>) -> String {
    request.extensions().get::<RequestId>().map_or_else(String::new, |id| id.0.clone())
}

/// The call that a writing method serves.
///
/// # Errors
/// `INVALID_IDEMPOTENCY_KEY`.
pub(super) fn call<T: Message>(request: &Request<T>, method: &'static str) -> Result<Call, Status> {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_else(Caller::anonymous);
    let mut keys = request.metadata().get_all(IDEMPOTENCY_KEY).iter();
    let idempotency = match (keys.next(), keys.next()) {
        (None, _) => None,
        (Some(key), None) => {
            let key = key.to_str().ok().filter(|key| is_key(key)).ok_or_else(invalid_key)?;
            Some(Idempotency {
                key_hash: sha256(key.as_bytes()),
                method,
                request_hash: sha256(&request.get_ref().encode_to_vec()),
            })
        }
        (Some(_), Some(_)) => return Err(invalid_key()),
    };
    let slot = request.extensions().get::<Slot>().cloned().unwrap_or_default();
    Ok(Call { caller, request_id: request_id(request), idempotency, slot })
}

fn is_key(key: &str) -> bool {
    (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn invalid_key() -> Status {
    let rule = "an idempotency key is 1 to 255 visible ASCII characters, sent once";
    status::from_error(Error::Invalid(vec![Violation::new(
        IDEMPOTENCY_KEY,
        Reason::InvalidIdempotencyKey,
        rule,
    )]))
}
