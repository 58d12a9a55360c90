mod create_organization;
mod delete_organization;
mod delete_organization_external_id;
mod get_organization;
mod get_organization_metrics;
mod search_organizations;
mod update_organization;

pub(crate) use create_organization::everything;

use serde_json::Value as Json;
use tonic::Response;
use uuid::Uuid;
use vestibule::pb;

use crate::harness::Harness;
use crate::harness::database::rows;

/// The UUID of a fixed id that nothing has.
const ABSENT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The tables that changing an organization writes to.
const TABLES: [&str; 9] = [
    // The sweep takes away what has been deleted, whatever is called.
    "organizations WHERE deleted_at IS NULL",
    "organization_names",
    "organization_domains",
    "organization_oauth_tenants",
    "members",
    "member_email_addresses",
    "sessions",
    "events",
    "idempotency_records",
];

/// Everything that callers see of an organization, and how many rows there are of anything.
async fn state(t: &Harness, name: &str) -> (pb::Organization, Vec<i64>) {
    (read(t, name).await, counts(t).await)
}

/// How many rows each of the tables has.
async fn counts(t: &Harness) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in TABLES {
        counts.push(t.count(table).await);
    }
    counts
}

/// The organization as it is now.
async fn read(t: &Harness, name: &str) -> pb::Organization {
    t.clients().get(name).await.unwrap().into_inner().organization.unwrap()
}

/// An organization, created as the request says.
async fn created(t: &Harness, request: pb::CreateOrganizationRequest) -> pb::Organization {
    t.clients().create(request).await.unwrap().into_inner().organization.unwrap()
}

/// The message of an answer, whose request id must be that of the header.
fn answered<T>(answer: Response<T>, request_id: impl FnOnce(&T) -> &str) -> T {
    let header = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let answer = answer.into_inner();
    assert_eq!(request_id(&answer), header);
    answer
}

/// What an organization's id has behind its prefix.
fn uuid_of(organization_id: &str) -> Uuid {
    Uuid::parse_str(organization_id.strip_prefix("organization-test-").unwrap()).unwrap()
}

/// An event, as a reader of the table sees it.
#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    organization: Uuid,
    member: Option<Uuid>,
    session: Option<Uuid>,
    caller: String,
    request_id: String,
    data: Json,
}

/// The events of a type, the oldest first.
async fn events(t: &Harness, kind: &str) -> Vec<Event> {
    let connection = t.database().await;
    let sql = "SELECT type, organization_id, member_id, session_id, caller, request_id, \
               CAST(data AS text) AS data FROM events WHERE type = $1 ORDER BY position";
    let events = rows(&connection, sql, vec![kind.into()]).await;
    connection.close().await.unwrap();
    let event = |row: &sea_orm::QueryResult| Event {
        kind: row.try_get("", "type").unwrap(),
        organization: row.try_get("", "organization_id").unwrap(),
        member: row.try_get("", "member_id").unwrap(),
        session: row.try_get("", "session_id").unwrap(),
        caller: row.try_get("", "caller").unwrap(),
        request_id: row.try_get("", "request_id").unwrap(),
        data: serde_json::from_str(&row.try_get::<String>("", "data").unwrap()).unwrap(),
    };
    events.iter().map(event).collect()
}

/// The event of a type that a call without a caller's name has made of an organization.
fn event(kind: &str, organization_id: &str, request_id: &str, data: Json) -> Event {
    Event {
        kind: kind.to_owned(),
        organization: uuid_of(organization_id),
        member: None,
        session: None,
        caller: "anonymous".to_owned(),
        request_id: request_id.to_owned(),
        data,
    }
}

/// The source of the numbers from 1 in a column `n`, and what makes a UUID, for statements past the API.
fn numbers(t: &Harness, count: i64) -> (String, &'static str) {
    if t.on_servers() {
        return (format!("generate_series(1, {count}) AS numbers (n)"), "gen_random_uuid()");
    }
    let numbers = format!(
        "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
         SELECT n FROM numbers) AS numbers"
    );
    (numbers, "randomblob(16)")
}
