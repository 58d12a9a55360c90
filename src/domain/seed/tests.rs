use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::super::email_address::EmailAddress;
use super::super::email_domain::{CommonDomains, EmailDomain};
use super::super::member::{ADMIN_ROLE, MemberStatus};
use super::super::organization::check_name;
use super::super::slug::{ExternalId, Slug};
use super::random::{Random, Topic};
use super::words::{FAMILY, GIVEN};
use super::*;

fn plan(organizations: u64, members: u64, seed: u64) -> Plan {
    Plan { organizations, members, seed }
}

/// The rows of a plan: each organization with its members.
fn made(plan: Plan) -> Vec<(Organization, Vec<Member>)> {
    let mut made: Vec<(Organization, Vec<Member>)> = Vec::new();
    for row in plan.rows() {
        match row.unwrap() {
            Seeded::Organization(organization) => made.push((*organization, Vec::new())),
            Seeded::Member(member) => made.last_mut().unwrap().1.push(*member),
        }
    }
    made
}

/// Asserts that nothing comes twice.
fn unique<T: std::hash::Hash + Eq + std::fmt::Debug>(what: &str, values: impl IntoIterator<Item = T>) {
    let mut seen = HashSet::new();
    for value in values {
        assert!(!seen.contains(&value), "{what} comes twice: {value:?}");
        seen.insert(value);
    }
}

fn judge_domain(domain: &EmailDomain) {
    assert_eq!(EmailDomain::parse(domain.as_str()).as_ref(), Ok(domain));
    assert!(!domain.is_public_suffix() && !domain.is_disposable(), "{domain}");
    assert!(!CommonDomains::default().contains(domain), "{domain}");
}

fn judge_organization(organization: &Organization) {
    check_name(&organization.name).unwrap();
    assert_eq!(Slug::parse(organization.slug.as_str()).as_ref(), Ok(&organization.slug));
    if let Some(external_id) = &organization.external_id {
        assert_eq!(ExternalId::parse_for_organization(external_id.as_str()).as_ref(), Ok(external_id));
    }
    let settings = &organization.settings;
    settings.email_allowed_domains.iter().chain(&settings.claimed_email_domains).for_each(judge_domain);
    assert!(BEGINNING <= organization.created_at && organization.created_at <= organization.updated_at);
    assert!(organization.updated_at <= END);
    assert!(organization.version > 1 || organization.created_at == organization.updated_at);
}

fn judge_members(organization: &Organization, members: &[Member]) {
    unique("an address", members.iter().flat_map(addresses));
    unique("a phone number", members.iter().filter_map(|member| member.mfa_phone_number.as_ref()));
    unique("an external id", members.iter().filter_map(|member| member.external_id.as_ref()));
    for (number, member) in members.iter().enumerate() {
        assert_eq!(member.organization_id, organization.id);
        for address in addresses(member) {
            assert_eq!(EmailAddress::parse(address.as_str()).as_ref(), Ok(address));
        }
        if let Some(number) = &member.mfa_phone_number {
            let digits = number.as_str().strip_prefix("+1").unwrap();
            assert!(digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
            assert!(member.mfa_enrolled);
        }
        assert!(organization.created_at <= member.created_at && member.created_at <= member.updated_at);
        assert!(member.updated_at <= END);
        let admin = member.assigned_roles == [ADMIN_ROLE];
        assert!(admin || member.assigned_roles.is_empty());
        let active = member.status == MemberStatus::Active;
        let plain = member.retired_email_addresses.is_empty() && member.mfa_phone_number.is_none();
        assert!(active || (!admin && plain));
        if number == 0 {
            assert!(admin && active && member.email_address_verified);
        }
    }
}

fn addresses(member: &Member) -> impl Iterator<Item = &EmailAddress> {
    let retired = member.retired_email_addresses.iter().map(|retired| &retired.email_address);
    std::iter::once(&member.email_address).chain(retired)
}

fn judge(made: &[(Organization, Vec<Member>)]) {
    let organizations = || made.iter().map(|(organization, _)| organization);
    for (organization, members) in made {
        judge_organization(organization);
        judge_members(organization, members);
    }
    unique(
        "a name",
        organizations().flat_map(|organization| {
            let slug = organization.slug.key();
            let external_id = organization.external_id.as_ref().map(ExternalId::key);
            let external_id = external_id.filter(|key| *key != slug);
            std::iter::once(slug).chain(external_id)
        }),
    );
    unique("a claim", organizations().flat_map(|organization| &organization.settings.claimed_email_domains));
    let ids: Vec<_> = organizations().map(|organization| organization.id.uuid()).collect();
    assert!(ids.is_sorted_by(|one, other| one < other), "later organizations have later ids");
    let members = || made.iter().flat_map(|(_, members)| members);
    let email_ids = members().flat_map(|member| {
        let retired = member.retired_email_addresses.iter().map(|retired| retired.email_id.uuid());
        std::iter::once(member.email_id.uuid()).chain(retired)
    });
    unique("an id", members().map(|member| member.id.uuid()).chain(email_ids).chain(ids.clone()));
    let claimed: HashMap<_, _> = organizations()
        .flat_map(|organization| {
            organization.settings.claimed_email_domains.iter().map(|domain| (domain, organization.id))
        })
        .collect();
    for member in members() {
        if let Some(owner) = claimed.get(member.email_address.domain()) {
            assert_eq!(*owner, member.organization_id, "a claimed domain elsewhere");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_plan_every_row_keeps_the_rules(
        organizations in 0_u64..40, members in 0_u64..40, seed: u64,
    ) {
        let plan = plan(organizations, members, seed);
        let made = made(plan);
        prop_assert_eq!(made.len() as u64, organizations);
        prop_assert!(made.iter().all(|(_, of)| of.len() as u64 == members));
        judge(&made);
        prop_assert!(plan.rows().eq(plan.rows()), "the same plan gives the same rows");
    }
}

#[test]
fn large_organizations_keep_the_rules() {
    // More members than there are names, and more guests than organizations.
    judge(&made(plan(20, 6_000, 1)));
}

#[test]
fn another_seed_gives_other_rows() {
    let (one, other) = (made(plan(20, 2, 1)), made(plan(20, 2, 2)));
    for (one, other) in one.iter().zip(&other) {
        assert_ne!(one.0.id, other.0.id);
    }
    assert!(one.iter().zip(&other).any(|(one, other)| one.0.name != other.0.name));
}

/// What was measured on a seeded database is compared with later measurements.
#[test]
fn rows_are_the_same_in_every_version() {
    let made = made(plan(2, 1, 0));
    let (seeded, members) = &made[1];
    assert_eq!(seeded.id.uuid().to_string(), "01941c96-4e00-738c-9052-6dabcc4f82f3");
    assert_eq!(members[0].id.uuid().to_string(), "01941c96-4e00-79f3-9d16-5a16b8cf57b2");
    assert_eq!(members[0].email_address.as_str(), "gino.petrov@meridian-consulting-1.example");
}

#[test]
fn shares_are_about_what_they_should_be() {
    let made = made(plan(2_000, 10, 3));
    let of_organizations = |wanted: fn(&Organization) -> bool| {
        made.iter().filter(|(seeded, _)| wanted(seeded)).count() * 100 / made.len()
    };
    assert!((26..=34).contains(&of_organizations(|of| !of.settings.email_allowed_domains.is_empty())));
    assert!((3..=7).contains(&of_organizations(|of| !of.settings.claimed_email_domains.is_empty())));
    assert!((16..=24).contains(&of_organizations(|of| of.external_id.is_some())));
    assert!((1..=5).contains(&of_organizations(|of| !of.settings.allowed_oauth_tenants.is_empty())));
    let members: Vec<_> = made.iter().flat_map(|(_, members)| members).collect();
    let of_members = |wanted: &dyn Fn(&Member) -> bool| {
        members.iter().filter(|seeded| wanted(seeded)).count() * 1_000 / members.len()
    };
    let standing = |status| of_members(&|seeded| seeded.status == status);
    assert!((75..=105).contains(&standing(MemberStatus::Invited)));
    assert!((35..=55).contains(&standing(MemberStatus::Pending)));
    assert!((18..=36).contains(&standing(MemberStatus::Deleted)));
    assert!(
        (40..=60).contains(&of_members(&|seeded| { seeded.email_address.domain().as_str() == "gmail.com" }))
    );
    let mut places: HashMap<_, usize> = HashMap::new();
    for seeded in &members {
        *places.entry(&seeded.email_address).or_default() += 1;
    }
    let several = places.values().filter(|count| **count > 1).count() * 10_000 / places.len();
    assert!((15..=60).contains(&several), "{several} of 10000 people belong to several organizations");
}

#[test]
fn one_organization_in_a_thousand_has_the_needle() {
    let found: Vec<_> = made(plan(2_500, 0, 4))
        .into_iter()
        .enumerate()
        .filter(|(_, (seeded, _))| {
            let needle = seeded.name.ends_with(NEEDLE);
            assert_eq!(needle, seeded.slug.as_str().contains("zyxwort"));
            needle
        })
        .map(|(number, _)| number)
        .collect();
    assert_eq!(found, [999, 1_999]);
}

#[test]
fn no_two_names_are_spelt_alike() {
    for list in [GIVEN, FAMILY] {
        unique("a name", list.iter().map(|(name, _)| name));
        unique("a spelling", list.iter().map(|(_, ascii)| ascii));
        assert!(list.iter().all(|(_, ascii)| ascii.bytes().all(|byte| byte.is_ascii_lowercase())));
    }
}

#[test]
fn numbers_are_spread() {
    let mut random = Random::new(7, Topic::Member, 1, 2);
    let mut counts = [0_u32; 10];
    for _ in 0..10_000 {
        counts[usize::try_from(random.below(10)).unwrap()] += 1;
    }
    assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    assert_eq!(random.below(0), 0);
}
