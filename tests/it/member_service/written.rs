//! What calls about members have written: rows, and the events that tell of it.

use serde_json::Value as Json;
use uuid::Uuid;

use crate::harness::Harness;
use crate::harness::database::rows;

/// The tables that calls about members write to, with what is counted of each. The versions of members
/// add up to another sum with every change.
const COUNTS: [&str; 7] = [
    "count(*) AS n FROM members",
    "CAST(coalesce(sum(version), 0) AS bigint) AS n FROM members",
    "count(*) AS n FROM member_email_addresses",
    "count(*) AS n FROM member_email_addresses WHERE live",
    "count(*) AS n FROM sessions",
    "count(*) AS n FROM events",
    "count(*) AS n FROM idempotency_records",
];

/// What a refused call must leave as it is.
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

/// An event of a member.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// The member.
    pub(super) member_id: String,
    /// The call.
    pub(super) request_id: String,
    /// What the event says beside that.
    pub(super) data: Json,
}

/// The events of a type, in the order in which they were written.
pub(super) async fn events(t: &Harness, event_type: &str) -> Vec<Told> {
    let connection = t.database().await;
    let sql = "SELECT member_id, request_id, CAST(data AS text) AS data FROM events \
               WHERE type = $1 ORDER BY position";
    let found = rows(&connection, sql, vec![event_type.into()]).await;
    connection.close().await.unwrap();
    let told = found.iter().map(|row| {
        let member: Uuid = row.try_get("", "member_id").unwrap();
        let data: String = row.try_get("", "data").unwrap();
        Told {
            member_id: format!("member-test-{member}"),
            request_id: row.try_get("", "request_id").unwrap(),
            data: serde_json::from_str(&data).unwrap(),
        }
    });
    told.collect()
}
