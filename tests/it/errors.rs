//! Every reason that a call can be refused with: each is provoked on a real server, and comes with
//! the code that its documentation states.

mod provoke;

use std::collections::HashSet;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;
use vestibule::domain::reason::Reason;
use vestibule::pb::{self, ErrorReason as R};

use crate::harness::Harness;
use crate::harness::refusal::Refusal;

use provoke::provoke;

/// Each reason with the codes it comes with.
const GOLDEN: &[(&str, &[Code])] = &[
    ("BAD_REQUEST", &[Code::InvalidArgument]),
    ("REQUEST_TOO_LARGE", &[Code::ResourceExhausted]),
    ("ROUTE_NOT_FOUND", &[Code::Unimplemented]),
    ("INTERNAL_SERVER_ERROR", &[Code::Internal]),
    ("SERVER_UNAVAILABLE", &[Code::Unavailable]),
    ("DEADLINE_EXCEEDED", &[Code::DeadlineExceeded]),
    ("CONCURRENT_REQUEST", &[Code::Aborted]),
    ("MEMBER_SESSION_NOT_SUPPORTED", &[Code::Unimplemented]),
    ("INVALID_IDEMPOTENCY_KEY", &[Code::InvalidArgument]),
    ("IDEMPOTENCY_KEY_REUSED", &[Code::InvalidArgument]),
    ("INVALID_ARGUMENT", &[Code::InvalidArgument]),
    ("ORGANIZATION_NOT_FOUND", &[Code::NotFound]),
    ("INVALID_ORGANIZATION_ID", &[Code::InvalidArgument]),
    ("LIVE_ID_USED_IN_TEST_ENVIRONMENT", &[Code::InvalidArgument]),
    ("TEST_ID_USED_IN_LIVE_ENVIRONMENT", &[Code::InvalidArgument]),
    ("ORGANIZATION_NAME_MISSING", &[Code::InvalidArgument]),
    ("INVALID_ORGANIZATION_NAME", &[Code::InvalidArgument]),
    ("INVALID_ORGANIZATION_SLUG", &[Code::InvalidArgument]),
    ("ORGANIZATION_SLUG_ALREADY_USED", &[Code::AlreadyExists]),
    ("INVALID_ORGANIZATION_EXTERNAL_ID", &[Code::InvalidArgument]),
    ("ORGANIZATION_EXTERNAL_ID_ALREADY_USED", &[Code::AlreadyExists]),
    ("ORGANIZATION_LOGO_URL_TOO_LONG", &[Code::InvalidArgument]),
    ("INVALID_URL", &[Code::InvalidArgument]),
    ("METADATA_TOO_MANY_KEYS", &[Code::InvalidArgument]),
    ("METADATA_TOO_LARGE", &[Code::InvalidArgument]),
    ("METADATA_INVALID_FORMAT", &[Code::InvalidArgument]),
    ("INVALID_ORGANIZATION_AUTH_FACTOR_SETTING", &[Code::InvalidArgument]),
    ("INVALID_ORGANIZATION_AUTH_METHOD_SETTINGS", &[Code::InvalidArgument]),
    ("INVALID_ORGANIZATION_ALLOWED_AUTH_METHODS", &[Code::InvalidArgument]),
    ("ALLOWED_AUTH_METHODS_REQUIRED_FOR_RESTRICTED", &[Code::InvalidArgument]),
    ("INVALID_ORGANIZATION_MFA_POLICY", &[Code::InvalidArgument]),
    ("INVALID_ORGANIZATION_MFA_FACTOR_SETTING", &[Code::InvalidArgument]),
    ("INVALID_ORGANIZATION_ALLOWED_MFA_METHODS", &[Code::InvalidArgument]),
    ("ALLOWED_MFA_METHODS_REQUIRED_FOR_RESTRICTED", &[Code::InvalidArgument]),
    ("INVALID_RESTRICTED_EMAIL_SETTING", &[Code::InvalidArgument]),
    ("INVALID_RESTRICTED_OAUTH_TENANTS_SETTING", &[Code::InvalidArgument]),
    ("ORGANIZATION_SETTINGS_INVALID_DOMAIN", &[Code::InvalidArgument]),
    ("ORGANIZATION_SETTINGS_DUPLICATE_DOMAIN", &[Code::InvalidArgument]),
    ("ORGANIZATION_SETTINGS_DOMAIN_TOO_COMMON", &[Code::InvalidArgument]),
    ("ORGANIZATION_SETTINGS_DISPOSABLE_DOMAIN", &[Code::InvalidArgument]),
    ("ORGANIZATION_SETTINGS_INVALID_CLAIMED_DOMAIN", &[Code::InvalidArgument]),
    ("ORGANIZATION_SETTINGS_DUPLICATE_CLAIMED_DOMAIN", &[Code::InvalidArgument, Code::AlreadyExists]),
    ("ORGANIZATION_SETTINGS_CLAIMED_DOMAIN_TOO_COMMON", &[Code::InvalidArgument]),
    ("TOO_MANY_DOMAINS", &[Code::InvalidArgument]),
    ("INVALID_OAUTH_PROVIDER", &[Code::InvalidArgument]),
    ("INVALID_OAUTH_ALLOWED_TENANTS_FORMAT", &[Code::InvalidArgument]),
    ("RBAC_INVALID_DOMAIN", &[Code::InvalidArgument]),
    ("RBAC_DOMAIN_TOO_COMMON", &[Code::InvalidArgument]),
    ("INVALID_RBAC_ROLE_ASSIGNMENT", &[Code::InvalidArgument]),
    ("INVALID_RBAC_ROLE_ID", &[Code::InvalidArgument]),
    ("CANNOT_ASSIGN_DEFAULT_RBAC_ROLE_ID", &[Code::InvalidArgument]),
    ("INVALID_EMAIL", &[Code::InvalidArgument]),
    ("INVALID_AUTHENTICATION_FACTOR", &[Code::InvalidArgument]),
    ("INVALID_SESSION_TOKEN", &[Code::InvalidArgument]),
    ("INTERMEDIATE_SESSION_NOT_FOUND", &[Code::NotFound]),
    ("INTERMEDIATE_SESSION_IN_USE", &[Code::Aborted]),
    ("INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION", &[Code::FailedPrecondition]),
    ("ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED", &[Code::FailedPrecondition]),
    ("DISCOVERY_ORGANIZATION_CREATION_DISABLED", &[Code::FailedPrecondition]),
    ("INVALID_SESSION_DURATION_MINUTES", &[Code::InvalidArgument]),
    ("CUSTOM_CLAIMS_TOO_LARGE", &[Code::InvalidArgument]),
    ("STYTCH_CLAIMS_IN_CUSTOM_CLAIMS", &[Code::InvalidArgument]),
    ("UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON", &[Code::InvalidArgument]),
    ("MEMBER_NOT_FOUND", &[Code::NotFound]),
    ("SESSION_NOT_FOUND", &[Code::NotFound]),
    ("ETAG_MISMATCH", &[Code::Aborted]),
    ("LAST_ADMIN_REMOVAL", &[Code::FailedPrecondition]),
    ("INVALID_SSO_DEFAULT_CONNECTION_ID", &[Code::InvalidArgument]),
    ("INVALID_CONNECTION_FOR_JIT_PROVISIONING", &[Code::InvalidArgument]),
    ("INVALID_RESTRICTED_SSO_SETTING", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_FILTER_NAME_NOT_RECOGNIZED", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_MISSING_FILTER_NAME", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_MISSING_FILTER_VALUE", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_EXPECTED_STRING", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_EXPECTED_ARRAY_OF_STRINGS", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_EXPECTED_BOOLEAN", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_ORGANIZATION_SLUG_FUZZY_TOO_SHORT", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_ORGANIZATION_NAME_FUZZY_TOO_SHORT", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_MEMBER_EMAIL_FUZZY_TOO_SHORT", &[Code::InvalidArgument]),
    ("ORGANIZATION_SEARCH_ALLOWED_DOMAIN_FUZZY_TOO_SHORT", &[Code::InvalidArgument]),
    ("USER_SEARCH_INVALID_OPERATOR", &[Code::InvalidArgument]),
    ("USER_SEARCH_INVALID_CURSOR", &[Code::InvalidArgument]),
    ("USER_SEARCH_INVALID_LIMIT", &[Code::InvalidArgument]),
    ("SEARCH_TIMEOUT", &[Code::DeadlineExceeded]),
    ("MEMBER_SEARCH_FILTER_NAME_NOT_RECOGNIZED", &[Code::InvalidArgument]),
    ("MEMBER_SEARCH_MISSING_FILTER_NAME", &[Code::InvalidArgument]),
    ("MEMBER_SEARCH_MISSING_FILTER_VALUE", &[Code::InvalidArgument]),
    ("MEMBER_SEARCH_EXPECTED_STRING", &[Code::InvalidArgument]),
    ("MEMBER_SEARCH_EXPECTED_ARRAY_OF_STRINGS", &[Code::InvalidArgument]),
    ("MEMBER_SEARCH_EXPECTED_BOOLEAN", &[Code::InvalidArgument]),
    ("MEMBER_SEARCH_FUZZY_TOO_SHORT", &[Code::InvalidArgument]),
    ("MEMBER_SEARCH_ORGANIZATION_IDS_EMPTY", &[Code::InvalidArgument]),
    ("MEMBER_SEARCH_CANNOT_MIX_INTERNAL_AND_EXTERNAL_MEMBER_IDS", &[Code::InvalidArgument]),
    ("DUPLICATE_MEMBER_EMAIL", &[Code::AlreadyExists, Code::InvalidArgument]),
    ("DUPLICATE_MEMBER_EXTERNAL_ID", &[Code::AlreadyExists, Code::InvalidArgument]),
    ("DUPLICATE_MEMBER_PHONE_NUMBER", &[Code::AlreadyExists, Code::InvalidArgument]),
    ("DUPLICATE_MEMBER_PHONE_NUMBER_FOR_MEMBER", &[Code::AlreadyExists]),
    ("INVALID_MEMBER_ID", &[Code::InvalidArgument]),
    ("INVALID_MEMBER_EXTERNAL_ID", &[Code::InvalidArgument]),
    ("INVALID_PHONE_NUMBER", &[Code::InvalidArgument]),
    ("INVALID_MFA_DEFAULT_METHOD", &[Code::InvalidArgument]),
    ("DEFAULT_MFA_MEMBER_MISSING_FACTOR", &[Code::FailedPrecondition]),
    ("INVALID_MEMBER_GET_FIELDS", &[Code::InvalidArgument]),
    ("TOO_MANY_ROLES", &[Code::InvalidArgument]),
    ("NO_DELETED_MEMBER_FOUND_FOR_REACTIVATION", &[Code::FailedPrecondition]),
    ("EMAIL_UNVERIFIED_FOR_REACTIVATION", &[Code::FailedPrecondition]),
    ("REACTIVATION_EMAIL_BELONGS_TO_ANOTHER_MEMBER", &[Code::FailedPrecondition]),
    ("RETIRED_EMAIL_MISSING_EMAIL_IDENTIFIERS", &[Code::InvalidArgument]),
    ("EMAIL_NOT_FOUND", &[Code::NotFound]),
    ("USER_ALREADY_INVITED", &[Code::AlreadyExists]),
    ("EMAIL_INVITES_NOT_ALLOWED", &[Code::FailedPrecondition]),
    ("INVALID_EMAIL_FOR_INVITES", &[Code::FailedPrecondition]),
    ("INVALID_LOCALE", &[Code::InvalidArgument]),
    ("MEMBER_PHONE_NUMBER_NOT_FOUND", &[Code::NotFound]),
    ("UNABLE_TO_PARSE_SESSION_JWT", &[Code::InvalidArgument]),
    ("JWT_INVALID_AUDIENCE", &[Code::InvalidArgument]),
    ("JWT_INVALID_ISSUER", &[Code::InvalidArgument]),
    ("JWT_INVALID_CLAIMS", &[Code::InvalidArgument]),
    ("NO_SESSION_ARGUMENTS", &[Code::InvalidArgument]),
    ("TOO_MANY_SESSION_ARGUMENTS", &[Code::InvalidArgument]),
    ("NO_SESSION_REVOKE_ARGUMENTS", &[Code::InvalidArgument]),
    ("TOO_MANY_SESSION_REVOKE_ARGUMENTS", &[Code::InvalidArgument]),
    ("EMAIL_JIT_PROVISIONING_NOT_ALLOWED", &[Code::FailedPrecondition]),
    ("INVALID_EMAIL_FOR_JIT_PROVISIONING", &[Code::FailedPrecondition]),
    ("OAUTH_TENANT_JIT_PROVISIONING_NOT_ALLOWED", &[Code::FailedPrecondition]),
    ("INVALID_OAUTH_TENANT_FOR_JIT_PROVISIONING", &[Code::FailedPrecondition]),
    ("RETIRED_MEMBER_EMAIL", &[Code::FailedPrecondition]),
    ("SESSION_AUTHORIZATION_ERROR", &[Code::PermissionDenied]),
    ("SESSION_AUTHORIZATION_TENANCY_ERROR", &[Code::PermissionDenied]),
    ("INSUFFICIENT_FACTORS_FOR_SESSION_EXCHANGE", &[Code::FailedPrecondition]),
    ("INVALID_PERMISSION_RESOURCE", &[Code::InvalidArgument]),
    ("INVALID_PERMISSION_ACTION", &[Code::InvalidArgument]),
    ("UNAUTHORIZED_CREDENTIALS", &[Code::Unauthenticated]),
    ("INVALID_AUTHORIZATION_HEADER", &[Code::Unauthenticated]),
    ("CALLER_NOT_PERMITTED", &[Code::PermissionDenied]),
    ("TOO_MANY_REQUESTS", &[Code::ResourceExhausted]),
];

/// The values of the enum, without the one that is never sent, each with its comment.
fn documented() -> Vec<(R, String)> {
    let files = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap().file;
    let file = files.iter().find(|file| file.name() == "vestibule/v1/error_reason.proto").unwrap();
    let comments = &file.source_code_info.as_ref().unwrap().location;
    let values = file.enum_type[0].value.iter().enumerate().map(|(index, value)| {
        // descriptor.proto: enum_type = 5 of a file, value = 2 of an enum.
        let path = [5, 0, 2, i32::try_from(index).unwrap()];
        let location = comments.iter().find(|location| location.path == path).unwrap();
        (R::try_from(value.number()).unwrap(), location.leading_comments().to_owned())
    });
    values.filter(|(reason, _)| *reason != R::Unspecified).collect()
}

/// The name that callers see.
fn name(reason: R) -> &'static str {
    reason.as_str_name().strip_prefix("ERROR_REASON_").unwrap()
}

#[test]
fn the_program_and_the_contract_know_the_same_reasons() {
    let program: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let contract: HashSet<_> = documented().into_iter().map(|(reason, _)| name(reason)).collect();
    assert_eq!(program, contract);
    assert_eq!(program.len(), Reason::ALL.len());
    // What google.rpc.ErrorInfo allows.
    for reason in program {
        let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(reason.len() <= 63 && reason.bytes().all(upper), "{reason}");
    }
}

#[test]
fn the_codes_are_documented() {
    let documented = documented();
    assert_eq!(documented.len(), GOLDEN.len());
    for ((reason, comment), (golden, codes)) in documented.into_iter().zip(GOLDEN) {
        assert_eq!(name(reason), *golden);
        let words = comment.split(|character: char| !character.is_ascii_uppercase() && character != '_');
        let stated: Vec<_> = words.filter_map(code).collect();
        assert_eq!(stated, **codes, "{golden}: {comment}");
    }
}

fn code(word: &str) -> Option<Code> {
    (0..=16).map(Code::from).find(|code| {
        let name = format!("{code:?}");
        name.to_uppercase() == word.replace('_', "") && (word.contains('_') == has_two_words(&name))
    })
}

fn has_two_words(name: &str) -> bool {
    name.chars().filter(char::is_ascii_uppercase).count() > 1
}

/// The ways to all reasons are one future, which the usual stack of a thread does not bear unoptimized.
#[test]
fn every_reason_can_be_provoked() {
    let all = || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().unwrap().block_on(provoke_all());
    };
    let thread = std::thread::Builder::new().stack_size(32 << 20).spawn(all).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

async fn provoke_all() {
    let t = Harness::embedded().await;
    for ((reason, comment), (golden, codes)) in documented().into_iter().zip(GOLDEN) {
        let statuses = provoke(&t, reason).await;
        let refusals: Vec<_> = statuses.iter().map(Refusal::of).collect();
        let reasons: Vec<_> = refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
        assert_eq!(reasons, vec![*golden; codes.len()], "{refusals:?}");
        let came: Vec<_> = refusals.iter().map(|refusal| refusal.code).collect();
        assert_eq!(came, **codes, "{golden}");
        for refusal in refusals {
            let retry = refusal.retry_after.is_some();
            assert_eq!(retry, comment.contains("RetryInfo"), "{refusal:?}");
            // Who has read an old version reads it again, at once; the same call would fail again.
            let passes = [Code::Aborted, Code::Unavailable, Code::ResourceExhausted].contains(&refusal.code);
            let stays = [R::EtagMismatch, R::RequestTooLarge].contains(&reason);
            assert_eq!(retry, passes && !stays, "{refusal:?}");
            assert!(!refusal.message.is_empty() && !refusal.message.ends_with('.'), "{refusal:?}");
        }
    }
}
