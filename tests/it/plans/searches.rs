//! Searches with every filter, alone and with each other.

use serde_json::{Value, json};
use vestibule::pb;
use vestibule::pb::SearchOperator::{And, Or};

use super::subjects::Subjects;
use crate::harness::clients::Clients;
use crate::harness::members::query;

/// A name of a filter and its value.
type Operand = (&'static str, Value);

/// Every filter of organizations, with what is there and what is not, what many have and what few have.
pub(super) fn organization_operands(subjects: &Subjects) -> Vec<Operand> {
    let seeded = &subjects.organization;
    let address = &subjects.members[0].email_address;
    vec![
        ("organization_ids", json!([seeded.organization_id])),
        ("organization_ids", json!([seeded.organization_id, seeded.organization_slug, "nobody"])),
        ("organization_slugs", json!([seeded.organization_slug, "nobody"])),
        ("member_emails", json!([address, "nobody@nowhere.com", "nobody@acme.com"])),
        ("allowed_domains", json!([seeded.email_allowed_domains[0]])),
        ("claimed_email_domains", json!([subjects.claimed_domain()])),
        ("organization_slug_fuzzy", json!("zyxwort")),
        ("organization_slug_fuzzy", json!("-1-")),
        ("organization_name_fuzzy", json!("ing")),
        ("member_email_fuzzy", json!(".example")),
        ("member_email_fuzzy", json!("qqqq")),
        ("allowed_domain_fuzzy", json!(seeded.organization_slug)),
        ("has_active_sso_connection", json!(false)),
        ("sso_connection_id", json!("saml-connection")),
    ]
}

/// Every filter of members.
pub(super) fn member_operands(subjects: &Subjects) -> Vec<Operand> {
    let member = &subjects.members[0];
    vec![
        ("member_ids", json!([member.member_id])),
        ("member_ids", json!(["emp-000001", "emp-000002", "nobody"])),
        ("member_emails", json!([member.email_address, "nobody@nowhere.com"])),
        ("statuses", json!(["active", "invited"])),
        ("statuses", json!(["deleted"])),
        ("member_mfa_phone_numbers", json!(["+12005550100"])),
        ("member_roles", json!(["stytch_admin"])),
        ("member_roles", json!(["stytch_admin", "editor"])),
        ("member_roles", json!(["stytch_member"])),
        ("member_email_fuzzy", json!(".example")),
        ("member_email_fuzzy", json!("qqqq")),
        ("member_mfa_phone_number_fuzzy", json!("555")),
        ("member_is_breakglass", json!(true)),
        ("member_password_exists", json!(false)),
    ]
}

/// Queries of none, of each, of each two and of all operands.
pub(super) fn queries(operands: &[Operand]) -> Vec<Option<pb::SearchQuery>> {
    let mut queries = vec![None];
    queries.extend([And, Or].map(|operator| query(operator, operands)));
    for (position, one) in operands.iter().enumerate() {
        queries.push(query(And, std::slice::from_ref(one)));
        for other in &operands[position + 1..] {
            queries.extend([And, Or].map(|operator| query(operator, &[one.clone(), other.clone()])));
        }
    }
    queries
}

/// A short name for messages.
pub(super) fn told(query: Option<&pb::SearchQuery>) -> String {
    let operands = query.map_or(&[][..], |query| &query.operands);
    let names: Vec<_> = operands.iter().map(|operand| operand.filter_name.as_str()).collect();
    let operator = query.map_or("", |query| query.operator().as_str_name());
    format!("{operator} of [{}]", names.join(", "))
}

/// Reads the first page of a query, small and of the usual size, and the page behind the first.
pub(super) async fn organizations(clients: &Clients, query: Option<&pb::SearchQuery>) {
    let page =
        |cursor: String, limit| pb::SearchOrganizationsRequest { cursor, limit, query: query.cloned() };
    clients.search_organizations(page(String::new(), None)).await.unwrap();
    let first = clients.search_organizations(page(String::new(), Some(2))).await.unwrap().into_inner();
    let cursor = first.results_metadata.unwrap().next_cursor;
    if !cursor.is_empty() {
        clients.search_organizations(page(cursor, Some(2))).await.unwrap();
    }
}

/// The same for members of one organization, and of several.
pub(super) async fn members(clients: &Clients, subjects: &Subjects, query: Option<&pb::SearchQuery>) {
    let several = subjects.organizations.iter().map(|organization| organization.organization_slug.clone());
    for organization_ids in [vec![subjects.organization.organization_id.clone()], several.collect()] {
        let page = |cursor: String, limit| pb::SearchMembersRequest {
            organization_ids: organization_ids.clone(),
            cursor,
            limit,
            query: query.cloned(),
        };
        clients.search_members(page(String::new(), None)).await.unwrap();
        let first = clients.search_members(page(String::new(), Some(2))).await.unwrap().into_inner();
        let cursor = first.results_metadata.unwrap().next_cursor;
        if !cursor.is_empty() {
            clients.search_members(page(cursor, Some(2))).await.unwrap();
        }
    }
}
