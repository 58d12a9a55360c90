//! The plain rules as a product: every bag at every policy with every membership.

use tonic::Code;
use vestibule::pb;

use super::answers::{Tried, enter, log_in, members};
use super::factors::totp;
use super::in_parallel;
use super::plain::{
    BAGS, Bag, Joining, MEMBERSHIPS, Membership, Outcome, POLICIES, Policy, Second, account, outcome,
};
use super::settings::Settings;
use crate::harness::clients::Clients;
use crate::harness::fixtures::magic_link;
use crate::harness::members::{invitation, member_update};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(who_gets_in_is_what_is_promised);

/// The most people of one organization. Each has a domain of their own, so that nobody is there for somebody
/// else, and an organization has at most 100 domains.
const AT_MOST: usize = 60;

/// Somebody.
#[derive(Clone, Copy, Debug)]
struct Person {
    number: usize,
    bag: Bag,
    membership: Membership,
}

/// An organization with people around it.
#[derive(Clone, Debug)]
struct Town {
    clients: Clients,
    policy: Policy,
    people: Vec<Person>,
    organization: String,
}

impl Person {
    fn domain(&self) -> String {
        format!("company{}.com", self.number)
    }

    fn address(&self) -> String {
        format!("ada@{}", self.domain())
    }

    /// The member's phone, for those who show a code to another.
    fn phone(&self) -> Option<String> {
        (self.bag.second == Some(Second::OtherPhone)).then(|| format!("+1415555{:04}", self.number))
    }

    fn as_new_member(&self) -> pb::NewMember {
        pb::NewMember {
            email_address: self.address(),
            create_member_as_pending: self.membership == Membership::Pending,
            is_breakglass: self.membership == Membership::Breakglass,
            mfa_enrolled: self.membership == Membership::Enrolled,
            mfa_phone_number: self.phone(),
            ..pb::NewMember::default()
        }
    }
}

async fn who_gets_in_is_what_is_promised(t: Harness) {
    let people = BAGS.into_iter().flat_map(|bag| MEMBERSHIPS.map(|membership| (bag, membership)));
    let people: Vec<_> =
        people.enumerate().map(|(number, (bag, membership))| Person { number, bag, membership }).collect();
    let mut towns = Vec::new();
    for policy in POLICIES {
        let mut concerned = people.clone();
        concerned.retain(|person| policy.is_about(person.membership));
        towns.extend(concerned.chunks(AT_MOST).map(|people| (policy, people.to_vec())));
    }
    let visit = |(policy, people): (Policy, Vec<Person>)| {
        let clients = t.clients();
        async move {
            let organization = clients.organization("Town").await.organization_id;
            let town = Town { clients, policy, people, organization };
            town.settle().await;
            town.try_everybody().await;
        }
    };
    in_parallel(towns, visit).await;
}

impl Town {
    /// Makes everybody what they are to the organization, and gives it its policy.
    async fn settle(&self) {
        let Self { clients, organization, people, policy } = self;
        let of = |memberships: &[Membership]| -> Vec<Person> {
            people.iter().filter(|person| memberships.contains(&person.membership)).copied().collect()
        };
        let mut memberships = MEMBERSHIPS.to_vec();
        memberships.retain(|membership| !matches!(membership, Membership::Nobody | Membership::Invited));
        let created = of(&memberships);
        let mut new: Vec<_> = created.iter().map(Person::as_new_member).collect();
        let peers: Vec<_> = match policy.joining {
            Joining::Domain { peer: true } | Joining::DomainAndTenant(_) => {
                of(&[Membership::Nobody, Membership::Deleted])
                    .iter()
                    .map(|person| format!("peer@{}", person.domain()))
                    .collect()
            }
            _ => Vec::new(),
        };
        new.extend(
            peers
                .iter()
                .map(|address| pb::NewMember { email_address: address.clone(), ..pb::NewMember::default() }),
        );
        let request = pb::BatchCreateMembersRequest { organization_id: organization.clone(), members: new };
        let members = clients.batch_create_members(request).await.unwrap().into_inner().members;
        for person in of(&[Membership::Invited]) {
            let invited = clients.invite_member(invitation(organization, &person.address())).await.unwrap();
            let update = pb::UpdateMemberRequest {
                mfa_phone_number: person.phone(),
                ..member_update(organization, &invited.into_inner().member_id)
            };
            clients.update_member(update).await.unwrap();
        }
        for address in &peers {
            log_in(clients, address, vec![magic_link()], organization).await;
        }
        for (person, member) in created.iter().zip(members) {
            if person.membership.has_logged_in() {
                let registered = person.bag.registered.then(|| account(person.number));
                let factors = [magic_link(), totp()].into_iter().chain(registered).collect();
                log_in(clients, &person.address(), factors, organization).await;
            }
            self.part_with(person, member).await;
        }
        clients.update_organization(self.settings().update(organization)).await.unwrap();
    }

    /// Ends the membership of those who were members once.
    async fn part_with(&self, person: &Person, member: pb::Member) {
        let Self { clients, organization, .. } = self;
        if person.membership == Membership::Deleted {
            let request = pb::DeleteMemberRequest {
                organization_id: organization.clone(),
                member_id: member.member_id,
                ..pb::DeleteMemberRequest::default()
            };
            clients.delete_member(request).await.unwrap();
        } else if person.membership == Membership::Retired {
            let request = pb::UpdateMemberRequest {
                email_address: Some(format!("ada{}@moved.com", person.number)),
                ..member_update(organization, &member.member_id)
            };
            clients.update_member(request).await.unwrap();
        }
    }

    fn settings(&self) -> Settings {
        let Policy { methods, mfa, mfa_methods, joining } = self.policy;
        let settings = Settings { methods: methods.to_vec(), mfa, mfa_methods, ..Settings::default() };
        let domains = || self.people.iter().map(Person::domain).collect();
        match joining {
            Joining::Off => settings,
            Joining::Domain { .. } => Settings { domains: domains(), by_domain: true, ..settings },
            Joining::OtherDomain => {
                Settings { domains: vec!["other.com".to_owned()], by_domain: true, ..settings }
            }
            Joining::Tenant(tenants) => Settings { tenants, ..settings },
            Joining::DomainAndTenant(tenants) => {
                Settings { domains: domains(), by_domain: true, tenants, ..settings }
            }
        }
    }

    async fn try_everybody(&self) {
        let Self { clients, organization, policy, people } = self;
        let before = members(clients, organization).await.len();
        let mut joined = 0;
        for person in people {
            let token = clients.token_with(&person.address(), person.bag.factors(person.number)).await;
            let tried = enter(clients, &token, organization).await;
            let expected = outcome(person.bag, *policy, person.membership);
            let is_member = tried.as_ref().is_ok_and(|answer| answer.member.is_some());
            joined += usize::from(is_member && person.membership == Membership::Nobody);
            assert_eq!(seen(&tried), expected, "{person:?} {policy:?}");
            let kept = tried.map_or(token.clone(), |answer| answer.token);
            let is_in = matches!(expected, Outcome::In { .. });
            assert_eq!(kept, if is_in { String::new() } else { token }, "{person:?} {policy:?}");
        }
        assert_eq!(members(clients, organization).await.len(), before + joined, "{policy:?}");
    }
}

/// What came of it.
fn seen(tried: &Tried) -> Outcome {
    match tried {
        Err((code, reason)) => {
            assert_eq!(*code, Code::FailedPrecondition, "{reason}");
            Outcome::Refused(reason.clone())
        }
        Ok(answer) if answer.owed.nothing() => {
            Outcome::In { verified: answer.member().email_address_verified }
        }
        Ok(answer) => Outcome::Owes { owed: answer.owed.clone(), member: answer.member.is_some() },
    }
}
