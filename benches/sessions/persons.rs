//! Persons who are members of many organizations.

use sea_orm::{ConnectionTrait as _, DatabaseConnection};

/// The domain of every person; no organization knows it.
const DOMAIN: &str = "persons.example";

/// Members whom nothing more than their mailbox is asked of.
pub(crate) const WORKERS: usize = 100;

/// The address of the person who is in so many organizations.
pub(crate) fn member_of(organizations: usize) -> String {
    format!("in-{organizations}@{DOMAIN}")
}

/// The address of a member whom nothing more than the mailbox is asked of.
pub(crate) fn worker(number: usize) -> String {
    format!("worker-{}@{DOMAIN}", number % WORKERS + 1)
}

/// Makes one person a member of each of these numbers of organizations, and the workers of one each.
pub(crate) async fn hire(database: &DatabaseConnection, numbers: &[usize]) {
    for number in numbers {
        let address = format!("'{}'", member_of(*number));
        hire_into(database, "deleted_at IS NULL", *number, &address).await;
    }
    let undemanding = "deleted_at IS NULL AND auth_methods = 'ALL_ALLOWED' AND mfa_policy = 'OPTIONAL'";
    hire_into(database, undemanding, WORKERS, &format!("'worker-' || number || '@{DOMAIN}'")).await;
    database.execute_unprepared("VACUUM (ANALYZE) members, member_email_addresses").await.unwrap();
}

/// Adds an active member to so many organizations that are scattered over all.
async fn hire_into(database: &DatabaseConnection, condition: &str, organizations: usize, address: &str) {
    let sql = format!(
        "WITH chosen AS (SELECT id, row_number() OVER (ORDER BY md5(id::text)) AS number FROM organizations \
          WHERE {condition} ORDER BY number LIMIT {organizations}), \
         hired AS (SELECT gen_random_uuid() AS id, id AS organization_id, {address} AS address FROM chosen), \
         members AS (INSERT INTO members (id, organization_id, status, name, is_breakglass, assigned_roles, \
          mfa_enrolled, oauth_registrations, trusted_metadata, untrusted_metadata, created_at, updated_at) \
          SELECT id, organization_id, 'active', 'Person', false, '[]', false, '[]', '{{}}', '{{}}', now(), now() \
          FROM hired) \
         INSERT INTO member_email_addresses (id, organization_id, member_id, email_address, domain, status, \
          verified, live, created_at) \
         SELECT gen_random_uuid(), organization_id, id, address, '{DOMAIN}', 'current', true, true, now() \
         FROM hired"
    );
    let added = database.execute_unprepared(&sql).await.unwrap().rows_affected();
    assert_eq!(added, organizations as u64, "there are as many such organizations");
}
