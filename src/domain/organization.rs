//! Organizations.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::email_domain::is_hidden;
use super::ids::OrganizationId;
use super::json::JsonObject;
use super::organization_settings::OrganizationSettings;
use super::slug::{ExternalId, Slug};

/// The most characters of an organization's name.
pub const MAX_NAME: usize = 128;

/// The most bytes of a URL.
pub const MAX_URL: usize = 2048;

/// A tenant. Each field is documented by the proto message of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented by the proto message Organization")]
pub struct Organization {
    pub id: OrganizationId,
    pub name: String,
    pub slug: Slug,
    pub external_id: Option<ExternalId>,
    pub logo_url: String,
    pub trusted_metadata: JsonObject,
    pub settings: OrganizationSettings,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// How often the organization has changed; the etag is made of it. 1: never.
    #[serde(default = "first_version")]
    pub version: i64,
}

/// The version of what has never changed.
#[must_use]
pub fn first_version() -> i64 {
    1
}

/// How a caller names an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum OrganizationName {
    /// By its id.
    Id(OrganizationId),
    /// By its slug (without regard to case) or its external id.
    Other(String),
}

impl OrganizationName {
    /// Whether it means the organization: external ids keep their case, only slugs are compared without
    /// it.
    #[must_use]
    pub fn means(&self, organization: &Organization) -> bool {
        let external_id = organization.external_id.as_ref().map(ExternalId::as_str);
        self.names(organization.id, organization.slug.as_str(), external_id)
    }

    /// Whether it means the organization with this id, slug and external id.
    #[must_use]
    pub fn names(&self, id: OrganizationId, slug: &str, external_id: Option<&str>) -> bool {
        match self {
            Self::Id(own) => *own == id,
            Self::Other(name) => slug.eq_ignore_ascii_case(name) || external_id == Some(name),
        }
    }
}

/// Why a name for people is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing that shows.
    #[error("is empty")]
    Empty,
    /// More characters than allowed.
    #[error("is longer than {MAX_NAME} characters")]
    TooLong,
    /// Control characters, line separators, or marks that turn the direction of writing.
    #[error("has control characters")]
    Control,
}

/// Checks a name for people: 1 to [`MAX_NAME`] characters that show as what they are.
///
/// # Errors
/// [`NameError`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.chars().all(is_hidden) {
        Err(NameError::Empty)
    } else if name.chars().count() > MAX_NAME {
        Err(NameError::TooLong)
    } else if name.chars().any(is_control) {
        Err(NameError::Control)
    } else {
        Ok(())
    }
}

/// Control characters, and those that let a text pose as another: line and paragraph separators and
/// bidirectional marks (Unicode Standard Annex 9).
#[must_use]
pub fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
