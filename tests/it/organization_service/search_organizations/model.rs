//! Random searches of random organizations, beside a plain filter.

use serde_json::{Value as Json, json};
use vestibule::pb;

use super::{AND, OR, later, query, walked};
use crate::harness::fixtures::organization;
use crate::harness::members::{member_update, new_member};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(random_searches_find_what_a_plain_filter_does);

/// How many searches are made.
const SEARCHES: usize = 150;

/// Parts of names, which overlap in many ways.
const PARTS: [&str; 8] = ["abc", "ABC", "bca", "a_b", "a%b", "b\\c", "cab ", "äbc"];

/// Parts of slugs.
const SLUGS: [&str; 6] = ["abc", "ABC", "bca", "a_b", "a~b", "c.a"];

/// Domains that are allowed and that members are on.
const DOMAINS: [&str; 5] = ["abc.com", "bca.com", "xabc.org", "mail.abc.com", "a-b-c.dev"];

/// Domains that are claimed; nobody is on them.
const CLAIMED: [&str; 4] = ["claimed-0.dev", "claimed-1.dev", "claimed-2.dev", "claimed-3.dev"];

const LOCAL_PARTS: [&str; 6] = ["abc", "bca", "a_b", "a%b", "axb", "cab+abc"];

/// Numbers that look random and are the same in every run (Marsaglia's xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// Up to so many, none twice.
    fn some(&mut self, of: &[&str], most: usize) -> Vec<String> {
        let mut some = Vec::new();
        for _ in 0..self.below(most + 1) {
            let one = self.one(of).to_owned();
            if !some.contains(&one) {
                some.push(one);
            }
        }
        some
    }
}

/// An organization and the addresses of its members.
struct Row {
    organization: pb::Organization,
    addresses: Vec<String>,
}

/// Makes an organization with members, some of whom are deleted or have other addresses by now.
async fn row(t: &Harness, dice: &mut Dice, number: usize) -> Row {
    let request = pb::CreateOrganizationRequest {
        organization_slug: Some(format!("{}-{}{number}", dice.one(&SLUGS), dice.one(&SLUGS))),
        organization_external_id: (dice.below(2) == 0)
            .then(|| format!("{}|{number}", dice.one(&["Erp", "erp"]))),
        email_allowed_domains: dice.some(&DOMAINS, 3),
        claimed_email_domains: CLAIMED
            .get(number / 3)
            .filter(|_| number.is_multiple_of(3))
            .map(|domain| (*domain).to_owned())
            .into_iter()
            .collect(),
        ..organization(&format!("{}{}{}", dice.one(&PARTS), dice.one(&PARTS), dice.one(&PARTS)))
    };
    let organization = later(t, request).await;
    let id = &organization.organization_id;
    let mut addresses = Vec::new();
    for _ in 0..dice.below(4) {
        let address = format!("{}@{}", dice.one(&LOCAL_PARTS), dice.one(&DOMAINS));
        if addresses.contains(&address) {
            continue;
        }
        let member = t.clients().create_member(new_member(id, &address)).await;
        // Somebody had the address before.
        let Ok(member) = member else { continue };
        let member_id = member.into_inner().member_id;
        match dice.below(4) {
            0 => {
                let deletion = pb::DeleteMemberRequest {
                    organization_id: id.clone(),
                    member_id,
                    ..pb::DeleteMemberRequest::default()
                };
                t.clients().delete_member(deletion).await.unwrap();
            }
            1 => {
                let address = format!("moved-{}@{}", addresses.len(), dice.one(&DOMAINS));
                let moving = pb::UpdateMemberRequest {
                    email_address: Some(address.clone()),
                    ..member_update(id, &member_id)
                };
                t.clients().update_member(moving).await.unwrap();
                addresses.push(address);
            }
            _ => addresses.push(address),
        }
    }
    Row { organization, addresses }
}

/// A filter with a value that has a chance to find something.
fn filter(dice: &mut Dice, rows: &[Row]) -> (&'static str, Json) {
    let list = |dice: &mut Dice, of: &mut dyn FnMut(&mut Dice) -> String| {
        let count = dice.below(4) + 1;
        json!((0..count).map(|_| of(dice)).collect::<Vec<_>>())
    };
    let part = |dice: &mut Dice, text: String| {
        let characters: Vec<_> = text.chars().collect();
        let start = dice.below(characters.len().saturating_sub(2).max(1));
        let end = characters.len().min(start + 3 + dice.below(4));
        json!(characters[start..end].iter().collect::<String>())
    };
    let address = |dice: &mut Dice| format!("{}@{}", dice.one(&LOCAL_PARTS), dice.one(&DOMAINS));
    match dice.below(11) {
        0 => (
            "organization_ids",
            list(dice, &mut |dice| {
                let organization = &rows[dice.below(rows.len())].organization;
                match dice.below(5) {
                    0 => organization.organization_slug.to_uppercase(),
                    1 => organization.organization_external_id.clone().unwrap_or_else(|| "absent".to_owned()),
                    2 => organization
                        .organization_external_id
                        .as_ref()
                        .map_or("absent".to_owned(), |id| id.to_uppercase()),
                    3 => "absent".to_owned(),
                    _ => organization.organization_id.clone(),
                }
            }),
        ),
        1 => (
            "organization_slugs",
            list(dice, &mut |dice| {
                let organization = &rows[dice.below(rows.len())].organization;
                if dice.below(4) == 0 {
                    "absent".to_owned()
                } else {
                    organization.organization_slug.to_lowercase()
                }
            }),
        ),
        2 => ("member_emails", list(dice, &mut |dice| address(dice))),
        3 => ("allowed_domains", list(dice, &mut |dice| dice.one(&DOMAINS).to_owned())),
        4 => ("claimed_email_domains", list(dice, &mut |dice| dice.one(&CLAIMED).to_owned())),
        5 => {
            let slug = format!("{}-{}", dice.one(&SLUGS), dice.one(&SLUGS));
            ("organization_slug_fuzzy", part(dice, slug))
        }
        6 => {
            let name = format!("{}{}", dice.one(&PARTS), dice.one(&PARTS));
            ("organization_name_fuzzy", part(dice, name))
        }
        7 => {
            let address = address(dice);
            ("member_email_fuzzy", part(dice, address))
        }
        8 => {
            let domain = dice.one(&DOMAINS).to_owned();
            ("allowed_domain_fuzzy", part(dice, domain))
        }
        9 => ("has_active_sso_connection", json!(dice.below(2) == 0)),
        _ => ("sso_connection_id", json!("saml-connection")),
    }
}

/// Whether a filter finds an organization, by the contract.
fn matches(row: &Row, (name, value): &(&str, Json)) -> bool {
    let listed = |text: &str| value.as_array().unwrap().iter().any(|value| value == text);
    let listed_in_any_case = |text: &str| {
        value.as_array().unwrap().iter().any(|value| value.as_str().unwrap().eq_ignore_ascii_case(text))
    };
    let within =
        |text: &str| text.to_ascii_lowercase().contains(&value.as_str().unwrap().to_ascii_lowercase());
    let organization = &row.organization;
    match *name {
        "organization_ids" => {
            listed(&organization.organization_id)
                || listed_in_any_case(&organization.organization_slug)
                || organization.organization_external_id.as_deref().is_some_and(listed)
        }
        "organization_slugs" => listed_in_any_case(&organization.organization_slug),
        "member_emails" => row.addresses.iter().any(|address| listed(address)),
        "allowed_domains" => organization.email_allowed_domains.iter().any(|domain| listed(domain)),
        "claimed_email_domains" => organization.claimed_email_domains.iter().any(|domain| listed(domain)),
        "organization_slug_fuzzy" => within(&organization.organization_slug),
        "organization_name_fuzzy" => within(&organization.organization_name),
        "member_email_fuzzy" => row.addresses.iter().any(|address| within(address)),
        "allowed_domain_fuzzy" => organization.email_allowed_domains.iter().any(|domain| within(domain)),
        "has_active_sso_connection" => value == &json!(false),
        "sso_connection_id" => false,
        other => panic!("{other}"),
    }
}

async fn random_searches_find_what_a_plain_filter_does(t: Harness) {
    let mut dice = Dice(0x5eed_cafe);
    let mut rows = Vec::new();
    for number in 0..12 {
        rows.insert(0, row(&t, &mut dice, number).await);
    }
    for _ in 0..2 {
        let gone = rows.remove(dice.below(rows.len()));
        let deletion =
            pb::DeleteOrganizationRequest { organization_id: gone.organization.organization_id, etag: None };
        t.clients().delete_organization(deletion).await.unwrap();
    }
    let mut sizes = Vec::new();
    for search in 0..SEARCHES {
        let operator = if dice.below(2) == 0 { AND } else { OR };
        let filters: Vec<_> = (0..dice.below(4)).map(|_| filter(&mut dice, &rows)).collect();
        let expected: Vec<_> = rows
            .iter()
            .filter(|row| {
                let mut verdicts = filters.iter().map(|filter| matches(row, filter));
                // No filters at all find everything, whatever combines them.
                if operator == AND || filters.is_empty() {
                    verdicts.all(|yes| yes)
                } else {
                    verdicts.any(|yes| yes)
                }
            })
            .map(|row| row.organization.clone())
            .collect();
        let limit = u32::try_from(dice.below(5) + 1).unwrap();
        let found = walked(&t, query(operator, &filters), limit).await;
        assert_eq!(found, expected, "search {search}: {operator:?} {filters:?} by {limit}");
        sizes.push(expected.len());
    }
    for size in [0, 1, 2, 5, 10] {
        assert!(sizes.contains(&size), "the searches are no test: {sizes:?}");
    }
}
