//! What becomes of a login, by what was verified and what the organization asks for.

use tonic::Code;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, factor, magic_link, oauth};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(the_outcome_is_the_one_of_the_table, a_bound_token_takes_factors_and_stays_bound);

/// The methods that can verify an address.
const ANY: &[&str] = &["magic_link", "email_otp", "google_oauth", "microsoft_oauth"];

/// What was verified, what is asked for, and what comes of it.
struct Row {
    name: &'static str,
    address: &'static str,
    factors: Vec<pb::VouchedFactor>,
    asked: Asked,
    verified: bool,
    /// The methods of which one is owed.
    primary: Option<&'static [&'static str]>,
    mfa: bool,
}

/// What the organization asks for.
#[derive(Clone, Copy, Default)]
struct Asked {
    auth_methods: &'static [&'static str],
    mfa: bool,
    mfa_methods: &'static [&'static str],
}

/// A row in which everything is in place, to change from.
fn complete(name: &'static str, factors: Vec<pb::VouchedFactor>) -> Row {
    let address = "ada@acme.com";
    Row { name, address, factors, asked: Asked::default(), verified: true, primary: None, mfa: false }
}

/// A row in which nothing verifies the address.
fn unverified(name: &'static str, factors: Vec<pb::VouchedFactor>) -> Row {
    Row { verified: false, primary: Some(ANY), ..complete(name, factors) }
}

fn hosted(email_verified: bool) -> pb::VouchedFactor {
    pb::VouchedFactor { hosted_domain: Some("acme.com".to_owned()), ..oauth("oauth_google", email_verified) }
}

fn password(email_verified: Option<bool>) -> pb::VouchedFactor {
    pb::VouchedFactor { email_verified, ..factor("password", "knowledge") }
}

fn sms() -> pb::VouchedFactor {
    factor("otp", "sms")
}

fn totp() -> pb::VouchedFactor {
    factor("totp", "authenticator_app")
}

fn recovery() -> pb::VouchedFactor {
    factor("recovery_codes", "recovery_code")
}

fn verifying() -> Vec<Row> {
    let google = |email_verified| vec![oauth("oauth_google", email_verified)];
    let gmail = "ada@gmail.com";
    vec![
        complete("magic link", vec![magic_link()]),
        complete("e-mail code", vec![factor("email_otp", "email")]),
        complete("Google, Workspace", vec![hosted(true)]),
        unverified("Google, Workspace, not verified", vec![hosted(false)]),
        unverified("Google, a stranger's domain", google(true)),
        Row { address: gmail, ..complete("Google on gmail.com", google(true)) },
        Row { address: "ada@googlemail.com", ..complete("Google on googlemail.com", google(true)) },
        Row { address: gmail, ..unverified("Google on gmail.com, not verified", google(false)) },
        Row { address: "ada@gmail.com.acme.com", ..unverified("Google, gmail.com as a label", google(true)) },
        complete("Microsoft", vec![oauth("oauth_microsoft", true)]),
        unverified("Microsoft, not verified", vec![oauth("oauth_microsoft", false)]),
        unverified("GitHub", vec![oauth("oauth_github", true)]),
        unverified("Slack", vec![oauth("oauth_slack", true)]),
        unverified("HubSpot", vec![oauth("oauth_hubspot", true)]),
        complete("password, just set", vec![password(Some(true))]),
        unverified("password", vec![password(None)]),
        unverified("password, said not to be", vec![password(Some(false))]),
        complete("one of two verifies", vec![oauth("oauth_github", true), magic_link()]),
        unverified("second factors verify nothing", vec![password(None), sms(), totp(), recovery()]),
    ]
}

fn second_factors() -> Vec<Row> {
    let asked = Asked { mfa: true, ..Asked::default() };
    let only = |mfa_methods| Asked { mfa: true, mfa_methods, ..Asked::default() };
    let owed = |name, factors| Row { asked, mfa: true, ..complete(name, factors) };
    let given = |name, factor| Row { asked, ..complete(name, vec![magic_link(), factor]) };
    let both = |name, factors| Row { asked, mfa: true, ..unverified(name, factors) };
    vec![
        owed("MFA, none", vec![magic_link()]),
        owed("MFA, two first factors", vec![magic_link(), hosted(true)]),
        given("MFA, code by SMS", sms()),
        given("MFA, authenticator app", totp()),
        given("MFA, recovery code", recovery()),
        both("both owed", vec![password(None)]),
        both("both owed to GitHub", vec![oauth("oauth_github", true)]),
        Row { asked, ..unverified("first factor owed, second there", vec![password(None), totp()]) },
        Row { asked: only(&["sms_otp"]), ..given("SMS alone, given", sms()) },
        Row { asked: only(&["sms_otp"]), mfa: true, ..given("SMS alone, app given", totp()) },
        Row { asked: only(&["sms_otp"]), mfa: true, ..given("SMS alone, recovery code given", recovery()) },
        Row { asked: only(&["totp"]), ..given("app alone, given", totp()) },
        Row { asked: only(&["totp"]), ..given("app alone, recovery code given", recovery()) },
        Row { asked: only(&["totp"]), mfa: true, ..given("app alone, SMS given", sms()) },
        Row { asked: only(&["totp", "sms_otp"]), ..given("either, SMS given", sms()) },
        Row {
            asked: Asked { mfa_methods: &["totp"], ..Asked::default() },
            ..complete("methods without policy", vec![magic_link()])
        },
        complete("MFA given, not asked for", vec![magic_link(), totp()]),
    ]
}

fn restricted_methods() -> Vec<Row> {
    let only = |auth_methods| Asked { auth_methods, ..Asked::default() };
    let owed = |name, allowed, factors| Row {
        asked: only(allowed),
        primary: Some(allowed),
        ..complete(name, factors)
    };
    let unverified = |name, allowed, primary, factors| Row {
        asked: only(allowed),
        primary: Some(primary),
        ..unverified(name, factors)
    };
    vec![
        Row { asked: only(&["magic_link"]), ..complete("allowed", vec![magic_link()]) },
        owed("verifying, not allowed", &["google_oauth"], vec![magic_link()]),
        owed("verifying, several allowed", &["sso", "password", "google_oauth"], vec![magic_link()]),
        owed("nothing but single sign-on", &["sso"], vec![magic_link()]),
        Row {
            asked: only(&["github_oauth"]),
            ..complete(
                "verified by one, allowed by another",
                vec![magic_link(), oauth("oauth_github", false)],
            )
        },
        unverified("allowed, not verifying", &["password"], &[], vec![password(None)]),
        unverified(
            "allowed ones cannot verify",
            &["sso", "password", "github_oauth", "slack_oauth", "hubspot_oauth"],
            &[],
            vec![oauth("oauth_github", true)],
        ),
        unverified(
            "some allowed ones verify",
            &["password", "google_oauth", "magic_link"],
            &["magic_link", "google_oauth"],
            vec![password(None)],
        ),
        Row {
            asked: only(&["password"]),
            ..complete("password, just set, allowed", vec![password(Some(true))])
        },
        Row {
            asked: Asked { auth_methods: &["google_oauth"], mfa: true, mfa_methods: &["totp"] },
            primary: Some(&["google_oauth"]),
            mfa: true,
            ..complete("another method and a second factor", vec![magic_link(), sms()])
        },
    ]
}

fn request(token: &str, asked: Asked) -> pb::DiscoveryServiceCreateOrganizationRequest {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut request = creation(token);
    if !asked.auth_methods.is_empty() {
        request.set_auth_methods(pb::AuthMethods::Restricted);
        request.allowed_auth_methods = list(asked.auth_methods);
    }
    if asked.mfa {
        request.set_mfa_policy(pb::MfaPolicy::RequiredForAll);
    }
    if !asked.mfa_methods.is_empty() {
        request.set_mfa_methods(pb::MfaMethods::Restricted);
        request.allowed_mfa_methods = list(asked.mfa_methods);
    }
    // Dropped when a factor is owed; must not get in the way.
    request.session_duration_minutes = Some(5);
    request
}

async fn the_outcome_is_the_one_of_the_table(t: Harness) {
    let clients = t.clients();
    let rows = verifying().into_iter().chain(second_factors()).chain(restricted_methods());
    let mut sessions = 0;
    for row in rows {
        let token = clients.token_with(row.address, row.factors.clone()).await;
        let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
        assert_eq!(before.email_address_verified, row.verified, "{}", row.name);
        let created = clients.spend(request(&token, row.asked)).await.unwrap().into_inner();

        let owed = row.primary.is_some() || row.mfa;
        assert_eq!(created.member_authenticated, !owed, "{}", row.name);
        let mfa = pb::MfaRequired { member_options: None, secondary_auth_initiated: None };
        assert_eq!(created.mfa_required, row.mfa.then_some(mfa), "{}", row.name);
        let primary = row.primary.map(|methods| pb::PrimaryRequired {
            allowed_auth_methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        });
        assert_eq!(created.primary_required, primary, "{}", row.name);
        let member = created.member.clone().unwrap();
        assert_eq!(member.email_address_verified, row.verified, "{}", row.name);
        assert_eq!(member.status, if row.verified { "active" } else { "pending" }, "{}", row.name);
        assert!(member.is_admin, "{}", row.name);

        exists(&t, &clients, &created, row.name).await;
        if owed {
            unfinished(&clients, &token, &before, &created, row.name).await;
        } else {
            sessions += 1;
            finished(&clients, &token, &created, row.name).await;
        }
        assert_eq!(t.count("sessions").await, sessions, "{}", row.name);
    }
}

/// The organization and the member are there, whatever is owed.
async fn exists(
    t: &Harness,
    clients: &Clients,
    created: &pb::DiscoveryServiceCreateOrganizationResponse,
    name: &str,
) {
    let organization = created.organization.clone().unwrap();
    let member = created.member.clone().unwrap();
    assert_eq!(member.member_id, created.member_id, "{name}");
    assert_eq!(member.organization_id, organization.organization_id, "{name}");
    let read = clients.get(&organization.organization_id).await.unwrap().into_inner();
    assert_eq!(read.organization, Some(organization), "{name}");
    let organizations = t.count("organizations").await;
    assert_eq!(t.count("members").await, organizations, "{name}");
}

async fn finished(
    clients: &Clients,
    token: &str,
    created: &pb::DiscoveryServiceCreateOrganizationResponse,
    name: &str,
) {
    assert_eq!(created.session_token.len(), 44, "{name}");
    assert!(!created.session_jwt.is_empty(), "{name}");
    assert_eq!(created.intermediate_session_token, "", "{name}");
    assert_eq!(created.intermediate_session_token_expires_at, None, "{name}");
    let session = created.member_session.clone().unwrap();
    assert_eq!(session.member_id, created.member_id, "{name}");
    assert_eq!(session.expires_at.unwrap().seconds, session.started_at.unwrap().seconds + 300, "{name}");
    refused(clients.inspect(token).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}

async fn unfinished(
    clients: &Clients,
    token: &str,
    before: &pb::IntermediateSession,
    created: &pb::DiscoveryServiceCreateOrganizationResponse,
    name: &str,
) {
    assert_eq!((created.session_token.as_str(), created.session_jwt.as_str()), ("", ""), "{name}");
    assert_eq!(created.member_session, None, "{name}");
    assert_eq!(created.intermediate_session_token, token, "{name}");
    assert_eq!(
        created.intermediate_session_token_expires_at, before.intermediate_session_token_expires_at,
        "{name}"
    );
    let after = clients.inspect(token).await.unwrap().into_inner().intermediate_session.unwrap();
    let bound = pb::IntermediateSession {
        organization_id: created.organization.clone().map(|organization| organization.organization_id),
        member_id: Some(created.member_id.clone()),
        ..before.clone()
    };
    assert_eq!(after, bound, "{name}");
    refused(
        clients.spend(creation(token)).await,
        Code::FailedPrecondition,
        "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION",
    );
}

async fn a_bound_token_takes_factors_and_stays_bound(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let mfa = Asked { mfa: true, ..Asked::default() };
    let created = clients.spend(request(&token, mfa)).await.unwrap().into_inner();
    assert!(created.mfa_required.is_some());
    let added = clients.add_factor(&token, totp()).await.unwrap().into_inner().intermediate_session.unwrap();
    assert_eq!(added.member_id, Some(created.member_id));
    assert_eq!(added.factors.len(), 2);
    // Even with every factor in place: it can finish that one login, and nothing else.
    refused(
        clients.spend(creation(&token)).await,
        Code::FailedPrecondition,
        "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION",
    );
    assert_eq!(t.count("organizations").await, 1);
    assert_eq!(t.count("sessions").await, 0);
}
