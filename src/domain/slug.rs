//! The names that callers give to organizations and members beside the generated ids.
//!
//! A call that takes an organization or member id also takes one of these in its place, so none
//! may look like an id.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Characters of the shortest slug.
const SHORTEST_SLUG: usize = 2;

/// Characters of the longest slug.
pub(super) const LONGEST_SLUG: usize = 128;

/// Characters of the longest external id.
const LONGEST_EXTERNAL_ID: usize = 128;

/// Why a text is not a [`Slug`]. No variant carries the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// Shorter than 2 or longer than 128 characters.
    #[error("must be {SHORTEST_SLUG} to {LONGEST_SLUG} characters long")]
    Length,
    /// A character outside the allowed set.
    #[error(r#"must contain only ASCII letters, digits and the characters "-", ".", "_" and "~""#)]
    Character,
    /// Punctuation alone.
    #[error("must contain at least one letter or digit")]
    NoAlphanumeric,
    /// It could be taken for an organization's id.
    #[error("must not have the form of an organization id")]
    IdShaped,
}

/// Why a text is not an [`ExternalId`]. No variant carries the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExternalIdError {
    /// Empty or longer than 128 characters.
    #[error("must be 1 to {LONGEST_EXTERNAL_ID} characters long")]
    Length,
    /// A character outside the allowed set.
    #[error(r#"must contain only ASCII letters, digits and the characters ".", "_", "-" and "|""#)]
    Character,
    /// It could be taken for an id of the thing it names.
    #[error("must not have the form of a generated id")]
    IdShaped,
}

/// An organization's slug as its creator wrote it.
///
/// 2 to 128 ASCII letters, digits, `-`, `.`, `_` and `~`, at least one of them a letter or digit,
/// and never of the form of an organization id. Case is kept, so equality of values is not what
/// makes a slug taken: that is [`Slug::key`]. Serialised as its text and read back unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Takes a slug as given; nothing is trimmed or folded.
    ///
    /// # Errors
    ///
    /// The first rule broken, as the variants of [`SlugError`] tell.
    pub fn parse(input: &str) -> Result<Self, SlugError> {
        if !(SHORTEST_SLUG..=LONGEST_SLUG).contains(&input.chars().count()) {
            return Err(SlugError::Length);
        }
        if !input.chars().all(is_slug_character) {
            return Err(SlugError::Character);
        }
        if !input.chars().any(|c| c.is_ascii_alphanumeric()) {
            return Err(SlugError::NoAlphanumeric);
        }
        if is_id_shaped(input, "organization") {
            return Err(SlugError::IdShaped);
        }
        Ok(Self(input.to_owned()))
    }

    /// The slug for an organization whose creator's address yields none.
    pub(super) fn placeholder() -> Self {
        Self("organization".to_owned())
    }

    /// The slug as its creator wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness and look-up compare: the slug in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// A caller's own id for an organization or a member.
///
/// 1 to 128 ASCII letters, digits, `.`, `_`, `-` and `|`, never of the form of a generated id of
/// the same kind of thing. Case is kept; uniqueness compares [`ExternalId::key`]. Serialised as
/// its text and read back unchecked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(String);

impl ExternalId {
    /// Takes an organization's external id as given; nothing is trimmed or folded.
    ///
    /// # Errors
    ///
    /// The first rule broken, as the variants of [`ExternalIdError`] tell.
    pub fn parse_for_organization(input: &str) -> Result<Self, ExternalIdError> {
        Self::parse(input, "organization")
    }

    /// Takes a member's external id as given; nothing is trimmed or folded.
    ///
    /// # Errors
    ///
    /// The first rule broken, as the variants of [`ExternalIdError`] tell.
    pub fn parse_for_member(input: &str) -> Result<Self, ExternalIdError> {
        Self::parse(input, "member")
    }

    fn parse(input: &str, kind: &str) -> Result<Self, ExternalIdError> {
        if !(1..=LONGEST_EXTERNAL_ID).contains(&input.chars().count()) {
            return Err(ExternalIdError::Length);
        }
        if !input.chars().all(is_external_id_character) {
            return Err(ExternalIdError::Character);
        }
        if is_id_shaped(input, kind) {
            return Err(ExternalIdError::IdShaped);
        }
        Ok(Self(input.to_owned()))
    }

    /// The external id as the caller wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness and look-up compare: the external id in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Whether a slug may hold the character.
pub(super) fn is_slug_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

fn is_external_id_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-' | '|')
}

/// `<kind>-test-<uuid>` or `<kind>-live-<uuid>` in any case. Every spelling of a UUID counts, also
/// without hyphens, so that no reader of ids can be more lenient than this.
fn is_id_shaped(text: &str, kind: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let Some((environment, uuid)) =
        text.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.split_once('-'))
    else {
        return false;
    };
    matches!(environment, "test" | "live") && Uuid::try_parse(uuid).is_ok()
}

#[cfg(test)]
mod tests;
