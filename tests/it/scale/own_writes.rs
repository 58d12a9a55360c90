//! Whoever has an answer finds what it says at every other replica, in the next call.

use serde_json::json;
use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::{pairs, with_replicas};
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, factor, organization, with_key};
use crate::harness::logins::{by_jwt, by_token, exchange, listing, switch};
use crate::harness::members::{invitation, member_update, new_member, organization_update, query};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::values::object;

with_replicas!(
    organizations,
    members,
    tokens,
    logins,
    sessions,
    what_a_session_says_of_its_member_and_organization,
    sessions_of_whom_is_gone,
    answers_of_idempotency_keys,
    of_spends_at_all_of_them_one_wins,
);

async fn organizations(t: Harness) {
    for (here, there) in pairs(&t) {
        let request = pb::CreateOrganizationRequest {
            organization_slug: Some("acme".to_owned()),
            organization_external_id: Some("ERP|42".to_owned()),
            ..organization("Acme")
        };
        let made = here.create(request.clone()).await.unwrap().into_inner().organization.unwrap();
        let id = &made.organization_id;
        for name in [id.as_str(), "acme", "ERP|42"] {
            let found = there.get(name).await.unwrap().into_inner().organization.unwrap();
            assert_eq!(found, made, "{name}");
        }
        let search = pb::SearchOrganizationsRequest {
            query: query(pb::SearchOperator::And, &[("organization_slugs", json!(["acme"]))]),
            ..pb::SearchOrganizationsRequest::default()
        };
        let found = there.search_organizations(search.clone()).await.unwrap().into_inner();
        assert_eq!(found.organizations, std::slice::from_ref(&made));
        // The etag of the one is that of the other.
        let update = pb::UpdateOrganizationRequest {
            organization_name: Some("Acme Corporation".to_owned()),
            etag: Some(made.etag.clone()),
            ..organization_update(id)
        };
        let updated = there.update_organization(update.clone()).await.unwrap().into_inner().organization;
        assert_eq!(here.get("acme").await.unwrap().into_inner().organization, updated);
        refused(here.update_organization(update).await, Code::Aborted, "ETAG_MISMATCH");
        refused(there.create(request).await, Code::AlreadyExists, "ORGANIZATION_SLUG_ALREADY_USED");
        let delete = pb::DeleteOrganizationRequest { organization_id: id.clone(), etag: None };
        here.delete_organization(delete).await.unwrap();
        for name in [id.as_str(), "acme", "ERP|42"] {
            refused(there.get(name).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        }
        assert_eq!(there.search_organizations(search).await.unwrap().into_inner().organizations, []);
    }
}

async fn members(t: Harness) {
    for (here, there) in pairs(&t) {
        let acme = here.organization("Acme").await.organization_id;
        let made = here.member(&acme, "ada@acme.com").await;
        let id = &made.member_id;
        assert_eq!(there.member_by_id(&acme, id).await.unwrap(), made);
        let search = pb::SearchMembersRequest {
            organization_ids: vec![acme.clone()],
            ..pb::SearchMembersRequest::default()
        };
        let found = there.search_members(search.clone()).await.unwrap().into_inner().members;
        assert_eq!(found, std::slice::from_ref(&made));
        let taken = there.create_member(new_member(&acme, "ada@acme.com")).await;
        assert_eq!(Refusal::of(&taken.unwrap_err()).code, Code::AlreadyExists);
        let update = pb::UpdateMemberRequest { name: Some("Ada".to_owned()), ..member_update(&acme, id) };
        let updated = there.update_member(update).await.unwrap().into_inner().member.unwrap();
        assert_eq!(here.member_by_id(&acme, id).await.unwrap(), updated);
        let delete = pb::DeleteMemberRequest {
            organization_id: acme.clone(),
            member_id: id.clone(),
            ..pb::DeleteMemberRequest::default()
        };
        here.delete_member(delete).await.unwrap();
        let gone = there.member_by_id(&acme, id).await.unwrap_err();
        assert_eq!(Refusal::of(&gone).reason, "MEMBER_NOT_FOUND");
        there.create_member(new_member(&acme, "ada@acme.com")).await.unwrap();
    }
}

async fn tokens(t: Harness) {
    const NOT_FOUND: &str = "INTERMEDIATE_SESSION_NOT_FOUND";
    for (here, there) in pairs(&t) {
        let token = here.token("ada@acme.com").await;
        let factors = async |clients: &Clients| {
            let session = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
            session.factors.len()
        };
        assert_eq!(factors(&there).await, 1);
        there.add_factor(&token, factor("totp", "authenticator_app")).await.unwrap();
        assert_eq!(factors(&here).await, 2);
        here.revoke(&token).await.unwrap();
        refused(there.inspect(&token).await, Code::NotFound, NOT_FOUND);
        refused(there.spend(creation(&token)).await, Code::NotFound, NOT_FOUND);
        let token = here.token("ada@acme.com").await;
        there.spend(creation(&token)).await.unwrap();
        refused(here.inspect(&token).await, Code::NotFound, NOT_FOUND);
        refused(here.spend(creation(&token)).await, Code::NotFound, NOT_FOUND);
    }
}

async fn logins(t: Harness) {
    for (number, (here, there)) in pairs(&t).into_iter().enumerate() {
        let address = format!("ada@acme-{number}.com");
        let [acme, globex] = [here.organization("Acme").await, there.organization("Globex").await];
        here.invite_member(invitation(&acme.organization_id, &address)).await.unwrap();
        there.invite_member(invitation(&globex.organization_id, &address)).await.unwrap();
        let token = here.token(&address).await;
        let found = there.discovered(listing(&token)).await.unwrap().into_inner();
        assert_eq!(found.discovered_organizations.len(), 2);
        let entered = there.exchange(exchange(&token, &acme.organization_id)).await.unwrap().into_inner();
        let session = entered.member_session.unwrap();
        let listed = here.sessions_of(&acme.organization_id, &entered.member_id).await.unwrap().into_inner();
        assert_eq!(listed.member_sessions, [session]);
        let switched = switch(&entered.session_token, &globex.organization_id);
        let switched = here.switch(switched).await.unwrap().into_inner();
        let checked = there.authenticate(by_token(&switched.session_token)).await.unwrap().into_inner();
        assert_eq!(checked.member_session, switched.member_session);
    }
}

async fn sessions(t: Harness) {
    for (here, there) in pairs(&t) {
        let ada = here.founded("ada@acme.com").await;
        let names = [by_token(&ada.session_token), by_jwt(&ada.session_jwt)];
        for request in names.clone() {
            let checked = there.authenticate(request).await.unwrap().into_inner();
            assert_eq!(checked.member_session, ada.member_session);
        }
        let change = pb::AuthenticateSessionRequest {
            session_duration_minutes: Some(480),
            session_custom_claims: Some(object(&json!({"plan": "trial"}))),
            ..by_token(&ada.session_token)
        };
        let changed = there.authenticate(change).await.unwrap().into_inner();
        assert_ne!(changed.member_session, ada.member_session);
        for request in [names[0].clone(), by_jwt(&changed.session_jwt)] {
            let checked = here.authenticate(request).await.unwrap().into_inner();
            assert_eq!(checked.member_session, changed.member_session);
        }
        let revoke = pb::RevokeSessionRequest {
            session_token: Some(ada.session_token.clone()),
            ..pb::RevokeSessionRequest::default()
        };
        here.revoke_session(revoke).await.unwrap();
        for request in names {
            refused(there.authenticate(request).await, Code::NotFound, "SESSION_NOT_FOUND");
        }
    }
}

/// Each replica remembers what it has read with a session.
async fn what_a_session_says_of_its_member_and_organization(t: Harness) {
    for (here, there) in pairs(&t) {
        let ada = here.founded("ada@acme.com").await;
        let (acme, member) = (ada.organization.unwrap().organization_id, ada.member_id);
        let checked = async |clients: &Clients| {
            clients.authenticate(by_token(&ada.session_token)).await.unwrap().into_inner()
        };
        for turn in 0..3 {
            assert_eq!(checked(&there).await.member, checked(&here).await.member);
            let update = pb::UpdateMemberRequest {
                name: Some(format!("Ada {turn}")),
                ..member_update(&acme, &member)
            };
            let updated = here.update_member(update).await.unwrap().into_inner().member;
            assert_eq!(checked(&there).await.member, updated);
            let update = pb::UpdateOrganizationRequest {
                organization_slug: Some(format!("{}-{turn}", &acme[acme.len() - 12..])),
                rbac_email_implicit_role_assignments: vec![pb::EmailImplicitRoleAssignment {
                    domain: format!("acme-{turn}.com"),
                    role_id: "stytch_admin".to_owned(),
                }],
                ..organization_update(&acme)
            };
            let updated = here.update_organization(update).await.unwrap().into_inner().organization;
            assert_eq!(checked(&there).await.organization, updated);
        }
        let demote = pb::UpdateMemberRequest {
            allow_removing_last_admin: true,
            update_mask: crate::harness::members::mask(&["roles"]),
            ..member_update(&acme, &member)
        };
        here.update_member(demote).await.unwrap();
        assert_eq!(checked(&there).await.member_session.unwrap().roles, ["stytch_member"]);
    }
}

async fn sessions_of_whom_is_gone(t: Harness) {
    for (here, there) in pairs(&t) {
        for organization_goes in [false, true] {
            let ada = here.founded("ada@acme.com").await;
            let organization_id = ada.organization.unwrap().organization_id;
            there.authenticate(by_token(&ada.session_token)).await.unwrap();
            if organization_goes {
                let delete = pb::DeleteOrganizationRequest { organization_id, etag: None };
                here.delete_organization(delete).await.unwrap();
            } else {
                let delete = pb::DeleteMemberRequest {
                    organization_id,
                    member_id: ada.member_id,
                    allow_removing_last_admin: true,
                    etag: None,
                };
                here.delete_member(delete).await.unwrap();
            }
            for request in [by_token(&ada.session_token), by_jwt(&ada.session_jwt)] {
                refused(there.authenticate(request).await, Code::NotFound, "SESSION_NOT_FOUND");
            }
        }
    }
}

async fn answers_of_idempotency_keys(t: Harness) {
    for (number, (here, there)) in pairs(&t).into_iter().enumerate() {
        let key = format!("key-{number}");
        let first = here.create(with_key(organization("Acme"), &key)).await.unwrap().into_inner();
        let again = there.create(with_key(organization("Acme"), &key)).await.unwrap().into_inner();
        assert_eq!(again.organization, first.organization);
        let other = there.create(with_key(organization("Other"), &key)).await;
        refused(other, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");

        let key = format!("spend-{number}");
        let token = here.token("ada@acme.com").await;
        let first = there.spend(with_key(creation(&token), &key)).await.unwrap().into_inner();
        let again = here.spend(with_key(creation(&token), &key)).await.unwrap().into_inner();
        assert_eq!((again.session_token, again.member_session), (first.session_token, first.member_session));
    }
    let written = 2 * i64::try_from(pairs(&t).len()).unwrap();
    assert_eq!(t.count("organizations").await, written);
    assert_eq!(t.count("events WHERE type = 'organization.created'").await, written);
}

async fn of_spends_at_all_of_them_one_wins(t: Harness) {
    for round in 0..4 {
        let token = t.clients().token("ada@acme.com").await;
        let mut spends = JoinSet::new();
        for clients in t.each().into_iter().cycle().take(16) {
            let request = creation(&token);
            spends.spawn(async move { clients.spend(request).await });
        }
        let answers = spends.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{round}: {answers:?}");
        for refusal in answers.iter().filter_map(|answer| answer.as_ref().err()).map(Refusal::of) {
            let reasons = ["INTERMEDIATE_SESSION_IN_USE", "INTERMEDIATE_SESSION_NOT_FOUND"];
            assert!(reasons.contains(&refusal.reason.as_str()), "{refusal:?}");
        }
        let bought = (t.count("organizations").await, t.count("sessions").await);
        assert_eq!(bought, (round + 1, round + 1));
    }
}
