//! In which order organizations are listed, and that each is listed once.

use std::time::Duration;

use serde_json::json;
use vestibule::pb;

use crate::harness::fixtures::{creation, magic_link};
use crate::harness::logins::{by_token, exchange, listing};
use crate::harness::members::{invitation, new_member};
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, with_tenants};
use super::names;

on_both_backends!(
    the_last_use_decides_and_then_the_name,
    using_a_session_moves_its_organization_up,
    memberships_come_in_groups,
    what_is_open_in_two_ways_is_listed_once,
);

async fn the_last_use_decides_and_then_the_name(t: Harness) {
    let clients = t.clients();
    let mut ids = Vec::new();
    // All at one moment: the names decide, without regard to case.
    for name in ["Delta", "alpha", "Charlie", "bravo"] {
        let organization = clients.organization(name).await;
        clients.create_member(new_member(&organization.organization_id, "ada@acme.com")).await.unwrap();
        ids.push(organization.organization_id);
    }
    let token = clients.token("ada@acme.com").await;
    assert_eq!(names(&clients, listing(&token)).await, ["alpha", "bravo", "Charlie", "Delta"]);
    for (id, expected) in [
        (&ids[2], ["Charlie", "alpha", "bravo", "Delta"]),
        (&ids[0], ["Delta", "Charlie", "alpha", "bravo"]),
        (&ids[2], ["Charlie", "Delta", "alpha", "bravo"]),
    ] {
        t.clock.advance(Duration::from_secs(2));
        let token = clients.token("ada@acme.com").await;
        clients.exchange(exchange(&token, id)).await.unwrap();
        let token = clients.token("ada@acme.com").await;
        assert_eq!(names(&clients, listing(&token)).await, expected);
    }
    // Somebody else's use does not count.
    t.clock.advance(Duration::from_secs(2));
    clients.create_member(new_member(&ids[3], "bob@acme.com")).await.unwrap();
    let other = clients.token("bob@acme.com").await;
    clients.exchange(exchange(&other, &ids[3])).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    assert_eq!(names(&clients, listing(&token)).await, ["Charlie", "Delta", "alpha", "bravo"]);
}

async fn using_a_session_moves_its_organization_up(mut t: Harness) {
    let mut sessions = Vec::new();
    for name in ["First", "Second"] {
        t.clock.advance(Duration::from_secs(2));
        let token = t.clients().token("ada@acme.com").await;
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            organization_name: Some(name.to_owned()),
            ..creation(&token)
        };
        sessions.push(t.clients().spend(request).await.unwrap().into_inner().session_token);
    }
    let asking = pb::ListDiscoveredOrganizationsRequest {
        session_token: Some(sessions[1].clone()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    assert_eq!(names(&t.clients(), asking.clone()).await, ["Second", "First"]);
    // A server writes down when sessions were used before it stops, no later than they were; it has
    // gathered since it started.
    t.clock.advance(Duration::from_secs(31));
    t.restart().await;
    t.clients().authenticate(by_token(&sessions[0])).await.unwrap();
    t.restart().await;
    assert_eq!(names(&t.clients(), asking).await, ["First", "Second"]);
}

async fn memberships_come_in_groups(t: Harness) {
    let clients = t.clients();
    // What comes last was made last, so that only the groups can put it there.
    let founded = clients.founded("ada@acme.com").await;
    t.clock.advance(Duration::from_secs(2));
    for name in ["Invited before", "Invited"] {
        t.clock.advance(Duration::from_secs(2));
        let invited = clients.organization(name).await;
        clients.invite_member(invitation(&invited.organization_id, "ada@acme.com")).await.unwrap();
    }
    t.clock.advance(Duration::from_secs(2));
    let pending = clients.organization("Pending").await;
    clients.pending(&pending.organization_id, "ada@acme.com").await;
    t.clock.advance(Duration::from_secs(2));
    clients.open_to("By domain", "acme.com").await;
    t.clock.advance(Duration::from_secs(2));
    clients.open_to_slack("By tenant", "T1").await;
    let token = clients.token_with("ada@acme.com", vec![magic_link(), account("slack", &["T1"])]).await;
    let expected = [
        &founded.organization.unwrap().organization_name,
        "Invited",
        "Invited before",
        "Pending",
        "By domain",
        "By tenant",
    ];
    assert_eq!(names(&clients, listing(&token)).await, expected);
}

async fn what_is_open_in_two_ways_is_listed_once(t: Harness) {
    let clients = t.clients();
    let tenants = json!({"slack": ["T1", "T2"]});
    let request = pb::CreateOrganizationRequest {
        email_allowed_domains: vec!["acme.com".to_owned()],
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        ..with_tenants("Open", tenants)
    };
    let open = clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    let factors = || vec![magic_link(), account("github", &["octo"]), account("slack", &["T2", "T1"])];
    let kind = async || {
        let token = clients.token_with("ada@acme.com", factors()).await;
        let [found] = super::listed(&clients, listing(&token)).await.try_into().unwrap();
        let membership = found.membership.unwrap();
        (membership.r#type, membership.details)
    };
    // By tenant, several of which would do: by the first that the organization names.
    let details = pb::MembershipDetails {
        domain: None,
        provider: Some("slack".to_owned()),
        tenant: Some("T1".to_owned()),
    };
    assert_eq!(kind().await, ("eligible_to_join_by_oauth_tenant".to_owned(), Some(details)));
    // By domain, once somebody there has verified an address on it.
    clients.create_member(new_member(&open, "bob@acme.com")).await.unwrap();
    let bob = clients.token("bob@acme.com").await;
    clients.exchange(exchange(&bob, &open)).await.unwrap();
    let details = pb::MembershipDetails { domain: Some("acme.com".to_owned()), provider: None, tenant: None };
    assert_eq!(kind().await, ("eligible_to_join_by_email_domain".to_owned(), Some(details)));
    // As a member, whatever else would do.
    clients.invite_member(invitation(&open, "ada@acme.com")).await.unwrap();
    assert_eq!(kind().await, ("invited_member".to_owned(), None));
}
