//! What tests of sessions begin with, and what they look at past the API.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost_types::Timestamp;
use serde_json::Value as Json;
use tonic::Code;
use uuid::Uuid;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::Harness;
use crate::harness::database::rows;
use crate::harness::fixtures::magic_link;
use crate::harness::logins::{by_jwt, by_token, exchange};
use crate::harness::refusal::refused;
use crate::harness::values::seconds;

/// A UUID of version 7 that no id has.
pub(super) const ABSENT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) organization: pb::Organization,
    pub(super) member: pb::Member,
    pub(super) session: pb::MemberSession,
    pub(super) token: String,
    pub(super) jwt: String,
}

impl Login {
    pub(super) fn organization_id(&self) -> &str {
        &self.organization.organization_id
    }

    pub(super) fn member_id(&self) -> &str {
        &self.member.member_id
    }

    pub(super) fn session_id(&self) -> &str {
        &self.session.member_session_id
    }
}

/// The first member of a new organization.
pub(super) async fn founder(t: &Harness, address: &str) -> Login {
    let founded = t.clients().founded(address).await;
    Login {
        organization: founded.organization.unwrap(),
        member: founded.member.unwrap(),
        session: founded.member_session.unwrap(),
        token: founded.session_token,
        jwt: founded.session_jwt,
    }
}

/// Another login in an organization, by a magic link.
pub(super) async fn entered(t: &Harness, organization_id: &str, address: &str) -> Login {
    entered_with(t, organization_id, address, vec![magic_link()]).await
}

/// Another login in an organization, by these factors.
pub(super) async fn entered_with(
    t: &Harness,
    organization_id: &str,
    address: &str,
    factors: Vec<pb::VouchedFactor>,
) -> Login {
    let token = t.clients().token_with(address, factors).await;
    let entered = t.clients().exchange(exchange(&token, organization_id)).await.unwrap().into_inner();
    Login {
        organization: entered.organization.unwrap(),
        member: entered.member.unwrap(),
        session: entered.member_session.expect("the login is complete"),
        token: entered.session_token,
        jwt: entered.session_jwt,
    }
}

/// The session as a check by its token shows it.
pub(super) async fn checked(t: &Harness, token: &str) -> pb::MemberSession {
    t.clients().authenticate(by_token(token)).await.unwrap().into_inner().member_session.unwrap()
}

/// Asserts that the session is gone, by its token and by its JWT.
pub(super) async fn is_gone(t: &Harness, login: &Login) {
    for request in [by_token(&login.token), by_jwt(&login.jwt)] {
        let refusal = refused(t.clients().authenticate(request).await, Code::NotFound, "SESSION_NOT_FOUND");
        assert_eq!(refusal.fields, []);
    }
}

/// A part of a JWT, unverified: 0 is the header, 1 the claims.
pub(super) fn part(jwt: &str, index: usize) -> Json {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The time so many minutes from now.
pub(super) fn minutes(t: &Harness, minutes: i64) -> Timestamp {
    let now = seconds(t.clock.now());
    Timestamp { seconds: now.seconds + minutes * 60, nanos: 0 }
}

/// The tables that calls about sessions could write to, with what is counted of each. The versions of
/// members add up to another sum with every change. What is left of deleted organizations goes bit by bit,
/// whatever is called, and is not counted.
const COUNTS: [&str; 7] = [
    "count(*) AS n FROM organizations WHERE deleted_at IS NULL",
    "count(*) AS n FROM members WHERE organization_id IN (SELECT id FROM organizations WHERE deleted_at IS NULL)",
    "CAST(coalesce(sum(version), 0) AS bigint) AS n FROM members \
     WHERE organization_id IN (SELECT id FROM organizations WHERE deleted_at IS NULL)",
    "count(*) AS n FROM member_email_addresses \
     WHERE organization_id IN (SELECT id FROM organizations WHERE deleted_at IS NULL)",
    "count(*) AS n FROM events",
    "count(*) AS n FROM idempotency_records",
    "count(*) AS n FROM intermediate_session_receipts",
];

/// What a call that changes nothing leaves as it is: every session, and how much there is of anything.
pub(super) async fn written(t: &Harness) -> (Vec<i64>, Vec<[String; 3]>) {
    let connection = t.database().await;
    let mut counts = Vec::new();
    for count in COUNTS {
        let found = rows(&connection, &format!("SELECT {count}"), vec![]).await;
        counts.push(found[0].try_get("", "n").unwrap());
    }
    let sql = "SELECT CAST(last_accessed_at AS text) AS used, CAST(expires_at AS text) AS ends, \
               CAST(custom_claims AS text) AS claims FROM sessions ORDER BY id";
    let sessions = rows(&connection, sql, vec![]).await;
    let session = |row: &sea_orm::QueryResult| {
        ["used", "ends", "claims"].map(|column| row.try_get::<String>("", column).unwrap())
    };
    connection.close().await.unwrap();
    (counts, sessions.iter().map(session).collect())
}

/// An event, with the ids as answers have them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) organization_id: String,
    pub(super) member_id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) caller: String,
    pub(super) request_id: String,
    pub(super) data: Json,
}

/// The events after the first so many, the oldest first.
pub(super) async fn events_after(t: &Harness, earlier: usize) -> Vec<Event> {
    let connection = t.database().await;
    let sql = "SELECT type, organization_id, member_id, session_id, caller, request_id, \
               CAST(data AS text) AS data FROM events ORDER BY position";
    let found = rows(&connection, sql, vec![]).await;
    connection.close().await.unwrap();
    let id = |prefix: &str, uuid: Uuid| format!("{prefix}-test-{uuid}");
    let event = |row: &sea_orm::QueryResult| Event {
        kind: row.try_get("", "type").unwrap(),
        organization_id: id("organization", row.try_get("", "organization_id").unwrap()),
        member_id: row.try_get::<Option<Uuid>>("", "member_id").unwrap().map(|uuid| id("member", uuid)),
        session_id: row.try_get::<Option<Uuid>>("", "session_id").unwrap().map(|uuid| id("session", uuid)),
        caller: row.try_get("", "caller").unwrap(),
        request_id: row.try_get("", "request_id").unwrap(),
        data: serde_json::from_str(&row.try_get::<String>("", "data").unwrap()).unwrap(),
    };
    found.iter().skip(earlier).map(event).collect()
}

/// How many events there are.
pub(super) async fn event_count(t: &Harness) -> usize {
    usize::try_from(t.count("events").await).unwrap()
}
