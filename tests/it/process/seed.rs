//! `vestibule seed`: made-up rows in an empty database, which a server reads as its own.

use std::fmt::Write as _;
use std::path::Path;

use sea_orm::{Database, DatabaseConnection, DbBackend};
use secrecy::ExposeSecret as _;

use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::database::rows;
use crate::harness::program::{Folder, Program, run};

/// The tables that are filled.
const FILLED: [&str; 6] = [
    "organizations",
    "organization_names",
    "organization_domains",
    "organization_oauth_tenants",
    "members",
    "member_email_addresses",
];

const SIZE: [&str; 5] = ["seed", "--organizations", "200", "--members", "5"];

/// Runs `seed` to its end, and tells its exit code and what it said.
async fn seed(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(folder, &[&SIZE[..], arguments].concat()).await;
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// The only column of the only row, a number.
async fn number(database: &DatabaseConnection, sql: &str) -> i64 {
    rows(database, &format!("SELECT ({sql}) AS n"), vec![]).await[0].try_get("", "n").unwrap()
}

/// One column, a text.
async fn texts(database: &DatabaseConnection, sql: &str) -> Vec<String> {
    rows(database, sql, vec![]).await.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// Every row of the filled tables, column by column.
async fn content(database: &DatabaseConnection) -> String {
    let mut content = String::new();
    for table in FILLED {
        let row = if database.get_database_backend() == DbBackend::Postgres {
            format!("{table}::text")
        } else {
            let columns = texts(database, &format!("SELECT name FROM pragma_table_info('{table}')")).await;
            let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
            quoted.join(" || ',' || ")
        };
        let lines = texts(database, &format!("SELECT {row} FROM {table} ORDER BY 1")).await;
        assert!(!lines.is_empty(), "{table} is filled");
        writeln!(content, "{table}\n{}", lines.join("\n")).unwrap();
    }
    content
}

/// Asserts that all 200 organizations stand in the database as the server would have written them,
/// and that the server reads each of them.
async fn holds_what_was_asked_for(database: &DatabaseConnection, clients: &Clients) {
    let slugs = texts(database, "SELECT slug FROM organizations").await;
    assert_eq!(slugs.len(), 200);
    for slug in slugs {
        let answer = clients.get(&slug).await.unwrap_or_else(|status| panic!("{slug}: {status}"));
        assert_eq!(answer.into_inner().organization.unwrap().organization_slug, slug);
    }
    for (expected, sql) in [
        (1_000, "SELECT count(*) FROM members"),
        (1_000, "SELECT count(*) FROM member_email_addresses WHERE status = 'current'"),
        (
            200,
            "SELECT count(*) FROM organizations WHERE EXISTS (SELECT 1 FROM members \
               WHERE organization_id = organizations.id AND status = 'active' \
               AND CAST(assigned_roles AS text) = '[\"stytch_admin\"]' AND created_at = organizations.created_at)",
        ),
        (
            200,
            "SELECT count(*) FROM organizations JOIN organization_names ON organization_id = id AND organization_names.name = slug",
        ),
        (
            0,
            "SELECT count(*) FROM organizations WHERE external_id IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM organization_names WHERE organization_id = id AND organization_names.name = lower(external_id))",
        ),
        (
            0,
            "SELECT count(*) FROM member_email_addresses JOIN members ON members.id = member_id \
             WHERE live = (members.status = 'deleted')",
        ),
        (0, "SELECT count(*) FROM sessions"),
        (0, "SELECT count(*) FROM events"),
    ] {
        assert_eq!(number(database, sql).await, expected, "{sql}");
    }
    for some in [
        "SELECT count(*) FROM members WHERE external_id IS NOT NULL",
        "SELECT count(*) FROM members WHERE mfa_phone_number <> '' AND mfa_phone_number_verified",
        "SELECT count(*) FROM members WHERE version > 1",
        "SELECT count(*) FROM member_email_addresses WHERE status = 'retired' AND live",
        "SELECT count(*) FROM members WHERE status = 'deleted'",
    ] {
        assert!(number(database, some).await > 0, "{some}");
    }
}

/// The indexes and constraints of the database, as it would tell how to make them.
async fn definitions(database: &DatabaseConnection) -> Vec<String> {
    let mut definitions =
        texts(database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'").await;
    definitions.extend(
        texts(
            database,
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) \
                         || convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        )
        .await,
    );
    definitions.sort();
    definitions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_filled() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let database = t.database().await;
    let before = definitions(&database).await;
    let url = t.config.database_url.as_ref().unwrap().expose_secret();
    let (code, said) = seed(folder.path(), &["--database-url", url]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("organizations=200 members=1000"), "{said}");
    holds_what_was_asked_for(&database, &t.clients()).await;
    assert_eq!(definitions(&database).await, before, "indexes and constraints are as they were");
    let analyzed = "SELECT count(DISTINCT tablename) FROM pg_stats WHERE schemaname = 'public' \
                    AND tablename IN ('organizations', 'members', 'member_email_addresses')";
    assert_eq!(number(&database, analyzed).await, 3);

    let (code, said) = seed(folder.path(), &["--database-url", url]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("the database has organizations already"), "{said}");
    assert_eq!(t.count("organizations").await, 200);

    let same = Harness::postgres().await;
    let url = same.config.database_url.as_ref().unwrap().expose_secret();
    assert_eq!(seed(folder.path(), &["--database-url", url, "--random-seed", "0"]).await.0, Some(0));
    let other = Harness::postgres().await;
    let url = other.config.database_url.as_ref().unwrap().expose_secret();
    assert_eq!(seed(folder.path(), &["--database-url", url, "--random-seed", "1"]).await.0, Some(0));
    let content_of = async |t: &Harness| content(&t.database().await).await;
    assert!(content(&database).await == content_of(&same).await, "the same numbers, the same rows");
    assert!(content(&database).await != content_of(&other).await, "another number, other rows");
    assert!(!folder.path().join("vestibule-data").exists(), "no data directory was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_database_is_filled() {
    let (folder, same) = (Folder::new(), Folder::new());
    for folder in [&folder, &same] {
        let (code, said) = seed(folder.path(), &[]).await;
        assert_eq!(code, Some(0), "{said}");
    }
    let open = async |folder: &Folder| {
        let file = folder.path().join("vestibule-data/vestibule.sqlite");
        Database::connect(format!("sqlite://{}", file.display())).await.unwrap()
    };
    let (database, second) = (open(&folder).await, open(&same).await);
    assert!(content(&database).await == content(&second).await, "the same numbers, the same rows");
    let mut program = Program::serve(folder.path(), &[]).await;
    holds_what_was_asked_for(&database, &program.clients().await).await;

    let (code, said) = seed(folder.path(), &[]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("the data directory is in use by another process"), "{said}");
    program.kill().await;
    let (code, said) = seed(folder.path(), &[]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("the database has organizations already"), "{said}");
    assert_eq!(number(&database, "SELECT count(*) FROM organizations").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_leaves_postgres_as_it_was() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let database = t.database().await;
    t.execute("ALTER TABLE members ADD CONSTRAINT nobody_waits CHECK (status <> 'pending')").await;
    let before = definitions(&database).await;
    let url = t.config.database_url.as_ref().unwrap().expose_secret();
    let (code, said) = seed(folder.path(), &["--database-url", url]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the database could not be filled") && said.contains("nobody_waits"), "{said}");
    assert!(!said.contains('@'), "no address in the log: {said}");
    assert_eq!(t.count("organizations").await, 0);
    assert_eq!(definitions(&database).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_real_people_are_refused() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let url = t.config.database_url.as_ref().unwrap().expose_secret();
    for arguments in [&["--environment", "live", "--database-url", url][..], &["--environment", "live"]] {
        let (code, said) = seed(folder.path(), arguments).await;
        assert_eq!(code, Some(1));
        assert!(said.contains("--environment live is refused"), "{said}");
    }
    // The settings may be wrong about what the database is for.
    t.execute("UPDATE project SET environment = 'live'").await;
    let (code, said) = seed(folder.path(), &["--database-url", url]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("the database belongs to the environment live"), "{said}");
    assert_eq!(t.count("organizations").await, 0);
    assert!(!folder.path().join("vestibule-data").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_its_schema_is_refused() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    t.execute("DELETE FROM _sqlx_migrations WHERE version > 1").await;
    let url = t.config.database_url.as_ref().unwrap().expose_secret();
    let (code, said) = seed(folder.path(), &["--database-url", url]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("the database schema is at version 1, this program needs"), "{said}");
    assert!(said.contains("run `vestibule migrate`"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_have_limits() {
    let folder = Folder::new();
    for (organizations, members, sentence) in [
        ("0", "1", "0 is not in 1..=10000000"),
        ("10000001", "1", "10000001 is not in 1..=10000000"),
        ("1", "1000001", "1000001 is not in 0..=1000000"),
        ("many", "1", "invalid digit found in string"),
    ] {
        let arguments = ["seed", "--organizations", organizations, "--members", members];
        let output = run(folder.path(), &arguments).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(sentence), "{said}");
    }
    assert_eq!(run(folder.path(), &["seed"]).await.status.code(), Some(2));
}
