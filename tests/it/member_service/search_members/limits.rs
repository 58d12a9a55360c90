//! The largest searches.

use serde_json::{Value, json};
use tonic::Code;
use vestibule::pb;

use super::{AND, OR, Search, by, everybody, ids, metadata, search};
use crate::harness::fixtures::organization;
use crate::harness::members::{new_member, query};
use crate::harness::refusal::Refusal;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    every_filter_takes_a_thousand_values_over_many_organizations,
    roles_by_a_hundred_domains_are_found_in_a_hundred_organizations,
    a_total_is_exact_up_to_ten_thousand,
);

/// A hundred organizations, with these domains for admins.
async fn hundred(t: &Harness, domains: usize) -> Vec<String> {
    let mut created = Vec::new();
    for number in 0..100 {
        let assignments = (0..domains).map(|domain| pb::EmailImplicitRoleAssignment {
            domain: format!("domain-{domain}.com"),
            role_id: "stytch_admin".to_owned(),
        });
        let request = pb::CreateOrganizationRequest {
            rbac_email_implicit_role_assignments: assignments.collect(),
            ..organization(&format!("Acme {number}"))
        };
        let answer = t.clients().create(request).await.unwrap().into_inner();
        created.push(answer.organization.unwrap().organization_id);
    }
    created
}

/// A thousand values, the last of them this one.
fn thousand(other: impl Fn(usize) -> String, last: &str) -> Value {
    json!((0..999).map(other).chain([last.to_owned()]).collect::<Vec<_>>())
}

/// Every filter with a list, with as many values as it may have; each matches the member.
fn lists(member: &pb::Member) -> [(&'static str, Value); 6] {
    let id = |number: usize| format!("member-test-01890a5d-ac96-774b-bcce-{number:012x}");
    [
        ("member_ids", thousand(id, &member.member_id)),
        ("member_ids", thousand(|number| format!("Other|{number}"), member.external_id.as_ref().unwrap())),
        ("member_emails", thousand(|number| format!("other-{number}@acme.com"), &member.email_address)),
        ("statuses", thousand(|_| "pending".to_owned(), "active")),
        ("member_mfa_phone_numbers", thousand(|number| format!("+1{number:010}"), &member.mfa_phone_number)),
        ("member_roles", thousand(|number| format!("role-{number}"), "stytch_admin")),
    ]
}

/// The member whom the searches look for.
async fn wanted(t: &Harness, organization_id: &str) -> pb::Member {
    let request = pb::CreateMemberRequest {
        external_id: Some("Wanted|1".to_owned()),
        mfa_phone_number: Some("+15005550001".to_owned()),
        roles: vec!["stytch_admin".to_owned()],
        ..new_member(organization_id, "wanted@acme.com")
    };
    t.clients().create_member(request).await.unwrap().into_inner().member.unwrap()
}

/// Asserts that a search of the largest kind finds the member, or is told to be more specific.
async fn finds_or_takes_too_long(t: &Harness, request: Search, member: &pb::Member) {
    match t.clients().search_members(request).await {
        Ok(found) => assert_eq!(ids(found.get_ref()), [&member.member_id]),
        Err(status) => {
            let refusal = Refusal::of(&status);
            assert_eq!(refusal.code, Code::DeadlineExceeded, "{refusal:?}");
            assert_eq!(refusal.reason, "SEARCH_TIMEOUT", "{refusal:?}");
        }
    }
}

/// A hundred organizations on Postgres. SQLite looks each mention of a parameter up in a list, so that many
/// take it too long when the machine is busy.
async fn every_filter_takes_a_thousand_values_over_many_organizations(t: Harness) {
    let organizations = hundred(&t, 1).await;
    let searched = if t.on_servers() { &organizations[..] } else { &organizations[90..] };
    let names: Vec<_> = searched.iter().map(String::as_str).collect();
    let member = wanted(&t, &organizations[99]).await;
    for (filter, value) in lists(&member) {
        let found = search(&t.clients(), by(&names, filter, value)).await;
        assert_eq!((ids(&found), metadata(&found)), (vec![member.member_id.as_str()], (1, "")), "{filter}");
    }
}

/// On Postgres: preparing twenty thousand parameters takes SQLite too long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_filters_take_a_thousand_values_each() {
    let t = Harness::postgres().await;
    let member = wanted(&t, &t.clients().organization("Acme").await.organization_id).await;
    for (filter, value) in lists(&member) {
        for operator in [AND, OR] {
            let operands = vec![(filter, value.clone()); 20];
            let request = Search { query: query(operator, &operands), ..everybody(&["acme"]) };
            assert_eq!(ids(&search(&t.clients(), request).await), [&member.member_id], "{filter}");
        }
    }
}

async fn roles_by_a_hundred_domains_are_found_in_a_hundred_organizations(t: Harness) {
    let organizations = hundred(&t, 100).await;
    let names: Vec<_> = organizations.iter().map(String::as_str).collect();
    let member = t.clients().member(names[50], "ada@domain-99.com").await;
    t.execute("UPDATE member_email_addresses SET verified = true").await;
    let operand = ("member_roles", json!(["stytch_admin"]));
    for count in [1, 20] {
        let operands = vec![operand.clone(); count];
        let request = Search { query: query(AND, &operands), ..everybody(&names) };
        if count == 1 {
            assert_eq!(ids(&search(&t.clients(), request).await), [&member.member_id]);
        } else {
            finds_or_takes_too_long(&t, request, &member).await;
        }
    }
}

async fn a_total_is_exact_up_to_ten_thousand(t: Harness) {
    let clients = t.clients();
    clients.organization("Acme").await;
    for batch in 0..10 {
        let members = (0..1_000).map(|number| pb::NewMember {
            email_address: format!("person-{batch}-{number}@acme.com"),
            ..pb::NewMember::default()
        });
        let request =
            pb::BatchCreateMembersRequest { organization_id: "acme".to_owned(), members: members.collect() };
        clients.batch_create_members(request).await.unwrap();
    }
    let request = Search { limit: Some(1), ..everybody(&["acme"]) };
    assert_eq!(metadata(&search(&clients, request.clone()).await).0, 10_000);
    clients.member("acme", "one-more@acme.com").await;
    let first = search(&clients, request.clone()).await;
    let (total, cursor) = metadata(&first);
    assert_eq!(total, -1);
    // Nor do later pages know it.
    let second = search(&clients, Search { cursor: cursor.to_owned(), ..request }).await;
    assert_eq!((metadata(&second).0, second.members.len()), (-1, 1));
    assert!(!metadata(&second).1.is_empty());
}
