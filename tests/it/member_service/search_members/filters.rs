//! What each filter finds.

use serde_json::{Value, json};
use vestibule::pb;

use super::{AND, OR, Search, everybody, ids, metadata, search};
use crate::harness::fixtures::organization;
use crate::harness::members::{invitation, new_member, query};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    each_filter_finds_what_it_names,
    filters_combine,
    deleted_members_are_found_where_a_filter_names_them,
    ids_are_looked_for_as_either,
    retired_addresses_are_not_current,
);

/// Members and one word for each.
struct People(Vec<(&'static str, pb::Member)>);

impl People {
    fn id(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == name).unwrap().1.member_id
    }

    /// The words for these members.
    fn names(&self, ids: &[&str]) -> Vec<&str> {
        let mut names: Vec<_> = ids
            .iter()
            .map(|id| self.0.iter().find(|(_, member)| member.member_id == *id).unwrap().0)
            .collect();
        names.sort_unstable();
        names
    }
}

/// An organization `acme`, which makes those with a verified address on acme.com admins, of
/// - `ada`: verified on acme.com, with an external id and a phone number
/// - `bob`: pending, exempt from restrictions
/// - `cyd`: an address with what `LIKE` understands
/// - `dan`: invited as an admin
/// - `eve`: deleted, verified on acme.com, with a phone number
async fn people(t: &Harness) -> People {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
            domain: "acme.com".to_owned(),
            role_id: "stytch_admin".to_owned(),
        }],
        ..organization("Acme")
    };
    clients.create(request).await.unwrap();
    let mut people = Vec::new();
    let ada = pb::CreateMemberRequest {
        external_id: Some("Person|1".to_owned()),
        mfa_phone_number: Some("+15005550001".to_owned()),
        ..new_member("acme", "ada@acme.com")
    };
    let bob = pb::CreateMemberRequest {
        create_member_as_pending: true,
        is_breakglass: true,
        ..new_member("acme", "bob@globex.com")
    };
    let cyd = new_member("acme", "c_y%d@mail.org");
    let eve = pb::CreateMemberRequest {
        mfa_phone_number: Some("+15005550002".to_owned()),
        ..new_member("acme", "eve@acme.com")
    };
    for (name, request) in [("ada", ada), ("bob", bob), ("cyd", cyd), ("eve", eve)] {
        people.push((name, clients.create_member(request).await.unwrap().into_inner().member.unwrap()));
    }
    let dan = pb::InviteMemberRequest {
        roles: vec!["stytch_admin".to_owned()],
        ..invitation("acme", "dan@acme.com")
    };
    people.push(("dan", clients.invite_member(dan).await.unwrap().into_inner().member.unwrap()));
    let verified = "UPDATE member_email_addresses SET verified = true WHERE email_address";
    t.execute(&format!("{verified} IN ('ada@acme.com', 'bob@globex.com', 'eve@acme.com')")).await;
    let request = pb::DeleteMemberRequest {
        organization_id: "acme".to_owned(),
        member_id: people[3].1.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(request).await.unwrap();
    let people = People(people);
    // Namesakes elsewhere, whom nothing here may find.
    clients.organization("Globex").await;
    for address in ["ada@acme.com", "bob@globex.com", "dan@acme.com"] {
        let request = pb::CreateMemberRequest {
            roles: vec!["stytch_admin".to_owned()],
            is_breakglass: true,
            ..new_member("globex", address)
        };
        clients.create_member(request).await.unwrap();
    }
    people
}

/// Asserts whom the query finds.
async fn finds(
    t: &Harness,
    people: &People,
    operator: pb::SearchOperator,
    operands: &[(&str, Value)],
    expected: &[&str],
) {
    let request = Search { query: query(operator, operands), ..everybody(&["acme"]) };
    let found = search(&t.clients(), request).await;
    assert_eq!(people.names(&ids(&found)), expected, "{operator:?} {operands:?}");
    assert_eq!(metadata(&found), (i32::try_from(expected.len()).unwrap(), ""), "{operands:?}");
}

async fn each_filter_finds_what_it_names(t: Harness) {
    let people = people(&t).await;
    let nobody: &[&str] = &[];
    let table: &[(&str, Value, &[&str])] = &[
        ("member_emails", json!(["ada@acme.com", "nobody@acme.com", "c_y%d@mail.org"]), &["ada", "cyd"]),
        ("member_emails", json!(["ADA@Acme.com", "ada@acme.com"]), &["ada"]),
        ("member_emails", json!(["nobody@acme.com"]), nobody),
        // Not a pattern.
        ("member_emails", json!(["c%d@mail.org"]), nobody),
        ("statuses", json!(["active"]), &["ada", "cyd"]),
        ("statuses", json!(["pending", "invited"]), &["bob", "dan"]),
        ("member_mfa_phone_numbers", json!(["+15005550001", "+15005550009"]), &["ada"]),
        ("member_mfa_phone_numbers", json!(["+15005550009"]), nobody),
        ("member_roles", json!(["stytch_admin"]), &["ada", "dan"]),
        ("member_roles", json!(["stytch_member"]), &["ada", "bob", "cyd", "dan"]),
        ("member_roles", json!(["nothing", "stytch_admin"]), &["ada", "dan"]),
        ("member_roles", json!(["nothing", "stytch_member"]), &["ada", "bob", "cyd", "dan"]),
        ("member_roles", json!(["stytch", "STYTCH_ADMIN", "\"stytch_admin\""]), nobody),
        ("member_email_fuzzy", json!("acme"), &["ada", "dan"]),
        ("member_email_fuzzy", json!("A@ACME"), &["ada"]),
        ("member_email_fuzzy", json!("ada@acme.com"), &["ada"]),
        ("member_email_fuzzy", json!("_y%"), &["cyd"]),
        ("member_email_fuzzy", json!("%%%"), nobody),
        ("member_email_fuzzy", json!("___"), nobody),
        ("member_email_fuzzy", json!("a\\_"), nobody),
        ("member_email_fuzzy", json!("'; --"), nobody),
        ("member_mfa_phone_number_fuzzy", json!("500555"), &["ada"]),
        ("member_mfa_phone_number_fuzzy", json!("+15"), &["ada"]),
        ("member_mfa_phone_number_fuzzy", json!("+16"), nobody),
        ("member_is_breakglass", json!(true), &["bob"]),
        ("member_is_breakglass", json!(false), &["ada", "cyd", "dan"]),
        ("member_password_exists", json!(true), nobody),
        ("member_password_exists", json!(false), &["ada", "bob", "cyd", "dan"]),
    ];
    for (filter, value, expected) in table {
        for operator in [AND, OR] {
            finds(&t, &people, operator, &[(filter, value.clone())], expected).await;
        }
    }
}

/// Filters, whom all of them find together, and whom any of them does.
type Combination<'a> = (&'a [&'a (&'static str, Value)], &'a [&'a str], &'a [&'a str]);

async fn filters_combine(t: Harness) {
    let people = people(&t).await;
    let everybody = ["ada", "bob", "cyd", "dan"];
    let admins = ("member_roles", json!(["stytch_admin"]));
    let active = ("statuses", json!(["active"]));
    let exempt = ("member_is_breakglass", json!(true));
    let at_acme = ("member_email_fuzzy", json!("@acme."));
    let none = ("member_password_exists", json!(true));
    let all = ("member_password_exists", json!(false));
    let table: &[Combination<'_>] = &[
        (&[], &everybody, &everybody),
        (&[&admins, &active], &["ada"], &["ada", "cyd", "dan"]),
        (&[&active, &exempt], &[], &["ada", "bob", "cyd"]),
        (&[&admins, &exempt, &at_acme], &[], &["ada", "bob", "dan"]),
        (&[&admins, &all], &["ada", "dan"], &everybody),
        (&[&admins, &none], &[], &["ada", "dan"]),
        (&[&none, &none], &[], &[]),
        (&[&all, &none], &[], &everybody),
        (&[&at_acme, &at_acme], &["ada", "dan"], &["ada", "dan"]),
    ];
    for (operands, every, any) in table {
        let operands: Vec<_> = operands.iter().copied().cloned().collect();
        finds(&t, &people, AND, &operands, every).await;
        finds(&t, &people, OR, &operands, any).await;
    }
}

async fn deleted_members_are_found_where_a_filter_names_them(t: Harness) {
    let people = people(&t).await;
    let deleted = ("statuses", json!(["deleted"]));
    let every = ("statuses", json!(["pending", "invited", "active", "deleted"]));
    finds(&t, &people, AND, std::slice::from_ref(&deleted), &["eve"]).await;
    finds(&t, &people, AND, std::slice::from_ref(&every), &["ada", "bob", "cyd", "dan", "eve"]).await;
    // What a deleted member had, and holds no longer for others.
    let table = [
        ("member_emails", json!(["eve@acme.com"])),
        ("member_email_fuzzy", json!("eve@")),
        ("member_mfa_phone_numbers", json!(["+15005550002"])),
        ("member_ids", json!([people.id("eve")])),
    ];
    for operand in table {
        finds(&t, &people, AND, std::slice::from_ref(&operand), &[]).await;
        finds(&t, &people, AND, &[operand.clone(), every.clone()], &["eve"]).await;
        finds(&t, &people, OR, &[operand, deleted.clone()], &["eve"]).await;
    }
    let by_domain = ("member_roles", json!(["stytch_admin"]));
    finds(&t, &people, AND, &[by_domain.clone(), deleted.clone()], &["eve"]).await;
    finds(&t, &people, OR, &[by_domain, deleted.clone()], &["ada", "dan", "eve"]).await;
    // Nobody has a password: that decides about everybody, and who is deleted is asked for.
    let all = ("member_password_exists", json!(false));
    let everybody = ["ada", "bob", "cyd", "dan", "eve"];
    finds(&t, &people, OR, &[all.clone(), deleted.clone()], &everybody).await;
    finds(&t, &people, OR, &[deleted.clone(), all.clone()], &everybody).await;
    finds(&t, &people, AND, &[all, deleted], &["eve"]).await;
}

async fn ids_are_looked_for_as_either(t: Harness) {
    let people = people(&t).await;
    let clients = t.clients();
    let foreign = clients.member("globex", "grace@globex.com").await.member_id;
    let unknown = format!("member-test-{}", super::ID);
    let cases: [(Value, &[&str]); 6] = [
        (json!([people.id("ada"), people.id("bob"), unknown, foreign]), &["ada", "bob"]),
        (json!([people.id("ada"), people.id("ada")]), &["ada"]),
        (json!([unknown, foreign]), &[]),
        (json!(["Person|1", "nobody"]), &["ada"]),
        (json!(["person|1", "PERSON|1"]), &[]),
        (json!(["person|1", "Person|1", "PERSON|1"]), &["ada"]),
    ];
    for (value, expected) in cases {
        finds(&t, &people, AND, &[("member_ids", value)], expected).await;
    }
}

async fn retired_addresses_are_not_current(t: Harness) {
    let people = people(&t).await;
    let request = pb::UpdateMemberRequest {
        email_address: Some("countess@acme.com".to_owned()),
        allow_removing_last_admin: true,
        ..crate::harness::members::member_update("acme", people.id("ada"))
    };
    t.clients().update_member(request).await.unwrap();
    for operand in [("member_emails", json!(["ada@acme.com"])), ("member_email_fuzzy", json!("ada@acme"))] {
        finds(&t, &people, AND, &[operand], &[]).await;
    }
    let current = [("member_emails", json!(["countess@acme.com"])), ("member_email_fuzzy", json!("tess@"))];
    for operand in current {
        finds(&t, &people, AND, &[operand], &["ada"]).await;
    }
    // The new address is not verified, so the role by domain is gone.
    finds(&t, &people, AND, &[("member_roles", json!(["stytch_admin"]))], &["dan"]).await;
}
