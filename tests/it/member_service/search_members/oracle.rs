//! Random members and random searches, compared with what a few lines of Rust find.

use std::collections::HashSet;

use serde_json::{Value, json};
use vestibule::pb;

use super::{AND, OR, Search, everybody, walk};
use crate::harness::fixtures::organization;
use crate::harness::members::{new_member, query};
use crate::harness::program::Folder;
use crate::harness::{Harness, Setup};

const MEMBERS: usize = 60;
const SEARCHES: usize = 250;
const ORGANIZATIONS: [&str; 3] = ["acme", "globex", "initech"];
const STATUSES: [&str; 4] = ["pending", "invited", "active", "deleted"];
const ROLES: [&str; 4] = ["stytch_member", "stytch_admin", "editor", "lost"];
const POLICY: &str = r#"{"roles": [{"role_id": "editor", "permissions": []}]}"#;

/// Numbers that look random, the same for the same seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// The organizations, each giving roles to domains of its own choice, and their members: those who are not
/// deleted as they were read one by one.
async fn world(t: &Harness, random: &mut Random) -> Vec<pb::Member> {
    let clients = t.clients();
    let domains = ["acme.com", "globex.com", "initech.org"];
    for name in ORGANIZATIONS {
        let mut assignments = Vec::new();
        for domain in domains {
            for role_id in ["stytch_admin", "editor"] {
                if random.once_in(3) {
                    let (domain, role_id) = (domain.to_owned(), role_id.to_owned());
                    assignments.push(pb::EmailImplicitRoleAssignment { domain, role_id });
                }
            }
        }
        let request = pb::CreateOrganizationRequest {
            rbac_email_implicit_role_assignments: assignments,
            ..organization(name)
        };
        clients.create(request).await.unwrap();
    }
    let mut created = Vec::new();
    for number in 0..MEMBERS {
        let verified = if random.once_in(2) { "v" } else { "u" };
        let address = format!("{verified}_{number}%{}@{}", random.below(4), random.of(&domains));
        let request = pb::CreateMemberRequest {
            create_member_as_pending: random.once_in(4),
            is_breakglass: random.once_in(3),
            mfa_phone_number: random
                .once_in(2)
                .then(|| format!("+1500{number:03}{:04}", random.below(9_999))),
            external_id: random.once_in(2).then(|| format!("Id|{number}")),
            roles: ["stytch_admin", "editor"]
                .iter()
                .filter(|_| random.once_in(4))
                .map(|role| (*role).to_owned())
                .collect(),
            ..new_member(ORGANIZATIONS[random.below(3)], &address)
        };
        created.push(clients.create_member(request).await.unwrap().into_inner().member.unwrap());
    }
    t.execute("UPDATE member_email_addresses SET verified = true WHERE email_address LIKE 'v%'").await;
    t.execute("UPDATE members SET status = 'invited' WHERE status = 'pending' AND is_breakglass").await;
    let lost = r#"UPDATE members SET assigned_roles = '["lost", "editor"]' WHERE external_id LIKE '%7'"#;
    t.execute(lost).await;
    let mut members = Vec::new();
    for member in created {
        let mut member = clients.member_by_id(&member.organization_id, &member.member_id).await.unwrap();
        if random.once_in(6) {
            let request = pb::DeleteMemberRequest {
                organization_id: member.organization_id.clone(),
                member_id: member.member_id.clone(),
                allow_removing_last_admin: true,
                etag: None,
            };
            clients.delete_member(request).await.unwrap();
            "deleted".clone_into(&mut member.status);
        }
        members.push(member);
    }
    members
}

/// Some of what `all` has, and now and then something else.
fn some(random: &mut Random, all: &[String], other: &str) -> Value {
    let mut chosen: Vec<_> = (0..=random.below(12)).map(|_| random.of(all).clone()).collect();
    if random.once_in(4) {
        chosen.push(other.to_owned());
    }
    json!(chosen)
}

/// A piece of a text, of at least three characters.
fn piece(random: &mut Random, text: &str) -> String {
    let length = 3 + random.below(text.len() - 2);
    let start = random.below(text.len() - length + 1);
    let piece = &text[start..start + length];
    if random.once_in(2) { piece.to_uppercase() } else { piece.to_owned() }
}

fn texts(members: &[pb::Member], read: impl Fn(&pb::Member) -> Option<String>) -> Vec<String> {
    members.iter().filter_map(read).filter(|text| !text.is_empty()).collect()
}

fn operand(random: &mut Random, members: &[pb::Member]) -> (&'static str, Value) {
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).to_owned()).collect() };
    let addresses = texts(members, |member| Some(member.email_address.clone()));
    let numbers = texts(members, |member| Some(member.mfa_phone_number.clone()));
    match random.below(10) {
        0 => {
            let ids = texts(members, |member| Some(member.member_id.clone()));
            ("member_ids", some(random, &ids, &format!("member-test-{}", super::ID)))
        }
        1 => ("member_ids", some(random, &texts(members, |member| member.external_id.clone()), "ID|1")),
        2 => ("member_emails", some(random, &addresses, "nobody@acme.com")),
        3 => ("statuses", some(random, &words(&STATUSES[..3]), "deleted")),
        4 => ("member_mfa_phone_numbers", some(random, &numbers, "+15005550006")),
        5 => {
            let role = *random.of(&ROLES[1..]);
            let other = if random.once_in(3) { ROLES[0] } else { "nothing" };
            ("member_roles", some(random, &words(&[role]), other))
        }
        6 => {
            let address = random.of(&addresses).clone();
            ("member_email_fuzzy", json!(piece(random, &address)))
        }
        7 => {
            let number = random.of(&numbers).clone();
            ("member_mfa_phone_number_fuzzy", json!(piece(random, &number)))
        }
        8 => ("member_is_breakglass", json!(random.once_in(2))),
        _ => ("member_password_exists", json!(random.once_in(2))),
    }
}

/// Whether a member matches a filter, by what the contract says.
fn matches(member: &pb::Member, (filter, value): &(&str, Value)) -> bool {
    let any = |test: &dyn Fn(&str) -> bool| {
        value.as_array().unwrap().iter().any(|entry| test(entry.as_str().unwrap()))
    };
    let within = |text: &str| text.contains(&value.as_str().unwrap().to_lowercase());
    match *filter {
        "member_ids" => any(&|id| id == member.member_id || member.external_id.as_deref() == Some(id)),
        "member_emails" => any(&|address| address == member.email_address),
        "statuses" => any(&|status| status == member.status),
        "member_mfa_phone_numbers" => any(&|number| number == member.mfa_phone_number),
        "member_roles" => any(&|role_id| member.roles.iter().any(|role| role.role_id == role_id)),
        "member_email_fuzzy" => within(&member.email_address),
        "member_mfa_phone_number_fuzzy" => within(&member.mfa_phone_number),
        "member_is_breakglass" => value == &json!(member.is_breakglass),
        "member_password_exists" => value == &json!(false),
        new => panic!("say here what {new} finds"),
    }
}

/// The ids of those whom the search must find, in its order.
fn expected(
    members: &[pb::Member],
    organizations: &HashSet<&str>,
    operator: pb::SearchOperator,
    operands: &[(&str, Value)],
) -> Vec<String> {
    let deleted = operands.iter().any(|(filter, value)| {
        *filter == "statuses" && value.as_array().unwrap().contains(&json!("deleted"))
    });
    let mut found: Vec<_> = members
        .iter()
        .filter(|member| organizations.contains(member.organization_id.as_str()))
        .filter(|member| deleted || member.status != "deleted")
        .filter(|member| {
            let mut tests = operands.iter().map(|operand| matches(member, operand));
            if operator == AND {
                tests.all(|test| test)
            } else {
                operands.is_empty() || tests.any(|test| test)
            }
        })
        .map(|member| member.member_id.clone())
        .collect();
    found.sort();
    found.reverse();
    found
}

async fn random_searches_find_what_the_oracle_finds(setup: Setup, seed: u64) {
    let folder = Folder::new();
    let path = folder.file("policy.json", POLICY);
    let t = setup.with(|config| config.rbac_policy_file = Some(path.into())).start().await;
    let clients = t.clients();
    let mut random = Random(seed);
    let members = world(&t, &mut random).await;
    let mut ids = Vec::new();
    for slug in ORGANIZATIONS {
        ids.push(clients.get(slug).await.unwrap().into_inner().organization.unwrap().organization_id);
    }
    let mut found_any = 0;
    for number in 0..SEARCHES {
        let places: HashSet<usize> = (0..=random.below(3)).map(|_| random.below(3)).collect();
        let names: Vec<_> = places
            .iter()
            .map(|place| if random.once_in(2) { ORGANIZATIONS[*place] } else { ids[*place].as_str() })
            .collect();
        let organizations = places.iter().map(|place| ids[*place].as_str()).collect();
        let operator = if random.once_in(2) { AND } else { OR };
        let operands: Vec<_> = (0..random.below(4)).map(|_| operand(&mut random, &members)).collect();
        let limit = Some(u32::try_from(1 + random.below(25)).unwrap());
        let request = Search { query: query(operator, &operands), limit, ..everybody(&names) };
        let found: Vec<_> =
            walk(&clients, request).await.into_iter().map(|member| member.member_id).collect();
        let expected = expected(&members, &organizations, operator, &operands);
        assert_eq!(found, expected, "seed {seed}, search {number}: {names:?} {operator:?} {operands:?}");
        found_any += usize::from(!found.is_empty());
    }
    assert!(found_any > SEARCHES / 3, "most searches would find nothing: {found_any}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_searches_find_what_the_oracle_finds_on_postgres() {
    for seed in [1, 2] {
        random_searches_find_what_the_oracle_finds(Setup::postgres().await, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_searches_find_what_the_oracle_finds_on_the_embedded_default() {
    for seed in [3, 4] {
        random_searches_find_what_the_oracle_finds(Setup::embedded(), seed).await;
    }
}
