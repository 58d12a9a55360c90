//! Custom claims: what callers put on a session and into its JWT.

use serde_json::Value;

use super::json::{self, JsonObject, MAX_BYTES};
use super::reason::Reason;

/// The registered claims (RFC 7519, section 4.1); custom claims of these names are ignored.
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Claims starting so are the service's own; client libraries of the published API rely on them.
const RESERVED_PREFIX: &str = "https://stytch.com/";

/// Why custom claims are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// A claim starts with the reserved prefix.
    #[error("has a key that starts with {RESERVED_PREFIX}")]
    Reserved,
    /// More bytes than a session carries.
    #[error("is larger than {MAX_BYTES} bytes as JSON")]
    TooLarge,
}

impl ClaimsError {
    /// What callers are told.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Reserved => Reason::StytchClaimsInCustomClaims,
            Self::TooLarge => Reason::CustomClaimsTooLarge,
        }
    }
}

/// The claims of a session after `sent` came in: objects merge at every depth, null deletes,
/// everything else replaces.
///
/// # Errors
/// [`ClaimsError`]; the size is judged on the result.
pub fn merge(mut stored: JsonObject, mut sent: JsonObject) -> Result<JsonObject, ClaimsError> {
    if sent.keys().any(|key| key.starts_with(RESERVED_PREFIX)) {
        return Err(ClaimsError::Reserved);
    }
    sent.retain(|key, _| !REGISTERED.contains(&key.as_str()));
    merge_objects(&mut stored, sent);
    if json::size(&stored) > MAX_BYTES { Err(ClaimsError::TooLarge) } else { Ok(stored) }
}

fn merge_objects(stored: &mut JsonObject, sent: JsonObject) {
    for (key, value) in sent {
        match value {
            Value::Null => {
                stored.remove(&key);
            }
            Value::Object(sent) => {
                let stored = stored.entry(key).or_insert_with(|| Value::Object(JsonObject::new()));
                if !stored.is_object() {
                    *stored = Value::Object(JsonObject::new());
                }
                if let Value::Object(stored) = stored {
                    merge_objects(stored, sent);
                }
            }
            value => {
                stored.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
