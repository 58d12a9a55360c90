//! How to make a server refuse a call, for each reason.

use prost_types::Value as ProtoValue;
use serde_json::json;
use tokio::task::JoinSet;
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};
use vestibule::domain::ids::Environment;
use vestibule::pb::{self, ErrorReason as R};

use crate::harness::fixtures::{creation, factor, magic_link, organization, with_key};
use crate::harness::json::{field, object};
use crate::harness::raw::{CREATE, RawClient, frame};
use crate::harness::{Harness, Setup};

/// The failures of calls that can't but fail with this reason, one for each of its codes.
#[expect(clippy::too_many_lines, reason = "an arm for each reason")]
pub(super) async fn provoke(t: &Harness, reason: R) -> Vec<Status> {
    let one = match reason {
        R::Unspecified => return vec![],
        R::BadRequest => raw(t, CREATE, &[], frame(&[0xff])).await,
        R::RequestTooLarge => creating(t, |sent| sent.organization_name = Some("x".repeat(5 << 20))).await,
        R::RouteNotFound => raw(t, "/vestibule.v1.OrganizationService/Nothing", &[], frame(&[])).await,
        R::InternalServerError => a_stored_value_is_corrupt().await,
        R::ServerUnavailable => the_database_is_away().await,
        R::DeadlineExceeded => raw(t, CREATE, &[("grpc-timeout", "0n")], frame(&[])).await,
        R::ConcurrentRequest => the_database_is_busy().await,
        R::MemberSessionNotSupported => as_a_member(t).await,
        R::InvalidIdempotencyKey => raw(t, CREATE, &[("idempotency-key", "")], frame(&[])).await,
        R::IdempotencyKeyReused => a_key_is_reused(t).await,
        R::InvalidArgument => {
            creating(t, |sent| sent.third_party_connected_apps_allowed_type = Some(9)).await
        }
        R::OrganizationNotFound => t.clients().get("nothing").await.unwrap_err(),
        R::InvalidOrganizationId => t.clients().get("").await.unwrap_err(),
        R::LiveIdUsedInTestEnvironment => t.clients().get(&id("live")).await.unwrap_err(),
        R::TestIdUsedInLiveEnvironment => live().await.clients().get(&id("test")).await.unwrap_err(),
        R::OrganizationNameMissing => creating(t, |sent| sent.organization_name = None).await,
        R::InvalidOrganizationName => creating(t, |sent| sent.organization_name = Some(" ".into())).await,
        R::InvalidOrganizationSlug => creating(t, |sent| sent.organization_slug = Some("?".into())).await,
        R::OrganizationSlugAlreadyUsed => twice(t, |sent| sent.organization_slug = Some("slug".into())).await,
        R::InvalidOrganizationExternalId => {
            creating(t, |sent| sent.organization_external_id = Some("?".into())).await
        }
        R::OrganizationExternalIdAlreadyUsed => {
            twice(t, |sent| sent.organization_external_id = Some("external".into())).await
        }
        R::OrganizationLogoUrlTooLong => {
            creating(t, |sent| sent.organization_logo_url = Some(format!("https://a/{}", "x".repeat(2048))))
                .await
        }
        R::InvalidUrl => creating(t, |sent| sent.organization_logo_url = Some("?".into())).await,
        R::MetadataTooManyKeys => {
            let keys = (0..21).map(|number| (number.to_string(), json!(1))).collect();
            creating(t, |sent| sent.trusted_metadata = Some(object(serde_json::Value::Object(keys)))).await
        }
        R::MetadataTooLarge => {
            creating(t, |sent| sent.trusted_metadata = Some(object(json!({"k": "x".repeat(5000)})))).await
        }
        R::MetadataInvalidFormat => {
            creating(t, |sent| sent.trusted_metadata = Some(object(json!({"k": "\0"})))).await
        }
        R::InvalidOrganizationAuthFactorSetting => creating(t, |sent| sent.email_invites = Some(9)).await,
        R::InvalidOrganizationAuthMethodSettings => creating(t, |sent| sent.auth_methods = Some(9)).await,
        R::InvalidOrganizationAllowedAuthMethods => {
            creating(t, |sent| sent.allowed_auth_methods = vec!["?".into()]).await
        }
        R::AllowedAuthMethodsRequiredForRestricted => creating(t, |sent| sent.auth_methods = Some(2)).await,
        R::InvalidOrganizationMfaPolicy => creating(t, |sent| sent.mfa_policy = Some(9)).await,
        R::InvalidOrganizationMfaFactorSetting => creating(t, |sent| sent.mfa_methods = Some(9)).await,
        R::InvalidOrganizationAllowedMfaMethods => {
            creating(t, |sent| sent.allowed_mfa_methods = vec!["?".into()]).await
        }
        R::AllowedMfaMethodsRequiredForRestricted => creating(t, |sent| sent.mfa_methods = Some(2)).await,
        R::InvalidRestrictedEmailSetting => creating(t, |sent| sent.email_invites = Some(2)).await,
        R::InvalidRestrictedOauthTenantsSetting => {
            creating(t, |sent| sent.oauth_tenant_jit_provisioning = Some(1)).await
        }
        R::OrganizationSettingsInvalidDomain => allowing(t, &["co.uk"]).await,
        R::OrganizationSettingsDuplicateDomain => allowing(t, &["acme.com", "ACME.com"]).await,
        R::OrganizationSettingsDomainTooCommon => allowing(t, &["gmail.com"]).await,
        R::OrganizationSettingsDisposableDomain => allowing(t, &["mailinator.com"]).await,
        R::OrganizationSettingsInvalidClaimedDomain => claiming(t, &["co.uk"]).await,
        R::OrganizationSettingsDuplicateClaimedDomain => {
            let claims = |sent: &mut pb::CreateOrganizationRequest| {
                sent.claimed_email_domains = vec!["claimed-twice.com".into()];
            };
            return vec![claiming(t, &["acme.com", "ACME.com"]).await, twice(t, claims).await];
        }
        R::OrganizationSettingsClaimedDomainTooCommon => claiming(t, &["gmail.com"]).await,
        R::TooManyDomains => claiming(t, &["acme.com"; 101]).await,
        R::InvalidOauthProvider => tenants(t, json!({"gitlab": []})).await,
        R::InvalidOauthAllowedTenantsFormat => tenants(t, json!({"slack": "T1"})).await,
        R::RbacInvalidDomain => assigning(t, "co.uk", "stytch_admin", 1).await,
        R::RbacDomainTooCommon => assigning(t, "gmail.com", "stytch_admin", 1).await,
        R::InvalidRbacRoleAssignment => assigning(t, "acme.com", "stytch_admin", 2).await,
        R::InvalidRbacRoleId => assigning(t, "acme.com", "?", 1).await,
        R::CannotAssignDefaultRbacRoleId => assigning(t, "acme.com", "stytch_member", 1).await,
        R::InvalidEmail => vouching(t, "?", magic_link()).await,
        R::InvalidAuthenticationFactor => vouching(t, "ada@acme.com", factor("sso", "sso_saml")).await,
        R::InvalidSessionToken => t.clients().inspect("").await.unwrap_err(),
        R::IntermediateSessionNotFound => {
            t.clients().inspect(&format!("{}=", "A".repeat(43))).await.unwrap_err()
        }
        R::IntermediateSessionInUse => a_token_is_in_use().await,
        R::InvalidIntermediateSessionTokenForOrganization => a_token_is_bound(t).await,
        R::ActionNotAllowedEmailDomainIsClaimed => a_domain_is_claimed(t).await,
        R::DiscoveryOrganizationCreationDisabled => creation_is_disabled().await,
        R::InvalidSessionDurationMinutes => spending(t, |sent| sent.session_duration_minutes = Some(4)).await,
        R::CustomClaimsTooLarge => {
            spending(t, |sent| sent.session_custom_claims = Some(object(json!({"k": "x".repeat(5000)}))))
                .await
        }
        R::StytchClaimsInCustomClaims => {
            spending(t, |sent| sent.session_custom_claims = Some(object(json!({"https://stytch.com/k": 1}))))
                .await
        }
        R::UnableToRepresentCustomClaimsJson => {
            spending(t, |sent| sent.session_custom_claims = Some(field("k", ProtoValue { kind: None }))).await
        }
        R::MemberNotFound => a_repeat_finds_nothing("UPDATE members SET status = 'deleted'").await,
        R::SessionNotFound => a_repeat_finds_nothing("DELETE FROM sessions").await,
        new => panic!("provoke {new:?} here"),
    };
    vec![one]
}

fn id(environment: &str) -> String {
    format!("organization-{environment}-01890a5d-ac96-774b-bcce-b302099a8057")
}

async fn raw(t: &Harness, path: &str, headers: &[(&'static str, &str)], body: Vec<u8>) -> Status {
    RawClient::connect(t.grpc).await.call(path, headers, body).await.unwrap_err()
}

async fn creating(t: &Harness, change: impl FnOnce(&mut pb::CreateOrganizationRequest)) -> Status {
    let mut request = organization("Acme");
    change(&mut request);
    t.clients().create(request).await.unwrap_err()
}

/// Creates one organization, and fails to create the same again.
async fn twice(t: &Harness, change: impl Fn(&mut pb::CreateOrganizationRequest)) -> Status {
    let mut request = organization("Acme");
    change(&mut request);
    t.clients().create(request).await.unwrap();
    creating(t, change).await
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn allowing(t: &Harness, domains: &[&str]) -> Status {
    creating(t, |sent| sent.email_allowed_domains = texts(domains)).await
}

async fn claiming(t: &Harness, domains: &[&str]) -> Status {
    creating(t, |sent| sent.claimed_email_domains = texts(domains)).await
}

async fn tenants(t: &Harness, tenants: serde_json::Value) -> Status {
    creating(t, |sent| sent.allowed_oauth_tenants = Some(object(tenants))).await
}

async fn assigning(t: &Harness, domain: &str, role_id: &str, times: usize) -> Status {
    let assignment =
        pb::EmailImplicitRoleAssignment { domain: domain.to_owned(), role_id: role_id.to_owned() };
    creating(t, |sent| sent.rbac_email_implicit_role_assignments = vec![assignment; times]).await
}

async fn vouching(t: &Harness, email_address: &str, factor: pb::VouchedFactor) -> Status {
    let request = pb::CreateIntermediateSessionRequest {
        email_address: email_address.to_owned(),
        factors: vec![factor],
    };
    t.clients().intermediate_sessions.create_intermediate_session(request).await.unwrap_err()
}

async fn spending(
    t: &Harness,
    change: impl FnOnce(&mut pb::DiscoveryServiceCreateOrganizationRequest),
) -> Status {
    let mut request = creation(&t.clients().token("ada@acme.com").await);
    change(&mut request);
    t.clients().spend(request).await.unwrap_err()
}

async fn as_a_member(t: &Harness) -> Status {
    let mut request = Request::new(organization("Acme"));
    request.metadata_mut().insert("x-stytch-member-session", MetadataValue::from_static("token"));
    t.clients().create(request).await.unwrap_err()
}

async fn a_key_is_reused(t: &Harness) -> Status {
    t.clients().create(with_key(organization("Acme"), "key")).await.unwrap();
    t.clients().create(with_key(organization("Another"), "key")).await.unwrap_err()
}

async fn a_token_is_bound(t: &Harness) -> Status {
    let token = t.clients().token("bound@acme.com").await;
    let owing = pb::DiscoveryServiceCreateOrganizationRequest { mfa_policy: Some(2), ..creation(&token) };
    t.clients().spend(owing).await.unwrap();
    t.clients().spend(creation(&token)).await.unwrap_err()
}

async fn a_domain_is_claimed(t: &Harness) -> Status {
    let request = pb::CreateOrganizationRequest {
        claimed_email_domains: vec!["claimed.com".to_owned()],
        ..organization("Acme")
    };
    t.clients().create(request).await.unwrap();
    let token = t.clients().token("ada@claimed.com").await;
    t.clients().spend(creation(&token)).await.unwrap_err()
}

async fn a_stored_value_is_corrupt() -> Status {
    let t = Harness::embedded().await;
    t.clients().create(organization("Acme")).await.unwrap();
    t.execute("UPDATE organizations SET mfa_policy = 'nonsense'").await;
    t.clients().get("acme").await.unwrap_err()
}

async fn the_database_is_away() -> Status {
    let t = Setup::stage().await.start().await;
    t.stage.as_ref().unwrap().postgres_proxy.refuse();
    t.clients().create(organization("Acme")).await.unwrap_err()
}

async fn the_database_is_busy() -> Status {
    let t = Harness::postgres().await;
    let blockade = t.block_organizations().await;
    let status = t.clients().create(organization("Acme")).await.unwrap_err();
    blockade.lift().await;
    status
}

async fn live() -> Harness {
    let setup = Setup::postgres().await.with(|config| {
        std::fs::create_dir_all(&config.data_dir).unwrap();
        let file = config.data_dir.join("sealing-key");
        std::fs::write(&file, format!("{}=", "A".repeat(43))).unwrap();
        config.sealing_key_file = Some(file);
        config.environment = Environment::Live;
    });
    setup.start().await
}

/// Two calls want one token while neither can be recorded.
async fn a_token_is_in_use() -> Status {
    let t = Harness::embedded().await;
    let token = t.clients().token("ada@acme.com").await;
    let blockade = t.block_organizations().await;
    let mut spending = JoinSet::new();
    for _ in 0..2 {
        let (clients, request) = (t.clients(), creation(&token));
        spending.spawn(async move { clients.spend(request).await });
    }
    let first = spending.join_next().await.unwrap().unwrap().unwrap_err();
    blockade.lift().await;
    spending.join_next().await.unwrap().unwrap().unwrap();
    first
}

async fn creation_is_disabled() -> Status {
    let setup = Setup::embedded().with(|config| config.discovery_organization_creation = false);
    let t = setup.start().await;
    let token = t.clients().token("ada@acme.com").await;
    t.clients().spend(creation(&token)).await.unwrap_err()
}

/// A repeated call whose first answer speaks of what is gone since.
async fn a_repeat_finds_nothing(gone: &str) -> Status {
    let t = Harness::embedded().await;
    let token = t.clients().token("ada@acme.com").await;
    t.clients().spend(with_key(creation(&token), "key")).await.unwrap();
    t.execute(gone).await;
    t.clients().spend(with_key(creation(&token), "key")).await.unwrap_err()
}
