//! The schema's history: the same on both engines, safe to run, and known by its names to the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, TransactionTrait as _};
use secrecy::SecretString;
use vestibule::app::App;
use vestibule::clock::SystemClock;
use vestibule::entropy::OsEntropy;
use vestibule::pb;
use vestibule::store::{CONSTRAINTS, Constraint};
use vestibule::telemetry::metrics::Metrics;

use crate::faults::until;
use crate::harness::database::{create_on, rows};
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::logins::{by_jwt, by_token};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    every_constraint_is_known_by_its_name,
    no_foreign_key_lacks_an_index,
    keys_and_sessions_from_before_go_on,
);

/// What one engine has and the other does not need: SQLite's writers take turns.
const POSTGRES_ONLY: (&str, &str) = ("events", "transaction_id");

/// The names and texts of the steps of one engine.
fn steps(engine: &str) -> BTreeMap<String, String> {
    let folder = format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
    let steps = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    });
    steps.collect()
}

#[test]
fn both_engines_have_the_same_steps() {
    let names: Vec<_> = steps("postgres").into_keys().collect();
    assert_eq!(names, steps("sqlite").into_keys().collect::<Vec<_>>());
    for (position, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", position + 1)), "numbered without gaps: {name}");
    }
}

#[test]
fn every_step_says_what_it_is_and_is_that() {
    for (engine, (name, text)) in ["postgres", "sqlite"]
        .into_iter()
        .flat_map(|engine| steps(engine).into_iter().map(move |step| (engine, step)))
    {
        let contract = name.contains("_contract_");
        assert!(contract || name.contains("_expand_"), "{engine}/{name}");
        assert!(text.starts_with("-- "), "{engine}/{name} begins with why it is safe");
        let statements: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .collect::<Vec<_>>()
            .join(" ")
            .to_uppercase();
        for word in ["DROP ", " RENAME ", "SET NOT NULL", "TRUNCATE ", "DELETE FROM "] {
            assert!(contract || !statements.contains(word), "{engine}/{name}: {word} in a step that expands");
        }
        // What runs outside a transaction blocks nobody while it waits.
        if engine == "postgres" && !text.starts_with("-- no-transaction") {
            let bounded = ["SET LOCK_TIMEOUT", "SET LOCAL LOCK_TIMEOUT"];
            assert!(
                bounded.iter().any(|set| statements.contains(set)),
                "{name} may wait for ever for a lock"
            );
        }
    }
}

/// Logins write to several tables in a transaction, in an order of their own: a step that waits for a second table
/// while it holds the first is a deadlock with them, which ends one or the other after a second.
#[test]
fn every_step_waits_for_one_table() {
    // Those before ran before there was a release.
    for (name, text) in steps("postgres").into_iter().filter(|(name, _)| name.as_str() > "0014") {
        let tables = locked(&text);
        assert!(tables.len() <= 1, "{name} locks {tables:?}: make a step of each");
    }
    let two =
        "CREATE TABLE notes (id uuid REFERENCES members (id)); ALTER TABLE sessions ADD COLUMN note text;";
    assert_eq!(locked(two).into_iter().collect::<Vec<_>>(), ["members", "sessions"]);
}

/// The tables that stood before a step and that it locks against writers: it changes them, makes an index on them, or
/// refers to them.
fn locked(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join(" ").to_lowercase().replace(['(', ';'], " ");
    let words: Vec<&str> =
        text.split_whitespace().filter(|word| !["if", "exists", "not", "only"].contains(word)).collect();
    let after = |first: &[&str]| -> BTreeSet<String> {
        let found = words.windows(first.len() + 1).filter(|window| window.starts_with(first));
        found.map(|window| window[first.len()].to_owned()).collect()
    };
    let made = after(&["create", "table"]);
    let mut locked = after(&["alter", "table"]);
    locked.extend(after(&["references"]));
    locked.extend(after(&["drop", "table"]));
    if !words.contains(&"concurrently") && words.contains(&"index") {
        locked.extend(after(&["on"]));
    }
    locked.retain(|table| !made.contains(table) && table != "delete" && table != "update");
    locked
}

/// A column: its type as SQLite calls it, and whether it may be null.
type Columns = BTreeMap<(String, String), (String, bool)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_engines_end_with_the_same_tables() {
    let (postgres, embedded) = (Harness::postgres().await, Harness::embedded().await);
    let (postgres, embedded) = (postgres.database().await, embedded.database().await);
    let mut expected = postgres_columns(&postgres).await;
    assert!(expected.remove(&own(POSTGRES_ONLY)).is_some());
    assert_eq!(expected, sqlite_columns(&embedded).await);
    assert!(expected.len() > 80, "{}", expected.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_engines_end_with_the_same_unique_indexes() {
    let (postgres, embedded) = (Harness::postgres().await, Harness::embedded().await);
    let mut expected = postgres_indexes(&postgres.database().await, "i.indisunique").await;
    let mut found = sqlite_indexes(&embedded.database().await, "l.\"unique\"").await;
    // The order of events is a matter of each engine, and SQLite keeps no index for its own.
    expected.retain(|(table, ..)| table != POSTGRES_ONLY.0);
    found.retain(|(table, ..)| table != POSTGRES_ONLY.0);
    assert_eq!(expected, found);
    assert!(expected.len() >= 14, "{expected:?}");
}

fn own((table, column): (&str, &str)) -> (String, String) {
    (table.to_owned(), column.to_owned())
}

async fn postgres_columns(connection: &DatabaseConnection) -> Columns {
    let sql = "SELECT table_name::text AS t, column_name::text AS c, data_type::text AS type, is_nullable = 'YES' AS nullable \
               FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";
    let columns = rows(connection, sql, vec![]).await.into_iter().map(|row| {
        let table: String = row.try_get("", "t").unwrap();
        let r#type: String = row.try_get("", "type").unwrap();
        let r#type = match r#type.as_str() {
            "uuid" | "bytea" => "blob",
            "jsonb" | "timestamp with time zone" => "text",
            "bigint" if table == "events" => "integer",
            same => same,
        };
        let column = (table, row.try_get("", "c").unwrap());
        (column, (r#type.to_owned(), row.try_get("", "nullable").unwrap()))
    });
    columns.collect()
}

async fn sqlite_columns(connection: &DatabaseConnection) -> Columns {
    let sql = "SELECT m.name AS t, c.name AS c, lower(c.type) AS type, c.\"notnull\" = 0 AND c.pk = 0 AS nullable \
               FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c \
               WHERE m.type = 'table' AND m.name NOT IN ('_sqlx_migrations', 'sqlite_sequence')";
    let columns = rows(connection, sql, vec![]).await.into_iter().map(|row| {
        let column = (row.try_get("", "t").unwrap(), row.try_get("", "c").unwrap());
        (column, (row.try_get("", "type").unwrap(), row.try_get("", "nullable").unwrap()))
    });
    columns.collect()
}

/// An index: its table, its columns in order, and whether it has a condition.
type Indexes = BTreeSet<(String, String, bool)>;

async fn postgres_indexes(connection: &DatabaseConnection, condition: &str) -> Indexes {
    let sql = format!(
        "SELECT t.relname::text AS t, i.indpred IS NOT NULL AS partial, \
         (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY AS k (c, n) \
          JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.c) AS columns \
         FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid \
         WHERE t.relnamespace = 'public'::regnamespace AND t.relname <> '_sqlx_migrations' AND {condition}"
    );
    indexes(connection, &sql).await
}

async fn sqlite_indexes(connection: &DatabaseConnection, condition: &str) -> Indexes {
    let sql = format!(
        "SELECT m.name AS t, l.partial = 1 AS partial, \
         (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)) AS columns \
         FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS l \
         WHERE m.type = 'table' AND m.name <> '_sqlx_migrations' AND {condition}"
    );
    indexes(connection, &sql).await
}

async fn indexes(connection: &DatabaseConnection, sql: &str) -> Indexes {
    let read = rows(connection, sql, vec![]).await.into_iter().map(|row| {
        let (table, columns) = (row.try_get("", "t").unwrap(), row.try_get("", "columns").unwrap());
        (table, columns, row.try_get("", "partial").unwrap())
    });
    read.collect()
}

async fn no_foreign_key_lacks_an_index(t: Harness) {
    let connection = t.database().await;
    let (keys, indexes) = if t.on_servers() {
        let keys = "SELECT c.conrelid::regclass::text AS t, a.attname::text AS c FROM pg_constraint AS c \
                    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'";
        (keys, postgres_indexes(&connection, "i.indpred IS NULL").await)
    } else {
        let keys = "SELECT m.name AS t, k.\"from\" AS c FROM sqlite_master AS m \
                    JOIN pragma_foreign_key_list(m.name) AS k WHERE m.type = 'table'";
        (keys, sqlite_indexes(&connection, "l.partial = 0").await)
    };
    let keys = rows(&connection, keys, vec![]).await;
    assert!(keys.len() >= 6);
    for key in keys {
        let (table, column): (String, String) =
            (key.try_get("", "t").unwrap(), key.try_get("", "c").unwrap());
        let first = |columns: &str| columns.split(',').next() == Some(&column);
        let served = indexes.iter().any(|(of, columns, _)| *of == table && first(columns));
        assert!(served, "deleting what {table}.{column} refers to reads all of {table}");
    }
}

/// A statement that breaks the rule and no other, once there are two organizations and one has two members.
fn breach(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::OrganizationName => "INSERT INTO organization_names SELECT * FROM organization_names",
        Constraint::ClaimedDomain => {
            "INSERT INTO organization_domains SELECT o.id, d.kind, d.domain, 0 FROM organization_domains AS d \
             JOIN organizations AS o ON o.id <> d.organization_id WHERE d.kind = 'claimed'"
        }
        Constraint::MemberEmailAddress => {
            "INSERT INTO member_email_addresses SELECT member_id, organization_id, member_id, email_address, \
             domain, status, verified, live, created_at FROM member_email_addresses"
        }
        Constraint::MemberExternalId => "UPDATE members SET external_id = 'erp-7'",
        Constraint::MemberPhoneNumber => "UPDATE members SET mfa_phone_number = '+15005550006'",
        Constraint::Receipt => {
            "INSERT INTO intermediate_session_receipts SELECT * FROM intermediate_session_receipts"
        }
        Constraint::IdempotencyKey => "INSERT INTO idempotency_records SELECT * FROM idempotency_records",
    }
}

async fn every_constraint_is_known_by_its_name(t: Harness) {
    let clients = t.clients();
    let claiming = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["claimed.example.com".to_owned()],
        ..organization("Claiming")
    };
    clients.create(claiming).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    let founded = clients.spend(with_key(creation(&token), "key")).await.unwrap().into_inner();
    clients.member(&founded.member.unwrap().organization_id, "grace@acme.com").await;
    let connection = t.database().await;
    for (constraint, name, columns) in CONSTRAINTS {
        let error = connection.execute_unprepared(breach(*constraint)).await.unwrap_err();
        let sea_orm::DbErr::Exec(sea_orm::RuntimeErr::SqlxError(error)) = error else {
            panic!("{constraint:?}: {error:?}");
        };
        let refusal = error.as_database_error().unwrap();
        if t.on_servers() {
            assert_eq!(refusal.constraint(), Some(*name), "{constraint:?}");
        } else {
            assert_eq!(refusal.message(), format!("UNIQUE constraint failed: {columns}"), "{constraint:?}");
        }
    }
}

/// What was signed and begun on the schema without the life of keys.
async fn keys_and_sessions_from_before_go_on(mut t: Harness) {
    let founded = t.clients().founded("ada@acme.com").await;
    t.stop().await;
    for statement in [
        "ALTER TABLE signing_keys DROP COLUMN signs_from",
        "ALTER TABLE signing_keys DROP COLUMN revoked_at",
        "DROP INDEX sessions_expires_at_idx",
        "DROP INDEX organization_domains_allowed_idx",
        "DELETE FROM _sqlx_migrations WHERE version > 10",
    ] {
        t.execute(statement).await;
    }
    if t.on_servers() {
        vestibule::app::migrate(&SecretString::from(t.database_url())).await.unwrap();
    }
    t.restart().await;
    let clients = t.clients();
    for request in [by_token(&founded.session_token), by_jwt(&founded.session_jwt)] {
        let checked = clients.authenticate(request).await.unwrap().into_inner();
        assert_eq!(checked.member_session, founded.member_session);
        clients.authenticate(by_jwt(&checked.session_jwt)).await.unwrap();
    }
    let keys = clients.sessions.clone().get_jwks(pb::GetJwksRequest {}).await.unwrap().into_inner().keys;
    assert!(keys.iter().any(|key| key.alg == "ES256"), "{keys:?}");
    assert_eq!(t.count("signing_keys WHERE signs_from IS NULL AND revoked_at IS NULL").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_served() {
    let mut t = Harness::postgres().await;
    t.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', true, '', 0)",
    )
    .await;
    t.restart().await;
    t.clients().create(organization("Acme")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_schema_is_refused() {
    let t = Harness::postgres().await;
    t.execute("DELETE FROM _sqlx_migrations").await;
    let clock = std::sync::Arc::new(SystemClock::new());
    let refusal =
        App::build(&t.config, clock, std::sync::Arc::new(OsEntropy), Metrics::unread()).await.unwrap_err();
    let cause = std::error::Error::source(&refusal).unwrap().to_string();
    assert_eq!(cause, "the database schema is at version 0, this program needs 13: run `vestibule migrate`");
}

/// Rolling back a deployment runs the older program's `migrate` on the newer schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_program_leaves_a_newer_schema_alone() {
    let t = Harness::postgres().await;
    t.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', true, '', 0)",
    )
    .await;
    vestibule::app::migrate(&SecretString::from(t.database_url())).await.unwrap();
}

/// A database without a schema: its name, and its URL.
async fn empty_database(t: &Harness) -> (String, SecretString) {
    let mut url = url::Url::parse(&t.database_url()).unwrap();
    let empty = format!("{}_empty", url.path().trim_start_matches('/'));
    create_on(&t.database_url(), &empty).await;
    url.set_path(&empty);
    (empty, SecretString::from(url.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_migrators_at_once_take_turns() {
    let t = Harness::postgres().await;
    let (empty, url) = empty_database(&t).await;
    let migrate = || vestibule::app::migrate(&url);
    let (one, two, three) = tokio::join!(migrate(), migrate(), migrate());
    assert_eq!([one.unwrap(), two.unwrap(), three.unwrap()], [13, 13, 13]);
    t.execute(&format!("DROP DATABASE \"{empty}\"")).await;
}

/// The index of a unique rule: which one it is, and whether it is complete.
async fn index(connection: &DatabaseConnection) -> (String, bool) {
    let sql = "SELECT indexrelid::text AS id, indisvalid FROM pg_index \
               WHERE indexrelid = 'members_external_id_key'::regclass";
    let found = rows(connection, sql, vec![]).await;
    (found[0].try_get("", "id").unwrap(), found[0].try_get("", "indisvalid").unwrap())
}

/// What a concurrent build that failed leaves has the index's name, and would be taken for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_was_left_half_built_is_built_again() {
    let t = Harness::postgres().await;
    let connection = t.database().await;
    for statement in [
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'members_external_id_key'::regclass",
        "DELETE FROM _sqlx_migrations WHERE version = 3",
    ] {
        assert_eq!(connection.execute_unprepared(statement).await.unwrap().rows_affected(), 1, "{statement}");
    }
    let (broken, complete) = index(&connection).await;
    assert!(!complete);
    vestibule::app::migrate(&SecretString::from(t.database_url())).await.unwrap();
    let (built, complete) = index(&connection).await;
    assert!(complete && built != broken);
    // And nothing that is complete is built anew.
    vestibule::app::migrate(&SecretString::from(t.database_url())).await.unwrap();
    assert_eq!(index(&connection).await, (built, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_fails_leaves_nothing_and_locks_nobody_out() {
    let t = Harness::postgres().await;
    let (empty, url) = empty_database(&t).await;
    let connection = sea_orm::Database::connect(secrecy::ExposeSecret::expose_secret(&url)).await.unwrap();
    connection.execute_unprepared("CREATE TABLE events (in_the_way text)").await.unwrap();
    for _ in 0..2 {
        vestibule::app::migrate(&url).await.unwrap_err();
    }
    let tables = rows(
        &connection,
        "SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'",
        vec![],
    )
    .await;
    assert_eq!(tables.len(), 1, "the step is rolled back whole");
    connection.execute_unprepared("DROP TABLE events").await.unwrap();
    assert_eq!(vestibule::app::migrate(&url).await.unwrap(), 13);
    connection.close().await.unwrap();
    t.execute(&format!("DROP DATABASE \"{empty}\"")).await;
}

/// A long transaction is in the way of a step: others don't wait behind the step, which is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_gives_way_to_others_until_its_turn_comes() {
    let t = Harness::postgres().await;
    let (empty, url) = empty_database(&t).await;
    vestibule::app::migrate(&url).await.unwrap();
    let connect = || sea_orm::Database::connect(secrecy::ExposeSecret::expose_secret(&url));
    let connection = connect().await.unwrap();
    for statement in [
        "ALTER TABLE signing_keys DROP COLUMN signs_from, DROP COLUMN revoked_at",
        "DELETE FROM _sqlx_migrations WHERE version = 11",
    ] {
        connection.execute_unprepared(statement).await.unwrap();
    }
    let reading = connect().await.unwrap();
    let reading = reading.begin().await.unwrap();
    reading.execute_unprepared("LOCK TABLE signing_keys IN ACCESS SHARE MODE").await.unwrap();
    let waiting = async || {
        let sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ALTER TABLE signing_keys%'";
        !rows(&connection, sql, vec![]).await.is_empty()
    };
    let meanwhile = async {
        until("the step to wait", waiting).await;
        until("the step to give way", async || !waiting().await).await;
        rows(&connection, "SELECT generation FROM signing_keys", vec![]).await;
        reading.commit().await.unwrap();
    };
    let (version, ()) = tokio::join!(vestibule::app::migrate(&url), meanwhile);
    assert_eq!(version.unwrap(), 13);
    rows(&connection, "SELECT signs_from FROM signing_keys", vec![]).await;
    connection.close().await.unwrap();
    t.execute(&format!("DROP DATABASE \"{empty}\" WITH (FORCE)")).await;
}
