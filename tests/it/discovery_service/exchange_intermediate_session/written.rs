//! What a call has written: rows, events, and the claims of a JWT.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use uuid::Uuid;
use vestibule::pb;

use crate::harness::Harness;
use crate::harness::database::rows;

/// The tables that entering writes to. The versions of members add up to another sum with every change.
const COUNTS: [&str; 8] = [
    "count(*) AS n FROM organizations",
    "count(*) AS n FROM members",
    "CAST(coalesce(sum(version), 0) AS bigint) AS n FROM members",
    "count(*) AS n FROM member_email_addresses",
    "count(*) AS n FROM sessions",
    "count(*) AS n FROM intermediate_session_receipts",
    "count(*) AS n FROM idempotency_records",
    "count(*) AS n FROM events",
];

/// How much of everything there is.
pub(super) async fn written(t: &Harness) -> Vec<i64> {
    let connection = t.database().await;
    let mut counts = Vec::new();
    for count in COUNTS {
        let found = rows(&connection, &format!("SELECT {count}"), vec![]).await;
        counts.push(found[0].try_get("", "n").unwrap());
    }
    connection.close().await.unwrap();
    counts
}

/// An event, as a reader of the table sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) kind: String,
    pub(super) organization: Uuid,
    pub(super) member: Option<Uuid>,
    pub(super) session: Option<Uuid>,
    pub(super) caller: String,
    pub(super) request_id: String,
    pub(super) data: Value,
}

/// The events that a call has made, in the order in which they were written.
pub(super) async fn told(t: &Harness, request_id: &str) -> Vec<Told> {
    let connection = t.database().await;
    let sql = "SELECT type, organization_id, member_id, session_id, caller, request_id, data FROM events \
               WHERE request_id = $1 ORDER BY position";
    let found = rows(&connection, sql, vec![request_id.into()]).await;
    connection.close().await.unwrap();
    let event = |row: &sea_orm::QueryResult| Told {
        kind: row.try_get("", "type").unwrap(),
        organization: row.try_get("", "organization_id").unwrap(),
        member: row.try_get("", "member_id").unwrap(),
        session: row.try_get("", "session_id").unwrap(),
        caller: row.try_get("", "caller").unwrap(),
        request_id: row.try_get("", "request_id").unwrap(),
        data: row.try_get("", "data").unwrap(),
    };
    found.iter().map(event).collect()
}

/// What an id has behind its prefix.
pub(super) fn uuid(id: &str) -> Uuid {
    Uuid::try_parse(&id[id.len() - 36..]).unwrap()
}

/// The claims of a JWT, which must be signed with a published key.
pub(super) async fn claims(t: &Harness, jwt: &str) -> Value {
    let answer = t.clients().sessions.get_jwks(pb::GetJwksRequest {}).await.unwrap().into_inner();
    let kid = decode_header(jwt).unwrap().kid.unwrap();
    let key = answer.keys.iter().find(|key| key.kid == kid).unwrap();
    let key = DecodingKey::from_ec_components(&key.x, &key.y).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    // Against the clock of the test, by the test itself.
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode::<Value>(jwt, &key, &validation).unwrap().claims
}
