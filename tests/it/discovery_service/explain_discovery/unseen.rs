//! What is not visible is explained alike, whether it exists or not.

use prost::Message as _;
use vestibule::pb;
use vestibule::pb::RuleVerdict::{NotApplied, NotMet, Passed};

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, magic_link, organization};
use crate::harness::logins::explanation;
use crate::harness::members::{invitation, member_update, organization_update};
use crate::harness::{Harness, Setup, on_both_backends};

use super::super::list_discovered_organizations::quiet;
use super::super::people::account;
use super::{Rule, explained, says};

on_both_backends!(
    what_would_let_the_person_in_is_told_in_general,
    an_organization_is_not_told_from_none,
    a_claimed_domain_is_not_told,
    a_session_is_told_no_more,
    a_bound_token_is_told_no_more,
);

const ABSENT: &str = "organization-test-01890a5d-ac96-774b-bcce-b302099a8057";

/// What is said about an organization that is not visible, without the id of the call, as it is sent.
async fn said(clients: &Clients, request: pb::ExplainDiscoveryRequest) -> Vec<u8> {
    let name = request.organization_id.clone();
    let mut answer = explained(clients, request).await;
    assert!(!answer.visible && answer.discovered_organization.is_none(), "{name}");
    assert!(answer.rules.iter().all(|rule| rule.setting.is_empty()), "{name}");
    answer.request_id.clear();
    answer.encode_to_vec()
}

/// The ids of organizations that do not let this person in, each for a reason of its own.
async fn organizations(clients: &Clients, address: &str) -> Vec<String> {
    let domain = address.split_once('@').unwrap().1;
    let mut ids = vec![clients.organization("Foreign").await.organization_id];
    let off = clients.open_to("Off", domain).await.organization_id;
    let mut closed = organization_update(&off);
    closed.set_email_jit_provisioning(pb::EmailJitProvisioning::NotAllowed);
    clients.update_organization(closed).await.unwrap();
    ids.push(off);
    ids.push(clients.open_to("Not listed", "globex.com").await.organization_id);
    let no_peer = pb::CreateOrganizationRequest {
        email_allowed_domains: vec![domain.to_owned()],
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        ..organization("No peer")
    };
    ids.push(clients.create(no_peer).await.unwrap().into_inner().organization.unwrap().organization_id);
    ids.push(clients.open_to_slack("Another tenant", "T9").await.organization_id);
    let given_up = clients.open_to("Given up", domain).await.organization_id;
    let member = clients.member(&given_up, address).await;
    let renamed = pb::UpdateMemberRequest {
        email_address: Some(format!("lovelace@{domain}")),
        ..member_update(&given_up, &member.member_id)
    };
    clients.update_member(renamed).await.unwrap();
    ids.push(given_up);
    let expelled = clients.organization("Expelled").await.organization_id;
    let member = clients.member(&expelled, address).await;
    clients.expel(&expelled, &member.member_id).await;
    ids.push(expelled);
    let dissolved = clients.open_to("Dissolved", domain).await.organization_id;
    clients.member(&dissolved, address).await;
    clients.dissolve(&dissolved).await;
    ids.push(dissolved);
    ids
}

fn rules(
    membership: &'static str,
    domain: &'static str,
    tenant: &'static str,
    verdict: pb::RuleVerdict,
) -> [Rule; 8] {
    let nothing = "no rule lets the person in";
    [
        ("bound_token", Passed, "", "the token is open"),
        ("claimed_email_domain", NotApplied, "", CLAIMED),
        ("membership", NotMet, "", membership),
        ("email_jit_provisioning", verdict, "", domain),
        ("oauth_tenant_jit_provisioning", verdict, "", tenant),
        ("email_verification", NotApplied, "", nothing),
        ("auth_methods", NotApplied, "", nothing),
        ("mfa_policy", NotApplied, "", nothing),
    ]
}

const CLAIMED: &str = "when another organization has claimed acme.com, only active members get in; \
                       SearchOrganizations by claimed_email_domains shows which has";

const MEMBERSHIP: &str = "the person's address is that of no active member of an organization of this name, nor \
                          of an invited or pending one who could get in; GetOrganization and GetMember show \
                          what there is, InviteMember changes it";

const DOMAIN: &str = "to join by domain, the organization needs email_jit_provisioning = RESTRICTED, acme.com in \
                      email_allowed_domains, a member with a verified address on acme.com, and no other \
                      organization may have claimed acme.com";

const NOBODY_JOINS: &str = "a session, or a token that is bound, lets nobody join an organization";

async fn what_would_let_the_person_in_is_told_in_general(t: Harness) {
    let clients = t.clients();
    clients.organization("Acme").await;
    let plain = clients.token("ada@acme.com").await;
    let tenant = "to join by tenant, the token needs an OAuth factor with provider_tenant_ids; it has none";
    let answer = explained(&clients, explanation(&plain, "acme")).await;
    says(&answer, &rules(MEMBERSHIP, DOMAIN, tenant, NotMet));
    let factors = vec![account("slack", &["T1", "T2"]), account("github", &["octo"])];
    let token = clients.token_with("ada@acme.com", factors).await;
    let tenant = "to join by tenant, the organization needs oauth_tenant_jit_provisioning = RESTRICTED and one \
                  of these in allowed_oauth_tenants: slack T1, slack T2, github octo";
    let answer = explained(&clients, explanation(&token, "acme")).await;
    says(&answer, &rules(MEMBERSHIP, DOMAIN, tenant, NotMet));
    // Microsoft's and Google's accounts have no tenants.
    assert!(!answer.visible);
}

async fn an_organization_is_not_told_from_none(t: Harness) {
    let clients = t.clients();
    let ids = organizations(&clients, "ada@acme.com").await;
    let plain = clients.token("ada@acme.com").await;
    let with_tenant = clients.token_with("ada@acme.com", vec![magic_link(), account("slack", &["T1"])]).await;
    for sees_something in [false, true] {
        if sees_something {
            clients.founded("ada@acme.com").await;
        }
        for token in [&plain, &with_tenant] {
            let absent = said(&clients, explanation(token, ABSENT)).await;
            assert_eq!(said(&clients, explanation(token, "nowhere")).await, absent);
            for id in &ids {
                assert_eq!(said(&clients, explanation(token, id)).await, absent, "{id}");
            }
            for slug in ["foreign", "off", "not-listed", "no-peer", "another-tenant", "given-up", "dissolved"]
            {
                assert_eq!(said(&clients, explanation(token, slug)).await, absent, "{slug}");
            }
        }
    }
}

async fn a_claimed_domain_is_not_told(t: Harness) {
    let clients = t.clients();
    let joinable = clients.open_to("Joinable", "acme.com").await.organization_id;
    let invited = clients.organization("Invited").await.organization_id;
    clients.invite_member(invitation(&invited, "ada@acme.com")).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    let absent = said(&clients, explanation(&token, ABSENT)).await;
    let claim = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(claim).await.unwrap().into_inner().organization.unwrap().organization_id;
    for name in [ABSENT, &joinable, &invited, &owner] {
        assert_eq!(said(&clients, explanation(&token, name)).await, absent, "{name}");
    }
}

async fn a_session_is_told_no_more(t: Harness) {
    let clients = t.clients();
    let ids = organizations(&clients, "ada@acme.com").await;
    let joinable = clients.open_to("Joinable", "acme.com").await.organization_id;
    let token = clients.token("ada@acme.com").await;
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_name: Some("Home".to_owned()),
        ..creation(&token)
    };
    let login = clients.spend(request).await.unwrap().into_inner();
    let request = |name: &str| pb::ExplainDiscoveryRequest {
        session_jwt: Some(login.session_jwt.clone()),
        organization_id: name.to_owned(),
        ..pb::ExplainDiscoveryRequest::default()
    };
    let answer = explained(&clients, request("nowhere")).await;
    let mut expected = rules(MEMBERSHIP, NOBODY_JOINS, NOBODY_JOINS, NotApplied);
    expected[0] = ("bound_token", Passed, "", "a session is no token that could be bound");
    says(&answer, &expected);
    let absent = said(&clients, request(ABSENT)).await;
    for id in ids.iter().chain([&joinable]) {
        assert_eq!(said(&clients, request(id)).await, absent, "{id}");
    }
}

async fn a_bound_token_is_told_no_more(t: Harness) {
    let clients = t.clients();
    let mut ids = organizations(&clients, "ada@acme.com").await;
    ids.push(clients.open_to("Joinable", "acme.com").await.organization_id);
    ids.push(clients.founded("ada@acme.com").await.organization.unwrap().organization_id);
    let token = clients.token("ada@acme.com").await;
    let mut request = creation(&token);
    request.organization_name = Some("Bound".to_owned());
    request.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
    let bound = clients.spend(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    let mut expected = rules(MEMBERSHIP, NOBODY_JOINS, NOBODY_JOINS, NotApplied);
    let words = "the token is bound to one organization and can only finish the login there; this is another \
                 one, if it is one at all";
    expected[0] = ("bound_token", NotMet, "", words);
    says(&explained(&clients, explanation(&token, "nowhere")).await, &expected);
    let absent = said(&clients, explanation(&token, ABSENT)).await;
    for id in &ids {
        assert_eq!(said(&clients, explanation(&token, id)).await, absent, "{id}");
    }
    assert!(explained(&clients, explanation(&token, &bound)).await.visible);
    clients.dissolve(&bound).await;
    assert_eq!(said(&clients, explanation(&token, &bound)).await, absent);
}

/// What is read does not depend on what is asked about, as long as it can't be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_costs_as_many_statements_as_none() {
    let t = Setup::stage().await.with(|config| config.database_max_connections = 1).start().await;
    let clients = t.clients();
    let proxy = &t.stage.as_ref().unwrap().postgres_proxy;
    let mut names = organizations(&clients, "ada@acme.com").await;
    names.extend([ABSENT.to_owned(), "nowhere".to_owned()]);
    for sees_something in [false, true] {
        if sees_something {
            clients.founded("ada@acme.com").await;
        }
        let token = clients.token("ada@acme.com").await;
        let mut costs = vec![u64::MAX; names.len()];
        // The first prepares its statements; others may meet a health check or a sweep.
        for _ in 0..4 {
            for (name, cost) in names.iter().zip(&mut costs) {
                let before = quiet(proxy).await;
                explained(&clients, explanation(&token, name)).await;
                *cost = (*cost).min(quiet(proxy).await - before);
            }
        }
        assert!(costs.iter().all(|cost| *cost == costs[0] && *cost > 0), "{costs:?}");
    }
}
