//! What a deleted organization has left behind is removed in the background, in batches.

use tonic::Code;
use vestibule::pb;

use super::{NOT_FOUND, created, delete, read};
use crate::faults::until;
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};
use crate::organization_service::numbers;

on_both_backends!(
    nothing_of_it_is_left,
    others_are_left_alone,
    an_organization_of_many_members_goes_in_batches,
    several_go_one_after_the_other,
);

/// More than one batch.
const MANY: i64 = 2_500;

/// Starts the server again, which sweeps at once, and waits until nothing deleted is left.
pub(super) async fn swept(mut t: Harness) -> Harness {
    t.restart().await;
    until("the sweep", async || t.count("organizations WHERE deleted_at IS NOT NULL").await == 0).await;
    for table in ["members", "member_email_addresses", "sessions"] {
        let orphans = format!("{table} WHERE organization_id NOT IN (SELECT id FROM organizations)");
        assert_eq!(t.count(&orphans).await, 0, "{table}");
    }
    t
}

/// Adds members with an address each, past the API: it would take too long.
async fn add_members(t: &Harness, organization: &pb::Organization, count: i64) {
    let (numbers, uuid) = numbers(t, count);
    let slug = &organization.organization_slug;
    t.execute(&format!(
        "INSERT INTO members (id, organization_id, status, name, is_breakglass, assigned_roles, mfa_enrolled, \
         oauth_registrations, trusted_metadata, untrusted_metadata, created_at, updated_at) \
         SELECT {uuid}, id, 'active', 'Ada ' || n, false, '[]', false, '[]', '{{}}', '{{}}', created_at, created_at \
         FROM organizations, {numbers} WHERE slug = '{slug}'"
    ))
    .await;
    t.execute(&format!(
        "INSERT INTO member_email_addresses (id, organization_id, member_id, email_address, domain, status, \
         verified, live, created_at) SELECT {uuid}, organizations.id, members.id, \
         'ada-' || substr(members.name, 5) || '@acme.com', 'acme.com', 'current', false, true, members.created_at \
         FROM members JOIN organizations ON organizations.id = organization_id WHERE slug = '{slug}'"
    ))
    .await;
}

async fn nothing_of_it_is_left(t: Harness) {
    let token = t.clients().token("ada@acme.com").await;
    let spend = || with_key(creation(&token), "key");
    let answer = t.clients().spend(spend()).await.unwrap().into_inner();
    let acme = answer.organization.unwrap();
    t.clients().member(&acme.organization_id, "bob@acme.com").await;
    delete(&t, &acme.organization_id).await;
    let events = t.count("events").await;
    let t = swept(t).await;
    for table in ["organizations", "members", "member_email_addresses", "sessions"] {
        assert_eq!(t.count(table).await, 0, "{table}");
    }
    // What was told stays told, and what was bought stays bought.
    assert_eq!(t.count("events").await, events);
    refused(t.clients().get(&acme.organization_id).await, Code::NotFound, NOT_FOUND);
    if t.on_servers() {
        refused(t.clients().spend(spend()).await, Code::NotFound, NOT_FOUND);
    }
}

async fn others_are_left_alone(t: Harness) {
    let (acme, other) =
        (created(&t, super::super::everything()).await, created(&t, organization("Other")).await);
    for organization in [&acme, &other] {
        t.clients().member(&organization.organization_id, "ada@example.dev").await;
    }
    delete(&t, &acme.organization_id).await;
    let heir = created(&t, super::super::everything()).await;
    let bob = t.clients().member(&heir.organization_id, "bob@acme.com").await;
    let t = swept(t).await;
    assert_eq!(t.count("organizations").await, 2);
    assert_eq!(t.count("members").await, 2);
    assert_eq!(read(&t, &other.organization_id).await, other);
    assert_eq!(read(&t, "acme.corp_1~x-y").await, heir);
    assert_eq!(t.clients().member_by_id(&heir.organization_id, &bob.member_id).await.unwrap(), bob);
}

async fn an_organization_of_many_members_goes_in_batches(t: Harness) {
    let (acme, other) = (created(&t, organization("Acme")).await, created(&t, organization("Other")).await);
    add_members(&t, &acme, MANY).await;
    add_members(&t, &other, 3).await;
    assert_eq!(t.count("member_email_addresses").await, MANY + 3);
    delete(&t, &acme.organization_id).await;
    let t = swept(t).await;
    assert_eq!((t.count("members").await, t.count("member_email_addresses").await), (3, 3));
    let metrics = pb::GetOrganizationMetricsRequest { organization_id: other.organization_id };
    let metrics = t.clients().get_organization_metrics(metrics).await.unwrap().into_inner();
    assert_eq!(metrics.member_count, 3);
}

async fn several_go_one_after_the_other(t: Harness) {
    for number in 0..5 {
        let acme = created(&t, organization(&format!("Acme {number}"))).await;
        // As many as a batch has: the organization goes in the next.
        add_members(&t, &acme, if number == 2 { 1_000 } else { number }).await;
        if number != 3 {
            delete(&t, &acme.organization_id).await;
        }
    }
    let t = swept(t).await;
    assert_eq!((t.count("organizations").await, t.count("members").await), (1, 3));
}
