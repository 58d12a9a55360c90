mod admins;
mod calls;
mod fields;
mod mask;
mod metadata;
mod names;
mod rules;
mod together;

use std::time::Duration;

use serde_json::json;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::pb;

use super::{answered, created, event, events, read};
use crate::harness::fixtures::organization;
use crate::harness::json::object;
use crate::harness::members::organization_update;
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    each_field_changes_alone,
    all_fields_change_at_once,
    what_changes_nothing_is_no_change,
    every_name_of_the_organization_will_do,
    what_was_created_with_nothing_can_have_everything,
);

type Request = pb::UpdateOrganizationRequest;

/// A field: its name, how a request changes it, and what the organization has then.
type Field = (&'static str, fn(&mut Request), fn(&mut pb::Organization));

/// A [`Field`] with its new value; `present` and `kept` say whether the request and the organization
/// tell it from what is absent.
macro_rules! field {
    (present $field:ident, $value:expr) => {
        field(stringify!($field), |sent| sent.$field = Some($value), |kept| kept.$field = $value)
    };
    (present kept $field:ident, $value:expr) => {
        field(stringify!($field), |sent| sent.$field = Some($value), |kept| kept.$field = Some($value))
    };
    ($field:ident, $value:expr) => {
        field(stringify!($field), |sent| sent.$field = $value, |kept| kept.$field = $value)
    };
}

fn field(name: &'static str, send: fn(&mut Request), keep: fn(&mut pb::Organization)) -> Field {
    (name, send, keep)
}

/// What ids have behind their prefix, up to two digits: of connections and apps.
const UUID: &str = "01890a5d-ac96-774b-bcce-b302099a80";

/// Every field, with a value that neither a new organization nor `everything` has.
fn every_field() -> Vec<Field> {
    vec![
        field!(present organization_name, "Бета 🏗".to_owned()),
        field!(present organization_slug, "Beta.Corp".to_owned()),
        field!(present kept organization_external_id, "CRM|7".to_owned()),
        field!(present organization_logo_url, "http://beta.example/l.svg".to_owned()),
        field(
            "trusted_metadata",
            |sent| sent.trusted_metadata = Some(object(json!({"tier": {"is": "silver"}, "plan": null}))),
            |kept| {
                let metadata = kept.trusted_metadata.as_mut().unwrap();
                metadata.fields.remove("plan");
                metadata.fields.extend(object(json!({"tier": {"is": "silver"}})).fields);
            },
        ),
        field!(present kept sso_default_connection_id, format!("saml-connection-test-{UUID}11")),
        field!(present sso_jit_provisioning, pb::SsoJitProvisioning::NotAllowed.into()),
        field!(
            sso_jit_provisioning_allowed_connections,
            vec![format!("oidc-connection-test-{UUID}12"), format!("external-connection-test-{UUID}10")]
        ),
        field!(email_allowed_domains, texts(&["beta.example", "acme.com"])),
        field!(present email_jit_provisioning, pb::EmailJitProvisioning::NotAllowed.into()),
        field!(present email_invites, pb::EmailInvites::AllAllowed.into()),
        field!(present auth_methods, pb::AuthMethods::AllAllowed.into()),
        field!(allowed_auth_methods, texts(&["password", "sso"])),
        field!(present mfa_policy, pb::MfaPolicy::Optional.into()),
        field!(present mfa_methods, pb::MfaMethods::AllAllowed.into()),
        field!(allowed_mfa_methods, texts(&["sms_otp"])),
        field!(rbac_email_implicit_role_assignments, roles(&["beta.example", "beta.org"])),
        field!(present oauth_tenant_jit_provisioning, pb::OauthTenantJitProvisioning::NotAllowed.into()),
        field!(present kept allowed_oauth_tenants, object(json!({"github": ["beta"]}))),
        field!(claimed_email_domains, texts(&["acme.net", "beta.example"])),
        field!(
            present first_party_connected_apps_allowed_type,
            pb::FirstPartyConnectedAppsAllowedType::AllAllowed.into()
        ),
        field!(allowed_first_party_connected_apps, vec![format!("connected-app-test-{UUID}21")]),
        field!(
            present third_party_connected_apps_allowed_type,
            pb::ThirdPartyConnectedAppsAllowedType::Restricted.into()
        ),
        field!(
            allowed_third_party_connected_apps,
            vec![format!("connected-app-test-{UUID}23"), format!("connected-app-test-{UUID}22")]
        ),
    ]
}

/// Changes all of these in a request.
fn send_all(fields: &[Field], sent: &mut Request) {
    for (_, send, _) in fields {
        send(sent);
    }
}

/// What the organization has once all of these have changed.
fn keep_all(fields: &[Field], kept: &mut pb::Organization) {
    for (.., keep) in fields {
        keep(kept);
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Assignments that make admins of those on these domains.
fn roles(domains: &[&str]) -> Vec<pb::EmailImplicitRoleAssignment> {
    let admin = |domain: &&str| pb::EmailImplicitRoleAssignment {
        domain: (*domain).to_owned(),
        role_id: "stytch_admin".to_owned(),
    };
    domains.iter().map(admin).collect()
}

/// A request to change an organization.
fn change(organization: &pb::Organization, change: impl FnOnce(&mut Request)) -> Request {
    let mut request = organization_update(&organization.organization_id);
    change(&mut request);
    request
}

/// Updates an organization, and reads it back before the answer is believed.
async fn updated(t: &Harness, request: Request) -> pb::Organization {
    let answer = t.clients().update_organization(request).await.unwrap();
    let organization = answered(answer, |answer| &answer.request_id).organization.unwrap();
    assert_eq!(read(t, &organization.organization_id).await, organization);
    organization
}

/// Asserts exactly these violations, and that nothing changed.
async fn violates(t: &Harness, request: Request, expected: &[(&str, &str)]) -> Refusal {
    let before = super::state(t, &request.organization_id).await;
    let (id, what) = (request.organization_id.clone(), format!("{request:?}"));
    let answer = t.clients().update_organization(request).await;
    assert!(answer.is_err(), "{what}");
    let refusal = refused(answer, Code::InvalidArgument, expected[0].1);
    assert_eq!(refusal.violations(), expected, "{what}");
    assert_eq!(super::state(t, &id).await, before, "{what}");
    refusal
}

/// Asserts that a name or domain belongs to somebody else, and that nothing changed.
async fn taken(t: &Harness, request: Request, expected: &[(&str, &str)]) {
    let before = super::state(t, &request.organization_id).await;
    let (id, what) = (request.organization_id.clone(), format!("{request:?}"));
    let refusal = refused(t.clients().update_organization(request).await, Code::AlreadyExists, expected[0].1);
    assert_eq!(refusal.violations(), expected, "{what}");
    assert_eq!(super::state(t, &id).await, before, "{what}");
}

/// What becomes of an organization by a change made now: the version and the time with it.
fn changed(t: &Harness, before: &pb::Organization, etag: &str) -> pb::Organization {
    assert_ne!(before.etag, etag);
    pb::Organization {
        updated_at: Some(crate::harness::values::seconds(t.clock.now())),
        etag: etag.to_owned(),
        ..before.clone()
    }
}

async fn each_field_changes_alone(t: Harness) {
    let mut before = created(&t, super::everything()).await;
    for (name, send, keep) in every_field() {
        t.clock.advance(Duration::from_secs(1));
        let answer = t.clients().update_organization(change(&before, send)).await.unwrap();
        let answer = answered(answer, |answer| &answer.request_id);
        let after = answer.organization.unwrap();
        let mut expected = changed(&t, &before, &after.etag);
        keep(&mut expected);
        assert_eq!(after, expected, "{name}");
        assert_eq!(read(&t, &before.organization_id).await, expected, "{name}");
        let last = events(&t, "organization.updated").await.pop().unwrap();
        let id = &before.organization_id;
        let data = json!({"changed_fields": [name]});
        assert_eq!(last, event("organization.updated", id, &answer.request_id, data));
        before = after;
    }
    assert_eq!(t.count("events").await, 25);
}

async fn all_fields_change_at_once(t: Harness) {
    let other = created(&t, organization("Other")).await;
    let before = created(&t, super::everything()).await;
    t.clock.advance(Duration::from_secs(1));
    let mut request = change(&before, |sent| sent.etag = Some(before.etag.clone()));
    send_all(&every_field(), &mut request);
    let after = updated(&t, request).await;
    let mut expected = changed(&t, &before, &after.etag);
    keep_all(&every_field(), &mut expected);
    assert_eq!(after, expected);
    let written = events(&t, "organization.updated").await;
    let names: Vec<_> = every_field().iter().map(|(name, ..)| *name).collect();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].data, json!({"changed_fields": names}));
    assert_eq!(read(&t, &other.organization_id).await, other);
}

async fn what_changes_nothing_is_no_change(t: Harness) {
    let before = created(&t, super::everything()).await;
    let before = updated(&t, change(&before, |sent| send_all(&every_field(), sent))).await;
    t.clock.advance(Duration::from_hours(1));
    let rows = super::counts(&t).await;
    let nothing = change(&before, |_| ());
    let the_same = change(&before, |sent| send_all(&every_field(), sent));
    let one = change(&before, |sent| sent.organization_name = Some(before.organization_name.clone()));
    let unspecified = change(&before, |sent| {
        sent.sso_jit_provisioning = Some(0);
        sent.email_jit_provisioning = Some(0);
        sent.email_invites = Some(0);
        sent.auth_methods = Some(0);
        sent.mfa_policy = Some(0);
        sent.mfa_methods = Some(0);
        sent.oauth_tenant_jit_provisioning = Some(0);
        sent.first_party_connected_apps_allowed_type = Some(0);
        sent.third_party_connected_apps_allowed_type = Some(0);
    });
    let absent_key = change(&before, |sent| sent.trusted_metadata = Some(object(json!({"absent": null}))));
    let otherwise_written = change(&before, |sent| {
        sent.email_allowed_domains = texts(&["BETA.example.", "acme.COM"]);
    });
    for request in [nothing, the_same, one, unspecified, absent_key, otherwise_written] {
        let what = format!("{request:?}");
        assert_eq!(updated(&t, request).await, before, "{what}");
    }
    assert_eq!(super::counts(&t).await, rows);
}

async fn every_name_of_the_organization_will_do(t: Harness) {
    let acme = created(&t, super::everything()).await;
    for (number, name) in ["Acme.Corp_1~x-Y", "ACME.corp_1~x-y", "ERP|42.a_B-c"].into_iter().enumerate() {
        let request = Request {
            organization_id: name.to_owned(),
            organization_name: Some(format!("Acme {number}")),
            ..Request::default()
        };
        let after = updated(&t, request).await;
        assert_eq!(after.organization_id, acme.organization_id);
        assert_eq!(after.organization_name, format!("Acme {number}"));
    }
}

async fn what_was_created_with_nothing_can_have_everything(t: Harness) {
    let before = created(&t, organization("Acme")).await;
    let request = change(&before, |sent| send_all(&every_field(), sent));
    let after = updated(&t, request).await;
    let mut expected = changed(&t, &before, &after.etag);
    keep_all(&every_field(), &mut expected);
    assert_eq!(after, expected);
}
