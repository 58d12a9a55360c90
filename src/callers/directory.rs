//! Who is known by what.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::Refusal;
use crate::domain::call::Caller;
use crate::domain::ids::ApiKeyId;
use crate::tokens::api_key::{ApiKey, SecretHash};

/// What a credential is good for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// Who holds it, and what it lets them do.
    pub(super) caller: Caller,
    /// When it ends, if ever.
    pub(super) expires_at: Option<OffsetDateTime>,
}

/// A name in a client certificate (RFC 5280, section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum San {
    /// A DNS name, in lower case.
    Dns(String),
    /// A URI, for example a SPIFFE id.
    Uri(String),
}

/// Every credential of the callers file.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) keys: HashMap<ApiKeyId, (SecretHash, Grant)>,
    /// By issuer, then by subject.
    pub(super) subjects: HashMap<String, HashMap<String, Grant>>,
    pub(super) certificates: HashMap<San, Grant>,
}

impl Directory {
    pub(super) fn by_key(&self, key: &ApiKey) -> Result<&Grant, Refusal> {
        match self.keys.get(&key.id()) {
            Some((hash, grant)) if key.has(*hash) => Ok(grant),
            _ => Err(Refusal::UnknownKey),
        }
    }

    pub(super) fn by_subject(&self, issuer: &str, subject: &str) -> Result<&Grant, Refusal> {
        self.subjects.get(issuer).and_then(|subjects| subjects.get(subject)).ok_or(Refusal::UnknownSubject)
    }

    /// Whoever has one of the names. Names of several callers say nothing.
    pub(super) fn by_certificate(&self, dns_names: &[String], uris: &[String]) -> Result<&Grant, Refusal> {
        if dns_names.is_empty() && uris.is_empty() {
            return Err(Refusal::Missing);
        }
        let dns_names = dns_names.iter().map(|name| San::Dns(name.to_ascii_lowercase()));
        let names = dns_names.chain(uris.iter().map(|uri| San::Uri(uri.clone())));
        let mut found = names.filter_map(|name| self.certificates.get(&name));
        let first = found.next().ok_or(Refusal::UnknownCertificate)?;
        if found.all(|other| other.caller == first.caller && other.expires_at == first.expires_at) {
            Ok(first)
        } else {
            Err(Refusal::UnknownCertificate)
        }
    }
}

#[cfg(test)]
mod tests;
