//! Member sessions.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::authentication_factor::AuthenticationFactor;
use super::ids::{MemberId, OrganizationId, SessionId};
use super::json::JsonObject;
use super::slug::Slug;

/// How long a session may last, in minutes: five minutes to 366 days.
pub const DURATION_MINUTES: std::ops::RangeInclusive<i32> = 5..=527_040;

/// How long a session lasts when nobody says, in minutes.
pub const DEFAULT_DURATION_MINUTES: i32 = 60;

/// How long a session's JWT lives, whatever the session's duration.
pub const JWT_LIFETIME: Duration = Duration::from_mins(5);

/// What a caller asks of a session that is about to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRequest {
    /// How long it lasts.
    pub duration: Duration,
    /// What goes into it and its JWT.
    pub custom_claims: JsonObject,
}

/// A login of one member in one organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "documented by the proto message MemberSession")]
pub struct MemberSession {
    pub id: SessionId,
    pub member_id: MemberId,
    pub organization_id: OrganizationId,
    pub organization_slug: Slug,
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub last_accessed_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    pub authentication_factors: Vec<AuthenticationFactor>,
    pub roles: Vec<String>,
    pub custom_claims: JsonObject,
}
