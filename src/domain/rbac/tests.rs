use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Permission, RbacPolicy, Resource, Role, RoleError};
use crate::domain::member::{ADMIN_ROLE, MEMBER_ROLE};

/// A policy that breaks no rule.
pub(super) fn good() -> Value {
    json!({
        "roles": [{
            "role_id": "editor",
            "description": "Writes.",
            "permissions": [
                {"resource_id": "documents", "actions": ["read", "write"]},
                {"resource_id": "stytch.member", "actions": ["search"]},
                {"resource_id": "stytch.self", "actions": ["*"]},
            ],
        }],
        "resources": [
            {"resource_id": "documents", "description": "What is written.", "actions": ["read", "write"]},
        ],
    })
}

fn parse(policy: &Value) -> RbacPolicy {
    RbacPolicy::parse(&policy.to_string()).unwrap_or_else(|error| panic!("{error}: {policy}"))
}

fn permission(resource_id: &str, actions: &[&str]) -> Permission {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    Permission { resource_id: resource_id.to_owned(), actions }
}

fn role<'a>(policy: &'a RbacPolicy, role_id: &str) -> &'a Role {
    policy.roles().iter().find(|role| role.role_id == role_id).unwrap()
}

#[test]
fn a_file_adds_to_the_default_policy() {
    let (default, policy) = (RbacPolicy::default(), parse(&good()));
    assert_eq!(policy.roles()[..2], *default.roles());
    assert_eq!(policy.resources()[..5], *default.resources());
    let editor = Role {
        role_id: "editor".to_owned(),
        description: "Writes.".to_owned(),
        permissions: vec![
            permission("documents", &["read", "write"]),
            permission("stytch.member", &["search"]),
            permission("stytch.self", &["*"]),
        ],
    };
    assert_eq!(policy.roles()[2..], [editor]);
    let documents = Resource {
        resource_id: "documents".to_owned(),
        description: "What is written.".to_owned(),
        actions: vec!["read".to_owned(), "write".to_owned()],
    };
    assert_eq!(policy.resources()[5..], [documents]);
}

#[test]
fn the_default_policy_is_the_published_one() {
    let policy = RbacPolicy::default();
    let roles: Vec<_> = policy.roles().iter().map(|role| role.role_id.as_str()).collect();
    assert_eq!(roles, [MEMBER_ROLE, ADMIN_ROLE]);
    assert_eq!(role(&policy, MEMBER_ROLE).permissions, [permission("stytch.self", &["*"])]);
    let admin = ["stytch.organization", "stytch.member", "stytch.sso", "stytch.scim"];
    assert_eq!(role(&policy, ADMIN_ROLE).permissions, admin.map(|resource| permission(resource, &["*"])));
    let resources: Vec<_> = policy
        .resources()
        .iter()
        .map(|resource| (resource.resource_id.as_str(), resource.actions.len()))
        .collect();
    let expected = [
        ("stytch.organization", 15),
        ("stytch.member", 15),
        ("stytch.self", 11),
        ("stytch.sso", 4),
        ("stytch.scim", 4),
    ];
    assert_eq!(resources, expected);
    for resource in policy.resources() {
        for (index, action) in resource.actions.iter().enumerate() {
            assert!(!resource.actions[..index].contains(action), "{}: {action}", resource.resource_id);
        }
    }
}

#[test]
fn an_empty_policy_is_the_default_one() {
    for policy in [json!({}), json!({"roles": []}), json!({"resources": []})] {
        assert_eq!(parse(&policy), RbacPolicy::default(), "{policy}");
    }
}

#[test]
fn a_listed_default_role_only_gains() {
    let policy = parse(&json!({
        "roles": [
            {"role_id": "stytch_member", "description": "Everyone.", "permissions": [
                {"resource_id": "stytch.self", "actions": ["delete"]},
                {"resource_id": "documents", "actions": ["read"]},
            ]},
            {"role_id": "stytch_admin", "permissions": [{"resource_id": "documents", "actions": ["*"]}]},
        ],
        "resources": [{"resource_id": "documents", "actions": ["read"]}],
    }));
    let default = RbacPolicy::default();
    let member = role(&policy, MEMBER_ROLE);
    assert_eq!(member.description, "Everyone.");
    assert_eq!(member.permissions, [permission("stytch.self", &["*"]), permission("documents", &["read"])]);
    let (admin, before) = (role(&policy, ADMIN_ROLE), role(&default, ADMIN_ROLE));
    assert_eq!(admin.description, before.description);
    assert_eq!(admin.permissions[..4], before.permissions);
    assert_eq!(admin.permissions[4..], [permission("documents", &["*"])]);
    assert_eq!(policy.roles().len(), 2);
}

#[test]
fn known_roles_can_be_assigned_except_everybodys() {
    let (policy, default) = (parse(&good()), RbacPolicy::default());
    assert_eq!(policy.assignable("editor"), Ok(()));
    assert_eq!(default.assignable("editor"), Err(RoleError::Unknown));
    for policy in [policy, default] {
        assert_eq!(policy.assignable(ADMIN_ROLE), Ok(()));
        assert_eq!(policy.assignable(MEMBER_ROLE), Err(RoleError::Everybodys));
        for unknown in ["", "Editor", "editor ", "Stytch_Admin", "documents", "*"] {
            assert_eq!(policy.assignable(unknown), Err(RoleError::Unknown), "{unknown:?}");
        }
    }
}

#[test]
fn what_is_no_policy_is_told_with_line_and_column() {
    let mut unknown = good();
    unknown["roles"][0]["permissions"][0]["scope"] = json!("all");
    for (text, expected) in [
        (String::new(), "EOF while parsing a value at line 1 column 0"),
        ("[".to_owned(), "line 1 column 1"),
        (good().to_string() + "x", "trailing characters at line 1"),
        ("{\n  \"roles\": {}\n}".to_owned(), "expected a sequence at line 2"),
        (r#"{"scopes": []}"#.to_owned(), "unknown field `scopes`"),
        (r#"{"roles": [], "roles": []}"#.to_owned(), "duplicate field `roles`"),
        (r#"{"roles": [{"role_id": "a"}]}"#.to_owned(), "missing field `permissions`"),
        (
            r#"{"roles": [{"role_id": "a", "permissions": [], "extra": 1}]}"#.to_owned(),
            "unknown field `extra`",
        ),
        (r#"{"resources": [{"resource_id": "a"}]}"#.to_owned(), "missing field `actions`"),
        (
            r#"{"resources": [{"resource_id": "a", "actions": ["b"], "extra": 1}]}"#.to_owned(),
            "unknown field `extra`",
        ),
        (unknown.to_string(), "unknown field `scope`"),
    ] {
        let error = RbacPolicy::parse(&text).unwrap_err();
        assert_eq!(error.to_string(), "it has not the form of a policy");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(expected), "{text} should say {expected:?}: {cause:?}");
    }
}

/// Permissions on some resources, each with all or some of its actions.
fn permissions() -> impl Strategy<Value = Vec<Value>> {
    let known = [
        ("documents", vec!["read", "write"]),
        ("stytch.self", vec!["delete", "revoke-sessions"]),
        ("stytch.member", vec!["create", "search", "delete"]),
        ("stytch.sso", vec!["get"]),
    ];
    let some = proptest::sample::subsequence(known.to_vec(), 0..=4);
    some.prop_flat_map(|resources| {
        let each = resources.into_iter().map(|(resource_id, actions)| {
            let count = actions.len();
            let some = proptest::sample::subsequence(actions, 1..=count);
            prop_oneof![Just(vec!["*"]), some]
                .prop_map(move |actions| json!({"resource_id": resource_id, "actions": actions}))
        });
        each.collect::<Vec<_>>()
    })
}

fn listed_roles() -> impl Strategy<Value = Vec<Value>> {
    let ids = proptest::sample::subsequence(vec![MEMBER_ROLE, "editor", ADMIN_ROLE, "stytch"], 0..=4);
    ids.prop_shuffle().prop_flat_map(|ids| {
        let each = ids.into_iter().map(|id| {
            (permissions(), "[a-z]{0,3}").prop_map(move |(permissions, description)| {
                json!({"role_id": id, "description": description, "permissions": permissions})
            })
        });
        each.collect::<Vec<_>>()
    })
}

proptest! {
    #[test]
    fn default_roles_survive_every_policy(roles in listed_roles()) {
        let mut listed = good();
        listed["roles"] = roles.into();
        let (default, policy) = (RbacPolicy::default(), parse(&listed));
        for (before, after) in default.roles().iter().zip(policy.roles()) {
            prop_assert_eq!(&before.role_id, &after.role_id);
            prop_assert_eq!(&before.permissions[..], &after.permissions[..before.permissions.len()]);
        }
        prop_assert_eq!(policy.assignable(MEMBER_ROLE), Err(RoleError::Everybodys));
        for (index, role) in policy.roles().iter().enumerate() {
            prop_assert!(policy.roles()[..index].iter().all(|other| other.role_id != role.role_id));
            let mut resources: Vec<_> = role.permissions.iter().map(|own| &own.resource_id).collect();
            resources.sort();
            resources.dedup();
            prop_assert_eq!(resources.len(), role.permissions.len(), "one permission a resource");
        }
    }
}
