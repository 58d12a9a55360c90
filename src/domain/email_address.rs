//! E-mail addresses: the one spelling under which a person is known.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::email_domain::{EmailDomain, EmailDomainError};

/// Octets of the longest address (RFC 5321, 4.5.3.1.3, less the angle brackets of the path).
const LONGEST_ADDRESS: usize = 254;

/// Octets of the longest local part (RFC 5321, 4.5.3.1.1).
const LONGEST_LOCAL_PART: usize = 64;

/// The at sign and the two characters that NFKC turns into one; counting all three before
/// anything else leaves no second reading of where the domain starts.
const AT_SIGNS: [char; 3] = ['@', '\u{FE6B}', '\u{FF20}'];

/// Why a text is not an [`EmailAddress`]. No variant carries the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailAddressError {
    /// No at sign, or more than one; look-alikes count.
    #[error("must contain exactly one at sign")]
    AtSign,
    /// The local part is not an ASCII dot-string: quoted, commented, spaced, badly dotted or empty.
    #[error("must have a local part of ASCII letters, digits, symbols and single dots, unquoted")]
    LocalPart,
    /// The whole or the local part is too long.
    #[error(
        "must be at most {LONGEST_ADDRESS} octets long, with at most {LONGEST_LOCAL_PART} before the at sign"
    )]
    TooLong,
    /// What follows the at sign is not a domain.
    #[error("domain {0}")]
    Domain(#[from] EmailDomainError),
}

/// An e-mail address in its one spelling: lower case, the domain as [`EmailDomain`] has it.
///
/// At most 254 octets, of which at most 64 before the at sign. `+tag` and the dots of the local
/// part are kept, so two values are equal only when they are one mailbox by name; merging them by
/// provider rules would hand one person's membership to another (attack D8). Serialised as one
/// string and parsed again when read. `Debug` hides the address, since addresses never reach logs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    address: String,
    domain: EmailDomain,
}

impl EmailAddress {
    /// Reads an address, folding case and the spelling of its domain (attacks D5, D6 and D8).
    ///
    /// The local part is an RFC 5321 dot-string in ASCII: quoted strings, comments and spaces are
    /// refused, and so is a full-width letter, which may name another mailbox where the server
    /// speaks SMTPUTF8. A look-alike at sign separates like the real one. Nothing is trimmed.
    ///
    /// # Errors
    ///
    /// The first rule broken, as the variants of [`EmailAddressError`] tell.
    pub fn parse(input: &str) -> Result<Self, EmailAddressError> {
        let mut parts = input.split(AT_SIGNS);
        let (Some(local), Some(domain), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(EmailAddressError::AtSign);
        };
        if local.len() > LONGEST_LOCAL_PART {
            return Err(EmailAddressError::TooLong);
        }
        if !is_dot_string(local) {
            return Err(EmailAddressError::LocalPart);
        }
        let domain = EmailDomain::parse(domain)?;
        let address = format!("{}@{domain}", local.to_ascii_lowercase());
        if address.len() > LONGEST_ADDRESS {
            return Err(EmailAddressError::TooLong);
        }
        Ok(Self { address, domain })
    }

    /// What stands before the at sign: 1 to 64 ASCII characters, lower case, `+tag` included.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.address.split_once('@').map_or("", |(local_part, _)| local_part)
    }

    /// What stands behind the at sign.
    #[must_use]
    pub fn domain(&self) -> &EmailDomain {
        &self.domain
    }

    /// The whole address, `local@domain`. For storing, comparing and sending, never for a log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.address
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(<redacted>)")
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.address)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = EmailAddressError;

    fn try_from(input: String) -> Result<Self, Self::Error> {
        Self::parse(&input)
    }
}

impl From<EmailAddress> for String {
    fn from(email: EmailAddress) -> Self {
        email.address
    }
}

/// `Dot-string` of RFC 5321, 4.1.2.
fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// `atext` of RFC 5322, 3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests;
