//! The form that all JWTs have: a header, a payload and a signature, each in base64url (RFC 7515, section 7.1).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// How far clocks may differ: a JWT may have been issued so far in the future.
pub const LEEWAY: Duration = Duration::from_mins(1);

/// The longest JWT that is looked at, in bytes. Nearly all have less than 4 KiB; one with hundreds of roles
/// or tenants may have more.
pub const MAX_LENGTH: usize = 32 * 1024;

/// A JWT that has been taken apart. Nothing in it is to be believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact<'a> {
    /// All of it.
    pub(super) text: &'a str,
    /// What the signature is about.
    pub(super) signed: &'a str,
    /// The claims, encoded.
    pub(super) payload: &'a str,
    /// The signature, encoded.
    pub(super) signature: &'a str,
    header: &'a str,
}

/// The header. Where a key is said to be found (`jwk`, `jku`, `x5u`) is not even read. A member that
/// stands twice is refused.
#[derive(Deserialize)]
pub(super) struct Header {
    /// How it is said to be signed.
    pub(super) alg: String,
    /// The key that is said to have signed it.
    pub(super) kid: String,
    /// What must be understood: nothing of the kind is.
    crit: Option<IgnoredAny>,
}

/// Whom a JWT is for (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    /// As a string.
    One(String),
    /// As a list.
    Several(Vec<String>),
}

impl<'a> Compact<'a> {
    /// Takes a JWT apart. `None`: it is too long, or has not three parts.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        (!payload.contains('.')).then_some(Self { text, signed, payload, signature, header })
    }

    /// The header. `None`: it is none that is understood.
    pub(super) fn header(&self) -> Option<Header> {
        object::<Header>(self.header).filter(|header| header.crit.is_none())
    }
}

/// A part of a JWT: an object of JSON in UTF-8 (RFC 7519, section 7.2), in base64url without padding.
pub(super) fn object<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    // The reader does not look into texts that nobody asks for.
    let json = str::from_utf8(&bytes).ok()?;
    // A struct would be read from a list of its values too.
    if !json.trim_ascii_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(json).ok()
}
