mod bindings;
mod limits;
mod order;
mod owed;
mod sessions;
mod tokens;
mod unseen;

pub(super) use limits::quiet;

use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::magic_link;
use crate::harness::logins::listing;
use crate::harness::members::invitation;
use crate::harness::{Harness, on_both_backends};

use super::people::account;

on_both_backends!(
    every_way_in_is_listed_to_the_last_field,
    who_has_no_organization_sees_none,
    nothing_is_spent_and_nothing_changes,
);

/// What the answer to a request lists.
async fn listed(
    clients: &Clients,
    request: pb::ListDiscoveredOrganizationsRequest,
) -> Vec<pb::DiscoveredOrganization> {
    clients.discovered(request).await.unwrap().into_inner().discovered_organizations
}

/// The names of what is listed, in order.
async fn names(clients: &Clients, request: pb::ListDiscoveredOrganizationsRequest) -> Vec<String> {
    let name = |found: pb::DiscoveredOrganization| found.organization.unwrap().organization_name;
    listed(clients, request).await.into_iter().map(name).collect()
}

/// An organization that can be entered at once, as it is now.
async fn found(
    clients: &Clients,
    organization_id: &str,
    r#type: &str,
    member_id: Option<&str>,
) -> pb::DiscoveredOrganization {
    let member = match member_id {
        Some(id) => Some(clients.member_by_id(organization_id, id).await.unwrap()),
        None => None,
    };
    pb::DiscoveredOrganization {
        organization: clients.get(organization_id).await.unwrap().into_inner().organization,
        membership: Some(pb::Membership { r#type: r#type.to_owned(), details: None, member }),
        member_authenticated: true,
        primary_required: None,
        mfa_required: None,
    }
}

fn detailed(mut found: pb::DiscoveredOrganization, details: [Option<&str>; 3]) -> pb::DiscoveredOrganization {
    let [domain, provider, tenant] = details.map(|detail| detail.map(str::to_owned));
    found.membership.as_mut().unwrap().details = Some(pb::MembershipDetails { domain, provider, tenant });
    found
}

async fn every_way_in_is_listed_to_the_last_field(t: Harness) {
    let clients = t.clients();
    let by_tenant = clients.open_to_slack("By Tenant", "T2").await.organization_id;
    let by_domain = clients.open_to("By Domain", "acme.com").await.organization_id;
    let pending = clients.organization("Pending").await.organization_id;
    let pending_id = clients.pending(&pending, "ada@acme.com").await.member_id;
    let invited = clients.organization("Invited").await.organization_id;
    let invited_id = clients.invite_member(invitation(&invited, "ADA@acme.com")).await.unwrap();
    let invited_id = invited_id.into_inner().member_id;
    let founded = clients.founded("ada@acme.com").await;
    let active = founded.organization.unwrap().organization_id;

    let factors = vec![magic_link(), account("slack", &["T1", "T2"])];
    let token = clients.token_with("Ada@ACME.com", factors).await;
    let answer = clients.discovered(listing(&token)).await.unwrap();
    let header = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let found_by_tenant = found(&clients, &by_tenant, "eligible_to_join_by_oauth_tenant", None).await;
    let found_by_domain = found(&clients, &by_domain, "eligible_to_join_by_email_domain", None).await;
    let expected = pb::ListDiscoveredOrganizationsResponse {
        request_id: header,
        email_address: "ada@acme.com".to_owned(),
        discovered_organizations: vec![
            found(&clients, &active, "active_member", Some(&founded.member_id)).await,
            found(&clients, &invited, "invited_member", Some(&invited_id)).await,
            found(&clients, &pending, "pending_member", Some(&pending_id)).await,
            detailed(found_by_domain, [Some("acme.com"), None, None]),
            detailed(found_by_tenant, [None, Some("slack"), Some("T2")]),
        ],
        organization_id_hint: None,
        truncated: false,
    };
    assert_eq!(answer.into_inner(), expected);
}

async fn who_has_no_organization_sees_none(t: Harness) {
    let clients = t.clients();
    clients.founded("bob@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let answer = clients.discovered(listing(&token)).await.unwrap().into_inner();
    let expected = pb::ListDiscoveredOrganizationsResponse {
        request_id: answer.request_id.clone(),
        email_address: "ada@acme.com".to_owned(),
        ..pb::ListDiscoveredOrganizationsResponse::default()
    };
    assert!(answer.request_id.starts_with("request-id-test-"), "{answer:?}");
    assert_eq!(answer, expected);
}

async fn nothing_is_spent_and_nothing_changes(t: Harness) {
    let clients = t.clients();
    let acme = clients.founded("ada@acme.com").await.organization.unwrap();
    clients.open_to("Globex", "acme.com").await;
    let initech = clients.organization("Initech").await;
    clients.invite_member(invitation(&initech.organization_id, "ada@acme.com")).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session;
    let tables = ["events", "members", "sessions", "intermediate_session_receipts", "idempotency_records"];
    let mut counts = Vec::new();
    for table in tables {
        counts.push(t.count(table).await);
    }
    let first = listed(&clients, listing(&token)).await;
    assert_eq!(first.len(), 3);
    assert_eq!(listed(&clients, listing(&token)).await, first);
    for (table, count) in tables.into_iter().zip(counts) {
        assert_eq!(t.count(table).await, count, "{table}");
    }
    assert_eq!(clients.inspect(&token).await.unwrap().into_inner().intermediate_session, before);
    let request = crate::harness::logins::exchange(&token, &acme.organization_id);
    assert!(clients.exchange(request).await.unwrap().into_inner().member_authenticated);
}
