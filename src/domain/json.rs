//! JSON objects that callers hand in: metadata and claims.

use serde_json::Value;

/// An object of JSON values.
pub type JsonObject = serde_json::Map<String, Value>;

/// The most top-level keys that metadata may have.
pub const MAX_METADATA_KEYS: usize = 20;

/// The most bytes that metadata, or claims, may have as compact JSON.
pub const MAX_BYTES: usize = 4096;

/// Why metadata is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// More keys than [`MAX_METADATA_KEYS`].
    #[error("has more than {MAX_METADATA_KEYS} keys")]
    TooManyKeys,
    /// More bytes than [`MAX_BYTES`].
    #[error("is larger than {MAX_BYTES} bytes as JSON")]
    TooLarge,
}

/// The bytes of an object as compact UTF-8 JSON.
#[must_use]
pub fn size(object: &JsonObject) -> usize {
    serde_json::to_vec(object).map_or(usize::MAX, |json| json.len())
}

/// Metadata as it is stored after `sent` came in: keys are set at the top level, null deletes.
///
/// # Errors
/// [`MetadataError`], judged on the result.
pub fn metadata(mut stored: JsonObject, sent: JsonObject) -> Result<JsonObject, MetadataError> {
    for (key, value) in sent {
        if value.is_null() {
            stored.remove(&key);
        } else {
            stored.insert(key, value);
        }
    }
    if stored.len() > MAX_METADATA_KEYS {
        Err(MetadataError::TooManyKeys)
    } else if size(&stored) > MAX_BYTES {
        Err(MetadataError::TooLarge)
    } else {
        Ok(stored)
    }
}
