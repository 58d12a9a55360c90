//! Etags: what an organization or member was when somebody read it (AIP-154).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::opaque::sha256;

/// The etag of one version of a thing: 16 characters that say nothing by themselves.
#[must_use]
pub fn etag(id: Uuid, version: i64) -> String {
    URL_SAFE_NO_PAD.encode(&sha256(&[&id.as_bytes()[..], &version.to_be_bytes()].concat())[..12])
}
