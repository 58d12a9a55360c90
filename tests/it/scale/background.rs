//! What goes on beside the calls is done once, however many replicas do it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use vestibule::app::App;
use vestibule::clock::Clock;
use vestibule::entropy::OsEntropy;
use vestibule::pb;
use vestibule::telemetry::metrics::Metrics;

use super::with_replicas;
use crate::harness::Harness;
use crate::harness::database::rows;
use crate::harness::logins::by_token;
use crate::harness::values::seconds;

with_replicas!(what_is_old_is_swept_once_and_nothing_else, uses_of_a_session_are_written_down_as_the_last);

/// How many rows of each kind are old: more than two batches.
const OLD: i64 = 2_500;

/// The most rows that a sweep takes from one table at once.
const BATCH: i64 = 1_000;

/// What the sweep takes from, and what each statement has deleted there.
const TABLES: [&str; 4] = ["intermediate_session_receipts", "idempotency_records", "sessions", "members"];

/// Has the database write down how many rows each statement deletes.
async fn log_deletions(t: &Harness) {
    t.execute(
        "CREATE TABLE deletions (name text NOT NULL, rows bigint NOT NULL); \
         CREATE FUNCTION log_deletion() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO deletions SELECT TG_TABLE_NAME, count(*) FROM deleted; RETURN NULL; END $$",
    )
    .await;
    for table in TABLES {
        t.execute(&format!(
            "CREATE TRIGGER log_deletion AFTER DELETE ON {table} REFERENCING OLD TABLE AS deleted \
             FOR EACH STATEMENT EXECUTE FUNCTION log_deletion()"
        ))
        .await;
    }
}

/// Rows from two days ago of every kind that is swept, and an organization that was deleted with its members there.
async fn make_old_rows(t: &Harness, young: &str, deleted: &str) {
    let organization = |id: &str| id.trim_start_matches("organization-test-").to_owned();
    let (young, deleted) = (organization(young), organization(deleted));
    t.execute(&format!(
        "INSERT INTO intermediate_session_receipts (token_hash, token_expires_at, revoked, created_at) \
         SELECT sha256(n::text::bytea), ends, true, ends FROM generate_series(1, {OLD}) AS n, \
         (SELECT now() - interval '2 days' AS ends) AS past"
    ))
    .await;
    t.execute(&format!(
        "INSERT INTO idempotency_records (caller, key_hash, method, request_hash, answer, created_at) \
         SELECT 'ada', sha256(n::text::bytea), 'method', 'hash', '{{}}', now() - interval '2 days' \
         FROM generate_series(1, {OLD}) AS n"
    ))
    .await;
    t.execute(&format!(
        "INSERT INTO sessions (id, organization_id, member_id, token_hash, started_at, last_accessed_at, expires_at, \
         authentication_factors, custom_claims) \
         SELECT gen_random_uuid(), organization_id, member_id, sha256(n::text::bytea), started_at, started_at, \
         started_at - interval '2 days', authentication_factors, custom_claims \
         FROM sessions, generate_series(1, {OLD}) AS n WHERE organization_id = '{young}'"
    ))
    .await;
    t.execute(&format!(
        "INSERT INTO members (id, organization_id, status, name, is_breakglass, assigned_roles, mfa_enrolled, \
         oauth_registrations, trusted_metadata, untrusted_metadata, created_at, updated_at) \
         SELECT gen_random_uuid(), id, 'active', 'Ada ' || n, false, '[]', false, '[]', '{{}}', '{{}}', \
         created_at, created_at FROM organizations, generate_series(1, {OLD}) AS n WHERE id = '{deleted}'"
    ))
    .await;
}

/// Every replica sweeps at the same moment, again and again until nothing is left.
async fn what_is_old_is_swept_once_and_nothing_else(t: Harness) {
    let clients = t.clients();
    let young = clients.founded("ada@acme.com").await.organization.unwrap().organization_id;
    let deleted = clients.organization("Globex").await.organization_id;
    log_deletions(&t).await;
    make_old_rows(&t, &young, &deleted).await;
    let delete = pb::DeleteOrganizationRequest { organization_id: deleted, etag: None };
    let delete = crate::harness::fixtures::with_key(delete, "key");
    clients.delete_organization(delete).await.unwrap();
    let mut stores = Vec::new();
    for _ in 0..t.each().len() {
        let clock = Arc::clone(&t.clock) as Arc<dyn Clock>;
        let app = App::build(&t.config, clock, Arc::new(OsEntropy), Metrics::unread()).await.unwrap();
        stores.push(app.store().clone());
    }
    let mut sweeps = JoinSet::new();
    let before = t.clock.now() - Duration::from_hours(24);
    for store in stores {
        sweeps.spawn(async move {
            while store.sweep(before).await.unwrap() {}
            store.close().await;
        });
    }
    sweeps.join_all().await;
    // Whoever came late to a batch has left the rest to the others.
    for table in TABLES {
        assert_eq!(t.count(table).await, 1, "{table}");
    }
    assert_eq!(t.count("organizations").await, 1);
    let connection = t.database().await;
    let sql = "SELECT name, max(rows) AS most, sum(rows)::bigint AS rows FROM deletions GROUP BY name";
    let logged = rows(&connection, sql, vec![]).await;
    connection.close().await.unwrap();
    let mut deletions = BTreeMap::new();
    for row in &logged {
        let number = |name: &str| row.try_get::<i64>("", name).unwrap();
        deletions.insert(row.try_get::<String>("", "name").unwrap(), (number("most"), number("rows")));
    }
    for table in TABLES {
        assert_eq!(deletions[table], (BATCH, OLD), "{table}: {deletions:?}");
    }
    clients.get(&young).await.unwrap();
}

/// A session is used at each replica in turn; each writes down what it knows, whenever it comes to it.
async fn uses_of_a_session_are_written_down_as_the_last(mut t: Harness) {
    let ada = t.clients().founded("ada@acme.com").await;
    let organization = ada.organization.unwrap().organization_id;
    // Begins to gather anew.
    t.clock.advance(Duration::from_mins(1));
    t.restart().await;
    let used = seconds(t.clock.now());
    for clients in t.each() {
        clients.authenticate(by_token(&ada.session_token)).await.unwrap();
    }
    t.clock.advance(Duration::from_mins(1));
    t.restart().await;
    let listed = t.clients().sessions_of(&organization, &ada.member_id).await.unwrap().into_inner();
    let [session] = listed.member_sessions.try_into().unwrap();
    assert_eq!(session.last_accessed_at, Some(used));
}
