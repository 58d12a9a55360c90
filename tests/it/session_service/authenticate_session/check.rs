//! Whether a role of the session permits an action.

use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::super::common::{ABSENT, Login, checked, entered, founder, written};
use super::Request;
use crate::harness::fixtures::{creation, with_key};
use crate::harness::logins::{by_jwt, by_token};
use crate::harness::members::{mask, member_update};
use crate::harness::program::Folder;
use crate::harness::refusal::refused;
use crate::harness::values::object;
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(
    the_default_roles_permit_what_they_permit,
    every_name_of_the_organization_is_its_own,
    another_organization_is_refused_whether_it_exists_or_not,
    what_can_be_no_check_is_refused,
    a_call_that_is_not_authorized_changes_nothing,
    a_repeat_has_the_verdict_of_the_first_call,
);

const DENIED: &str = "SESSION_AUTHORIZATION_ERROR";
const TENANCY: &str = "SESSION_AUTHORIZATION_TENANCY_ERROR";

fn check(organization_id: &str, resource_id: &str, action: &str) -> pb::AuthorizationCheck {
    pb::AuthorizationCheck {
        organization_id: organization_id.to_owned(),
        resource_id: resource_id.to_owned(),
        action: action.to_owned(),
    }
}

fn checking(token: &str, check: pb::AuthorizationCheck) -> Request {
    Request { authorization_check: Some(check), ..by_token(token) }
}

/// The roles that permit the action; none: the call is refused.
async fn granting(t: &Harness, login: &Login, resource_id: &str, action: &str) -> Vec<String> {
    let request = checking(&login.token, check(login.organization_id(), resource_id, action));
    let by_its_jwt = Request { session_token: None, session_jwt: Some(login.jwt.clone()), ..request.clone() };
    let mut verdicts = Vec::new();
    for request in [request, by_its_jwt] {
        let answer = t.clients().authenticate(request).await;
        verdicts.push(match answer {
            Ok(answer) => {
                let verdict = answer.into_inner().verdict.unwrap();
                assert!(verdict.authorized && !verdict.granting_roles.is_empty(), "{verdict:?}");
                verdict.granting_roles
            }
            refusal => {
                let refusal = refused(refusal, Code::PermissionDenied, DENIED);
                assert_eq!(refusal.fields, [], "{resource_id} {action}");
                Vec::new()
            }
        });
    }
    assert_eq!(verdicts[0], verdicts[1], "{resource_id} {action}");
    verdicts.swap_remove(0)
}

async fn the_default_roles_permit_what_they_permit(t: Harness) {
    let admin = founder(&t, "ada@acme.com").await;
    t.clients().member(admin.organization_id(), "bob@acme.com").await;
    let member = entered(&t, admin.organization_id(), "bob@acme.com").await;
    let cases: [(&str, &str, &[&str], &[&str]); 9] = [
        ("stytch.self", "update.info.name", &["stytch_member"], &["stytch_member"]),
        ("stytch.member", "update.settings.roles", &["stytch_admin"], &[]),
        ("stytch.organization", "delete", &["stytch_admin"], &[]),
        ("stytch.sso", "create", &["stytch_admin"], &[]),
        // A role that permits every action permits those that nobody has listed as well.
        ("stytch.scim", "fly", &["stytch_admin"], &[]),
        ("documents", "read", &[], &[]),
        ("stytch.Self", "delete", &[], &[]),
        ("stytch.sel", "delete", &[], &[]),
        ("stytch", "delete", &[], &[]),
    ];
    for (resource, action, of_admin, of_member) in cases {
        assert_eq!(granting(&t, &admin, resource, action).await, of_admin, "{resource} {action}");
        assert_eq!(granting(&t, &member, resource, action).await, of_member, "{resource} {action}");
    }
}

/// Two roles for documents, one of them for every action.
fn policy() -> String {
    let permission = |actions: &[&str]| json!([{"resource_id": "documents", "actions": actions}]);
    json!({
        "resources": [{"resource_id": "documents", "actions": ["read", "write"]}, {"resource_id": "a.b:c-d_e", "actions": ["f.g:h-i_j"]}],
        "roles": [
            {"role_id": "reader", "permissions": permission(&["read"])},
            {"role_id": "editor", "permissions": permission(&["*"])},
            {"role_id": "idle", "permissions": []},
            {"role_id": "stytch_member", "permissions": [{"resource_id": "a.b:c-d_e", "actions": ["f.g:h-i_j"]}]},
        ],
    })
    .to_string()
}

async fn the_policy_file_says_what_its_roles_permit(setup: Setup) {
    let folder = Folder::new();
    let path = folder.file("policy.json", &policy());
    let mut t = setup.with(|config| config.rbac_policy_file = Some(path.into())).start().await;
    let admin = founder(&t, "ada@acme.com").await;
    t.clients().member(admin.organization_id(), "bob@acme.com").await;
    let bob = entered(&t, admin.organization_id(), "bob@acme.com").await;
    let holding = |roles: &[&str]| pb::UpdateMemberRequest {
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        update_mask: mask(&["roles"]),
        ..member_update(bob.organization_id(), bob.member_id())
    };
    let cases: [[&[&str]; 4]; 5] = [
        [&[], &[], &[], &[]],
        [&["idle"], &[], &[], &[]],
        [&["reader"], &["reader"], &[], &[]],
        [&["editor"], &["editor"], &["editor"], &["editor"]],
        // Every role that permits it is told, in the order in which the member has them.
        [&["editor", "idle", "reader"], &["editor", "reader"], &["editor"], &["editor"]],
    ];
    for [roles, read, write, fly] in cases {
        t.clients().update_member(holding(roles)).await.unwrap();
        assert_eq!(granting(&t, &bob, "documents", "read").await, read, "{roles:?}");
        assert_eq!(granting(&t, &bob, "documents", "write").await, write, "{roles:?}");
        assert_eq!(granting(&t, &bob, "documents", "fly").await, fly, "{roles:?}");
        assert_eq!(granting(&t, &bob, "a.b:c-d_e", "f.g:h-i_j").await, ["stytch_member"], "{roles:?}");
    }
    assert_eq!(granting(&t, &admin, "documents", "read").await, [""; 0]);

    // A role that the file has no more is still the member's, and permits nothing.
    let roles = checked(&t, &bob.token).await.roles;
    folder.file("policy.json", r#"{"resources": [{"resource_id": "documents", "actions": ["read"]}]}"#);
    t.restart().await;
    assert_eq!(checked(&t, &bob.token).await.roles, roles);
    assert!(roles.contains(&"editor".to_owned()), "{roles:?}");
    assert_eq!(granting(&t, &bob, "documents", "read").await, [""; 0]);
    assert_eq!(granting(&t, &bob, "stytch.self", "delete").await, ["stytch_member"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_file_says_what_its_roles_permit_on_postgres() {
    the_policy_file_says_what_its_roles_permit(Setup::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_file_says_what_its_roles_permit_on_the_embedded_default() {
    the_policy_file_says_what_its_roles_permit(Setup::embedded()).await;
}

/// An organization that has every kind of name.
async fn named(t: &Harness, address: &str, slug: &str, external_id: &str) -> Login {
    let token = t.clients().token(address).await;
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_slug: Some(slug.to_owned()),
        organization_external_id: Some(external_id.to_owned()),
        ..creation(&token)
    };
    let founded = t.clients().spend(request).await.unwrap().into_inner();
    Login {
        organization: founded.organization.unwrap(),
        member: founded.member.unwrap(),
        session: founded.member_session.unwrap(),
        token: founded.session_token,
        jwt: founded.session_jwt,
    }
}

async fn every_name_of_the_organization_is_its_own(t: Harness) {
    let ada = named(&t, "ada@acme.com", "Acme-Corp", "ERP|42").await;
    for name in [ada.organization_id(), "Acme-Corp", "acme-corp", "ACME-CORP", "ERP|42"] {
        let request = checking(&ada.token, check(name, "stytch.self", "delete"));
        let answer = t.clients().authenticate(request).await.unwrap().into_inner();
        assert_eq!(answer.verdict.unwrap().granting_roles, ["stytch_member"], "{name}");
        assert_eq!(answer.organization, Some(ada.organization.clone()), "{name}");
    }
}

async fn another_organization_is_refused_whether_it_exists_or_not(t: Harness) {
    let ada = named(&t, "ada@acme.com", "acme", "ERP|42").await;
    // The same person in the other one, as an admin: the session is still not one of it.
    let globex = named(&t, "ada@acme.com", "globex", "ERP|43").await;
    let absent = format!("organization-test-{ABSENT}");
    let others =
        [globex.organization_id(), "globex", "ERP|43", absent.as_str(), "nobody", "ERP|44", "erp|42"];
    let mut told = Vec::new();
    for name in others {
        for request in [by_token(&ada.token), by_jwt(&ada.jwt)] {
            let request =
                Request { authorization_check: Some(check(name, "stytch.self", "delete")), ..request };
            let mut refusal =
                refused(t.clients().authenticate(request).await, Code::PermissionDenied, TENANCY);
            refusal.metadata.remove("request_id");
            told.push((refusal.message, refusal.metadata, refusal.fields));
        }
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    // Nor is it told what would be permitted there.
    let request = checking(&ada.token, check("globex", "documents", "read"));
    refused(t.clients().authenticate(request).await, Code::PermissionDenied, TENANCY);
}

async fn what_can_be_no_check_is_refused(t: Harness) {
    const ORGANIZATION: (&str, &str) = ("authorization_check.organization_id", "INVALID_ORGANIZATION_ID");
    const RESOURCE: (&str, &str) = ("authorization_check.resource_id", "INVALID_PERMISSION_RESOURCE");
    const ACTION: (&str, &str) = ("authorization_check.action", "INVALID_PERMISSION_ACTION");
    let ada = founder(&t, "ada@acme.com").await;
    let id = ada.organization_id();
    let live = id.replace("-test-", "-live-");
    let other_environment = ("authorization_check.organization_id", "LIVE_ID_USED_IN_TEST_ENVIRONMENT");
    let (long, longest) = ("x".repeat(129), "x".repeat(128));
    let mut cases = vec![
        (check("", "r", "a"), vec![ORGANIZATION]),
        (check("acme corp", "r", "a"), vec![ORGANIZATION]),
        (check(&live, "r", "a"), vec![other_environment]),
        (check(id, "r", "*"), vec![ACTION]),
        (pb::AuthorizationCheck::default(), vec![ORGANIZATION, RESOURCE, ACTION]),
    ];
    for text in ["", " ", "a b", "a/b", "a\0", "é", "a\n", "stytch.*", &long] {
        cases.push((check(id, text, "a"), vec![RESOURCE]));
        cases.push((check(id, "r", text), vec![ACTION]));
    }
    cases.push((check(id, "*", "a"), vec![RESOURCE]));
    for (check, expected) in cases {
        let request = checking(&ada.token, check);
        let refusal =
            refused(t.clients().authenticate(request.clone()).await, Code::InvalidArgument, expected[0].1);
        assert_eq!(refusal.violations(), expected, "{request:?}");
    }
    let fits = checking(&ada.token, check(id, &longest, &longest));
    refused(t.clients().authenticate(fits).await, Code::PermissionDenied, DENIED);
}

async fn a_call_that_is_not_authorized_changes_nothing(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let before = written(&t).await;
    for (name, reason) in [(ada.organization_id(), DENIED), ("globex", TENANCY)] {
        let request = Request {
            session_duration_minutes: Some(90),
            session_custom_claims: Some(object(&json!({"a": 1}))),
            ..checking(&ada.token, check(name, "documents", "read"))
        };
        refused(t.clients().authenticate(request.clone()).await, Code::PermissionDenied, reason);
        refused(t.clients().authenticate(with_key(request, "key")).await, Code::PermissionDenied, reason);
    }
    assert_eq!(written(&t).await, before);
    let session = checked(&t, &ada.token).await;
    assert_eq!((session.expires_at, session.custom_claims), (ada.session.expires_at, None));
}

async fn a_repeat_has_the_verdict_of_the_first_call(t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    let request = Request {
        session_duration_minutes: Some(90),
        ..checking(&ada.token, check(ada.organization_id(), "stytch.organization", "delete"))
    };
    let first = t.clients().authenticate(with_key(request.clone(), "key")).await.unwrap().into_inner();
    assert_eq!(first.verdict.as_ref().unwrap().granting_roles, ["stytch_admin"]);
    let again = t.clients().authenticate(with_key(request, "key")).await.unwrap().into_inner();
    assert_eq!(again.verdict, first.verdict);
}
