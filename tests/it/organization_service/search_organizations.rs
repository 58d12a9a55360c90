mod combinations;
mod filters;
mod model;
mod paging;
mod violations;
mod ways;

use std::time::Duration;

use serde_json::{Value as Json, json};
use vestibule::pb;

use super::{answered, counts, created, read};
use crate::harness::fixtures::organization;
use crate::harness::members::query;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    without_a_query_everything_is_found_the_newest_first,
    organizations_are_found_whole,
    deleted_organizations_are_nowhere,
    where_there_is_nothing_nothing_is_found,
);

type Request = pb::SearchOrganizationsRequest;

/// Filters, each with its value.
type Filters<'a> = &'a [(&'a str, Json)];

const AND: pb::SearchOperator = pb::SearchOperator::And;
const OR: pb::SearchOperator = pb::SearchOperator::Or;

/// An organization, created later than those before: ids of one millisecond are in no order.
async fn later(t: &Harness, request: pb::CreateOrganizationRequest) -> pb::Organization {
    t.clock.advance(Duration::from_millis(1));
    created(t, request).await
}

/// A page.
async fn page(t: &Harness, request: Request) -> (Vec<pb::Organization>, pb::ResultsMetadata) {
    let answer = t.clients().search_organizations(request).await.unwrap();
    let answer = answered(answer, |answer| &answer.request_id);
    (answer.organizations, answer.results_metadata.unwrap())
}

/// Everything that matches, which must be one page.
async fn found(t: &Harness, query: Option<pb::SearchQuery>) -> Vec<pb::Organization> {
    let (organizations, metadata) = page(t, Request { query, ..Request::default() }).await;
    assert_eq!(usize::try_from(metadata.total).unwrap(), organizations.len());
    assert_eq!(metadata.next_cursor, "");
    organizations
}

/// The names of everything that matches every filter.
async fn names(t: &Harness, filters: Filters<'_>) -> Vec<String> {
    let found = found(t, query(AND, filters)).await;
    found.into_iter().map(|organization| organization.organization_name).collect()
}

/// Everything that matches, by pages of so many. Each page must be full but the last, and say the same
/// total.
async fn walked(t: &Harness, query: Option<pb::SearchQuery>, limit: u32) -> Vec<pb::Organization> {
    let mut request = Request { limit: Some(limit), query: query.clone(), ..Request::default() };
    let (mut all, mut total) = (Vec::new(), None);
    loop {
        let (organizations, metadata) = page(t, request.clone()).await;
        let count = organizations.len();
        all.extend(organizations);
        assert_eq!(*total.get_or_insert(metadata.total), metadata.total, "{query:?}");
        if metadata.next_cursor.is_empty() {
            assert!(count > 0 || all.is_empty(), "no page is empty but the only one");
            let total = usize::try_from(metadata.total).unwrap();
            assert_eq!(all.len(), total, "{query:?} by {limit}");
            return all;
        }
        assert_eq!(count, usize::try_from(limit).unwrap(), "a page that is not the last is full");
        assert_ne!(request.cursor, metadata.next_cursor);
        request.cursor = metadata.next_cursor;
    }
}

/// Copies an organization that often, past the API: its names and slugs get numbers.
async fn multiply(t: &Harness, organization: &pb::Organization, count: i64) {
    const REST: &str = "logo_url, trusted_metadata, sso_jit_provisioning, email_jit_provisioning, email_invites, \
         auth_methods, allowed_auth_methods, mfa_policy, mfa_methods, allowed_mfa_methods, \
         rbac_email_implicit_role_assignments, oauth_tenant_jit_provisioning, \
         first_party_connected_apps_allowed_type, allowed_first_party_connected_apps, \
         third_party_connected_apps_allowed_type, allowed_third_party_connected_apps, created_at, updated_at";
    let (numbers, uuid) = super::numbers(t, count);
    let slug = &organization.organization_slug;
    t.execute(&format!(
        "INSERT INTO organizations (id, name, slug, {REST}) \
         SELECT {uuid}, name || ' ' || n, slug || '-' || n, {REST} FROM organizations, {numbers} WHERE slug = '{slug}'"
    ))
    .await;
}

async fn without_a_query_everything_is_found_the_newest_first(t: Harness) {
    let mut all = Vec::new();
    for number in 0..12 {
        all.insert(0, later(&t, organization(&format!("Acme {number}"))).await);
    }
    let before = counts(&t).await;
    let no_operands = pb::SearchQuery::default();
    for query in [None, Some(no_operands), query(AND, &[]), query(OR, &[])] {
        assert_eq!(found(&t, query.clone()).await, all, "{query:?}");
    }
    assert_eq!(counts(&t).await, before);
    // What changes keeps its place.
    let mut renaming = crate::harness::members::organization_update(&all[5].organization_id);
    renaming.organization_name = Some("Renamed".to_owned());
    t.clients().update_organization(renaming).await.unwrap();
    all[5] = read(&t, &all[5].organization_id).await;
    assert_eq!(found(&t, None).await, all);
}

async fn organizations_are_found_whole(t: Harness) {
    let acme = later(&t, super::everything()).await;
    let other = later(&t, organization("Other")).await;
    assert_eq!(found(&t, None).await, [other, acme.clone()]);
    let filter = json!(["ERP|42.a_B-c"]);
    assert_eq!(found(&t, query(AND, &[("organization_ids", filter)])).await, [acme]);
}

async fn deleted_organizations_are_nowhere(t: Harness) {
    let acme = later(&t, super::everything()).await;
    t.clients().member(&acme.organization_id, "ada@acme.com").await;
    let other = later(&t, organization("Ácme & Other")).await;
    let filters = [
        ("organization_ids", json!([acme.organization_id, "ERP|42.a_B-c", "Acme.Corp_1~x-Y"])),
        ("organization_slugs", json!(["acme.corp_1~x-y"])),
        ("member_emails", json!(["ada@acme.com"])),
        ("allowed_domains", json!(["acme.com"])),
        ("claimed_email_domains", json!(["acme.com"])),
        ("organization_slug_fuzzy", json!("acme.corp")),
        ("organization_name_fuzzy", json!("Söhne")),
        ("member_email_fuzzy", json!("ada@")),
        ("allowed_domain_fuzzy", json!("acme")),
    ];
    for filter in &filters {
        assert_eq!(names(&t, std::slice::from_ref(filter)).await.len(), 1, "{filter:?}");
    }
    let deletion = pb::DeleteOrganizationRequest { organization_id: acme.organization_id, etag: None };
    t.clients().delete_organization(deletion).await.unwrap();
    for filter in &filters {
        assert_eq!(names(&t, std::slice::from_ref(filter)).await, [""; 0], "{filter:?}");
    }
    assert_eq!(found(&t, query(OR, &filters)).await, []);
    assert_eq!(
        found(&t, query(OR, &[("has_active_sso_connection", json!(false))])).await,
        vec![other.clone()]
    );
    assert_eq!(found(&t, None).await, [other]);
}

async fn where_there_is_nothing_nothing_is_found(t: Harness) {
    for query in [None, query(AND, &[("organization_name_fuzzy", json!("acme"))])] {
        let (organizations, metadata) = page(&t, Request { query, ..Request::default() }).await;
        assert_eq!(organizations, []);
        assert_eq!(metadata, pb::ResultsMetadata { total: 0, next_cursor: String::new() });
    }
}
