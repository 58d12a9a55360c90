use serde_json::{Value, json};

use crate::domain::rbac::RbacPolicy;
use crate::domain::rbac::tests::good;

/// What ids and actions are to be.
const ID: &str = r#"not 1 to 128 ASCII letters, digits, "_", "-", "." and ":""#;

/// Changes the good policy at a JSON pointer.
fn changed(pointer: &str, value: Value) -> Value {
    let mut policy = good();
    *policy.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    policy
}

/// Asserts that each policy is refused, and what is said about it.
fn refused<const N: usize>(cases: [(Value, String); N]) {
    RbacPolicy::parse(&good().to_string()).unwrap();
    for (policy, expected) in cases {
        let said = RbacPolicy::parse(&policy.to_string()).unwrap_err().to_string();
        assert!(said.contains(&expected), "{policy} should say {expected:?}: {said:?}");
    }
}

#[test]
fn rules_of_roles() {
    const ROLE: &str = "/roles/0/role_id";
    let role = |id: &str| json!({"role_id": id, "permissions": []});
    let reserved = r#"has an id that begins with "stytch_" and is neither stytch_member nor stytch_admin"#;
    refused([
        (changed(ROLE, "".into()), format!(r#"the role "" has an id that is {ID}"#)),
        (changed(ROLE, "ed itor".into()), format!(r#"the role "ed itor" has an id that is {ID}"#)),
        (changed(ROLE, "éditeur".into()), format!(r#"the role "éditeur" has an id that is {ID}"#)),
        (changed(ROLE, "*".into()), format!(r#"the role "*" has an id that is {ID}"#)),
        (changed(ROLE, "x".repeat(129).into()), ID.to_owned()),
        (changed(ROLE, "stytch_owner".into()), format!(r#"the role "stytch_owner" {reserved}"#)),
        (changed(ROLE, "stytch_".into()), format!(r#"the role "stytch_" {reserved}"#)),
        (
            changed("/roles/0/description", "x".repeat(257).into()),
            r#"the role "editor" has a description of more than 256 characters"#.to_owned(),
        ),
        (
            changed("/roles", json!([role("a"), role("b"), role("a")])),
            r#"the role "a" is listed twice"#.to_owned(),
        ),
        (
            changed("/roles", json!([role("stytch_admin"), role("stytch_admin")])),
            r#"the role "stytch_admin" is listed twice"#.to_owned(),
        ),
    ]);
}

#[test]
fn rules_of_resources() {
    const RESOURCE: &str = "/resources/0/resource_id";
    let resource = |id: &str| json!({"resource_id": id, "actions": ["read"]});
    let reserved = r#"has an id that begins with "stytch""#;
    refused([
        (changed(RESOURCE, "".into()), format!(r#"the resource "" has an id that is {ID}"#)),
        (changed(RESOURCE, "a/b".into()), format!(r#"the resource "a/b" has an id that is {ID}"#)),
        (changed(RESOURCE, "a\nb".into()), format!(r#"the resource "a\nb" has an id that is {ID}"#)),
        (changed(RESOURCE, "x".repeat(129).into()), ID.to_owned()),
        (changed(RESOURCE, "stytch.member".into()), format!(r#"the resource "stytch.member" {reserved}"#)),
        (changed(RESOURCE, "stytchy".into()), format!(r#"the resource "stytchy" {reserved}"#)),
        (
            changed("/resources/0/description", "x".repeat(257).into()),
            r#"the resource "documents" has a description of more than 256 characters"#.to_owned(),
        ),
        (
            changed("/resources", json!([resource("a"), resource("b"), resource("a")])),
            r#"the resource "a" is listed twice"#.to_owned(),
        ),
    ]);
}

#[test]
fn rules_of_a_resources_actions() {
    let actions = |actions: &[&str]| changed("/resources/0/actions", json!(actions));
    let resource = r#"the resource "documents" "#;
    refused([
        (actions(&[]), format!("{resource}has no actions")),
        (actions(&["read", "wri te"]), format!(r#"{resource}has an action, "wri te", that is {ID}"#)),
        (actions(&["*"]), format!(r#"{resource}has an action, "*", that is {ID}"#)),
        (actions(&[""]), format!(r#"{resource}has an action, "", that is {ID}"#)),
        (actions(&[&"x".repeat(129)]), ID.to_owned()),
        (actions(&["read", "write", "read"]), format!(r#"{resource}has the action "read" twice"#)),
    ]);
}

#[test]
fn rules_of_permissions() {
    let on = |resource_id: &str, actions: &[&str]| json!({"resource_id": resource_id, "actions": actions});
    let permissions = |permissions: &[Value]| changed("/roles/0/permissions", json!(permissions));
    let documents = |actions: &[&str]| permissions(&[on("documents", actions)]);
    let permission = r#"the permission of the role "editor" on "#;
    refused([
        (
            permissions(&[on("files", &["read"])]),
            format!(r#"{permission}"files" is on a resource that is not known"#),
        ),
        (
            permissions(&[
                on("documents", &["read"]),
                on("stytch.self", &["*"]),
                on("documents", &["write"]),
            ]),
            format!(r#"{permission}"documents" is listed twice"#),
        ),
        (documents(&[]), format!(r#"{permission}"documents" has no actions"#)),
        (documents(&["*", "read"]), format!(r#"{permission}"documents" has "*" beside other actions"#)),
        (documents(&["read", "*"]), format!(r#"{permission}"documents" has "*" beside other actions"#)),
        (documents(&["*", "*"]), format!(r#"{permission}"documents" has "*" beside other actions"#)),
        (
            documents(&["read", "fly"]),
            format!(r#"{permission}"documents" has an action, "fly", that the resource does not have"#),
        ),
        (
            permissions(&[on("stytch.member", &["read"])]),
            format!(r#"{permission}"stytch.member" has an action, "read", that the resource does not have"#),
        ),
        (documents(&["read", "read"]), format!(r#"{permission}"documents" has the action "read" twice"#)),
    ]);
}

#[test]
fn the_limits_are_exact() {
    let longest = "aZ09_-.:".repeat(16);
    let ids = |count: usize| (0..count).map(|number| format!("{number:0>128}")).collect::<Vec<_>>();
    let policy = |roles: usize, resources: usize, actions: usize, description: usize| {
        let description = "é".repeat(description);
        let mut resources: Vec<_> = ids(resources)
            .iter()
            .map(|id| json!({"resource_id": id, "description": description, "actions": ids(actions)}))
            .collect();
        let everything = json!({"resource_id": ids(1)[0], "actions": ids(actions)});
        let mut roles: Vec<_> = ids(roles)
            .iter()
            .map(|id| json!({"role_id": id, "description": description, "permissions": [everything]}))
            .collect();
        resources[0]["actions"][0] = longest.as_str().into();
        for role in &mut roles {
            role["permissions"][0]["actions"][0] = longest.as_str().into();
        }
        json!({"roles": roles, "resources": resources}).to_string()
    };
    let fullest = RbacPolicy::parse(&policy(100, 100, 100, 256)).unwrap();
    assert_eq!((fullest.roles().len(), fullest.resources().len()), (102, 105));
    for (beyond, expected) in [
        (policy(101, 1, 1, 0), "there are more than 100 roles"),
        (policy(1, 101, 1, 0), "there are more than 100 resources"),
        (policy(1, 1, 101, 0), "has more than 100 actions"),
        (policy(0, 1, 1, 257), "has a description of more than 256 characters"),
    ] {
        let said = RbacPolicy::parse(&beyond).unwrap_err().to_string();
        assert!(said.contains(expected), "{said:?} should say {expected:?}");
    }
}
