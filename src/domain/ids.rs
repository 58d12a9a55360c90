//! Identifiers: UUIDv7 inside, prefixed text outside.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the deployment is for. Part of every id, so that ids of the two never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Environment {
    /// Development and tests.
    Test,
    /// Real people.
    Live,
}

impl Environment {
    /// The environment of a word used in ids.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Test, Self::Live].into_iter().find(|environment| environment.as_str() == word)
    }

    /// The word used in ids.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }
}

/// What an id identifies.
pub trait Kind {
    /// The first part of the text form.
    const PREFIX: &'static str;
}

/// The id of one kind of thing; ids of different kinds don't compile in each other's place.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not `<prefix>-<environment>-<uuid>`.
    #[error("not an id")]
    Malformed,
    /// An id of the other environment.
    #[error("an id of the other environment")]
    OtherEnvironment,
}

impl<K: Kind> Id<K> {
    /// Wraps a UUID.
    #[must_use]
    pub fn new(uuid: Uuid) -> Self {
        Self { uuid, kind: PhantomData }
    }

    /// The UUID, as it is stored.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.uuid
    }

    /// The text form: `<prefix>-<environment>-<uuid>`.
    #[must_use]
    pub fn text(self, environment: Environment) -> String {
        format!("{}-{}-{}", K::PREFIX, environment.as_str(), self.uuid)
    }

    /// Reads the text form. The UUID is lower-case and hyphenated, nothing else.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(text: &str, environment: Environment) -> Result<Self, IdError> {
        let rest =
            text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('-')).ok_or(IdError::Malformed)?;
        let (word, uuid) = rest.split_once('-').ok_or(IdError::Malformed)?;
        let uuid = canonical_uuid(uuid).ok_or(IdError::Malformed)?;
        match Environment::from_word(word) {
            Some(of) if of == environment => Ok(Self::new(uuid)),
            Some(_) => Err(IdError::OtherEnvironment),
            None => Err(IdError::Malformed),
        }
    }
}

fn canonical_uuid(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    let mut buffer = Uuid::encode_buffer();
    (uuid.hyphenated().encode_lower(&mut buffer) == text).then_some(uuid)
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<K> Eq for Id<K> {}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", K::PREFIX, self.uuid)
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.uuid.serialize(serializer)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self::new)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $kind:ident = $prefix:literal;)*) => {$(
        #[doc = concat!("Marks ids that start with `", $prefix, "-`.")]
        #[derive(Debug)]
        pub enum $kind {}

        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
        }

        $(#[$doc])*
        pub type $name = Id<$kind>;
    )*};
}

kinds! {
    /// Identifies an organization.
    OrganizationId OrganizationKind = "organization";
    /// Identifies a member.
    MemberId MemberKind = "member";
    /// Identifies a member session.
    SessionId SessionKind = "session";
    /// Identifies an address of a member.
    EmailId EmailKind = "email";
    /// Identifies a phone number of a member.
    PhoneId PhoneKind = "phone-number";
    /// Identifies a member's account at an OAuth provider.
    OauthRegistrationId OauthRegistrationKind = "oauth-member";
    /// Identifies the deployment: the audience of its JWTs.
    ProjectId ProjectKind = "project";
    /// Identifies a signing key: the `kid` of its JWTs.
    KeyId KeyKind = "jwk";
    /// Identifies an API key of a caller.
    ApiKeyId ApiKeyKind = "api-key";
    /// Identifies a connected app.
    ConnectedAppId ConnectedAppKind = "connected-app";
    /// Identifies an SSO connection that speaks SAML.
    SamlConnectionId SamlConnectionKind = "saml-connection";
    /// Identifies an SSO connection that speaks `OpenID` Connect.
    OidcConnectionId OidcConnectionKind = "oidc-connection";
    /// Identifies an SSO connection of another organization.
    ExternalConnectionId ExternalConnectionKind = "external-connection";
    /// Identifies an event.
    EventId EventKind = "event";
}

/// Identifies one call in logs and to support; made here or handed in by the caller.
pub const REQUEST_ID_PREFIX: &str = "request-id";

#[cfg(test)]
mod tests;
