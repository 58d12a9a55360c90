//! Events: what happened to whom, by which call. Written in the transaction that made it happen.

use time::OffsetDateTime;

use super::call::Call;
use super::ids::{EventId, MemberId, OrganizationId, SessionId};
use super::json::JsonObject;
use super::organization_settings::{UnknownValue, published};

published! {
    /// What happened.
    EventType {
        OrganizationCreated = "organization.created",
        OrganizationUpdated = "organization.updated",
        OrganizationDeleted = "organization.deleted",
        MemberCreated = "member.created",
        MemberInvited = "member.invited",
        MemberUpdated = "member.updated",
        MemberDeleted = "member.deleted",
        MemberReactivated = "member.reactivated",
        SessionCreated = "session.created",
        SessionRevoked = "session.revoked",
    }
}

/// Something that happened. Carries ids and the names of fields, never addresses, secrets or metadata; an
/// invitation carries what its caller says about the mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Identifies the event.
    pub id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// The organization it happened in.
    pub organization_id: OrganizationId,
    /// The member it happened to.
    pub member_id: Option<MemberId>,
    /// The session it happened to.
    pub session_id: Option<SessionId>,
    /// The caller whose call it was.
    pub caller: String,
    /// The call.
    pub request_id: String,
    /// More, by type; `telemetry_id` for what a person did through discovery.
    pub data: JsonObject,
    /// When.
    pub created_at: OffsetDateTime,
}

impl Event {
    /// An event of an organization, made by a call.
    #[must_use]
    pub fn new(
        id: EventId,
        event_type: EventType,
        organization_id: OrganizationId,
        call: &Call,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            id,
            event_type,
            organization_id,
            member_id: None,
            session_id: None,
            caller: call.caller.name.clone(),
            request_id: call.request_id.clone(),
            data: JsonObject::new(),
            created_at: now,
        }
    }

    /// The event as one of a member.
    #[must_use]
    pub fn of_member(mut self, member_id: MemberId) -> Self {
        self.member_id = Some(member_id);
        self
    }

    /// The event as one of a session.
    #[must_use]
    pub fn of_session(mut self, session_id: SessionId) -> Self {
        self.session_id = Some(session_id);
        self
    }

    /// Notes the device that a person came from, if it is known.
    pub fn came_from(&mut self, telemetry_id: Option<&str>) {
        if let Some(telemetry_id) = telemetry_id {
            self.data.insert("telemetry_id".to_owned(), telemetry_id.into());
        }
    }

    /// The event with the names of the fields that changed, never their values.
    #[must_use]
    pub fn with_changed(mut self, fields: &[&'static str]) -> Self {
        self.data.insert("changed_fields".to_owned(), fields.into());
        self
    }
}
