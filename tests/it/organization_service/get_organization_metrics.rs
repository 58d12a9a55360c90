use tonic::Code;
use vestibule::pb;

use super::{answered, counts, created, everything, uuid_of};
use crate::harness::fixtures::organization;
use crate::harness::members::{invitation, new_member};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    members_of_every_status_but_deleted_count,
    every_name_of_the_organization_will_do,
    what_is_not_there_is_not_found,
    what_can_be_no_name_is_refused,
);

fn metrics(organization_id: &str) -> pb::GetOrganizationMetricsRequest {
    pb::GetOrganizationMetricsRequest { organization_id: organization_id.to_owned() }
}

async fn member_count(t: &Harness, name: &str) -> u32 {
    let answer = t.clients().get_organization_metrics(metrics(name)).await.unwrap();
    answered(answer, |answer| &answer.request_id).member_count
}

async fn members_of_every_status_but_deleted_count(t: Harness) {
    let (acme, other) = (created(&t, organization("Acme")).await, created(&t, organization("Other")).await);
    let id = &acme.organization_id;
    assert_eq!(member_count(&t, id).await, 0);
    let ada = t.clients().member(id, "ada@acme.com").await;
    let pending =
        pb::CreateMemberRequest { create_member_as_pending: true, ..new_member(id, "bob@acme.com") };
    t.clients().create_member(pending).await.unwrap();
    t.clients().invite_member(invitation(id, "eve@acme.com")).await.unwrap();
    t.clients().member(&other.organization_id, "ada@acme.com").await;
    assert_eq!(member_count(&t, id).await, 3);
    let deletion = pb::DeleteMemberRequest {
        organization_id: id.clone(),
        member_id: ada.member_id.clone(),
        ..pb::DeleteMemberRequest::default()
    };
    t.clients().delete_member(deletion).await.unwrap();
    assert_eq!(member_count(&t, id).await, 2);
    // An address that came back is one member, not two.
    t.clients().member(id, "ada@acme.com").await;
    assert_eq!(member_count(&t, id).await, 3);
    assert_eq!(member_count(&t, &other.organization_id).await, 1);
    let before = counts(&t).await;
    member_count(&t, id).await;
    assert_eq!(counts(&t).await, before);
}

async fn every_name_of_the_organization_will_do(t: Harness) {
    let acme = created(&t, everything()).await;
    t.clients().member(&acme.organization_id, "ada@acme.com").await;
    for name in [&acme.organization_id, "acme.corp_1~X-y", "ERP|42.a_B-c"] {
        assert_eq!(member_count(&t, name).await, 1, "{name}");
    }
}

async fn what_is_not_there_is_not_found(t: Harness) {
    let acme = created(&t, everything()).await;
    let uuid = uuid_of(&acme.organization_id);
    for name in [format!("organization-test-{}", super::ABSENT), "erp|42.A_B-C".to_owned(), uuid.to_string()]
    {
        let answer = t.clients().get_organization_metrics(metrics(&name)).await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
}

async fn what_can_be_no_name_is_refused(t: Harness) {
    let acme = created(&t, organization("Acme")).await;
    for (name, reason) in [
        (String::new(), "INVALID_ORGANIZATION_ID"),
        ("acme|~".to_owned(), "INVALID_ORGANIZATION_ID"),
        (format!("organization-live-{}", uuid_of(&acme.organization_id)), "LIVE_ID_USED_IN_TEST_ENVIRONMENT"),
    ] {
        let answer = t.clients().get_organization_metrics(metrics(&name)).await;
        let refusal = refused(answer, Code::InvalidArgument, reason);
        assert_eq!(refusal.violations(), [("organization_id", reason)]);
    }
}
