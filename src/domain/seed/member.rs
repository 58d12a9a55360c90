//! Members.

use time::OffsetDateTime;

use super::super::email_address::EmailAddress;
use super::super::json::JsonObject;
use super::super::member::{ADMIN_ROLE, Member, MemberStatus, OauthRegistration, RetiredEmailAddress};
use super::super::organization_settings::MfaMethod;
use super::super::phone_number::PhoneNumber;
use super::super::slug::ExternalId;
use super::organization::{Profile, metadata, version};
use super::random::{Random, Topic};
use super::words::{FAMILY, GIVEN, Spelt};
use super::{Plan, Refused, later};

/// How many members there are to one who belongs to another organization first.
const GUEST_INTERVAL: u64 = 200;

/// Only the founders of the first of so many organizations are guests elsewhere, so that some are in
/// several.
const HOSTS: u64 = 4;

/// The steps from the name of one member to that of the next. A prime, so that it divides no number
/// of names, and no name comes twice before each has come once.
const STRIDE: u64 = 1_709;

/// Numbers that belong to nobody: 555-0100 to 555-0199 in each of the area codes from 200 to 999.
const PHONE_NUMBERS: u64 = 80_000;

/// How many members there are to one with a phone number.
const PHONE_INTERVAL: u64 = 8;

/// The languages that people chose.
const LOCALES: &[&str] = &["en", "de", "fr", "es", "ja", "pt"];

/// A name, and how addresses spell it.
struct Person {
    name: String,
    local_part: String,
}

/// Makes a member. Like [`Profile::organization`], the only place that does.
pub(super) fn make(plan: Plan, home: &Profile, number: u64) -> Result<Member, Refused> {
    let mut random = Random::new(plan.seed, Topic::Member, home.number, number);
    let created_at = later(home.created_at, number, plan.members);
    let version = version(&mut random);
    let changed = if version > 1 { random.below(1_000) } else { 0 };
    let status = status(&mut random, number);
    let active = status == MemberStatus::Active;
    let host = host(plan, home, number)?;
    let person = host.as_ref().map_or_else(|| person(home, number), |host| person(host, 0))?;
    let private = host.is_none() && !home.claims && number > 0 && random.percent(6);
    let address = if private {
        format!("{}.{}@gmail.com", person.local_part, home.number)
    } else {
        format!("{}@{}", person.local_part, host.as_ref().unwrap_or(home).domain)
    };
    let retired = (active && number > 0 && random.percent(2))
        .then(|| {
            Ok(RetiredEmailAddress {
                email_id: random.id(created_at),
                email_address: parse(&format!("former.{}.{number}@{}", person.local_part, home.domain))?,
            })
        })
        .transpose()?;
    let external_id = random
        .percent(15)
        .then(|| {
            ExternalId::parse_for_member(&format!("emp-{number:06}")).map_err(|_| Refused("external id"))
        })
        .transpose()?;
    let mfa_phone_number = if active { phone_number(home, number)? } else { None };
    let is_admin = active && (number == 0 || random.percent(3));
    Ok(Member {
        id: random.id(created_at),
        organization_id: home.id,
        email_id: random.id(created_at),
        email_address: parse(&address)?,
        email_address_verified: matches!(status, MemberStatus::Active | MemberStatus::Deleted),
        status,
        name: if active || random.percent(50) { person.name } else { String::new() },
        external_id,
        retired_email_addresses: retired.into_iter().collect(),
        is_breakglass: false,
        assigned_roles: is_admin.then(|| ADMIN_ROLE.to_owned()).into_iter().collect(),
        mfa_enrolled: mfa_phone_number.is_some(),
        mfa_phone_number_verified: mfa_phone_number.is_some(),
        default_mfa_method: mfa_phone_number.is_some().then_some(MfaMethod::SmsOtp),
        mfa_phone_number,
        oauth_registrations: registrations(&mut random, active, created_at),
        trusted_metadata: JsonObject::new(),
        untrusted_metadata: metadata(&mut random, "locale", LOCALES),
        created_at,
        updated_at: later(created_at, changed, 1_000),
        version,
    })
}

/// The founder is active, whatever the others are.
fn status(random: &mut Random, number: u64) -> MemberStatus {
    match random.below(100) {
        _ if number == 0 => MemberStatus::Active,
        0..10 => MemberStatus::Invited,
        10..15 => MemberStatus::Pending,
        15..18 => MemberStatus::Deleted,
        _ => MemberStatus::Active,
    }
}

/// The organization that a guest comes from: the guest is its founder. None: the member is no guest.
///
/// No host comes twice in an organization, and nobody whose domain is claimed is a guest or has any.
fn host(plan: Plan, home: &Profile, number: u64) -> Result<Option<Profile>, Refused> {
    let mut random = Random::new(plan.seed, Topic::Guests, home.number, 0);
    let (turn, position) = (number / GUEST_INTERVAL, number % GUEST_INTERVAL);
    let hosts = plan.organizations.div_ceil(HOSTS);
    if number == 0 || home.claims || position != random.below(GUEST_INTERVAL) || turn >= hosts {
        return Ok(None);
    }
    let host = (random.below(hosts) + turn) % hosts;
    if host == home.number {
        return Ok(None);
    }
    Ok(Some(Profile::of(plan, host)?).filter(|host| !host.claims))
}

/// The founder of a guest's organization is a person there, too: what they are called depends on the
/// organization and the number alone.
fn person(home: &Profile, number: u64) -> Result<Person, Refused> {
    let count = |list: &[Spelt]| u64::try_from(list.len()).unwrap_or(0);
    let names = count(GIVEN) * count(FAMILY);
    let mut random = Random::new(home.plan.seed, Topic::People, home.number, 0);
    let step = (random.below(names) + number * STRIDE) % names;
    let spelt = |list: &'static [Spelt], position: u64| {
        list.get(usize::try_from(position).unwrap_or(usize::MAX)).ok_or(Refused("name"))
    };
    let given = spelt(GIVEN, step % count(GIVEN))?;
    let family = spelt(FAMILY, step / count(GIVEN))?;
    // Namesakes get a number.
    let round = match number / names {
        0 => String::new(),
        round => (round + 1).to_string(),
    };
    Ok(Person {
        name: format!("{} {}", given.0, family.0),
        local_part: format!("{}.{}{round}", given.1, family.1),
    })
}

/// None for members who have none, and once the numbers are used up.
fn phone_number(home: &Profile, number: u64) -> Result<Option<PhoneNumber>, Refused> {
    let interval = if home.mfa { 1 } else { PHONE_INTERVAL };
    let position = number / interval;
    if !number.is_multiple_of(interval) || position >= PHONE_NUMBERS {
        return Ok(None);
    }
    let mut random = Random::new(home.plan.seed, Topic::PhoneNumbers, home.number, 0);
    let line = (random.below(PHONE_NUMBERS) + position) % PHONE_NUMBERS;
    let text = format!("+1{}55501{:02}", 200 + line / 100, line % 100);
    PhoneNumber::parse(&text).map(Some).map_err(|_| Refused("phone number"))
}

fn registrations(random: &mut Random, active: bool, at: OffsetDateTime) -> Vec<OauthRegistration> {
    if !active || !random.percent(10) {
        return Vec::new();
    }
    let provider_subject = format!("1{:020}", random.below(u64::MAX));
    vec![OauthRegistration { id: random.id(at), provider_type: "Google".to_owned(), provider_subject }]
}

fn parse(address: &str) -> Result<EmailAddress, Refused> {
    EmailAddress::parse(address).map_err(|_| Refused("address"))
}
