//! What is not listed, however near it is.

use vestibule::pb;

use crate::harness::fixtures::{magic_link, organization};
use crate::harness::logins::listing;
use crate::harness::members::{invitation, member_update, organization_update};
use crate::harness::{Harness, on_both_backends};

use super::super::people::account;
use super::names;

on_both_backends!(
    what_is_deleted_is_not_listed,
    a_given_up_address_opens_nothing,
    a_domain_opens_nothing_until_everything_is_there,
    a_tenant_opens_nothing_until_it_is_allowed,
    a_claimed_domain_lets_active_members_alone_in,
    other_spellings_and_subdomains_are_other_people,
);

const NONE: [&str; 0] = [];

async fn what_is_deleted_is_not_listed(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![magic_link(), account("slack", &["T1"])]).await;
    let active = clients.founded("ada@acme.com").await;
    let expelled = clients.founded("ada@acme.com").await;
    let by_domain = clients.open_to("By domain", "acme.com").await;
    let by_tenant = clients.open_to_slack("By tenant", "T1").await;
    let invited = clients.organization("Invited").await;
    clients.invite_member(invitation(&invited.organization_id, "ada@acme.com")).await.unwrap();
    assert_eq!(names(&clients, listing(&token)).await.len(), 5);
    clients.expel(&expelled.organization.unwrap().organization_id, &expelled.member_id).await;
    for organization in [active.organization.unwrap(), by_domain, by_tenant, invited] {
        clients.dissolve(&organization.organization_id).await;
    }
    assert_eq!(names(&clients, listing(&token)).await, NONE);
}

async fn a_given_up_address_opens_nothing(t: Harness) {
    let clients = t.clients();
    let open = clients.open_to("Open", "acme.com").await.organization_id;
    let member = clients.member(&open, "ada@acme.com").await;
    let renamed = pb::UpdateMemberRequest {
        email_address: Some("lovelace@acme.com".to_owned()),
        ..member_update(&open, &member.member_id)
    };
    clients.update_member(renamed).await.unwrap();
    let former = clients.token("ada@acme.com").await;
    assert_eq!(names(&clients, listing(&former)).await, NONE);
    let current = clients.token("lovelace@acme.com").await;
    assert_eq!(names(&clients, listing(&current)).await, ["Open"]);
    // Unlinked, it is an address like any other of the domain.
    let unlink = pb::UnlinkRetiredMemberEmailRequest {
        organization_id: open,
        member_id: member.member_id,
        email_address: Some("ada@acme.com".to_owned()),
        ..pb::UnlinkRetiredMemberEmailRequest::default()
    };
    clients.unlink_retired_member_email(unlink).await.unwrap();
    assert_eq!(names(&clients, listing(&former)).await, ["Open"]);
}

async fn a_domain_opens_nothing_until_everything_is_there(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let request = pb::CreateOrganizationRequest {
        email_allowed_domains: vec!["acme.com".to_owned(), "globex.com".to_owned()],
        ..organization("Acme")
    };
    let acme = clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    // A member whose address nobody has verified is no proof of the domain, nor is one on another domain.
    clients.member(&acme, "bob@acme.com").await;
    clients.member(&acme, "eve@globex.com").await;
    let enter = async |address: &str| {
        let token = clients.token(address).await;
        clients.exchange(crate::harness::logins::exchange(&token, &acme)).await.unwrap();
    };
    enter("eve@globex.com").await;
    assert_eq!(names(&clients, listing(&token)).await, NONE);
    let mut joinable = organization_update(&acme);
    joinable.set_email_jit_provisioning(pb::EmailJitProvisioning::Restricted);
    clients.update_organization(joinable).await.unwrap();
    assert_eq!(names(&clients, listing(&token)).await, NONE);
    enter("bob@acme.com").await;
    assert_eq!(names(&clients, listing(&token)).await, ["Acme"]);
    let other = clients.token("ada@initech.com").await;
    assert_eq!(names(&clients, listing(&other)).await, NONE);
    let mut closed = organization_update(&acme);
    closed.email_allowed_domains = vec!["globex.com".to_owned()];
    clients.update_organization(closed).await.unwrap();
    assert_eq!(names(&clients, listing(&token)).await, NONE);
}

async fn a_tenant_opens_nothing_until_it_is_allowed(t: Harness) {
    let clients = t.clients();
    clients.open_to_slack("Acme", "T1").await;
    for (provider, tenants, expected) in [
        ("slack", &["T1"][..], &["Acme"][..]),
        ("slack", &["t1"], &[]),
        ("slack", &["T2", "T11"], &[]),
        ("slack", &[], &[]),
        ("github", &["T1"], &[]),
        ("hubspot", &["T1"], &[]),
    ] {
        let token = clients.token_with("ada@acme.com", vec![account(provider, tenants)]).await;
        assert_eq!(names(&clients, listing(&token)).await, expected, "{provider} {tenants:?}");
    }
    let acme = clients.get("acme").await.unwrap().into_inner().organization.unwrap();
    let mut closed = organization_update(&acme.organization_id);
    closed.set_oauth_tenant_jit_provisioning(pb::OauthTenantJitProvisioning::NotAllowed);
    clients.update_organization(closed).await.unwrap();
    let token = clients.token_with("ada@acme.com", vec![account("slack", &["T1"])]).await;
    assert_eq!(names(&clients, listing(&token)).await, NONE);
}

async fn a_claimed_domain_lets_active_members_alone_in(t: Harness) {
    let clients = t.clients();
    clients.open_to("By domain", "acme.com").await;
    clients.open_to_slack("By tenant", "T1").await;
    let active = clients.organization("Active").await;
    clients.member(&active.organization_id, "ada@acme.com").await;
    let invited = clients.organization("Invited").await;
    clients.invite_member(invitation(&invited.organization_id, "ada@acme.com")).await.unwrap();
    let pending = clients.organization("Pending").await;
    clients.pending(&pending.organization_id, "ada@acme.com").await;
    let token = clients.token_with("ada@acme.com", vec![magic_link(), account("slack", &["T1"])]).await;
    let all = ["Active", "Invited", "Pending", "By domain", "By tenant"];
    assert_eq!(names(&clients, listing(&token)).await, all);
    let claim = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(claim).await.unwrap().into_inner().organization.unwrap().organization_id;
    assert_eq!(names(&clients, listing(&token)).await, ["Active"]);
    // The owner's own people come in as before.
    clients.invite_member(invitation(&owner, "ada@acme.com")).await.unwrap();
    assert_eq!(names(&clients, listing(&token)).await, ["Active", "Owner"]);
    clients.dissolve(&owner).await;
    assert_eq!(names(&clients, listing(&token)).await, all);
}

async fn other_spellings_and_subdomains_are_other_people(t: Harness) {
    let clients = t.clients();
    clients.open_to("Acme", "acme.com").await;
    let invited = clients.organization("Invited").await;
    clients.invite_member(invitation(&invited.organization_id, "ada@acme.com")).await.unwrap();
    for (address, expected) in [
        ("ADA@ACME.COM", &["Invited", "Acme"][..]),
        ("ada@mail.acme.com", &[]),
        ("ada@acme.co", &[]),
        ("ada@xacme.com", &[]),
        ("ada+1@acme.com", &["Acme"]),
        ("a.da@acme.com", &["Acme"]),
    ] {
        let token = clients.token(address).await;
        assert_eq!(names(&clients, listing(&token)).await, expected, "{address}");
    }
}
