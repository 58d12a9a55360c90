mod filters;
mod limits;
mod oracle;
mod pages;
mod refusals;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tonic::Code;
use vestibule::pb;

use super::update_member::{ID, updated};
use crate::harness::clients::Clients;
use crate::harness::fixtures::organization;
use crate::harness::members::{member_update, query};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    members_are_told_whole_with_their_organizations,
    members_of_several_organizations_are_merged,
    an_organization_is_named_in_every_way_and_more_than_once,
    an_organization_that_is_not_there_is_not_found,
    without_members_there_is_an_empty_page,
);

type Search = pb::SearchMembersRequest;
type Found = pb::SearchMembersResponse;

const AND: pb::SearchOperator = pb::SearchOperator::And;
const OR: pb::SearchOperator = pb::SearchOperator::Or;

/// A search for all members of these organizations.
fn everybody(organization_ids: &[&str]) -> Search {
    Search {
        organization_ids: organization_ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Search::default()
    }
}

/// A search in these organizations by one filter.
fn by(organization_ids: &[&str], filter: &str, value: Value) -> Search {
    Search { query: query(AND, &[(filter, value)]), ..everybody(organization_ids) }
}

async fn search(clients: &Clients, request: Search) -> Found {
    clients.search_members(request).await.unwrap().into_inner()
}

fn ids(found: &Found) -> Vec<&str> {
    found.members.iter().map(|member| member.member_id.as_str()).collect()
}

fn metadata(found: &Found) -> (i32, &str) {
    let metadata = found.results_metadata.as_ref().unwrap();
    (metadata.total, metadata.next_cursor.as_str())
}

/// Asserts that the page has exactly the organizations of its members.
fn has_its_organizations(found: &Found) {
    let mut of_members: Vec<_> = found.members.iter().map(|member| &member.organization_id).collect();
    of_members.sort();
    of_members.dedup();
    let mut told: Vec<_> = found.organizations.keys().collect();
    told.sort();
    assert_eq!(told, of_members);
    assert!(found.organizations.iter().all(|(id, organization)| organization.organization_id == *id));
}

/// Reads page after page, and tells all of their members. Each page but the last is full, and each has
/// the total and its organizations.
async fn walk(clients: &Clients, mut request: Search) -> Vec<pb::Member> {
    let limit = usize::try_from(request.limit.unwrap()).unwrap();
    let mut members = Vec::new();
    let mut total = None;
    loop {
        let page = search(clients, request.clone()).await;
        has_its_organizations(&page);
        let (told, next) = metadata(&page);
        assert_eq!(*total.get_or_insert(told), told);
        members.extend(page.members.iter().cloned());
        if next.is_empty() {
            assert!(page.members.len() <= limit);
            assert_eq!(usize::try_from(told).unwrap(), members.len());
            return members;
        }
        assert_eq!(page.members.len(), limit);
        next.clone_into(&mut request.cursor);
    }
}

async fn members_are_told_whole_with_their_organizations(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await;
    let mut expected = Vec::new();
    for name in ["ada", "bob", "cyd"] {
        t.clock.advance(Duration::from_secs(1));
        let member = clients.member(&acme.organization_id, &format!("{name}@acme.com")).await;
        let request = pb::UpdateMemberRequest {
            name: Some(name.to_owned()),
            external_id: Some(name.to_owned()),
            email_address: Some(format!("{name}@acme.org")),
            ..member_update(&acme.organization_id, &member.member_id)
        };
        expected.insert(0, updated(&t, request).await);
    }
    let found = search(&clients, everybody(&[&acme.organization_id])).await;
    assert_eq!(found.members, expected, "the newest first");
    assert_eq!(metadata(&found), (3, ""));
    assert!(!found.request_id.is_empty());
    assert_eq!(found.organizations, HashMap::from([(acme.organization_id.clone(), acme)]));
}

async fn members_of_several_organizations_are_merged(t: Harness) {
    let clients = t.clients();
    let mut organizations = Vec::new();
    for name in ["Acme", "Globex", "Initech", "Hooli"] {
        organizations.push(clients.organization(name).await.organization_id);
    }
    let mut expected = Vec::new();
    for number in 0..9 {
        t.clock.advance(Duration::from_secs(1));
        // Nobody is in the last one.
        let member = clients.member(&organizations[number % 3], &format!("person-{number}@acme.com")).await;
        expected.insert(0, member.member_id);
    }
    let names: Vec<&str> = organizations.iter().map(String::as_str).collect();
    let found = search(&clients, everybody(&names)).await;
    assert_eq!(ids(&found), expected);
    has_its_organizations(&found);
    assert_eq!(found.organizations.len(), 3);
    let without_one = search(&clients, everybody(&[names[2], names[0]])).await;
    assert_eq!(metadata(&without_one).0, 6);
    assert!(without_one.members.iter().all(|member| member.organization_id != names[1]));
    for limit in 1..=10 {
        let request = Search { limit: Some(limit), ..everybody(&names) };
        let walked: Vec<_> =
            walk(&clients, request).await.into_iter().map(|member| member.member_id).collect();
        assert_eq!(walked, expected, "{limit}");
    }
}

async fn an_organization_is_named_in_every_way_and_more_than_once(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        organization_external_id: Some("Tenant|1".to_owned()),
        ..organization("Acme")
    };
    let acme = clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    let member = clients.member(&acme, "ada@acme.com").await;
    for names in [
        &["acme"][..],
        &["ACME"],
        &["Tenant|1"],
        &[&acme],
        &[&acme, &acme],
        &["acme", "Tenant|1", &acme, "Acme", "acme"],
    ] {
        for request in [everybody(names), by(names, "member_emails", json!(["ada@acme.com"]))] {
            let found = search(&clients, request).await;
            assert_eq!(ids(&found), [&member.member_id], "{names:?}");
            assert_eq!(metadata(&found), (1, ""), "{names:?}");
            assert_eq!(found.organizations.keys().collect::<Vec<_>>(), [&acme]);
        }
    }
    let all = vec![acme.as_str(); 100];
    assert_eq!(ids(&search(&clients, everybody(&all)).await), [&member.member_id]);
}

async fn an_organization_that_is_not_there_is_not_found(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    let gone = clients.organization("Gone").await.organization_id;
    clients.member(&gone, "ada@gone.com").await;
    let request = pb::DeleteOrganizationRequest {
        organization_id: gone.clone(),
        ..pb::DeleteOrganizationRequest::default()
    };
    clients.delete_organization(request).await.unwrap();
    let unknown = format!("organization-test-{ID}");
    for missing in [unknown.as_str(), "nowhere", &gone, "gone"] {
        for names in [vec![missing], vec![&acme, missing], vec![missing, &acme]] {
            let answer = clients.search_members(everybody(&names)).await;
            refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        }
    }
    // Even if no member could match.
    let nobody = by(&["nowhere"], "member_password_exists", json!(true));
    refused(clients.search_members(nobody).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
}

async fn without_members_there_is_an_empty_page(t: Harness) {
    let clients = t.clients();
    clients.organization("Acme").await;
    for request in [everybody(&["acme"]), by(&["acme"], "member_password_exists", json!(true))] {
        let found = search(&clients, request).await;
        assert_eq!((found.members.len(), found.organizations.len()), (0, 0));
        assert_eq!(metadata(&found), (0, ""));
    }
}
