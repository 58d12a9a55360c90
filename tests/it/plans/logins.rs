//! The methods of discovery and of sessions, called so that each runs all of its statements.

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::subjects::Subjects;
use super::watched::{CROWD_ADDRESS, CROWD_DOMAIN, CROWD_TENANT};
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, factor, magic_link, oauth, with_key};
use crate::harness::json::object;
use crate::harness::logins::{by_jwt, by_token, exchange, explanation, listing, switch};
use crate::harness::members::{invitation, new_member, organization_update};
use crate::harness::refusal::{Refusal, refused};

/// An organization that lets people join, and who founded it.
struct Home {
    organization_id: String,
    slug: String,
    domain: String,
    /// The founder, with an external id, a session, and another organization to go to.
    member_id: String,
    address: String,
    session: pb::MemberSession,
    session_token: String,
    session_jwt: String,
    elsewhere: String,
}

impl Home {
    async fn new(clients: &Clients, name: &str) -> Self {
        let (domain, address) = (format!("{name}.com"), format!("ada@{name}.com"));
        let founded = clients.founded(&address).await;
        let organization = founded.organization.unwrap();
        let settings = pb::UpdateOrganizationRequest {
            organization_external_id: Some(format!("{name}-own")),
            email_allowed_domains: vec![domain.clone()],
            email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
            allowed_oauth_tenants: Some(object(json!({"slack": [name], "github": [name]}))),
            oauth_tenant_jit_provisioning: Some(pb::OauthTenantJitProvisioning::Restricted.into()),
            ..organization_update(&organization.organization_id)
        };
        clients.update_organization(settings).await.unwrap();
        let elsewhere = clients.organization(&format!("{name}-elsewhere")).await.organization_id;
        clients.invite_member(invitation(&elsewhere, &address)).await.unwrap();
        Self {
            organization_id: organization.organization_id,
            slug: organization.organization_slug,
            domain,
            member_id: founded.member_id,
            address,
            session: founded.member_session.unwrap(),
            session_token: founded.session_token,
            session_jwt: founded.session_jwt,
            elsewhere,
        }
    }

    async fn require_mfa(&self, clients: &Clients) {
        let settings = pb::UpdateOrganizationRequest {
            mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
            ..organization_update(&self.organization_id)
        };
        clients.update_organization(settings).await.unwrap();
    }
}

/// A second factor.
fn totp() -> pb::VouchedFactor {
    factor("totp", "authenticator_app")
}

/// An account in tenants of Slack and GitHub.
fn accounts(tenant: &str) -> Vec<pb::VouchedFactor> {
    let account = |provider| pb::VouchedFactor {
        provider_tenant_ids: vec![tenant.to_owned()],
        ..oauth(provider, false)
    };
    vec![account("oauth_slack"), account("oauth_github")]
}

/// Calls a method of discovery or of sessions; what it makes is called `name`.
pub(super) async fn call(clients: &Clients, subjects: &Subjects, method: &str, name: &str) {
    let home = Home::new(clients, name).await;
    match method {
        "DiscoveryService/ListDiscoveredOrganizations" => list(clients, &home, name).await,
        "DiscoveryService/ExplainDiscovery" => explain(clients, subjects, &home).await,
        "DiscoveryService/ExchangeIntermediateSession" => {
            enter_as_member(clients, subjects, &home, name).await;
            join(clients, &home, name).await;
            finish(clients, &home, name).await;
        }
        "SessionService/AuthenticateSession" => authenticate(clients, &home, name).await,
        "SessionService/GetSessions" => {
            for member in [&home.member_id, &subjects.members[0].member_id] {
                let own = *member == home.member_id;
                let organization = if own { &home.slug } else { &subjects.organization.organization_id };
                clients.sessions_of(organization, member).await.unwrap();
            }
        }
        "SessionService/RevokeSession" => revoke(clients, &home, name).await,
        "SessionService/ExchangeSession" => exchange_session(clients, &home, name).await,
        new => panic!("call {new} here"),
    }
}

async fn list(clients: &Clients, home: &Home, name: &str) {
    let own = clients.discovered(listing(&clients.token(&home.address).await)).await.unwrap().into_inner();
    assert_eq!(own.discovered_organizations.len(), 2);
    // A member of everything, somebody who may join everything, and a person with accounts.
    let mut factors = accounts(CROWD_TENANT);
    factors.push(magic_link());
    for address in [CROWD_ADDRESS, &format!("{name}@{CROWD_DOMAIN}"), &format!("{name}@elsewhere.com")] {
        let token = clients.token_with(address, factors.clone()).await;
        let listed = clients.discovered(listing(&token)).await.unwrap().into_inner();
        assert!(listed.discovered_organizations.len() > 500, "{address}");
    }
    let sessions = [(Some(home.session_token.clone()), None), (None, Some(home.session_jwt.clone()))];
    for (session_token, session_jwt) in sessions {
        let request = pb::ListDiscoveredOrganizationsRequest {
            intermediate_session_token: None,
            session_token,
            session_jwt,
        };
        clients.discovered(request).await.unwrap();
    }
    clients.discovered(listing(&bound(clients, name).await)).await.unwrap();
}

async fn explain(clients: &Clients, subjects: &Subjects, home: &Home) {
    let token = clients.token(&home.address).await;
    for organization in [&home.organization_id, &home.elsewhere, &subjects.external_id(), "nobody"] {
        clients.explain(explanation(&token, organization)).await.unwrap();
        let request = pb::ExplainDiscoveryRequest {
            intermediate_session_token: None,
            session_token: Some(home.session_token.clone()),
            session_jwt: None,
            organization_id: organization.to_owned(),
        };
        clients.explain(request).await.unwrap();
    }
    let token = clients.token_with(CROWD_ADDRESS, accounts(CROWD_TENANT)).await;
    clients.explain(explanation(&token, &home.slug)).await.unwrap();
}

/// Members, and those who may not come in.
async fn enter_as_member(clients: &Clients, subjects: &Subjects, home: &Home, name: &str) {
    for organization in [&home.organization_id, &home.slug, &format!("{name}-own"), &home.elsewhere] {
        let token = clients.token(&home.address).await;
        let request = || with_key(exchange(&token, organization), organization);
        let first = clients.exchange(request()).await.unwrap().into_inner();
        let again = clients.exchange(request()).await.unwrap().into_inner();
        assert_eq!((&again.session_token, first.member_authenticated), (&first.session_token, true));
        clients.exchange(exchange(&token, organization)).await.unwrap_err();
    }
    let seeded = &subjects.organization.organization_id;
    let token = clients.token(&subjects.members[0].email_address).await;
    clients.exchange(exchange(&token, seeded)).await.unwrap();
    let stranger = clients.token(&format!("ada@{}", subjects.claimed_domain())).await;
    let claimed = clients.exchange(exchange(&stranger, &home.organization_id)).await;
    refused(claimed, Code::FailedPrecondition, "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED");
    clients.exchange(exchange(&stranger, "nobody")).await.unwrap_err();
}

/// Those who are no members yet, or no more.
async fn join(clients: &Clients, home: &Home, name: &str) {
    let grace = format!("grace@{}", home.domain);
    for time in ["first", "again"] {
        let token = clients.token(&grace).await;
        let key = format!("{name}-{time}");
        let request = || with_key(exchange(&token, &home.organization_id), &key);
        let joined = clients.exchange(request()).await.unwrap().into_inner();
        clients.exchange(request()).await.unwrap();
        let going = pb::DeleteMemberRequest {
            organization_id: home.organization_id.clone(),
            member_id: joined.member_id,
            ..pb::DeleteMemberRequest::default()
        };
        clients.delete_member(going).await.unwrap();
    }
    let token = clients.token_with(&format!("alan@{name}.org"), accounts(name)).await;
    let joined = clients.exchange(exchange(&token, &home.organization_id)).await.unwrap().into_inner();
    assert!(joined.member_authenticated);
    let token = clients.token_with(&format!("kurt@{}", home.domain), vec![oauth("oauth_github", true)]).await;
    let owing = clients.exchange(exchange(&token, &home.organization_id)).await.unwrap().into_inner();
    assert!(owing.primary_required.is_some() && owing.member.is_none());
}

/// Logins that take two calls.
async fn finish(clients: &Clients, home: &Home, name: &str) {
    home.require_mfa(clients).await;
    let token = clients.token(&format!("edsger@{}", home.domain)).await;
    let pending = clients.exchange(exchange(&token, &home.organization_id)).await.unwrap().into_inner();
    assert!(pending.mfa_required.is_some() && pending.member.is_some());
    clients.add_factor(&token, totp()).await.unwrap();
    let entered = clients.exchange(exchange(&token, &home.organization_id)).await.unwrap().into_inner();
    assert!(entered.member_authenticated);

    let bound = bound(clients, name).await;
    let owner = clients.inspect(&bound).await.unwrap().into_inner().intermediate_session.unwrap();
    let elsewhere = clients.exchange(exchange(&bound, &home.organization_id)).await;
    assert_eq!(Refusal::of(&elsewhere.unwrap_err()).code, Code::FailedPrecondition);
    clients.add_factor(&bound, totp()).await.unwrap();
    let request = exchange(&bound, &owner.organization_id.unwrap());
    assert!(clients.exchange(request).await.unwrap().into_inner().member_authenticated);
}

/// A token that can finish the login of a founder.
async fn bound(clients: &Clients, name: &str) -> String {
    let token = clients.token(&format!("ada@{name}.net")).await;
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        ..creation(&token)
    };
    clients.spend(request).await.unwrap();
    token
}

async fn authenticate(clients: &Clients, home: &Home, name: &str) {
    clients.authenticate(by_token(&home.session_token)).await.unwrap();
    clients.authenticate(by_jwt(&home.session_jwt)).await.unwrap();
    clients.authenticate(by_token(&"A".repeat(44))).await.unwrap_err();
    let check = pb::AuthorizationCheck {
        organization_id: home.slug.clone(),
        resource_id: "stytch.member".to_owned(),
        action: "create".to_owned(),
    };
    for asking in [by_token(&home.session_token), by_jwt(&home.session_jwt)] {
        let key = if asking.session_jwt.is_some() { "jwt" } else { "token" };
        let request = || pb::AuthenticateSessionRequest {
            session_duration_minutes: Some(90),
            session_custom_claims: Some(object(json!({"plan": name}))),
            authorization_check: Some(check.clone()),
            ..asking.clone()
        };
        for _ in 0..2 {
            clients.authenticate(with_key(request(), &format!("{name}-{key}"))).await.unwrap();
        }
    }
}

async fn revoke(clients: &Clients, home: &Home, name: &str) {
    let request = pb::RevokeSessionRequest::default;
    let sessions = [
        pb::RevokeSessionRequest {
            member_session_id: Some(home.session.member_session_id.clone()),
            ..request()
        },
        pb::RevokeSessionRequest { session_token: Some(home.session_token.clone()), ..request() },
        pb::RevokeSessionRequest { session_jwt: Some(home.session_jwt.clone()), ..request() },
        pb::RevokeSessionRequest { member_id: Some(home.member_id.clone()), ..request() },
    ];
    for (number, revoke) in sessions.into_iter().enumerate() {
        let token = clients.token(&home.address).await;
        clients.exchange(exchange(&token, &home.organization_id)).await.unwrap();
        for _ in 0..2 {
            clients.revoke_session(with_key(revoke.clone(), &format!("{name}-{number}"))).await.unwrap();
        }
    }
}

async fn exchange_session(clients: &Clients, home: &Home, name: &str) {
    for organization in [&home.elsewhere, &home.slug] {
        let request = || with_key(switch(&home.session_token, organization), organization);
        let first = clients.switch(request()).await.unwrap().into_inner();
        let again = clients.switch(request()).await.unwrap().into_inner();
        assert_eq!((&again.session_token, first.member_authenticated), (&first.session_token, true));
    }
    let by_jwt = pb::ExchangeSessionRequest {
        session_token: None,
        session_jwt: Some(home.session_jwt.clone()),
        ..switch("", &home.elsewhere)
    };
    clients.switch(by_jwt).await.unwrap();
    let strict = Home::new(clients, &format!("{name}-strict")).await;
    clients.switch(switch(&home.session_token, &strict.organization_id)).await.unwrap_err();
    clients.create_member(new_member(&strict.organization_id, &home.address)).await.unwrap();
    strict.require_mfa(clients).await;
    let owing = clients.switch(switch(&home.session_token, &strict.organization_id)).await.unwrap();
    clients.discovered(listing(&owing.into_inner().intermediate_session_token)).await.unwrap();
}
