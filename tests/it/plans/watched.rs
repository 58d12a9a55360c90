//! A server whose database logs the plan of every statement.

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use secrecy::ExposeSecret as _;
use vestibule::config::SeedArgs;

use super::explained::{Explained, Schema};
use crate::harness::database::rows;
use crate::harness::{Harness, Setup};

/// The tables that grow with tenants and with what these do.
const GROWING: [&str; 10] = [
    "events",
    "idempotency_records",
    "intermediate_session_receipts",
    "member_email_addresses",
    "members",
    "organization_domains",
    "organization_names",
    "organization_oauth_tenants",
    "organizations",
    "sessions",
];

/// The tables that stay small, however many tenants there are.
const SMALL: [&str; 3] = ["_sqlx_migrations", "project", "signing_keys"];

/// What makes the sessions of the service tell their plans, those of the statements that check
/// references among them. Where a table is read from end to end now, no index could have served.
const SETTINGS: [&str; 5] = [
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_format = 'json'",
    "auto_explain.log_nested_statements = on",
    "enable_seqscan = off",
];

/// Who is a member of every organization.
pub(super) const CROWD_ADDRESS: &str = "everywhere@crowd.com";

/// The domain that every organization allows, and its members' addresses with it.
pub(super) const CROWD_DOMAIN: &str = "crowd.com";

/// The tenant of Slack and of GitHub that every organization allows.
pub(super) const CROWD_TENANT: &str = "T-CROWD";

/// What makes lists long: a person who is everywhere already, or may go there.
const CROWD: &str = "
    WITH added AS (
        INSERT INTO members
        SELECT (jsonb_populate_record(NULL::members, to_jsonb(member) || jsonb_build_object(
            'id', gen_random_uuid(), 'status', 'active', 'external_id', NULL, 'mfa_phone_number', ''))).*
        FROM (SELECT DISTINCT ON (organization_id) * FROM members ORDER BY organization_id, id) AS member
        RETURNING id, organization_id
    )
    INSERT INTO member_email_addresses
    SELECT gen_random_uuid(), organization_id, id, 'everywhere@crowd.com', 'crowd.com', 'current', true, true, now()
    FROM added;
    UPDATE organizations SET email_jit_provisioning = 'RESTRICTED', oauth_tenant_jit_provisioning = 'RESTRICTED';
    INSERT INTO organization_domains SELECT id, 'allowed', 'crowd.com', 100 FROM organizations;
    INSERT INTO organization_oauth_tenants
    SELECT id, provider, 'T-CROWD', 100 FROM organizations, (VALUES ('slack'), ('github')) AS of (provider)";

/// What makes the tables large that seeding leaves small: reading one from end to end is the best plan as
/// long as it has a few pages only.
const FILLING: &str = "
    INSERT INTO idempotency_records
    SELECT 'anonymous', sha256(number::text::bytea), 'CreateMember', '', '{}', now()
    FROM generate_series(1, 100000) AS number;
    INSERT INTO intermediate_session_receipts
    SELECT sha256(number::text::bytea), now(), NULL, NULL, NULL, NULL, true, now()
    FROM generate_series(1, 100000) AS number;
    INSERT INTO organization_domains
    SELECT id, 'allowed', number || '.' || slug || '.example', number
    FROM organizations, generate_series(1, 10) AS number;
    INSERT INTO organization_oauth_tenants
    SELECT id, provider, slug || number, number
    FROM organizations, (VALUES ('slack'), ('github')) AS of (provider), generate_series(1, 10) AS number;
    INSERT INTO sessions
    SELECT gen_random_uuid(), organization_id, id, sha256((number || ' ' || id)::bytea), now(), now(),
        now() + interval '12 hours' * (1 + (hashtext(id::text) & 31)), '[]', '{}'
    FROM members, generate_series(1, 3) AS number";

/// Where the database server writes, as its own programs see it.
const LOG: &str = "current_setting('data_directory') || '/../log'";

/// The server, and whoever reads the log.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) t: Harness,
    pub(super) schema: Schema,
    /// To a database of its own, so that what it asks is not logged.
    admin: DatabaseConnection,
    /// How far the log was read, in bytes.
    read: i64,
}

impl Watched {
    /// A server with so many made-up organizations of ten members.
    pub(super) async fn start(organizations: u64) -> Self {
        let setup = Setup::stage().await;
        let seed = SeedArgs { organizations, members: 10, random_seed: 0 };
        vestibule::app::seed::seed(&setup.config, seed).await.unwrap();
        let database = Database::connect(setup.config.database_url.as_ref().unwrap().expose_secret()).await;
        let database = database.unwrap();
        let schema = schema(&database).await;
        // As they are after a while: searches for words look at what was added last one by one until then.
        for statement in [CROWD, FILLING, "VACUUM (ANALYZE)"] {
            database.execute_unprepared(statement).await.unwrap();
        }
        let name = &rows(&database, "SELECT current_database()::text AS name", vec![]).await[0];
        let name: String = name.try_get("", "name").unwrap();
        for setting in SETTINGS {
            database.execute_unprepared(&format!("ALTER DATABASE {name} SET {setting}")).await.unwrap();
        }
        database.close().await.unwrap();
        let t = setup.start().await;
        let admin = Database::connect(t.stage.as_ref().unwrap().postgres.url("postgres")).await.unwrap();
        let mut this = Self { t, schema, admin, read: 0 };
        // The log of the seeding.
        this.explained().await;
        this
    }

    /// The statements that the service has run since it was asked last. A statement is logged before its
    /// answer leaves.
    pub(super) async fn explained(&mut self) -> Vec<Explained> {
        let sql = format!("SELECT pg_read_file({LOG}, $1, 1 << 26) AS part");
        let row = &rows(&self.admin, &sql, vec![self.read.into()]).await[0];
        let part: String = row.try_get("", "part").unwrap();
        let (explained, length) = Explained::all(&part);
        self.read += i64::try_from(length).unwrap();
        explained
    }

    /// What is wrong with the plans of the statements since then, each told once.
    pub(super) async fn faults(&mut self, call: &str) -> Vec<String> {
        let mut faults = Vec::new();
        for explained in self.explained().await {
            let of_this: Vec<_> = explained.faults(&self.schema);
            if !of_this.is_empty() {
                faults.push(format!("{call}: {}\n{}", of_this.join(", "), explained.shown()));
            }
        }
        faults.sort();
        faults.dedup();
        faults
    }
}

/// Reads the indexes, and sees that every table is known.
async fn schema(database: &DatabaseConnection) -> Schema {
    let tables = "SELECT relname::text AS name FROM pg_class \
                  WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    for row in rows(database, tables, vec![]).await {
        let table: String = row.try_get("", "name").unwrap();
        let known = GROWING.contains(&table.as_str()) || SMALL.contains(&table.as_str());
        assert!(known, "say here whether {table} grows with tenants");
    }
    let sql = "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid, 1, true) AS first, \
               amname = 'gin' AS any_column FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
               JOIN pg_am ON pg_am.oid = relam WHERE indrelid::regclass::text = ANY (string_to_array($1, ','))";
    let indexes = rows(database, sql, vec![GROWING.join(",").into()]).await.into_iter().map(|row| {
        let column = |name: &str| row.try_get::<String>("", name).unwrap();
        (column("name"), (column("first"), row.try_get("", "any_column").unwrap()))
    });
    Schema { growing: GROWING.map(str::to_owned).into(), indexes: indexes.collect() }
}
