//! Requests of SessionService, and what others have in common with them.

use std::time::Duration;

use prost_types::Struct;
use tonic::Status;

use super::member::{check_locale, member_name};
use super::organization::{name, name_at};
use super::{Violations, json};
use crate::api::Api;
use crate::domain::claims::{self, ClaimsError};
use crate::domain::ids::{Id, IdError, Kind};
use crate::domain::json::JsonObject;
use crate::domain::rbac::{EVERY_ACTION, is_id};
use crate::domain::reason::Reason;
use crate::domain::session::{DEFAULT_DURATION_MINUTES, DURATION_MINUTES, SessionRequest};
use crate::pb;
use crate::service::members::get::{GetMember, MemberKey};
use crate::service::sessions::SessionCredential;
use crate::service::sessions::authenticate::{AuthenticateSession, AuthorizationCheck};
use crate::service::sessions::exchange::ExchangeSession;
use crate::service::sessions::revoke::RevokeSession;
use crate::tokens::opaque::SessionToken;

/// The reasons for none and for several of the fields that say which session is meant.
pub(super) const SESSION_ARGUMENTS: [Reason; 2] =
    [Reason::NoSessionArguments, Reason::TooManySessionArguments];

const CLAIMS: &str = "session_custom_claims";

const REVOKE_ARGUMENTS: [Reason; 2] =
    [Reason::NoSessionRevokeArguments, Reason::TooManySessionRevokeArguments];

/// Reads a request to check a session.
pub(in crate::api) fn authenticate(
    api: &Api,
    request: pb::AuthenticateSessionRequest,
) -> Result<AuthenticateSession, Status> {
    let mut violations = Violations::of("AuthenticateSessionRequest");
    let credential = one_session(&mut violations, request.session_token, request.session_jwt);
    let duration = request.session_duration_minutes.map(|minutes| duration(&mut violations, minutes));
    let custom_claims = request.session_custom_claims.map(|sent| sent_claims(&mut violations, sent));
    let check = request.authorization_check.map(|check| authorization_check(api, &mut violations, check));
    let command = credential.map(|credential| AuthenticateSession {
        credential,
        duration: duration.flatten(),
        custom_claims: custom_claims.flatten(),
        authorization_check: check.flatten(),
    });
    violations.finish(command)
}

/// Reads a request to list sessions.
pub(in crate::api) fn list(api: &Api, request: &pb::GetSessionsRequest) -> Result<GetMember, Status> {
    let mut violations = Violations::of("GetSessionsRequest");
    let organization = name(api, &mut violations, &request.organization_id);
    let member = member_name(api, &mut violations, "member_id", &request.member_id);
    let command = organization
        .zip(member)
        .map(|(organization, member)| GetMember { organization, key: MemberKey::Name(member) });
    violations.finish(command)
}

/// Reads a request to end sessions.
pub(in crate::api) fn revoke(api: &Api, request: pb::RevokeSessionRequest) -> Result<RevokeSession, Status> {
    const FIELDS: [&str; 4] = ["member_session_id", "session_token", "session_jwt", "member_id"];
    let mut violations = Violations::of("RevokeSessionRequest");
    let pb::RevokeSessionRequest { member_session_id, session_token, session_jwt, member_id } = request;
    let sent = [&member_session_id, &session_token, &session_jwt, &member_id].map(Option::is_some);
    let one = exactly_one(&mut violations, FIELDS, sent, REVOKE_ARGUMENTS);
    let command = one.and_then(|()| match (member_session_id, member_id) {
        (Some(text), _) => {
            let id = id(api, &mut violations, "member_session_id", Reason::InvalidArgument, &text);
            id.map(RevokeSession::Session)
        }
        (None, Some(text)) => {
            id(api, &mut violations, "member_id", Reason::InvalidMemberId, &text).map(RevokeSession::Member)
        }
        (None, None) => {
            session_credential(&mut violations, session_token, session_jwt).map(RevokeSession::Credential)
        }
    });
    violations.finish(command)
}

/// Reads a request to go to another organization.
pub(in crate::api) fn exchange(
    api: &Api,
    request: pb::ExchangeSessionRequest,
) -> Result<ExchangeSession, Status> {
    let mut violations = Violations::of("ExchangeSessionRequest");
    let organization = name(api, &mut violations, &request.organization_id);
    let credential = one_session(&mut violations, request.session_token, request.session_jwt);
    let session =
        session_request(&mut violations, request.session_duration_minutes, request.session_custom_claims);
    check_locale(&mut violations, request.locale.as_deref());
    let command = organization
        .zip(credential)
        .zip(session)
        .map(|((organization, credential), session)| ExchangeSession { credential, organization, session });
    violations.finish(command)
}

/// Notes when not exactly one of the fields is sent; at those that are, or, when none is, at the first.
pub(super) fn exactly_one<const N: usize>(
    violations: &mut Violations,
    fields: [&str; N],
    sent: [bool; N],
    [none, several]: [Reason; 2],
) -> Option<()> {
    let sent: Vec<_> = fields.iter().zip(sent).filter(|(_, sent)| *sent).map(|(field, _)| *field).collect();
    let of = fields.join(", ");
    match sent.as_slice() {
        [_] => return Some(()),
        [] => violations.add(fields[0], none, format!("exactly one of {of} is required")),
        several_sent => {
            for field in several_sent {
                violations.add(*field, several, format!("only one of {of} can be sent"));
            }
        }
    }
    None
}

fn one_session(
    violations: &mut Violations,
    session_token: Option<String>,
    session_jwt: Option<String>,
) -> Option<SessionCredential> {
    let sent = [session_token.is_some(), session_jwt.is_some()];
    exactly_one(violations, ["session_token", "session_jwt"], sent, SESSION_ARGUMENTS)?;
    session_credential(violations, session_token, session_jwt)
}

/// Reads a token or a JWT, whichever is sent.
pub(super) fn session_credential(
    violations: &mut Violations,
    session_token: Option<String>,
    session_jwt: Option<String>,
) -> Option<SessionCredential> {
    if let Some(text) = session_token {
        let token = SessionToken::parse(&text);
        return violations
            .check("session_token", Reason::InvalidSessionToken, token)
            .map(SessionCredential::Token);
    }
    session_jwt.map(SessionCredential::Jwt)
}

fn id<K: Kind>(
    api: &Api,
    violations: &mut Violations,
    field: &'static str,
    reason: Reason,
    text: &str,
) -> Option<Id<K>> {
    match Id::parse(text, api.environment) {
        Ok(id) => return Some(id),
        Err(IdError::OtherEnvironment) => violations.other_environment(api, field),
        Err(error) => violations.add(field, reason, error),
    }
    None
}

fn authorization_check(
    api: &Api,
    violations: &mut Violations,
    check: pb::AuthorizationCheck,
) -> Option<AuthorizationCheck> {
    let path = |field: &str| format!("authorization_check.{field}");
    let organization = name_at(api, violations, path("organization_id"), &check.organization_id);
    let rule = "is not 1 to 128 ASCII letters, digits, `_`, `-`, `.` and `:`";
    if !is_id(&check.resource_id) {
        violations.add(path("resource_id"), Reason::InvalidPermissionResource, rule);
    }
    if !is_id(&check.action) || check.action == EVERY_ACTION {
        violations.add(path("action"), Reason::InvalidPermissionAction, rule);
    }
    let pb::AuthorizationCheck { resource_id, action, .. } = check;
    organization.map(|organization| AuthorizationCheck { organization, resource_id, action })
}

/// Reads what is asked of a session that is about to be made.
pub(super) fn session_request(
    violations: &mut Violations,
    minutes: Option<i32>,
    claims: Option<Struct>,
) -> Option<SessionRequest> {
    let duration = duration(violations, minutes.unwrap_or(DEFAULT_DURATION_MINUTES));
    let custom_claims = custom_claims(violations, claims);
    Some(SessionRequest { duration: duration?, custom_claims: custom_claims? })
}

fn duration(violations: &mut Violations, minutes: i32) -> Option<Duration> {
    if !DURATION_MINUTES.contains(&minutes) {
        let rule =
            format!("is not within {} to {} minutes", DURATION_MINUTES.start(), DURATION_MINUTES.end());
        violations.add("session_duration_minutes", Reason::InvalidSessionDurationMinutes, rule);
        return None;
    }
    u64::try_from(minutes).ok().map(|minutes| Duration::from_secs(minutes * 60))
}

/// The claims of a new session.
fn custom_claims(violations: &mut Violations, sent: Option<Struct>) -> Option<JsonObject> {
    let Some(sent) = sent else {
        return Some(JsonObject::new());
    };
    let sent = sent_claims(violations, sent)?;
    checked(violations, claims::merge(JsonObject::new(), sent))
}

/// The claims that are to be merged into those of a session, as they were sent. What can be judged without
/// the session is.
fn sent_claims(violations: &mut Violations, sent: Struct) -> Option<JsonObject> {
    let sent = violations.check(CLAIMS, Reason::UnableToRepresentCustomClaimsJson, json::object(sent))?;
    checked(violations, claims::merge(JsonObject::new(), sent.clone()))?;
    Some(sent)
}

fn checked(violations: &mut Violations, claims: Result<JsonObject, ClaimsError>) -> Option<JsonObject> {
    claims.map_err(|error| violations.add(CLAIMS, error.reason(), error)).ok()
}
