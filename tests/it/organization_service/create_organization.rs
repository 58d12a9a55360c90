mod fields;
mod lists;
mod names;
mod roles;
mod rules;

use prost_types::Timestamp;
use serde_json::json;
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::fixtures::organization;
use crate::harness::json::object;
use crate::harness::refusal::Refusal;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_name_is_enough_and_everything_else_has_its_default,
    every_parameter_is_kept_and_can_be_read,
    numbers_in_metadata_are_read_as_they_were_sent,
    domains_are_kept_in_their_one_spelling,
    a_null_in_metadata_is_left_out,
    metadata_that_is_accepted_is_not_too_deep_to_be_read,
    the_default_of_email_invites_depends_on_what_else_is_sent,
    what_is_unspecified_is_not_sent,
    an_event_tells_of_the_creation,
);

/// The tables that creating an organization writes to.
const WRITTEN: [&str; 6] = [
    "organizations",
    "organization_names",
    "organization_domains",
    "organization_oauth_tenants",
    "events",
    "idempotency_records",
];

/// How many rows each of the tables has.
async fn rows_written(t: &Harness) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in WRITTEN {
        counts.push(t.count(table).await);
    }
    counts
}

/// What the service calls the present.
fn now(t: &Harness) -> Timestamp {
    Timestamp { seconds: t.clock.now().unix_timestamp(), nanos: 0 }
}

/// Creates an organization, and reads it back before it is believed.
async fn created(t: &Harness, request: pb::CreateOrganizationRequest) -> pb::Organization {
    let clients = t.clients();
    let created = clients.create(request).await.unwrap().into_inner().organization.unwrap();
    let read = clients.get(&created.organization_id).await.unwrap().into_inner().organization.unwrap();
    assert_eq!(read, created);
    created
}

/// A request with every parameter set to something other than its default.
pub(crate) fn everything() -> pb::CreateOrganizationRequest {
    let app = |number: u8| format!("connected-app-test-01890a5d-ac96-774b-bcce-b302099a80{number:02}");
    pb::CreateOrganizationRequest {
        organization_name: Some(" Ácme & Söhne 🏛 ".to_owned()),
        organization_slug: Some("Acme.Corp_1~x-Y".to_owned()),
        organization_external_id: Some("ERP|42.a_B-c".to_owned()),
        organization_logo_url: Some("https://cdn.acme.com/logo.png?size=2#top".to_owned()),
        trusted_metadata: Some(object(json!({
            "plan": "gold", "seats": 12, "ratio": 0.1, "active": true,
            "nested": {"list": [1, "two", null, {"deep": [[]]}]}, "ключ": "\u{1f511}\"\\",
        }))),
        sso_jit_provisioning: Some(pb::SsoJitProvisioning::Restricted.into()),
        email_allowed_domains: vec!["acme.com".to_owned(), "acme.co.uk".to_owned()],
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        email_invites: Some(pb::EmailInvites::Restricted.into()),
        auth_methods: Some(pb::AuthMethods::Restricted.into()),
        allowed_auth_methods: [
            "sso",
            "magic_link",
            "email_otp",
            "password",
            "google_oauth",
            "microsoft_oauth",
            "slack_oauth",
            "github_oauth",
            "hubspot_oauth",
        ]
        .map(str::to_owned)
        .into(),
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        mfa_methods: Some(pb::MfaMethods::Restricted.into()),
        allowed_mfa_methods: vec!["totp".to_owned(), "sms_otp".to_owned()],
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.org".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        oauth_tenant_jit_provisioning: Some(pb::OauthTenantJitProvisioning::Restricted.into()),
        allowed_oauth_tenants: Some(object(
            json!({"slack": ["T2:x", "T1"], "hubspot": ["1"], "github": ["acme", "Acme"]}),
        )),
        claimed_email_domains: vec!["acme.com".to_owned(), "acme.net".to_owned()],
        first_party_connected_apps_allowed_type: Some(
            pb::FirstPartyConnectedAppsAllowedType::Restricted.into(),
        ),
        allowed_first_party_connected_apps: vec![app(2), app(1)],
        third_party_connected_apps_allowed_type: Some(
            pb::ThirdPartyConnectedAppsAllowedType::NotAllowed.into(),
        ),
        allowed_third_party_connected_apps: vec![app(3)],
    }
}

async fn a_name_is_enough_and_everything_else_has_its_default(t: Harness) {
    let organization = created(&t, organization("Acme")).await;
    assert!(organization.organization_id.starts_with("organization-test-"), "{organization:?}");
    let expected = pb::Organization {
        etag: organization.etag.clone(),
        organization_id: organization.organization_id.clone(),
        organization_name: "Acme".to_owned(),
        organization_slug: "acme".to_owned(),
        trusted_metadata: Some(object(json!({}))),
        sso_jit_provisioning: pb::SsoJitProvisioning::AllAllowed.into(),
        email_jit_provisioning: pb::EmailJitProvisioning::NotAllowed.into(),
        email_invites: pb::EmailInvites::AllAllowed.into(),
        auth_methods: pb::AuthMethods::AllAllowed.into(),
        mfa_policy: pb::MfaPolicy::Optional.into(),
        mfa_methods: pb::MfaMethods::AllAllowed.into(),
        oauth_tenant_jit_provisioning: pb::OauthTenantJitProvisioning::NotAllowed.into(),
        allowed_oauth_tenants: Some(object(json!({}))),
        first_party_connected_apps_allowed_type: pb::FirstPartyConnectedAppsAllowedType::AllAllowed.into(),
        third_party_connected_apps_allowed_type: pb::ThirdPartyConnectedAppsAllowedType::AllAllowed.into(),
        created_at: Some(now(&t)),
        updated_at: Some(now(&t)),
        ..pb::Organization::default()
    };
    assert_eq!(organization, expected);
}

async fn every_parameter_is_kept_and_can_be_read(t: Harness) {
    let sent = everything();
    let organization = created(&t, sent.clone()).await;
    let expected = pb::Organization {
        organization_id: organization.organization_id.clone(),
        organization_name: sent.organization_name.unwrap(),
        organization_slug: sent.organization_slug.unwrap(),
        organization_external_id: sent.organization_external_id,
        organization_logo_url: sent.organization_logo_url.unwrap(),
        trusted_metadata: sent.trusted_metadata,
        etag: organization.etag.clone(),
        sso_default_connection_id: None,
        sso_jit_provisioning: sent.sso_jit_provisioning.unwrap(),
        sso_jit_provisioning_allowed_connections: vec![],
        sso_active_connections: vec![],
        scim_active_connection: None,
        email_allowed_domains: sent.email_allowed_domains,
        email_jit_provisioning: sent.email_jit_provisioning.unwrap(),
        email_invites: sent.email_invites.unwrap(),
        auth_methods: sent.auth_methods.unwrap(),
        allowed_auth_methods: sent.allowed_auth_methods,
        mfa_policy: sent.mfa_policy.unwrap(),
        mfa_methods: sent.mfa_methods.unwrap(),
        allowed_mfa_methods: sent.allowed_mfa_methods,
        rbac_email_implicit_role_assignments: sent.rbac_email_implicit_role_assignments,
        oauth_tenant_jit_provisioning: sent.oauth_tenant_jit_provisioning.unwrap(),
        allowed_oauth_tenants: sent.allowed_oauth_tenants,
        claimed_email_domains: sent.claimed_email_domains,
        first_party_connected_apps_allowed_type: sent.first_party_connected_apps_allowed_type.unwrap(),
        allowed_first_party_connected_apps: sent.allowed_first_party_connected_apps,
        third_party_connected_apps_allowed_type: sent.third_party_connected_apps_allowed_type.unwrap(),
        allowed_third_party_connected_apps: sent.allowed_third_party_connected_apps,
        custom_roles: vec![],
        created_at: Some(now(&t)),
        updated_at: Some(now(&t)),
    };
    assert_eq!(organization, expected);
}

async fn numbers_in_metadata_are_read_as_they_were_sent(t: Harness) {
    let numbers = json!([
        31.245_270_191_439_438,
        121.487_919_511_619_45,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        -0.1,
        1e20,
        9_007_199_254_740_993_i64,
        9_007_199_254_740_994.0,
        -9_007_199_254_740_992.0,
    ]);
    let metadata = Some(object(json!({"numbers": numbers})));
    let request =
        pb::CreateOrganizationRequest { trusted_metadata: metadata.clone(), ..organization("Acme") };
    assert_eq!(created(&t, request).await.trusted_metadata, metadata);
}

async fn domains_are_kept_in_their_one_spelling(t: Harness) {
    let request = pb::CreateOrganizationRequest {
        email_allowed_domains: ["ACME.com.", "Bücher.de", "mail．acme。org", "XN--BCHER-KVA.ch"]
            .map(str::to_owned)
            .into(),
        claimed_email_domains: vec!["Acme.COM".to_owned()],
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "ACME.Com.".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        ..organization("Acme")
    };
    let organization = created(&t, request).await;
    assert_eq!(
        organization.email_allowed_domains,
        ["acme.com", "xn--bcher-kva.de", "mail.acme.org", "xn--bcher-kva.ch"]
    );
    assert_eq!(organization.claimed_email_domains, ["acme.com"]);
    assert_eq!(organization.rbac_email_implicit_role_assignments[0].domain, "acme.com");
}

async fn a_null_in_metadata_is_left_out(t: Harness) {
    let mut sent = json!({"gone": null, "kept": {"null": null}});
    for number in 0..19 {
        sent[format!("key {number}")] = json!(number);
    }
    let mut kept = sent.clone();
    kept.as_object_mut().unwrap().remove("gone");
    let request =
        pb::CreateOrganizationRequest { trusted_metadata: Some(object(sent)), ..organization("Acme") };
    assert_eq!(created(&t, request).await.trusted_metadata, Some(object(kept)));
}

async fn metadata_that_is_accepted_is_not_too_deep_to_be_read(t: Harness) {
    let mut accepted = 0;
    // An object takes three levels of protobuf and a list two: together they come to any depth.
    for (objects, lists) in
        (0..50).flat_map(|objects| [(objects, 0), (0, objects), (1, objects), (objects, 1)])
    {
        let slug = format!("slug-{accepted}");
        let request = pb::CreateOrganizationRequest {
            organization_slug: Some(slug.clone()),
            trusted_metadata: Some(fields::nested(objects + 1, lists)),
            ..organization("Acme")
        };
        match t.clients().create(request).await {
            Ok(_) => {
                t.clients().get(&slug).await.unwrap();
                accepted += 1;
            }
            Err(status) => {
                let reason = Refusal::of(&status).reason;
                assert!(["METADATA_INVALID_FORMAT", "BAD_REQUEST"].contains(&reason.as_str()), "{reason}");
            }
        }
    }
    assert_eq!(t.count("organizations").await, accepted);
    assert!(accepted > 60, "{accepted}");
}

async fn the_default_of_email_invites_depends_on_what_else_is_sent(t: Harness) {
    type Change = fn(&mut pb::CreateOrganizationRequest);
    let strict: [Change; 7] = [
        |sent| sent.sso_jit_provisioning = Some(pb::SsoJitProvisioning::AllAllowed.into()),
        |sent| sent.email_allowed_domains = vec!["acme.com".to_owned()],
        |sent| sent.email_jit_provisioning = Some(pb::EmailJitProvisioning::NotAllowed.into()),
        |sent| sent.auth_methods = Some(pb::AuthMethods::AllAllowed.into()),
        |sent| sent.allowed_auth_methods = vec!["sso".to_owned()],
        |sent| {
            sent.oauth_tenant_jit_provisioning = Some(pb::OauthTenantJitProvisioning::NotAllowed.into());
        },
        |sent| sent.allowed_oauth_tenants = Some(object(json!({"slack": ["T1"]}))),
    ];
    let lenient: [Change; 11] = [
        |sent| sent.organization_slug = Some("other".to_owned()),
        |sent| sent.organization_external_id = Some("external".to_owned()),
        |sent| sent.trusted_metadata = Some(object(json!({"plan": "gold"}))),
        |sent| sent.mfa_policy = Some(pb::MfaPolicy::RequiredForAll.into()),
        |sent| sent.mfa_methods = Some(pb::MfaMethods::AllAllowed.into()),
        |sent| sent.allowed_mfa_methods = vec!["totp".to_owned()],
        |sent| {
            sent.rbac_email_implicit_role_assignments = everything().rbac_email_implicit_role_assignments;
        },
        |sent| sent.claimed_email_domains = vec!["acme.org".to_owned()],
        |sent| sent.first_party_connected_apps_allowed_type = Some(2),
        |sent| sent.allowed_third_party_connected_apps = everything().allowed_third_party_connected_apps,
        |sent| sent.third_party_connected_apps_allowed_type = Some(3),
    ];
    let strict = strict.into_iter().map(|change| (change, pb::EmailInvites::NotAllowed));
    let lenient = lenient.into_iter().map(|change| (change, pb::EmailInvites::AllAllowed));
    for (change, expected) in strict.chain(lenient) {
        let mut request = organization("Acme");
        change(&mut request);
        let answer = t.clients().create(request.clone()).await.unwrap().into_inner();
        assert_eq!(answer.organization.unwrap().email_invites(), expected, "{request:?}");
        request.organization_slug = None;
        request.organization_external_id = None;
        request.claimed_email_domains.clear();
        request.email_invites = Some(pb::EmailInvites::AllAllowed.into());
        let answer = t.clients().create(request.clone()).await.unwrap().into_inner();
        let chosen = answer.organization.unwrap().email_invites();
        assert_eq!(chosen, pb::EmailInvites::AllAllowed, "{request:?}");
    }
}

async fn what_is_unspecified_is_not_sent(t: Harness) {
    let unspecified = pb::CreateOrganizationRequest {
        organization_logo_url: Some(String::new()),
        sso_jit_provisioning: Some(0),
        email_jit_provisioning: Some(0),
        email_invites: Some(0),
        auth_methods: Some(0),
        mfa_policy: Some(0),
        mfa_methods: Some(0),
        oauth_tenant_jit_provisioning: Some(0),
        first_party_connected_apps_allowed_type: Some(0),
        third_party_connected_apps_allowed_type: Some(0),
        ..organization("Acme")
    };
    let mut unsent = created(&t, organization("Acme")).await;
    let unspecified = created(&t, unspecified).await;
    unsent.organization_id.clone_from(&unspecified.organization_id);
    unsent.organization_slug.clone_from(&unspecified.organization_slug);
    unsent.etag.clone_from(&unspecified.etag);
    assert_eq!(unspecified, unsent);
}

async fn an_event_tells_of_the_creation(t: Harness) {
    let answer = t.clients().create(organization("Acme")).await.unwrap().into_inner();
    let id = answer.organization.unwrap().organization_id;
    let uuid = uuid::Uuid::parse_str(id.strip_prefix("organization-test-").unwrap()).unwrap();
    let connection = t.database().await;
    let sql = "SELECT type, organization_id, member_id, session_id, caller, request_id FROM events";
    let events = crate::harness::database::rows(&connection, sql, vec![]).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].try_get::<String>("", "type").unwrap(), "organization.created");
    assert_eq!(events[0].try_get::<uuid::Uuid>("", "organization_id").unwrap(), uuid);
    assert_eq!(events[0].try_get::<Option<uuid::Uuid>>("", "member_id").unwrap(), None);
    assert_eq!(events[0].try_get::<Option<uuid::Uuid>>("", "session_id").unwrap(), None);
    assert_eq!(events[0].try_get::<String>("", "caller").unwrap(), "anonymous");
    assert_eq!(events[0].try_get::<String>("", "request_id").unwrap(), answer.request_id);
}
