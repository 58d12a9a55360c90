//! Every rule in words, in the situations that a person can be in with an organization they see.

use vestibule::pb;
use vestibule::pb::RuleVerdict::{Admitted, FactorOwed, NotApplied, NotMet, Passed};

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, magic_link, organization};
use crate::harness::logins::explanation;
use crate::harness::members::{invitation, new_member, organization_update};
use crate::harness::{Harness, on_both_backends};

use super::super::people::{account, password, totp};
use super::{Rule, explained, says};

on_both_backends!(
    memberships_in_words,
    joining_in_words,
    a_proof_that_is_owed_in_words,
    methods_and_second_factors_in_words,
    a_bound_token_in_words,
    a_session_in_words,
    a_claimed_domain_in_words,
);

const MEMBER: &str = "the person need not join: they are a member";

/// The rules for an active member who owes nothing, by a magic link.
const COMPLETE: [Rule; 8] = [
    ("bound_token", Passed, "", "the token is open"),
    ("claimed_email_domain", Passed, "", "no other organization has claimed acme.com"),
    ("membership", Admitted, "status = active", "the person is an active member"),
    ("email_jit_provisioning", NotApplied, "", MEMBER),
    ("oauth_tenant_jit_provisioning", NotApplied, "", MEMBER),
    ("email_verification", Passed, "", "a factor proves the address"),
    ("auth_methods", Passed, "auth_methods = ALL_ALLOWED", "every method is allowed"),
    ("mfa_policy", Passed, "mfa_policy = OPTIONAL", "no second factor is asked for"),
];

/// Those rules with some replaced.
fn with(replaced: &[Rule]) -> [Rule; 8] {
    COMPLETE.map(|rule| replaced.iter().find(|(name, ..)| *name == rule.0).copied().unwrap_or(rule))
}

/// What is said to somebody with these factors.
async fn said(
    clients: &Clients,
    factors: Vec<pb::VouchedFactor>,
    name: &str,
) -> pb::ExplainDiscoveryResponse {
    let token = clients.token_with("ada@acme.com", factors).await;
    let answer = explained(clients, explanation(&token, name)).await;
    assert!(answer.visible, "{name}");
    answer
}

async fn memberships_in_words(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Active").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    says(&said(&clients, vec![magic_link()], "active").await, &COMPLETE);
    let acme = clients.organization("Invited").await.organization_id;
    clients.invite_member(invitation(&acme, "ada@acme.com")).await.unwrap();
    let words = "the person is invited; entering accepts the invitation";
    let invited = with(&[("membership", Admitted, "status = invited", words)]);
    says(&said(&clients, vec![magic_link()], "invited").await, &invited);
    let acme = clients.organization("Pending").await.organization_id;
    clients.pending(&acme, "ada@acme.com").await;
    let words = "the person is a member who has never logged in; entering makes them active";
    let pending = with(&[("membership", Admitted, "status = pending", words)]);
    says(&said(&clients, vec![magic_link()], "pending").await, &pending);
}

async fn joining_in_words(t: Harness) {
    const STRANGER: Rule = ("membership", NotMet, "", "the person is no member, or a deleted one");
    let clients = t.clients();
    clients.open_to("By domain", "acme.com").await;
    let words = "acme.com is in email_allowed_domains, and a member has verified an address on it";
    let already = "the person may join by domain already";
    let by_domain = with(&[
        STRANGER,
        ("email_jit_provisioning", Admitted, "email_jit_provisioning = RESTRICTED", words),
        ("oauth_tenant_jit_provisioning", NotApplied, "", already),
    ]);
    says(&said(&clients, vec![magic_link()], "by-domain").await, &by_domain);
    clients.open_to_slack("By tenant", "T1").await;
    let words = "nobody joins by the domain of an address";
    let tenant = "the slack tenant T1 is in allowed_oauth_tenants";
    let setting = "oauth_tenant_jit_provisioning = RESTRICTED";
    let verification = "who joins by a tenant need not prove the address";
    let closed = ("email_jit_provisioning", NotMet, "email_jit_provisioning = NOT_ALLOWED", words);
    let admitted = ("oauth_tenant_jit_provisioning", Admitted, setting, tenant);
    let by_tenant = with(&[STRANGER, closed, admitted, ("email_verification", Passed, "", verification)]);
    says(&said(&clients, vec![account("slack", &["T1"])], "by-tenant").await, &by_tenant);
    // By tenant where the domain alone does not do.
    for (domains, words) in [
        (["globex.com"], "acme.com is not in email_allowed_domains"),
        (["acme.com"], "acme.com is in email_allowed_domains, but no member has verified an address on it"),
    ] {
        let mut request = organization_update("by-tenant");
        request.email_allowed_domains = domains.map(str::to_owned).to_vec();
        request.set_email_jit_provisioning(pb::EmailJitProvisioning::Restricted);
        clients.update_organization(request).await.unwrap();
        let closed = ("email_jit_provisioning", NotMet, "email_jit_provisioning = RESTRICTED", words);
        let by_tenant = with(&[STRANGER, closed, admitted, ("email_verification", Passed, "", verification)]);
        says(&said(&clients, vec![account("slack", &["T1"])], "by-tenant").await, &by_tenant);
    }
}

async fn a_proof_that_is_owed_in_words(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let words = "no factor proves the address now; one of these would: magic_link, email_otp, google_oauth, \
                 microsoft_oauth";
    let owed = with(&[("email_verification", FactorOwed, "", words)]);
    let answer = said(&clients, vec![password()], "acme").await;
    says(&answer, &owed);
    let found = answer.discovered_organization.unwrap();
    assert!(found.primary_required.is_some() && !found.member_authenticated);
    // Once the address was proved, a password shows who it is.
    let token = clients.token("ada@acme.com").await;
    clients.exchange(crate::harness::logins::exchange(&token, &acme)).await.unwrap();
    let words = "an account of the member shows who they are";
    let known = with(&[("email_verification", Passed, "", words)]);
    says(&said(&clients, vec![password()], "acme").await, &known);
    // No allowed method could prove it.
    let request = pb::CreateOrganizationRequest {
        auth_methods: Some(pb::AuthMethods::Restricted.into()),
        allowed_auth_methods: vec!["password".to_owned(), "sso".to_owned()],
        ..organization("Strict")
    };
    let strict = clients.create(request).await.unwrap().into_inner().organization.unwrap();
    clients.create_member(new_member(&strict.organization_id, "ada@acme.com")).await.unwrap();
    let words = "no factor proves the address, and no method that could is in allowed_auth_methods";
    let allowed = "a factor is of a method in allowed_auth_methods: password, sso";
    let stuck = with(&[
        ("email_verification", FactorOwed, "", words),
        ("auth_methods", Passed, "auth_methods = RESTRICTED", allowed),
    ]);
    says(&said(&clients, vec![password()], "strict").await, &stuck);
}

async fn methods_and_second_factors_in_words(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        auth_methods: Some(pb::AuthMethods::Restricted.into()),
        allowed_auth_methods: vec!["github_oauth".to_owned(), "password".to_owned()],
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        ..organization("Acme")
    };
    let acme = clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let forbidden = "no factor is of a method in allowed_auth_methods: github_oauth, password";
    let asked =
        "a second factor is asked for: one that mfa_methods allows, and, for otp, to the member's number";
    let setting = "auth_methods = RESTRICTED";
    let owing = with(&[
        ("auth_methods", FactorOwed, setting, forbidden),
        ("mfa_policy", FactorOwed, "mfa_policy = REQUIRED_FOR_ALL", asked),
    ]);
    says(&said(&clients, vec![magic_link()], "acme").await, &owing);
    let allowed = "a factor is of a method in allowed_auth_methods: github_oauth, password";
    let given = "a second factor of an allowed method is there";
    let complete = with(&[
        ("auth_methods", Passed, setting, allowed),
        ("mfa_policy", Passed, "mfa_policy = REQUIRED_FOR_ALL", given),
    ]);
    let factors = vec![magic_link(), account("github", &[]), totp()];
    says(&said(&clients, factors, "acme").await, &complete);

    // Exempt from the methods, and asked for a second factor by a field of their own.
    let request = pb::CreateOrganizationRequest {
        auth_methods: Some(pb::AuthMethods::Restricted.into()),
        allowed_auth_methods: vec!["sso".to_owned()],
        ..organization("Glass")
    };
    let glass = clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id;
    let exempt = pb::CreateMemberRequest {
        is_breakglass: true,
        mfa_enrolled: true,
        ..new_member(&glass, "ada@acme.com")
    };
    clients.create_member(exempt).await.unwrap();
    let exempt = ("auth_methods", Passed, "is_breakglass = true", "the member may use every method");
    let owing = with(&[exempt, ("mfa_policy", FactorOwed, "mfa_enrolled = true", asked)]);
    says(&said(&clients, vec![magic_link()], "glass").await, &owing);
    let complete = with(&[exempt, ("mfa_policy", Passed, "mfa_enrolled = true", given)]);
    says(&said(&clients, vec![magic_link(), totp()], "glass").await, &complete);
}

async fn a_bound_token_in_words(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let mut request = creation(&token);
    request.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
    let created = clients.spend(request).await.unwrap().into_inner();
    let answer = explained(&clients, explanation(&token, "acme")).await;
    assert!(answer.visible);
    let bound = "the token is bound to this organization, and finishes the login there";
    let asked =
        "a second factor is asked for: one that mfa_methods allows, and, for otp, to the member's number";
    let expected = with(&[
        ("bound_token", Passed, "", bound),
        ("mfa_policy", FactorOwed, "mfa_policy = REQUIRED_FOR_ALL", asked),
    ]);
    says(&answer, &expected);
    assert_eq!(answer.discovered_organization.unwrap().mfa_required, created.mfa_required);
}

async fn a_session_in_words(t: Harness) {
    let clients = t.clients();
    let login = clients.founded("ada@acme.com").await;
    let invited = clients.organization("Invited").await.organization_id;
    clients.invite_member(invitation(&invited, "ada@acme.com")).await.unwrap();
    let session = "a session is no token that could be bound";
    let proved = "a factor of the session has proved the address";
    let home = with(&[("bound_token", Passed, "", session), ("email_verification", Passed, "", proved)]);
    let words = "the person is invited; entering accepts the invitation";
    let elsewhere = with(&[
        ("bound_token", Passed, "", session),
        ("membership", Admitted, "status = invited", words),
        ("email_verification", Passed, "", proved),
    ]);
    for (name, expected) in [("acme", home), ("invited", elsewhere)] {
        let request = pb::ExplainDiscoveryRequest {
            session_token: Some(login.session_token.clone()),
            organization_id: name.to_owned(),
            ..pb::ExplainDiscoveryRequest::default()
        };
        let answer = explained(&clients, request).await;
        assert!(answer.visible, "{name}");
        says(&answer, &expected);
    }
}

async fn a_claimed_domain_in_words(t: Harness) {
    let clients = t.clients();
    let acme = clients.organization("Acme").await.organization_id;
    clients.member(&acme, "ada@acme.com").await;
    let claim = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..organization("Owner")
    };
    let owner = clients.create(claim).await.unwrap().into_inner().organization.unwrap().organization_id;
    clients.member(&owner, "ada@acme.com").await;
    let words = "another organization has claimed acme.com; those who are members already stay";
    let elsewhere = with(&[("claimed_email_domain", Passed, "", words)]);
    says(&said(&clients, vec![magic_link()], "acme").await, &elsewhere);
    says(&said(&clients, vec![magic_link()], "owner").await, &COMPLETE);
}
