//! Updates at once.

use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::admins::demotion;
use super::{Update, acme, texts, update, updated};
use crate::harness::clients::Clients;
use crate::harness::json::object;
use crate::harness::refusal::Refusal;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    two_admins_never_both_step_down,
    updates_of_different_fields_all_survive,
    one_of_many_gets_what_only_one_can_have,
    an_update_and_a_deletion_end_in_one_of_two_states,
    of_updates_with_one_etag_one_succeeds,
);

/// How often each race is run.
const ROUNDS: usize = 20;

/// How often a call that is told to come again does so.
const TRIES: usize = 50;

/// Updates a member, and again where a repeat is asked for. Panics for every other refusal but these.
async fn insist(clients: &Clients, request: Update, refusals: &[(Code, &str)]) -> Option<pb::Member> {
    for _ in 0..TRIES {
        match clients.update_member(request.clone()).await {
            Ok(answer) => return answer.into_inner().member,
            Err(status) => {
                let refusal = Refusal::of(&status);
                if (refusal.code, refusal.reason.as_str()) == (Code::Aborted, "CONCURRENT_REQUEST") {
                    assert!(refusal.retry_after.is_some(), "{refusal:?}");
                    continue;
                }
                let known = refusals.contains(&(refusal.code, refusal.reason.as_str()));
                assert!(known, "a refusal that was not expected: {refusal:?}");
                return None;
            }
        }
    }
    panic!("no answer after {TRIES} tries");
}

/// Makes the updates at once, and tells who succeeded.
async fn at_once(
    t: &Harness,
    requests: Vec<Update>,
    refusals: &'static [(Code, &'static str)],
) -> Vec<Option<pb::Member>> {
    let mut calls = JoinSet::new();
    for (number, request) in requests.into_iter().enumerate() {
        let clients = t.clients();
        calls.spawn(async move { (number, insist(&clients, request, refusals).await) });
    }
    let mut answers = calls.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn two_admins_never_both_step_down(t: Harness) {
    let (_, ada) = acme(&t).await;
    let grace = t.clients().member(&ada.organization_id, "grace@acme.com").await;
    for round in 0..ROUNDS {
        for member in [&ada, &grace] {
            updated(&t, Update { roles: texts(&["stytch_admin"]), ..update(member) }).await;
        }
        let last = &[(Code::FailedPrecondition, "LAST_ADMIN_REMOVAL")];
        let answers = at_once(&t, vec![demotion(&ada), demotion(&grace)], last).await;
        assert_eq!(answers.iter().flatten().count(), 1, "round {round}: {answers:?}");
        let mut admins = 0;
        for member in [&ada, &grace] {
            let member = t.clients().member_by_id(&ada.organization_id, &member.member_id).await.unwrap();
            admins += usize::from(member.is_admin);
        }
        assert_eq!(admins, 1, "round {round}");
    }
}

async fn updates_of_different_fields_all_survive(t: Harness) {
    let (organization, _) = acme(&t).await;
    for round in 0..ROUNDS {
        let address = format!("person-{round}@acme.com");
        let before = t.clients().member(&organization.organization_id, &address).await;
        let metadata = |key: &str| Some(object(serde_json::json!({key: round})));
        let requests = vec![
            Update { name: Some("Ada".to_owned()), ..update(&before) },
            Update { trusted_metadata: metadata("a"), ..update(&before) },
            Update { trusted_metadata: metadata("b"), ..update(&before) },
            Update { untrusted_metadata: metadata("c"), ..update(&before) },
            Update { is_breakglass: Some(true), ..update(&before) },
            Update { mfa_phone_number: Some(format!("+1500555{round:04}")), ..update(&before) },
            Update { mfa_enrolled: Some(true), ..update(&before) },
            Update { roles: texts(&["stytch_admin"]), ..update(&before) },
            Update { email_address: Some(format!("new-{address}")), ..update(&before) },
            Update { external_id: Some(format!("id-{round}")), ..update(&before) },
        ];
        let answers = at_once(&t, requests, &[]).await;
        let after = t.clients().member_by_id(&organization.organization_id, &before.member_id).await.unwrap();
        assert_eq!(after.name, "Ada");
        assert_eq!(after.trusted_metadata, Some(object(serde_json::json!({"a": round, "b": round}))));
        assert_eq!(after.untrusted_metadata, metadata("c"));
        assert!(after.is_breakglass && after.mfa_enrolled && after.is_admin, "{after:?}");
        assert_eq!(after.mfa_phone_number, format!("+1500555{round:04}"));
        assert_eq!(after.email_address, format!("new-{address}"));
        assert_eq!(after.external_id, Some(format!("id-{round}")));
        let mut etags: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().etag).collect();
        etags.sort();
        etags.dedup();
        assert_eq!(etags.len(), 10, "each update has a version of its own");
        assert!(etags.contains(&after.etag));
    }
}

/// What every member wants to have.
type Wish = fn(&mut Update);

async fn one_of_many_gets_what_only_one_can_have(t: Harness) {
    const TAKEN: [(Code, &str); 3] = [
        (Code::AlreadyExists, "DUPLICATE_MEMBER_EMAIL"),
        (Code::AlreadyExists, "DUPLICATE_MEMBER_PHONE_NUMBER"),
        (Code::AlreadyExists, "DUPLICATE_MEMBER_EXTERNAL_ID"),
    ];
    let (organization, _) = acme(&t).await;
    let mut members = Vec::new();
    for number in 0..8 {
        let address = format!("person-{number}@acme.com");
        members.push(t.clients().member(&organization.organization_id, &address).await);
    }
    let wishes: [Wish; 3] = [
        |sent| sent.email_address = Some("wanted@acme.com".to_owned()),
        |sent| sent.mfa_phone_number = Some("+15005550001".to_owned()),
        |sent| sent.external_id = Some("wanted".to_owned()),
    ];
    for wish in wishes {
        let requests = members.iter().map(|member| {
            let mut request = update(member);
            wish(&mut request);
            request
        });
        let answers = at_once(&t, requests.collect(), &TAKEN).await;
        assert_eq!(answers.iter().flatten().count(), 1, "{answers:?}");
    }
}

async fn an_update_and_a_deletion_end_in_one_of_two_states(t: Harness) {
    let (organization, _) = acme(&t).await;
    let organization_id = &organization.organization_id;
    for round in 0..ROUNDS {
        let before = t.clients().member(organization_id, &format!("person-{round}@acme.com")).await;
        let request = Update {
            name: Some("Ada".to_owned()),
            email_address: Some(format!("new-{round}@acme.com")),
            external_id: Some(format!("id-{round}")),
            ..update(&before)
        };
        let deletion = pb::DeleteMemberRequest {
            organization_id: organization_id.clone(),
            member_id: before.member_id.clone(),
            ..pb::DeleteMemberRequest::default()
        };
        let clients = t.clients();
        let (updated, deleted) = tokio::join!(
            insist(&clients, request, &[(Code::NotFound, "MEMBER_NOT_FOUND")]),
            clients.delete_member(deletion)
        );
        deleted.unwrap();
        let statuses = serde_json::json!(["deleted"]);
        let search = pb::SearchMembersRequest {
            organization_ids: vec![organization_id.clone()],
            limit: Some(1),
            query: crate::harness::members::query(
                pb::SearchOperator::And,
                &[("statuses", statuses), ("member_ids", serde_json::json!([before.member_id]))],
            ),
            ..pb::SearchMembersRequest::default()
        };
        let found = clients.search_members(search).await.unwrap().into_inner().members;
        let after = &found[0];
        assert_eq!(after.status, "deleted");
        assert_eq!(after.name, if updated.is_some() { "Ada" } else { "" });
        // Whatever it had is free.
        for address in [format!("person-{round}@acme.com"), format!("new-{round}@acme.com")] {
            clients.member(organization_id, &address).await;
        }
    }
}

async fn of_updates_with_one_etag_one_succeeds(t: Harness) {
    let (_, mut member) = acme(&t).await;
    for round in 0..ROUNDS {
        let request = |number: usize| Update {
            name: Some(format!("{round} {number}")),
            etag: Some(member.etag.clone()),
            ..update(&member)
        };
        let stale = &[(Code::Aborted, "ETAG_MISMATCH")];
        let answers = at_once(&t, (0..4).map(request).collect(), stale).await;
        let mut winners = answers.into_iter().flatten();
        let winner = winners.next().unwrap();
        assert_eq!(winners.next(), None, "round {round}");
        member = t.clients().member_by_id(&member.organization_id, &member.member_id).await.unwrap();
        assert_eq!(member, winner);
    }
}
