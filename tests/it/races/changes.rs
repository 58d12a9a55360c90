//! Changes of organizations and members at once: each call ends in a way that its documentation has, and
//! what stands afterwards fits together.

use std::collections::HashSet;
use std::fmt::Debug;

use tonic::{Code, Response, Status};
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::creation;
use crate::harness::members::{invitation, member_update, new_member, organization_update, query};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    one_of_two_updates_claims_a_domain,
    nothing_is_left_of_an_organization_that_goes,
    an_address_is_one_member,
    a_claim_keeps_people_out_from_then_on,
    two_organizations_swap_slugs_or_do_not,
);

/// How often calls meet each other.
pub(super) const ROUNDS: usize = 10;

pub(super) type Expected<'a> = &'a [(Code, &'a str)];

pub(super) const CONCURRENT: (Code, &str) = (Code::Aborted, "CONCURRENT_REQUEST");

/// The answer; `None` when the call was refused in one of these ways.
#[track_caller]
pub(super) fn ended<T: Debug>(answer: Result<Response<T>, Status>, expected: Expected<'_>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer.into_inner()),
        Err(status) => {
            let refusal = Refusal::of(&status);
            let found = (refusal.code, refusal.reason.as_str());
            assert!(expected.contains(&found), "an answer that is not expected: {refusal:?}");
            None
        }
    }
}

pub(super) fn claiming(organization_id: &str, domain: &str) -> pb::UpdateOrganizationRequest {
    pb::UpdateOrganizationRequest {
        claimed_email_domains: vec![domain.to_owned()],
        ..organization_update(organization_id)
    }
}

async fn one_of_two_updates_claims_a_domain(t: Harness) {
    let clients = t.clients();
    for round in 0..ROUNDS {
        let one = clients.organization("One").await.organization_id;
        let two = clients.organization("Two").await.organization_id;
        let domain = format!("claimed-{round}.com");
        let answers = tokio::join!(
            clients.update_organization(claiming(&one, &domain)),
            clients.update_organization(claiming(&two, &domain)),
        );
        let taken = [(Code::AlreadyExists, "ORGANIZATION_SETTINGS_DUPLICATE_CLAIMED_DOMAIN")];
        let won = [ended(answers.0, &taken), ended(answers.1, &taken)].map(|answer| answer.is_some());
        assert!(won[0] != won[1], "one of both: {won:?}");
        for (id, won) in [one, two].into_iter().zip(won) {
            let stands = clients.get(&id).await.unwrap().into_inner().organization.unwrap();
            assert_eq!(stands.claimed_email_domains.len(), usize::from(won));
        }
    }
}

async fn nothing_is_left_of_an_organization_that_goes(t: Harness) {
    let clients = t.clients();
    let gone = [CONCURRENT, (Code::NotFound, "ORGANIZATION_NOT_FOUND")];
    for _ in 0..ROUNDS {
        let organization = clients.organization("Acme").await;
        let id = organization.organization_id.as_str();
        let ada = clients.member(id, "ada@acme.com").await;
        let naming = pb::UpdateOrganizationRequest {
            organization_slug: Some("acme-renamed".to_owned()),
            ..claiming(id, "acme.com")
        };
        let changing = pb::UpdateMemberRequest {
            email_address: Some("ada@other.com".to_owned()),
            ..member_update(id, &ada.member_id)
        };
        let going = pb::DeleteOrganizationRequest { organization_id: id.to_owned(), etag: None };
        let (deleted, updated, created, invited, changed) = tokio::join!(
            clients.delete_organization(going.clone()),
            clients.update_organization(naming),
            clients.create_member(new_member(id, "grace@acme.com")),
            clients.invite_member(invitation(id, "alan@acme.com")),
            clients.update_member(changing),
        );
        if ended(deleted, &[CONCURRENT]).is_none() {
            clients.delete_organization(going).await.unwrap();
        }
        ended(updated, &gone);
        let members = [
            ended(created, &gone).map(|created| created.member_id),
            ended(invited, &gone).map(|invited| invited.member_id),
            ended(changed, &gone).map(|changed| changed.member_id),
        ];
        for name in [id, &organization.organization_slug, "acme-renamed"] {
            refused(clients.get(name).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        }
        for member_id in members.into_iter().flatten() {
            let request = pb::GetMemberRequest {
                organization_id: id.to_owned(),
                member_id: Some(member_id),
                email_address: None,
            };
            refused(clients.get_member(request).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        }
        assert_eq!(found(&clients, "acme.com").await, [""; 0]);
        assert_eq!(t.count("organization_domains").await, 0);
        assert_eq!(t.count("organization_names").await, 0);
    }
}

/// The organizations that are found by a claimed domain, or by an address on it.
async fn found(clients: &Clients, domain: &str) -> Vec<String> {
    let operands = [
        ("claimed_email_domains", serde_json::json!([domain])),
        ("member_email_fuzzy", serde_json::json!(format!("@{domain}"))),
    ];
    let request = pb::SearchOrganizationsRequest {
        query: query(pb::SearchOperator::Or, &operands),
        ..pb::SearchOrganizationsRequest::default()
    };
    let found = clients.search_organizations(request).await.unwrap().into_inner().organizations;
    found.into_iter().map(|organization| organization.organization_id).collect()
}

async fn an_address_is_one_member(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    for round in 0..ROUNDS {
        let address = format!("person-{round}@acme.com");
        let batch = pb::BatchCreateMembersRequest {
            organization_id: id.clone(),
            members: vec![pb::NewMember { email_address: address.clone(), ..pb::NewMember::default() }],
        };
        let (created, pending, invited, again, several) = tokio::join!(
            clients.create_member(new_member(&id, &address)),
            clients.create_member(pb::CreateMemberRequest {
                create_member_as_pending: true,
                ..new_member(&id, &address)
            }),
            clients.invite_member(invitation(&id, &address)),
            clients.invite_member(invitation(&id, &address)),
            clients.batch_create_members(batch),
        );
        let taken = [CONCURRENT, (Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL")];
        let invitations = [CONCURRENT, (Code::AlreadyExists, "USER_ALREADY_INVITED")];
        let creations = [
            ended(created, &taken).map(|answer| answer.member_id),
            ended(pending, &taken).map(|answer| answer.member_id),
            ended(several, &taken).map(|answer| answer.members[0].member_id.clone()),
        ];
        assert!(creations.iter().flatten().count() <= 1, "{creations:?}");
        let invitations =
            [invited, again].map(|invited| ended(invited, &invitations).map(|answer| answer.member_id));
        let ids: HashSet<_> = creations.into_iter().chain(invitations).flatten().collect();
        assert_eq!(ids.len(), 1, "one member, whoever made it: {ids:?}");
        assert_eq!(t.count(&format!("member_email_addresses WHERE email_address = '{address}'")).await, 1);
    }
    assert_eq!(t.count("members").await, i64::try_from(ROUNDS).unwrap());
}

async fn a_claim_keeps_people_out_from_then_on(t: Harness) {
    let clients = t.clients();
    let claimed = [(Code::FailedPrecondition, "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED")];
    let mut founded = 0;
    for round in 0..ROUNDS {
        let id = clients.organization("Claiming").await.organization_id;
        let domain = format!("company-{round}.com");
        let tokens =
            [clients.token(&format!("ada@{domain}")).await, clients.token(&format!("grace@{domain}")).await];
        let (claim, spent) = tokio::join!(
            clients.update_organization(claiming(&id, &domain)),
            clients.spend(creation(&tokens[0])),
        );
        claim.unwrap();
        founded += i64::from(ended(spent, &claimed).is_some());
        refused(clients.spend(creation(&tokens[1])).await, claimed[0].0, claimed[0].1);
    }
    assert_eq!(t.count("members").await, founded, "a refused call has left nothing");
}

async fn two_organizations_swap_slugs_or_do_not(t: Harness) {
    let clients = t.clients();
    let mut ids = Vec::new();
    for slug in ["left", "right"] {
        let request = pb::CreateOrganizationRequest {
            organization_slug: Some(slug.to_owned()),
            ..crate::harness::fixtures::organization("Acme")
        };
        ids.push(clients.create(request).await.unwrap().into_inner().organization.unwrap().organization_id);
    }
    let naming = |id: &str, slug: &str| pb::UpdateOrganizationRequest {
        organization_slug: Some(slug.to_owned()),
        ..organization_update(id)
    };
    for _ in 0..ROUNDS / 2 {
        let answers = tokio::join!(
            clients.update_organization(naming(&ids[0], "right")),
            clients.update_organization(naming(&ids[1], "left")),
        );
        // The two may wait for each other, and then one is told to come again.
        let refusals = [CONCURRENT, (Code::AlreadyExists, "ORGANIZATION_SLUG_ALREADY_USED")];
        for answer in [answers.0, answers.1] {
            assert!(ended(answer, &refusals).is_none(), "neither slug was free at any moment");
        }
        for (id, slug) in ids.iter().zip(["left", "right"]) {
            let found = clients.get(slug).await.unwrap().into_inner().organization.unwrap();
            assert_eq!((&found.organization_id, found.organization_slug.as_str()), (id, slug));
        }
        assert_eq!(t.count("organization_names").await, 2);
    }
}
