//! People enter organizations while these, and the members they are, change. A change that was answered
//! holds for everybody who comes later; who came at the same time fits in before it or after it.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tonic::Code;
use vestibule::pb;

use super::changes::{CONCURRENT, Expected, ROUNDS, claiming, ended};
use super::{Creation, together};
use crate::faults::Running;
use crate::faults::hold::{Hold, Moment, blocked, held};
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, oauth};
use crate::harness::json::object;
use crate::harness::logins::{by_token, exchange};
use crate::harness::members::{invitation, member_update, new_member, organization_update};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    two_tokens_of_one_person_join_by_domain,
    two_tokens_of_one_person_join_by_tenant,
    a_person_joins_and_is_invited_and_created,
    a_member_enters_and_is_deleted,
    a_deleted_person_joins_and_is_reactivated,
    an_organization_is_entered_and_deleted,
    an_organization_closes_while_people_join,
    a_member_enters_and_gives_the_address_up,
);

const GONE: (Code, &str) = (Code::NotFound, "ORGANIZATION_NOT_FOUND");
const NOT_ALLOWED: (Code, &str) = (Code::FailedPrecondition, "EMAIL_JIT_PROVISIONING_NOT_ALLOWED");
const NO_SESSION: (Code, &str) = (Code::NotFound, "SESSION_NOT_FOUND");

/// An organization that lets people join by the domain acme.com and the Slack tenant T1, and its founder.
async fn open(clients: &Clients) -> (String, String) {
    let token = clients.token("ada@acme.com").await;
    let request = Creation {
        email_allowed_domains: vec!["acme.com".to_owned()],
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        email_invites: Some(pb::EmailInvites::AllAllowed.into()),
        oauth_tenant_jit_provisioning: Some(pb::OauthTenantJitProvisioning::Restricted.into()),
        allowed_oauth_tenants: Some(object(serde_json::json!({ "slack": ["T1"] }))),
        ..creation(&token)
    };
    let created = clients.spend(request).await.unwrap().into_inner();
    (created.organization.unwrap().organization_id, created.member_id)
}

/// A token of somebody who is in the Slack tenant T1, whatever their address.
async fn token_of_tenant(clients: &Clients, address: &str) -> String {
    let slack = pb::VouchedFactor {
        provider_tenant_ids: vec!["T1".to_owned()],
        provider_subject: Some(format!("subject of {address}")),
        ..oauth("oauth_slack", false)
    };
    clients.token_with(address, vec![slack]).await
}

/// Everybody with a token enters at once; those who do are one member, made once.
async fn one_member_joins(t: &Harness, organization: &str, tokens: [String; 6], round: usize) {
    let clients = t.clients();
    let calls = tokens.into_iter().map(|token| {
        let (clients, request) = (clients.clone(), exchange(&token, organization));
        async move { clients.exchange(request).await }
    });
    let entered: Vec<_> =
        together(calls).await.into_iter().filter_map(|answer| ended(answer, &[CONCURRENT])).collect();
    assert!(!entered.is_empty());
    for one in &entered {
        assert!(one.member_authenticated);
        assert_eq!(one.member_id, entered[0].member_id);
        clients.authenticate(by_token(&one.session_token)).await.unwrap();
    }
    let joined = i64::try_from(round + 1).unwrap();
    assert_eq!(t.count("members").await, 1 + joined);
    assert_eq!(t.count("events WHERE type = 'member.created'").await, 1 + joined);
    let of_member = clients.sessions_of(organization, &entered[0].member_id).await.unwrap().into_inner();
    assert_eq!(of_member.member_sessions.len(), entered.len());
}

async fn two_tokens_of_one_person_join_by_domain(t: Harness) {
    let clients = t.clients();
    let (id, _) = open(&clients).await;
    for round in 0..ROUNDS / 2 {
        let address = format!("grace-{round}@acme.com");
        let mut tokens = [const { String::new() }; 6];
        for token in &mut tokens {
            *token = clients.token(&address).await;
        }
        one_member_joins(&t, &id, tokens, round).await;
    }
}

async fn two_tokens_of_one_person_join_by_tenant(t: Harness) {
    let clients = t.clients();
    let (id, _) = open(&clients).await;
    for round in 0..ROUNDS / 2 {
        let address = format!("grace-{round}@elsewhere.com");
        let mut tokens = [const { String::new() }; 6];
        for token in &mut tokens {
            *token = token_of_tenant(&clients, &address).await;
        }
        one_member_joins(&t, &id, tokens, round).await;
    }
}

async fn a_person_joins_and_is_invited_and_created(t: Harness) {
    let clients = t.clients();
    let (id, _) = open(&clients).await;
    for round in 0..ROUNDS {
        let address = format!("grace-{round}@acme.com");
        let token = clients.token(&address).await;
        let (exchanged, invited, created) = tokio::join!(
            clients.exchange(exchange(&token, &id)),
            clients.invite_member(invitation(&id, &address)),
            clients.create_member(new_member(&id, &address)),
        );
        let exchanged = ended(exchanged, &[CONCURRENT]);
        let invited = ended(invited, &[CONCURRENT, (Code::AlreadyExists, "USER_ALREADY_INVITED")]);
        let created = ended(created, &[CONCURRENT, (Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL")]);
        let ids: std::collections::HashSet<_> = [
            exchanged.as_ref().map(|answer| answer.member_id.clone()),
            invited.map(|answer| answer.member_id),
            created.map(|answer| answer.member_id),
        ]
        .into_iter()
        .flatten()
        .collect();
        assert_eq!(ids.len(), 1, "one member, whoever made it: {ids:?}");
        assert_eq!(t.count(&format!("member_email_addresses WHERE email_address = '{address}'")).await, 1);
        if let Some(entered) = exchanged {
            let member = clients.member_by_id(&id, &entered.member_id).await.unwrap();
            assert_eq!((member.status.as_str(), member.email_address_verified), ("active", true));
            clients.authenticate(by_token(&entered.session_token)).await.unwrap();
        }
    }
}

/// No session of a member that was deleted lives, nor does it when the member comes back.
async fn a_member_enters_and_is_deleted(t: Harness) {
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    for round in 0..ROUNDS {
        let address = format!("grace-{round}@acme.com");
        let member_id = clients.member(&id, &address).await.member_id;
        let first = clients.token(&address).await;
        let mut sessions =
            vec![clients.exchange(exchange(&first, &id)).await.unwrap().into_inner().session_token];
        let token = clients.token(&address).await;
        let deletion = pb::DeleteMemberRequest {
            organization_id: id.clone(),
            member_id: member_id.clone(),
            ..pb::DeleteMemberRequest::default()
        };
        let (exchanged, deleted) =
            tokio::join!(clients.exchange(exchange(&token, &id)), clients.delete_member(deletion));
        deleted.unwrap();
        sessions.extend(ended(exchanged, &[CONCURRENT, NOT_ALLOWED]).map(|entered| entered.session_token));
        for session in &sessions {
            refused(clients.authenticate(by_token(session)).await, NO_SESSION.0, NO_SESSION.1);
        }
        assert_eq!(t.count("sessions").await, 0);
        let reactivation = pb::ReactivateMemberRequest {
            organization_id: id.clone(),
            member_id: member_id.clone(),
            ..pb::ReactivateMemberRequest::default()
        };
        clients.reactivate_member(reactivation).await.unwrap();
        for session in &sessions {
            refused(clients.authenticate(by_token(session)).await, NO_SESSION.0, NO_SESSION.1);
        }
        let listed = clients.sessions_of(&id, &member_id).await.unwrap().into_inner();
        assert!(listed.member_sessions.is_empty());
    }
}

async fn a_deleted_person_joins_and_is_reactivated(t: Harness) {
    let clients = t.clients();
    let (id, _) = open(&clients).await;
    for round in 0..ROUNDS {
        let address = format!("grace-{round}@acme.com");
        let first = clients.token(&address).await;
        let member_id = clients.exchange(exchange(&first, &id)).await.unwrap().into_inner().member_id;
        let deletion = pb::DeleteMemberRequest {
            organization_id: id.clone(),
            member_id: member_id.clone(),
            ..pb::DeleteMemberRequest::default()
        };
        clients.delete_member(deletion).await.unwrap();
        let tokens = [clients.token(&address).await, clients.token(&address).await];
        let reactivation = pb::ReactivateMemberRequest {
            organization_id: id.clone(),
            member_id: member_id.clone(),
            ..pb::ReactivateMemberRequest::default()
        };
        let (one, two, reactivated) = tokio::join!(
            clients.exchange(exchange(&tokens[0], &id)),
            clients.exchange(exchange(&tokens[1], &id)),
            clients.reactivate_member(reactivation),
        );
        let refusal = (Code::FailedPrecondition, "NO_DELETED_MEMBER_FOUND_FOR_REACTIVATION");
        let reactivated = ended(reactivated, &[CONCURRENT, refusal]).map(|answer| answer.member_id);
        let ids = [one, two].map(|answer| ended(answer, &[CONCURRENT]).map(|answer| answer.member_id));
        for found in ids.into_iter().chain([reactivated]).flatten() {
            assert_eq!(found, member_id, "the member who was deleted, and nobody else");
        }
        assert_eq!(t.count(&format!("member_email_addresses WHERE email_address = '{address}'")).await, 1);
        assert_eq!(clients.member_by_id(&id, &member_id).await.unwrap().status, "active");
    }
}

async fn an_organization_is_entered_and_deleted(t: Harness) {
    let clients = t.clients();
    for round in 0..ROUNDS {
        let (id, _) = open(&clients).await;
        let tokens =
            [clients.token("ada@acme.com").await, clients.token(&format!("grace-{round}@acme.com")).await];
        let going = pb::DeleteOrganizationRequest { organization_id: id.clone(), etag: None };
        let (member, stranger, deleted) = tokio::join!(
            clients.exchange(exchange(&tokens[0], &id)),
            clients.exchange(exchange(&tokens[1], &id)),
            clients.delete_organization(going.clone()),
        );
        if ended(deleted, &[CONCURRENT]).is_none() {
            clients.delete_organization(going).await.unwrap();
        }
        for (answer, token) in [member, stranger].into_iter().zip(&tokens) {
            match ended(answer, &[CONCURRENT, GONE]) {
                Some(entered) => {
                    let session = clients.authenticate(by_token(&entered.session_token)).await;
                    refused(session, NO_SESSION.0, NO_SESSION.1);
                }
                // Nothing was bought: the token is as it was.
                None => drop(clients.inspect(token).await.unwrap()),
            }
        }
        let late = clients.token("ada@acme.com").await;
        refused(clients.exchange(exchange(&late, &id)).await, GONE.0, GONE.1);
    }
}

/// What an organization may do to keep people out, and what those are told who come afterwards; `None`:
/// they become members who owe a second factor.
fn closings(id: &str) -> Vec<(pb::UpdateOrganizationRequest, Option<(Code, &'static str)>)> {
    let update = || organization_update(id);
    vec![
        (
            pb::UpdateOrganizationRequest { email_allowed_domains: vec!["other.com".to_owned()], ..update() },
            Some((Code::FailedPrecondition, "INVALID_EMAIL_FOR_JIT_PROVISIONING")),
        ),
        (
            pb::UpdateOrganizationRequest {
                email_jit_provisioning: Some(pb::EmailJitProvisioning::NotAllowed.into()),
                ..update()
            },
            Some(NOT_ALLOWED),
        ),
        (
            pb::UpdateOrganizationRequest {
                mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
                ..update()
            },
            None,
        ),
    ]
}

async fn an_organization_closes_while_people_join(t: Harness) {
    let clients = t.clients();
    let claimed = (Code::FailedPrecondition, "ACTION_NOT_ALLOWED_EMAIL_DOMAIN_IS_CLAIMED");
    for round in 0..ROUNDS {
        let (id, _) = open(&clients).await;
        let claimant = clients.organization("Claiming").await.organization_id;
        let mut changes = closings(&id);
        changes.push((claiming(&claimant, "acme.com"), Some(claimed)));
        let (update, refusal) = changes.swap_remove(round % 4);
        let tokens = [
            clients.token(&format!("grace-{round}@acme.com")).await,
            clients.token(&format!("alan-{round}@acme.com")).await,
        ];
        let (exchanged, updated) = tokio::join!(
            clients.exchange(exchange(&tokens[0], &id)),
            clients.update_organization(update.clone()),
        );
        updated.unwrap();
        let expected: Vec<_> = refusal.into_iter().chain([CONCURRENT]).collect();
        ended(exchanged, &expected as Expected<'_>);
        let before = t.count("members").await;
        let late = clients.exchange(exchange(&tokens[1], &id)).await;
        if let Some((code, reason)) = refusal {
            refused(late, code, reason);
            assert_eq!(t.count("members").await, before, "who is refused has not joined");
        } else {
            let late = late.unwrap().into_inner();
            assert!(late.mfa_required.is_some() && late.session_token.is_empty());
            assert_eq!(late.member.unwrap().status, "pending");
            let own = clients.token("ada@acme.com").await;
            let own = clients.exchange(exchange(&own, &id)).await.unwrap().into_inner();
            assert!(own.mfa_required.is_some(), "a member too owes the factor from then on");
        }
        let deletion = |id| pb::DeleteOrganizationRequest { organization_id: id, etag: None };
        clients.delete_organization(deletion(claimant)).await.unwrap();
    }
}

async fn a_member_enters_and_gives_the_address_up(t: Harness) {
    let clients = t.clients();
    let (id, _) = open(&clients).await;
    let retired = (Code::FailedPrecondition, "RETIRED_MEMBER_EMAIL");
    for round in 0..ROUNDS {
        let (old, new) = (format!("grace-{round}@acme.com"), format!("hopper-{round}@acme.com"));
        let member_id = clients.member(&id, &old).await.member_id;
        let members = t.count("members").await;
        let tokens = [clients.token(&old).await, clients.token(&old).await, clients.token(&new).await];
        let update =
            pb::UpdateMemberRequest { email_address: Some(new.clone()), ..member_update(&id, &member_id) };
        let (exchanged, updated, moved) = tokio::join!(
            clients.exchange(exchange(&tokens[0], &id)),
            clients.update_member(update),
            clients.exchange(exchange(&tokens[2], &id)),
        );
        // The new address may have joined as somebody else before it was given to the member.
        let taken = (Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL");
        let updated = ended(updated, &[CONCURRENT, taken]);
        let exchanged = ended(exchanged, &[CONCURRENT, retired]);
        let moved = ended(moved, &[CONCURRENT]);
        assert!(exchanged.is_none_or(|entered| entered.member_id == member_id));
        if updated.is_some() {
            refused(clients.exchange(exchange(&tokens[1], &id)).await, retired.0, retired.1);
            assert_eq!(t.count("members").await, members, "nobody joined");
            assert!(moved.is_none_or(|entered| entered.member_id == member_id));
        }
    }
}

/// A login that has begun when its member is deleted ends with the member's sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_waits_for_the_login_and_ends_it() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let id = clients.organization("Acme").await.organization_id;
    let member_id = clients.member(&id, "grace@acme.com").await.member_id;
    let token = clients.token("grace@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let (caller, request) = (clients.clone(), exchange(&token, &id));
    let call =
        Running::call(async move { caller.exchange(request).await.unwrap().into_inner().session_token });
    held(&t).await;
    let deletion = pb::DeleteMemberRequest {
        organization_id: id.clone(),
        member_id,
        ..pb::DeleteMemberRequest::default()
    };
    let deleting = Running::call({
        let clients = clients.clone();
        async move { clients.delete_member(deletion).await }
    });
    blocked(&t).await;
    hold.release().await;
    let session = call.answer().await;
    deleting.answer().await.unwrap();
    refused(clients.authenticate(by_token(&session)).await, NO_SESSION.0, NO_SESSION.1);
    assert_eq!(t.count("sessions").await, 0);
}

/// The deletion that a login has waited for holds: what it took from the member is taken. The person
/// joins like anybody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_waits_for_the_deletion_and_joins_anew() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let (id, _) = open(&clients).await;
    let restricted = pb::UpdateOrganizationRequest {
        auth_methods: Some(pb::AuthMethods::Restricted.into()),
        allowed_auth_methods: vec!["google_oauth".to_owned()],
        ..organization_update(&id)
    };
    clients.update_organization(restricted).await.unwrap();
    let exempt = |address: &str| pb::CreateMemberRequest { is_breakglass: true, ..new_member(&id, address) };
    let tenant = [
        ("grace@elsewhere.com", token_of_tenant(&clients, "grace@elsewhere.com").await),
        ("alan@acme.com", clients.token("alan@acme.com").await),
    ];
    for (address, token) in tenant {
        let member = clients.create_member(exempt(address)).await.unwrap().into_inner().member.unwrap();
        let connection = t.database().await;
        let deletion = connection.begin().await.unwrap();
        let own = format!("email_address = '{address}'");
        for sql in [
            format!(
                "UPDATE members SET status = 'deleted' \
                 WHERE id = (SELECT member_id FROM member_email_addresses WHERE {own})"
            ),
            format!("UPDATE member_email_addresses SET live = false WHERE {own}"),
        ] {
            deletion.execute_unprepared(&sql).await.unwrap();
        }
        let (caller, request) = (clients.clone(), exchange(&token, &id));
        let call = Running::call(async move { caller.exchange(request).await });
        blocked(&t).await;
        deletion.commit().await.unwrap();
        connection.close().await.unwrap();
        let entered = call.answer().await.unwrap().into_inner();
        assert!(entered.primary_required.is_some(), "the exemption went with the membership");
        assert_eq!((entered.session_token.as_str(), entered.member_id.as_str()), ("", ""));
        assert_eq!(t.count("sessions").await, 1, "the founder's alone");
        let stands = clients.member_by_id(&id, &member.member_id).await;
        assert_eq!(stands.unwrap_err().code(), Code::NotFound, "nobody has joined");
    }
}
