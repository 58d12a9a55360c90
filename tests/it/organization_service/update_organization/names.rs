//! Names and domains that only one organization can have.

use tokio::task::JoinSet;
use tonic::Code;
use vestibule::pb;

use super::{change, created, read, taken, texts, updated};
use crate::harness::fixtures::organization;
use crate::harness::members::mask;
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_old_slug_is_free_at_once,
    an_old_external_id_is_free_at_once,
    the_case_of_a_name_can_change,
    slug_and_external_id_may_be_one_name,
    a_name_of_another_is_refused,
    a_domain_of_another_is_refused,
    own_domains_stay_when_the_list_changes,
    one_of_many_gets_the_slug,
    two_that_swap_names_are_not_left_waiting,
);

const SLUG: (&str, &str) = ("organization_slug", "ORGANIZATION_SLUG_ALREADY_USED");
const EXTERNAL_ID: (&str, &str) = ("organization_external_id", "ORGANIZATION_EXTERNAL_ID_ALREADY_USED");
const CLAIMED: &str = "ORGANIZATION_SETTINGS_DUPLICATE_CLAIMED_DOMAIN";

type Names = (Option<&'static str>, Option<&'static str>);

async fn named(t: &Harness, (slug, external_id): Names) -> pb::Organization {
    let request = pb::CreateOrganizationRequest {
        organization_slug: slug.map(str::to_owned),
        organization_external_id: external_id.map(str::to_owned),
        ..organization("Acme")
    };
    created(t, request).await
}

fn naming(organization: &pb::Organization, (slug, external_id): Names) -> super::Request {
    change(organization, |sent| {
        sent.organization_slug = slug.map(str::to_owned);
        sent.organization_external_id = external_id.map(str::to_owned);
    })
}

async fn absent(t: &Harness, name: &str) {
    refused(t.clients().get(name).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
}

async fn an_old_slug_is_free_at_once(t: Harness) {
    let acme = named(&t, (Some("old"), None)).await;
    let after = updated(&t, naming(&acme, (Some("New"), None))).await;
    assert_eq!(read(&t, "new").await, after);
    absent(&t, "old").await;
    let heir = named(&t, (Some("Old"), None)).await;
    assert_eq!(read(&t, "old").await, heir);
    taken(&t, naming(&acme, (Some("old"), None)), &[SLUG]).await;
    // A slug can become an external id elsewhere.
    updated(&t, naming(&acme, (Some("newest"), None))).await;
    updated(&t, naming(&heir, (None, Some("new")))).await;
    assert_eq!(read(&t, "new").await.organization_id, heir.organization_id);
}

async fn an_old_external_id_is_free_at_once(t: Harness) {
    let acme = named(&t, (Some("acme"), Some("erp-1"))).await;
    updated(&t, naming(&acme, (None, Some("erp-2")))).await;
    absent(&t, "erp-1").await;
    let heir = named(&t, (Some("heir"), Some("erp-1"))).await;
    assert_eq!(read(&t, "erp-1").await, heir);
    let cleared = change(&acme, |sent| sent.update_mask = mask(&["organization_external_id"]));
    updated(&t, cleared).await;
    absent(&t, "erp-2").await;
    updated(&t, naming(&heir, (Some("erp-2"), None))).await;
    assert_eq!(read(&t, "acme").await.organization_external_id, None);
}

async fn the_case_of_a_name_can_change(t: Harness) {
    let acme = named(&t, (Some("acme"), Some("erp"))).await;
    let names = t.count("organization_names").await;
    let after = updated(&t, naming(&acme, (Some("ACME"), Some("Erp")))).await;
    assert_eq!(after.organization_slug, "ACME");
    assert_ne!(after.etag, acme.etag);
    assert_eq!(read(&t, "acme").await, after);
    assert_eq!(read(&t, "Erp").await, after);
    absent(&t, "erp").await;
    assert_eq!(t.count("organization_names").await, names);
}

async fn slug_and_external_id_may_be_one_name(t: Harness) {
    let acme = named(&t, (Some("acme"), Some("erp"))).await;
    updated(&t, naming(&acme, (Some("ERP"), None))).await;
    absent(&t, "acme").await;
    assert_eq!(t.count("organization_names").await, 1);
    // The name stays as long as one of the two has it.
    let cleared = change(&acme, |sent| sent.update_mask = mask(&["organization_external_id"]));
    let after = updated(&t, cleared).await;
    assert_eq!(read(&t, "erp").await, after);
    updated(&t, naming(&acme, (None, Some("Erp")))).await;
    let swapped = updated(&t, naming(&acme, (Some("Acme"), None))).await;
    assert_eq!(read(&t, "acme").await, swapped);
    assert_eq!(read(&t, "Erp").await, swapped);
    // The two can be exchanged in one call.
    let exchanged = updated(&t, naming(&acme, (Some("Erp"), Some("Acme")))).await;
    assert_eq!(read(&t, "Acme").await, exchanged);
    assert_eq!(t.count("organization_names").await, 2);
}

async fn a_name_of_another_is_refused(t: Harness) {
    let acme = named(&t, (Some("acme"), Some("erp"))).await;
    let other = named(&t, (Some("Other"), Some("Crm"))).await;
    taken(&t, naming(&acme, (Some("other"), None)), &[SLUG]).await;
    taken(&t, naming(&acme, (Some("OTHER"), None)), &[SLUG]).await;
    taken(&t, naming(&acme, (Some("crm"), None)), &[SLUG]).await;
    taken(&t, naming(&acme, (None, Some("CRM"))), &[EXTERNAL_ID]).await;
    taken(&t, naming(&acme, (None, Some("other"))), &[EXTERNAL_ID]).await;
    taken(&t, naming(&acme, (Some("crm"), Some("other"))), &[SLUG, EXTERNAL_ID]).await;
    taken(&t, naming(&acme, (Some("other"), Some("other"))), &[SLUG, EXTERNAL_ID]).await;
    taken(&t, naming(&acme, (Some("free"), Some("other"))), &[EXTERNAL_ID]).await;
    assert_eq!(read(&t, "Crm").await, other);
}

fn claiming(organization: &pb::Organization, domains: &[&str]) -> super::Request {
    change(organization, |sent| sent.claimed_email_domains = texts(domains))
}

async fn a_domain_of_another_is_refused(t: Harness) {
    let acme = named(&t, (None, None)).await;
    let other = named(&t, (None, None)).await;
    updated(&t, claiming(&other, &["acme.com", "acme.org"])).await;
    let both = [("claimed_email_domains[0]", CLAIMED), ("claimed_email_domains[2]", CLAIMED)];
    taken(&t, claiming(&acme, &["acme.org", "fresh.dev", "ACME.com."]), &both).await;
    // What the other gives up is free at once.
    updated(&t, claiming(&other, &["acme.org"])).await;
    let after = updated(&t, claiming(&acme, &["fresh.dev", "ACME.com."])).await;
    assert_eq!(after.claimed_email_domains, ["fresh.dev", "acme.com"]);
    // A name is told before a domain.
    let name_and_domain = change(&acme, |sent| {
        sent.organization_slug = Some(other.organization_slug.clone());
        sent.claimed_email_domains = texts(&["acme.org"]);
    });
    taken(&t, name_and_domain, &[SLUG]).await;
}

async fn own_domains_stay_when_the_list_changes(t: Harness) {
    let acme = named(&t, (None, None)).await;
    for domains in
        [&["one.com", "two.com"][..], &["two.com", "one.com"], &["zero.com", "two.com"], &["two.com"]]
    {
        let after = updated(&t, claiming(&acme, domains)).await;
        assert_eq!(after.claimed_email_domains, domains);
    }
    let other = named(&t, (None, None)).await;
    taken(&t, claiming(&other, &["two.com"]), &[("claimed_email_domains[0]", CLAIMED)]).await;
    updated(&t, claiming(&other, &["one.com", "zero.com"])).await;
    // Allowing a domain is no claim.
    let allowing = change(&other, |sent| sent.email_allowed_domains = texts(&["two.com"]));
    updated(&t, allowing).await;
}

async fn one_of_many_gets_the_slug(t: Harness) {
    const MANY: usize = 10;
    let mut calls = JoinSet::new();
    for number in 0..MANY {
        let acme = created(&t, organization(&format!("Acme {number}"))).await;
        let (clients, request) = (t.clients(), naming(&acme, (Some("the-one"), None)));
        calls.spawn(async move { clients.update_organization(request).await });
    }
    let answers = calls.join_all().await;
    let refusals: Vec<_> =
        answers.iter().filter_map(|answer| answer.as_ref().err()).map(Refusal::of).collect();
    assert_eq!(refusals.len(), MANY - 1);
    for refusal in refusals {
        assert_eq!((refusal.code, refusal.violations()), (Code::AlreadyExists, vec![SLUG]), "{refusal:?}");
    }
    assert_eq!(t.count("organization_names").await, i64::try_from(MANY).unwrap());
}

/// Each wants what the other has: nobody gets it, and the database is not left to find out.
async fn two_that_swap_names_are_not_left_waiting(t: Harness) {
    for round in 0..5 {
        let request = |name: &str| pb::CreateOrganizationRequest {
            organization_slug: Some(format!("{name}-{round}")),
            claimed_email_domains: vec![format!("{name}-{round}.com")],
            ..organization("Acme")
        };
        let (one, two) = (created(&t, request("one")).await, created(&t, request("two")).await);
        let swap = |own: &pb::Organization, others: &pb::Organization| {
            change(own, |sent| {
                sent.organization_slug = Some(others.organization_slug.clone());
                sent.claimed_email_domains = others.claimed_email_domains.clone();
            })
        };
        let clients = t.clients();
        let answers = tokio::join!(
            clients.update_organization(swap(&one, &two)),
            clients.update_organization(swap(&two, &one)),
        );
        for answer in [answers.0, answers.1] {
            let refusal = Refusal::of(&answer.unwrap_err());
            assert!([Code::AlreadyExists, Code::Aborted].contains(&refusal.code), "{refusal:?}");
        }
        assert_eq!(read(&t, &one.organization_id).await, one);
        assert_eq!(read(&t, &two.organization_id).await, two);
    }
}
