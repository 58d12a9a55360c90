//! How to make a server refuse a call, for each reason.

mod callers;
mod checks;
mod logins;
mod members;
mod organizations;
mod searches;
mod servers;
mod sessions;

use prost_types::Value as ProtoValue;
use serde_json::json;
use tonic::Status;
use vestibule::pb::{self, EmailInvites, ErrorReason as R, SearchOperator};

use crate::harness::Harness;
use crate::harness::fixtures::{factor, magic_link};
use crate::harness::json::{field, object};
use crate::harness::logins::by_jwt;
use crate::harness::members::query;
use crate::harness::raw::{CREATE, frame};

use checks::{authenticating, permitting};
use members::member_id;
use organizations::{allowing, assigning, claiming, creating, tenants, twice, updating};
use searches::{members_by, organizations_by, searching};
use servers::{id, live, raw};
use sessions::{spending, vouching};

/// The failures of calls that can't but fail with this reason, one for each of its codes.
#[expect(clippy::too_many_lines, reason = "an arm for each reason")]
pub(super) async fn provoke(t: &Harness, reason: R) -> Vec<Status> {
    let one = match reason {
        R::Unspecified => return vec![],
        R::BadRequest => raw(t, CREATE, &[], frame(&[0xff])).await,
        R::RequestTooLarge => creating(t, |sent| sent.organization_name = Some("x".repeat(5 << 20))).await,
        R::RouteNotFound => raw(t, "/vestibule.v1.OrganizationService/Nothing", &[], frame(&[])).await,
        R::InternalServerError => servers::a_stored_value_is_corrupt().await,
        R::ServerUnavailable => servers::the_database_is_away().await,
        R::DeadlineExceeded => raw(t, CREATE, &[("grpc-timeout", "0n")], frame(&[])).await,
        R::ConcurrentRequest => servers::the_database_is_busy().await,
        R::MemberSessionNotSupported => servers::as_a_member(t).await,
        R::InvalidIdempotencyKey => raw(t, CREATE, &[("idempotency-key", "")], frame(&[])).await,
        R::IdempotencyKeyReused => servers::a_key_is_reused(t).await,
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
        R::IntermediateSessionInUse => sessions::a_token_is_in_use().await,
        R::InvalidIntermediateSessionTokenForOrganization => sessions::a_token_is_bound(t).await,
        R::ActionNotAllowedEmailDomainIsClaimed => sessions::a_domain_is_claimed(t).await,
        R::DiscoveryOrganizationCreationDisabled => sessions::creation_is_disabled().await,
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
        R::MemberNotFound => sessions::a_repeat_finds_nothing("UPDATE members SET status = 'deleted'").await,
        R::SessionNotFound => sessions::a_repeat_finds_nothing("DELETE FROM sessions").await,
        R::EtagMismatch => updating(t, |sent| sent.etag = Some("old".into())).await,
        R::LastAdminRemoval => members::the_last_admin_goes(t).await,
        R::InvalidSsoDefaultConnectionId => {
            updating(t, |sent| sent.sso_default_connection_id = Some("?".into())).await
        }
        R::InvalidConnectionForJitProvisioning => {
            updating(t, |sent| sent.sso_jit_provisioning_allowed_connections = vec!["?".into()]).await
        }
        R::InvalidRestrictedSsoSetting => updating(t, |sent| sent.sso_jit_provisioning = Some(2)).await,
        R::OrganizationSearchFilterNameNotRecognized => organizations_by(t, "nothing", json!(true)).await,
        R::OrganizationSearchMissingFilterName => organizations_by(t, "", json!(true)).await,
        R::OrganizationSearchMissingFilterValue => organizations_by(t, "organization_ids", json!([])).await,
        R::OrganizationSearchExpectedString => organizations_by(t, "member_email_fuzzy", json!(1)).await,
        R::OrganizationSearchExpectedArrayOfStrings => {
            organizations_by(t, "organization_ids", json!("acme")).await
        }
        R::OrganizationSearchExpectedBoolean => {
            organizations_by(t, "has_active_sso_connection", json!("true")).await
        }
        R::OrganizationSearchOrganizationSlugFuzzyTooShort => {
            organizations_by(t, "organization_slug_fuzzy", json!("ac")).await
        }
        R::OrganizationSearchOrganizationNameFuzzyTooShort => {
            organizations_by(t, "organization_name_fuzzy", json!("ac")).await
        }
        R::OrganizationSearchMemberEmailFuzzyTooShort => {
            organizations_by(t, "member_email_fuzzy", json!("ad")).await
        }
        R::OrganizationSearchAllowedDomainFuzzyTooShort => {
            organizations_by(t, "allowed_domain_fuzzy", json!("ac")).await
        }
        R::UserSearchInvalidOperator => {
            searching(t, |sent| sent.query = query(SearchOperator::Unspecified, &[("nothing", json!(1))]))
                .await
        }
        R::UserSearchInvalidCursor => searching(t, |sent| sent.cursor = "?".into()).await,
        R::UserSearchInvalidLimit => searching(t, |sent| sent.limit = Some(0)).await,
        R::SearchTimeout => searches::the_database_is_slow().await,
        R::MemberSearchFilterNameNotRecognized => members_by(t, "nothing", json!(true)).await,
        R::MemberSearchMissingFilterName => members_by(t, "", json!(true)).await,
        R::MemberSearchMissingFilterValue => members_by(t, "member_ids", json!([])).await,
        R::MemberSearchExpectedString => members_by(t, "member_email_fuzzy", json!(1)).await,
        R::MemberSearchExpectedArrayOfStrings => members_by(t, "member_emails", json!("ada")).await,
        R::MemberSearchExpectedBoolean => members_by(t, "member_is_breakglass", json!("true")).await,
        R::MemberSearchFuzzyTooShort => members_by(t, "member_email_fuzzy", json!("ad")).await,
        R::MemberSearchOrganizationIdsEmpty => searches::members_of_nobody(t).await,
        R::MemberSearchCannotMixInternalAndExternalMemberIds => {
            members_by(t, "member_ids", json!([member_id("test"), "own-id"])).await
        }
        R::DuplicateMemberEmail => return members::an_address_twice(t).await.into(),
        R::DuplicateMemberExternalId => return members::an_external_id_twice(t).await.into(),
        R::DuplicateMemberPhoneNumber => return members::a_number_twice(t).await.into(),
        R::DuplicateMemberPhoneNumberForMember => members::a_second_number(t).await,
        R::InvalidMemberId => members::getting(t, |sent| sent.member_id = Some("?".into())).await,
        R::InvalidMemberExternalId => members::updating(t, |sent| sent.external_id = Some("?".into())).await,
        R::InvalidPhoneNumber => members::updating(t, |sent| sent.mfa_phone_number = Some("?".into())).await,
        R::InvalidMfaDefaultMethod => {
            members::updating(t, |sent| sent.default_mfa_method = Some("?".into())).await
        }
        R::DefaultMfaMemberMissingFactor => {
            members::updating(t, |sent| sent.default_mfa_method = Some("sms_otp".into())).await
        }
        R::InvalidMemberGetFields => members::getting(t, |_| {}).await,
        R::TooManyRoles => members::updating(t, |sent| sent.roles = vec!["stytch_admin".into(); 101]).await,
        R::NoDeletedMemberFoundForReactivation => members::reactivating_one_who_is_there(t).await,
        R::EmailUnverifiedForReactivation => members::reactivating_a_stranger(t).await,
        R::ReactivationEmailBelongsToAnotherMember => members::reactivating_too_late(t).await,
        R::RetiredEmailMissingEmailIdentifiers => members::unlinking(t, None).await,
        R::EmailNotFound => members::unlinking(t, Some("grace@acme.com")).await,
        R::UserAlreadyInvited => members::inviting_a_member(t).await,
        R::EmailInvitesNotAllowed => members::inviting_by(t, EmailInvites::NotAllowed).await,
        R::InvalidEmailForInvites => members::inviting_by(t, EmailInvites::Restricted).await,
        R::InvalidLocale => members::inviting_in(t, "tlh").await,
        R::MemberPhoneNumberNotFound => members::deleting_no_number(t).await,
        R::UnableToParseSessionJwt => authenticating(t, by_jwt("?")).await,
        R::JwtInvalidAudience => checks::for_another_deployment(t).await,
        R::JwtInvalidIssuer => checks::from_somebody_else(t).await,
        R::JwtInvalidClaims => checks::from_the_future(t).await,
        R::NoSessionArguments => authenticating(t, pb::AuthenticateSessionRequest::default()).await,
        R::TooManySessionArguments => {
            let both = pb::AuthenticateSessionRequest { session_token: Some("?".into()), ..by_jwt("?") };
            authenticating(t, both).await
        }
        R::NoSessionRevokeArguments => checks::revoking(t, pb::RevokeSessionRequest::default()).await,
        R::TooManySessionRevokeArguments => {
            let both = pb::RevokeSessionRequest {
                member_id: Some(member_id("test")),
                session_token: Some("?".into()),
                ..pb::RevokeSessionRequest::default()
            };
            checks::revoking(t, both).await
        }
        R::EmailJitProvisioningNotAllowed => logins::nobody_joins_by_domain(t).await,
        R::InvalidEmailForJitProvisioning => logins::the_domain_has_no_peer(t).await,
        R::OauthTenantJitProvisioningNotAllowed => logins::nobody_joins_by_tenant(t).await,
        R::InvalidOauthTenantForJitProvisioning => logins::the_tenant_is_another(t).await,
        R::RetiredMemberEmail => logins::the_address_was_given_up(t).await,
        R::SessionAuthorizationError => permitting(t, None, "nothing", "delete").await,
        R::SessionAuthorizationTenancyError => permitting(t, Some("nothing"), "nothing", "delete").await,
        R::InsufficientFactorsForSessionExchange => logins::nothing_goes_along(t).await,
        R::InvalidPermissionResource => permitting(t, None, "?", "delete").await,
        R::InvalidPermissionAction => permitting(t, None, "nothing", "*").await,
        R::UnauthorizedCredentials => callers::with(None).await,
        R::InvalidAuthorizationHeader => callers::with(Some("?")).await,
        R::CallerNotPermitted => callers::without_permission().await,
        R::TooManyRequests => servers::a_caller_is_busy().await,
    };
    vec![one]
}
