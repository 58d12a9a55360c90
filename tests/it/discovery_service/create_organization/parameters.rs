//! Every parameter of the organization comes back as it was sent, at once and later.

use serde_json::json;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::fixtures::{creation, with_key};
use crate::harness::values::{number, object, seconds};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    every_parameter_comes_back,
    the_longest_values_come_back,
    odd_json_comes_back,
    what_is_empty_is_left_out,
    invitations_are_closed_by_default_once_a_setting_is_sent,
    the_external_id_and_any_spelling_of_the_slug_name_the_organization,
);

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn app(last: char) -> String {
    format!("connected-app-test-0198c0de-0000-7000-8000-00000000000{last}")
}

fn everything(token: &str) -> pb::DiscoveryServiceCreateOrganizationRequest {
    let admins =
        pb::EmailImplicitRoleAssignment { domain: "Acme.com".to_owned(), role_id: "stytch_admin".to_owned() };
    pb::DiscoveryServiceCreateOrganizationRequest {
        organization_name: Some("Acmé & Söhne 株式会社".to_owned()),
        organization_slug: Some("Acme_Inc.~1-a".to_owned()),
        organization_external_id: Some("CRM|Acme-1".to_owned()),
        organization_logo_url: Some("https://cdn.acme.com/logo.svg?v=1#top".to_owned()),
        trusted_metadata: Some(object(&json!({
            "plan": "pro", "seats": 12, "ratio": 0.25, "beta": true, "tags": ["a", null, {"b": {}}],
            "nested": {"null": null}, "gone": null,
        }))),
        sso_jit_provisioning: Some(pb::SsoJitProvisioning::Restricted.into()),
        email_allowed_domains: list(&["Acme.COM", "bücher.example", "mail.acme.co.uk"]),
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        email_invites: Some(pb::EmailInvites::Restricted.into()),
        auth_methods: Some(pb::AuthMethods::Restricted.into()),
        allowed_auth_methods: list(&[
            "sso",
            "magic_link",
            "email_otp",
            "password",
            "google_oauth",
            "microsoft_oauth",
            "slack_oauth",
            "github_oauth",
            "hubspot_oauth",
        ]),
        mfa_policy: Some(pb::MfaPolicy::Optional.into()),
        mfa_methods: Some(pb::MfaMethods::Restricted.into()),
        allowed_mfa_methods: list(&["totp", "sms_otp"]),
        rbac_email_implicit_role_assignments: vec![admins],
        oauth_tenant_jit_provisioning: Some(pb::OauthTenantJitProvisioning::Restricted.into()),
        allowed_oauth_tenants: Some(object(&json!({
            "slack": ["T2", "T1"], "github": ["octo"], "hubspot": [],
        }))),
        first_party_connected_apps_allowed_type: Some(
            pb::FirstPartyConnectedAppsAllowedType::Restricted.into(),
        ),
        allowed_first_party_connected_apps: vec![app('2'), app('1')],
        third_party_connected_apps_allowed_type: Some(
            pb::ThirdPartyConnectedAppsAllowedType::NotAllowed.into(),
        ),
        allowed_third_party_connected_apps: vec![app('3')],
        ..creation(token)
    }
}

async fn every_parameter_comes_back(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let sent = everything(&token);
    let created = clients.spend(sent.clone()).await.unwrap().into_inner();
    assert!(created.member_authenticated);
    let seen = created.organization.unwrap();
    let now = seconds(t.clock.now());
    let expected = pb::Organization {
        etag: seen.etag.clone(),
        organization_id: seen.organization_id.clone(),
        organization_name: sent.organization_name.unwrap(),
        organization_slug: sent.organization_slug.unwrap(),
        organization_external_id: sent.organization_external_id,
        organization_logo_url: sent.organization_logo_url.unwrap(),
        trusted_metadata: Some(object(&json!({
            "plan": "pro", "seats": 12, "ratio": 0.25, "beta": true, "tags": ["a", null, {"b": {}}],
            "nested": {"null": null},
        }))),
        sso_jit_provisioning: sent.sso_jit_provisioning.unwrap(),
        email_allowed_domains: list(&["acme.com", "xn--bcher-kva.example", "mail.acme.co.uk"]),
        email_jit_provisioning: sent.email_jit_provisioning.unwrap(),
        email_invites: sent.email_invites.unwrap(),
        auth_methods: sent.auth_methods.unwrap(),
        allowed_auth_methods: sent.allowed_auth_methods,
        mfa_policy: sent.mfa_policy.unwrap(),
        mfa_methods: sent.mfa_methods.unwrap(),
        allowed_mfa_methods: sent.allowed_mfa_methods,
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        oauth_tenant_jit_provisioning: sent.oauth_tenant_jit_provisioning.unwrap(),
        allowed_oauth_tenants: Some(object(&json!({"slack": ["T2", "T1"], "github": ["octo"]}))),
        first_party_connected_apps_allowed_type: sent.first_party_connected_apps_allowed_type.unwrap(),
        allowed_first_party_connected_apps: sent.allowed_first_party_connected_apps,
        third_party_connected_apps_allowed_type: sent.third_party_connected_apps_allowed_type.unwrap(),
        allowed_third_party_connected_apps: sent.allowed_third_party_connected_apps,
        created_at: Some(now),
        updated_at: Some(now),
        ..pb::Organization::default()
    };
    assert_eq!(seen, expected);
    let read = clients.get(&seen.organization_id).await.unwrap().into_inner();
    assert_eq!(read.organization, Some(expected));
    assert_eq!(created.member_session.unwrap().organization_slug, "Acme_Inc.~1-a");
}

async fn the_longest_values_come_back(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let keys = (0..20).map(|number| (format!("{number:02}"), json!("")));
    let mut metadata: serde_json::Map<_, _> = keys.collect();
    let room = 4096 - serde_json::to_vec(&metadata).unwrap().len();
    // Sizes are bytes of UTF-8, and two bytes for an é.
    metadata["00"] = json!("é".repeat(room / 2) + &"a".repeat(room % 2));
    let sent = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_name: Some("ü".repeat(128)),
        organization_slug: Some("s".repeat(128)),
        organization_external_id: Some("e".repeat(128)),
        organization_logo_url: Some(format!("http://acme.com/{}", "x".repeat(2048 - 16))),
        trusted_metadata: Some(object(&metadata.into())),
        email_allowed_domains: (0..100).map(|number| format!("d{number}.example")).collect(),
        allowed_oauth_tenants: Some(object(&json!({"slack": ["T".repeat(255)]}))),
        ..creation(&token)
    };
    let created = clients.spend(sent.clone()).await.unwrap().into_inner();
    let id = created.organization.unwrap().organization_id;
    let read = clients.get(&id).await.unwrap().into_inner().organization.unwrap();
    assert_eq!(Some(read.organization_name), sent.organization_name);
    assert_eq!(Some(read.organization_slug), sent.organization_slug);
    assert_eq!(read.organization_external_id, sent.organization_external_id);
    assert_eq!(Some(read.organization_logo_url), sent.organization_logo_url);
    assert_eq!(read.trusted_metadata, sent.trusted_metadata);
    assert_eq!(read.email_allowed_domains, sent.email_allowed_domains);
    assert_eq!(read.allowed_oauth_tenants, sent.allowed_oauth_tenants);
}

async fn odd_json_comes_back(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let numbers =
        [0.1, -0.5, 1e300, -1e300, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e15, 1e21, 9_007_199_254_740_993.0];
    let mut metadata = object(&json!({
        "": "empty key", "\u{1}\"\\": "\u{1}\"\\\u{2028}", "ключ": "значение 🗝", "deep": [[[[{"a": [[]]}]]]],
        "__proto__": {}, "false": false, "big": 9_007_199_254_740_992_u64, "small": -1,
    }));
    let list = prost_types::ListValue { values: numbers.map(number).to_vec() };
    let numbers = prost_types::Value { kind: Some(prost_types::value::Kind::ListValue(list)) };
    metadata.fields.insert("numbers".to_owned(), numbers);
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        trusted_metadata: Some(metadata.clone()),
        session_custom_claims: Some(metadata.clone()),
        ..creation(&token)
    };
    let created = clients.spend(with_key(request.clone(), "key")).await.unwrap().into_inner();
    let again = clients.spend(with_key(request, "key")).await.unwrap().into_inner();
    for answer in [created, again] {
        let organization = answer.organization.unwrap();
        let read = clients.get(&organization.organization_id).await.unwrap().into_inner().organization;
        assert_eq!(read.unwrap().trusted_metadata, Some(metadata.clone()));
        assert_eq!(organization.trusted_metadata, Some(metadata.clone()));
        assert_eq!(answer.member_session.unwrap().custom_claims, Some(metadata.clone()));
    }
}

async fn what_is_empty_is_left_out(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let sent = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_logo_url: Some(String::new()),
        trusted_metadata: Some(object(&json!({}))),
        session_custom_claims: Some(object(&json!({}))),
        email_invites: Some(pb::EmailInvites::Unspecified.into()),
        auth_methods: Some(pb::AuthMethods::Unspecified.into()),
        ..creation(&token)
    };
    let created = clients.spend(sent).await.unwrap().into_inner();
    let organization = created.organization.unwrap();
    assert_eq!(organization.organization_logo_url, "");
    assert_eq!(organization.trusted_metadata, Some(object(&json!({}))));
    assert_eq!(organization.email_invites(), pb::EmailInvites::AllAllowed);
    assert_eq!(organization.auth_methods(), pb::AuthMethods::AllAllowed);
    assert_eq!(created.member_session.unwrap().custom_claims, None);
}

async fn invitations_are_closed_by_default_once_a_setting_is_sent(t: Harness) {
    type Change = fn(&mut pb::DiscoveryServiceCreateOrganizationRequest);
    let clients = t.clients();
    let closing: [Change; 7] = [
        |request| request.set_sso_jit_provisioning(pb::SsoJitProvisioning::AllAllowed),
        |request| request.email_allowed_domains = vec!["acme.com".to_owned()],
        |request| request.set_email_jit_provisioning(pb::EmailJitProvisioning::NotAllowed),
        |request| request.set_auth_methods(pb::AuthMethods::AllAllowed),
        |request| request.allowed_auth_methods = vec!["sso".to_owned()],
        |request| request.set_oauth_tenant_jit_provisioning(pb::OauthTenantJitProvisioning::NotAllowed),
        |request| request.allowed_oauth_tenants = Some(object(&json!({"slack": ["T1"]}))),
    ];
    let open: [Change; 4] = [
        |_| {},
        |request| request.set_mfa_policy(pb::MfaPolicy::Optional),
        |request| request.organization_name = Some("Acme".to_owned()),
        |request| {
            request.set_auth_methods(pb::AuthMethods::AllAllowed);
            request.set_email_invites(pb::EmailInvites::AllAllowed);
        },
    ];
    let closing = closing.map(|change| (change, pb::EmailInvites::NotAllowed));
    let open = open.map(|change| (change, pb::EmailInvites::AllAllowed));
    for (index, (change, expected)) in closing.into_iter().chain(open).enumerate() {
        let mut request = creation(&clients.token("ada@acme.com").await);
        change(&mut request);
        let created = clients.spend(request).await.unwrap().into_inner();
        assert_eq!(created.organization.unwrap().email_invites(), expected, "case {index}");
    }
}

async fn the_external_id_and_any_spelling_of_the_slug_name_the_organization(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let organization = clients.spend(everything(&token)).await.unwrap().into_inner().organization;
    for name in ["Acme_Inc.~1-a", "acme_inc.~1-A", "CRM|Acme-1"] {
        assert_eq!(clients.get(name).await.unwrap().into_inner().organization, organization, "{name}");
    }
}
