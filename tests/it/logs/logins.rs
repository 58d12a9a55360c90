//! Finding, entering, checking and leaving organizations tells the log nothing of who does, nor of what
//! they do it with.

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::{object, talkative, told_without};
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, factor, magic_link, oauth, with_key};
use crate::harness::logins::{by_jwt, by_token, exchange, explanation, listing, switch};
use crate::harness::members::{invitation, organization_update};
use crate::harness::refusal::Refusal;

/// The beginning of the phone numbers.
const NUMBERS: &str = "1500555";

/// The tokens and JWTs that were seen.
#[derive(Debug, Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secrets: &[&str]) {
        self.0.extend(secrets.iter().filter(|secret| !secret.is_empty()).map(|secret| (*secret).to_owned()));
    }

    /// A JWT: whole, and in pieces.
    fn add_jwt(&mut self, jwt: &str) {
        self.add(&[jwt]);
        self.add(&jwt.split('.').collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_tell_the_log_nothing() {
    let t = Harness::postgres().await;
    let mut program = talkative(&t).await;
    let clients = program.clients().await;
    let mut secrets = Secrets::default();
    let (home, elsewhere) = organizations(&clients, &mut secrets).await;
    let session = enter(&clients, &home, &mut secrets).await;
    check(&clients, &session, &mut secrets).await;
    leave(&clients, &session, &elsewhere, &mut secrets).await;
    refusals(&clients, &session, &mut secrets).await;
    // What is stored is no more for the log when it can't be read.
    t.execute("UPDATE sessions SET custom_claims = '\"secret-corrupt\"'").await;
    let corrupt = clients.authenticate(by_token(&session.session_token)).await;
    assert_eq!(Refusal::of(&corrupt.unwrap_err()).code, Code::Internal);
    let revoke = pb::RevokeSessionRequest {
        session_token: Some(session.session_token.clone()),
        ..pb::RevokeSessionRequest::default()
    };
    clients.revoke_session(with_key(revoke, "secret-revocation")).await.unwrap();
    drop(clients);
    let mut hidden: Vec<_> = secrets.0.iter().map(String::as_str).collect();
    assert!(hidden.len() > 20, "{hidden:?}");
    hidden.extend(["secret", "lovelace", NUMBERS]);
    told_without(&mut program, &hidden).await;
}

/// Makes an organization that lets people join and asks for a second factor, and one to go to.
async fn organizations(clients: &Clients, secrets: &mut Secrets) -> (String, String) {
    let token = clients.token("ada.lovelace@secret-company.com").await;
    let founded = clients.spend(creation(&token)).await.unwrap().into_inner();
    secrets.add(&[&token, &founded.session_token]);
    secrets.add_jwt(&founded.session_jwt);
    let home = founded.organization.unwrap().organization_id;
    let settings = pb::UpdateOrganizationRequest {
        organization_external_id: Some("secret-own-id".to_owned()),
        email_allowed_domains: vec!["secret-company.com".to_owned()],
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        ..organization_update(&home)
    };
    clients.update_organization(settings).await.unwrap();
    let elsewhere = clients.organization("the other secret company").await.organization_id;
    clients.invite_member(invitation(&elsewhere, "grace@secret-company.com")).await.unwrap();
    (home, elsewhere)
}

/// Finds the organization, joins it, and gives the second factor.
async fn enter(
    clients: &Clients,
    home: &str,
    secrets: &mut Secrets,
) -> pb::ExchangeIntermediateSessionResponse {
    let account = pb::VouchedFactor {
        full_name: Some("secret name".to_owned()),
        provider_tenant_ids: vec!["secret-tenant".to_owned()],
        ..oauth("oauth_slack", false)
    };
    let token = clients.token_with("grace@secret-company.com", vec![magic_link(), account]).await;
    secrets.add(&[&token]);
    clients.discovered(listing(&token)).await.unwrap();
    for organization in [home, "secret-own-id", "secret-nowhere"] {
        clients.explain(explanation(&token, organization)).await.unwrap();
    }
    let request = pb::ExchangeIntermediateSessionRequest {
        session_custom_claims: Some(object("secret-claim-name", "secret-claim-value")),
        telemetry_id: Some("secret-telemetry-id".to_owned()),
        ..exchange(&token, "secret-own-id")
    };
    let owing = clients.exchange(with_key(request.clone(), "secret-first-key")).await.unwrap().into_inner();
    assert!(owing.mfa_required.is_some());
    let sms = pb::VouchedFactor { phone_number: Some("+15005550006".to_owned()), ..factor("otp", "sms") };
    clients.add_factor(&token, sms).await.unwrap();
    let enter = || with_key(request.clone(), "secret-second-key");
    let entered = clients.exchange(enter()).await.unwrap().into_inner();
    assert!(entered.member_authenticated);
    let again = clients.exchange(enter()).await.unwrap().into_inner();
    secrets.add(&[&entered.session_token]);
    secrets.add_jwt(&entered.session_jwt);
    secrets.add_jwt(&again.session_jwt);
    entered
}

/// Checks and extends the session, and lists what it may list.
async fn check(clients: &Clients, session: &pb::ExchangeIntermediateSessionResponse, secrets: &mut Secrets) {
    let organization = session.organization.as_ref().unwrap();
    let check = pb::AuthorizationCheck {
        organization_id: "secret-own-id".to_owned(),
        resource_id: "stytch.self".to_owned(),
        action: "update.info.name".to_owned(),
    };
    let extending = pb::AuthenticateSessionRequest {
        session_duration_minutes: Some(90),
        session_custom_claims: Some(object("secret-other-name", "secret-other-value")),
        authorization_check: Some(check),
        ..by_token(&session.session_token)
    };
    for _ in 0..2 {
        let request = with_key(extending.clone(), "secret-third-key");
        let checked = clients.authenticate(request).await.unwrap().into_inner();
        secrets.add_jwt(&checked.session_jwt);
        let by_jwt = by_jwt(&checked.session_jwt);
        secrets.add_jwt(&clients.authenticate(by_jwt).await.unwrap().into_inner().session_jwt);
    }
    clients.sessions_of(&organization.organization_id, &session.member_id).await.unwrap();
    let by_session = pb::ListDiscoveredOrganizationsRequest {
        session_token: Some(session.session_token.clone()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    clients.discovered(by_session).await.unwrap();
}

/// Goes to another organization, with a session and, when that asks for more, with a token.
async fn leave(
    clients: &Clients,
    session: &pb::ExchangeIntermediateSessionResponse,
    elsewhere: &str,
    secrets: &mut Secrets,
) {
    let request = || with_key(switch(&session.session_token, elsewhere), "secret-fourth-key");
    for _ in 0..2 {
        let switched = clients.switch(request()).await.unwrap().into_inner();
        secrets.add(&[&switched.session_token]);
        secrets.add_jwt(&switched.session_jwt);
    }
    let settings = pb::UpdateOrganizationRequest {
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        ..organization_update(elsewhere)
    };
    clients.update_organization(settings).await.unwrap();
    let owing = clients.switch(switch(&session.session_token, elsewhere)).await.unwrap().into_inner();
    secrets.add(&[&owing.intermediate_session_token]);
    clients.discovered(listing(&owing.intermediate_session_token)).await.unwrap();
}

/// What is refused, by parsing and by the rules.
async fn refusals(
    clients: &Clients,
    session: &pb::ExchangeIntermediateSessionResponse,
    secrets: &mut Secrets,
) {
    let claims = json!({"secret-claim": "secret-value"});
    let forged = [session.session_jwt.rsplit_once('.').unwrap().0, "c2VjcmV0LXNpZ25hdHVyZQ"].join(".");
    secrets.add(&["c2VjcmV0LXNpZ25hdHVyZQ"]);
    for jwt in ["secret.session.jwt", &forged] {
        assert_eq!(
            Refusal::of(&clients.authenticate(by_jwt(jwt)).await.unwrap_err()).code,
            Code::InvalidArgument
        );
    }
    let unknown = "secret-token-that-nobody-was-given----------";
    assert_eq!(unknown.len(), 44);
    assert_eq!(Refusal::of(&clients.authenticate(by_token(unknown)).await.unwrap_err()).code, Code::NotFound);
    let denied = pb::AuthenticateSessionRequest {
        authorization_check: Some(pb::AuthorizationCheck {
            organization_id: "secret-elsewhere".to_owned(),
            resource_id: "secret-resource".to_owned(),
            action: "secret-action".to_owned(),
        }),
        session_custom_claims: Some(crate::harness::json::object(claims)),
        ..by_token(&session.session_token)
    };
    assert_eq!(Refusal::of(&clients.authenticate(denied).await.unwrap_err()).code, Code::PermissionDenied);
    let stranger = clients.token("edsger@secret-elsewhere.com").await;
    secrets.add(&[&stranger]);
    let home = &session.organization.as_ref().unwrap().organization_id;
    let kept_out = clients.exchange(exchange(&stranger, home)).await;
    assert_eq!(Refusal::of(&kept_out.unwrap_err()).code, Code::FailedPrecondition);
    let nowhere = clients.exchange(exchange(&stranger, "secret-nowhere")).await;
    assert_eq!(Refusal::of(&nowhere.unwrap_err()).code, Code::NotFound);
    let malformed = pb::ExchangeIntermediateSessionRequest {
        locale: Some("secret-locale".to_owned()),
        telemetry_id: Some("secret telemetry".to_owned()),
        ..exchange("secret-token", "secret organization")
    };
    assert_eq!(Refusal::of(&clients.exchange(malformed).await.unwrap_err()).code, Code::InvalidArgument);
}
