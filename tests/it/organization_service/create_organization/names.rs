//! Names and domains that only one organization can have.

use std::sync::Arc;

use tokio::task::JoinSet;
use tonic::Code;
use vestibule::entropy::{Entropy, OsEntropy};
use vestibule::pb;

use super::rows_written;
use crate::harness::fixtures::{organization, with_key};
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(
    a_slug_keeps_its_case_and_is_unique_without_it,
    an_external_id_keeps_its_case_and_is_unique_without_it,
    slugs_and_external_ids_share_one_name_space,
    an_organization_may_have_one_name_twice,
    a_slug_is_made_from_the_name,
    a_domain_is_claimed_once,
    collisions_of_names_are_told_at_once,
    a_refused_call_writes_nothing,
    one_of_many_gets_the_slug,
    everybody_gets_a_generated_slug,
    one_of_many_gets_the_domain,
    one_of_many_gets_both_names,
);

const SLUG: &str = "ORGANIZATION_SLUG_ALREADY_USED";
const EXTERNAL_ID: &str = "ORGANIZATION_EXTERNAL_ID_ALREADY_USED";
const CLAIMED: &str = "ORGANIZATION_SETTINGS_DUPLICATE_CLAIMED_DOMAIN";

fn slugged(slug: &str) -> pb::CreateOrganizationRequest {
    pb::CreateOrganizationRequest { organization_slug: Some(slug.to_owned()), ..organization("Acme") }
}

fn external(external_id: &str) -> pb::CreateOrganizationRequest {
    pb::CreateOrganizationRequest {
        organization_external_id: Some(external_id.to_owned()),
        ..organization("Elsewhere")
    }
}

fn claiming(domains: &[&str]) -> pb::CreateOrganizationRequest {
    pb::CreateOrganizationRequest {
        claimed_email_domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        ..organization("Acme")
    }
}

/// Asserts that the name or domain of one field belongs to somebody else.
async fn taken(t: &Harness, request: pb::CreateOrganizationRequest, field: &str, reason: &str) {
    let what = format!("{request:?}");
    let refusal = refused(t.clients().create(request).await, Code::AlreadyExists, reason);
    assert_eq!(refusal.violations(), [(field, reason)], "{what}");
    assert_eq!(refusal.retry_after, None);
}

async fn created(t: &Harness, request: pb::CreateOrganizationRequest) -> pb::Organization {
    t.clients().create(request).await.unwrap().into_inner().organization.unwrap()
}

async fn a_slug_keeps_its_case_and_is_unique_without_it(t: Harness) {
    assert_eq!(created(&t, slugged("Acme_Corp")).await.organization_slug, "Acme_Corp");
    for slug in ["Acme_Corp", "acme_corp", "ACME_CORP"] {
        taken(&t, slugged(slug), "organization_slug", SLUG).await;
    }
    created(&t, slugged("acme-corp")).await;
}

async fn an_external_id_keeps_its_case_and_is_unique_without_it(t: Harness) {
    let organization = created(&t, external("Erp|1")).await;
    assert_eq!(organization.organization_external_id.as_deref(), Some("Erp|1"));
    for external_id in ["Erp|1", "ERP|1", "erp|1"] {
        taken(&t, external(external_id), "organization_external_id", EXTERNAL_ID).await;
    }
}

async fn slugs_and_external_ids_share_one_name_space(t: Harness) {
    created(&t, slugged("The-Slug")).await;
    created(&t, external("The-External-Id")).await;
    taken(&t, external("the-slug"), "organization_external_id", EXTERNAL_ID).await;
    taken(&t, slugged("the-external-id"), "organization_slug", SLUG).await;
    // A slug that nobody chose gives way.
    let generated = created(&t, organization("The External Id")).await.organization_slug;
    assert!(generated.starts_with("the-external-id-"), "{generated}");
}

async fn an_organization_may_have_one_name_twice(t: Harness) {
    let both = pb::CreateOrganizationRequest {
        organization_external_id: Some("ACME".to_owned()),
        ..slugged("acme")
    };
    let organization = created(&t, both).await;
    assert_eq!(organization.organization_external_id.as_deref(), Some("ACME"));
    taken(&t, slugged("Acme"), "organization_slug", SLUG).await;
    taken(&t, external("Acme"), "organization_external_id", EXTERNAL_ID).await;
}

async fn a_slug_is_made_from_the_name(t: Harness) {
    for (name, slug) in [
        ("Acme & Sons, Inc.", "acme-sons-inc."),
        ("X", "x-org"),
        ("日本", "organization"),
        ("--Dash--", "dash"),
    ] {
        assert_eq!(created(&t, organization(name)).await.organization_slug, slug, "{name}");
        let again = created(&t, organization(name)).await.organization_slug;
        let ending = again.strip_prefix(&format!("{slug}-")).unwrap();
        assert!(ending.len() == 6 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{again}");
    }
    let long = created(&t, organization(&"a".repeat(128))).await.organization_slug;
    let longer = created(&t, organization(&"a".repeat(128))).await.organization_slug;
    assert_eq!((long.len(), longer.len()), (128, 128));
    assert_ne!(long, longer);
}

/// Draws the ending `000000` for every slug.
#[derive(Debug)]
struct OneEnding;

impl Entropy for OneEnding {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() == 6 { bytes.fill(0) } else { OsEntropy.fill(bytes) }
    }
}

async fn the_endings_run_out(mut setup: Setup) {
    setup.entropy = Arc::new(OneEnding);
    let t = setup.start().await;
    assert_eq!(created(&t, organization("Acme")).await.organization_slug, "acme");
    assert_eq!(created(&t, organization("Acme")).await.organization_slug, "acme-000000");
    let before = rows_written(&t).await;
    taken(&t, organization("Acme"), "organization_slug", SLUG).await;
    assert_eq!(rows_written(&t).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_endings_run_out_on_postgres() {
    the_endings_run_out(Setup::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_endings_run_out_on_the_embedded_default() {
    the_endings_run_out(Setup::embedded()).await;
}

async fn a_domain_is_claimed_once(t: Harness) {
    created(&t, claiming(&["acme.com", "acme.org"])).await;
    taken(&t, claiming(&["other.com", "ACME.org."]), "claimed_email_domains[1]", CLAIMED).await;
    let both = refused(
        t.clients().create(claiming(&["acme.org", "fresh.dev", "acme.com"])).await,
        Code::AlreadyExists,
        CLAIMED,
    );
    assert_eq!(
        both.violations(),
        [("claimed_email_domains[0]", CLAIMED), ("claimed_email_domains[2]", CLAIMED)]
    );
    // Neither a domain above or below nor a right to join is a claim.
    created(&t, claiming(&["mail.acme.com"])).await;
    let allowing = pb::CreateOrganizationRequest {
        email_allowed_domains: vec!["acme.com".to_owned()],
        ..organization("Acme")
    };
    created(&t, allowing).await;
}

async fn collisions_of_names_are_told_at_once(t: Harness) {
    let all = pb::CreateOrganizationRequest {
        organization_slug: Some("slug".to_owned()),
        organization_external_id: Some("external-id".to_owned()),
        ..claiming(&["acme.com"])
    };
    created(&t, all.clone()).await;
    let both = refused(t.clients().create(all.clone()).await, Code::AlreadyExists, SLUG);
    assert_eq!(both.violations(), [("organization_slug", SLUG), ("organization_external_id", EXTERNAL_ID)]);
    let slug_and_domain =
        pb::CreateOrganizationRequest { organization_external_id: Some("free".to_owned()), ..all.clone() };
    taken(&t, slug_and_domain, "organization_slug", SLUG).await;
    let external_id_and_domain =
        pb::CreateOrganizationRequest { organization_slug: Some("free".to_owned()), ..all };
    taken(&t, external_id_and_domain, "organization_external_id", EXTERNAL_ID).await;
}

async fn a_refused_call_writes_nothing(t: Harness) {
    let first = pb::CreateOrganizationRequest {
        organization_external_id: Some("external-id".to_owned()),
        claimed_email_domains: vec!["acme.com".to_owned()],
        ..slugged("slug")
    };
    created(&t, first).await;
    let before = rows_written(&t).await;
    let refusals = [
        (slugged("no slug"), Code::InvalidArgument),
        (slugged("slug"), Code::AlreadyExists),
        (external("external-id"), Code::AlreadyExists),
        (claiming(&["other.com", "acme.com"]), Code::AlreadyExists),
    ];
    for (number, (request, code)) in refusals.into_iter().enumerate() {
        let request = with_key(request, &format!("key-{number}"));
        assert_eq!(t.clients().create(request).await.unwrap_err().code(), code);
    }
    assert_eq!(rows_written(&t).await, before);
}

/// Makes the calls at once, on two replicas where there can be two.
async fn at_once(
    t: &mut Harness,
    requests: Vec<pb::CreateOrganizationRequest>,
) -> (Vec<pb::Organization>, Vec<tonic::Status>) {
    let mut clients = vec![t.clients()];
    if t.on_servers() {
        clients.push(t.replica().await);
    }
    let mut calls = JoinSet::new();
    for (number, request) in requests.into_iter().enumerate() {
        let clients = clients[number % clients.len()].clone();
        calls.spawn(async move { clients.create(request).await });
    }
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for answer in calls.join_all().await {
        match answer {
            Ok(answer) => won.push(answer.into_inner().organization.unwrap()),
            Err(status) => lost.push(status),
        }
    }
    (won, lost)
}

async fn one_of_many_gets_the_slug(mut t: Harness) {
    // Half of them want the name as their external id.
    let requests = (0..30).map(|number| if number % 2 == 0 { slugged("prize") } else { external("Prize") });
    let (won, lost) = at_once(&mut t, requests.collect()).await;
    assert_eq!((won.len(), lost.len()), (1, 29));
    for status in lost {
        let refusal = crate::harness::refusal::Refusal::of(&status);
        assert_eq!(refusal.code, Code::AlreadyExists, "{refusal:?}");
        assert!([SLUG, EXTERNAL_ID].contains(&refusal.reason.as_str()), "{refusal:?}");
    }
    let names = t.count("organization_names WHERE name = 'prize'").await;
    let events = t.count("events").await;
    assert_eq!((t.count("organizations").await, names, events), (1, 1, 1));
    let found = t.clients().get("prize").await.or(t.clients().get("Prize").await);
    assert_eq!(found.unwrap().into_inner().organization, Some(won[0].clone()));
}

async fn everybody_gets_a_generated_slug(mut t: Harness) {
    let (won, lost) = at_once(&mut t, vec![organization("Acme"); 20]).await;
    assert!(lost.is_empty(), "{lost:?}");
    let mut slugs: Vec<_> = won.into_iter().map(|organization| organization.organization_slug).collect();
    slugs.sort();
    slugs.dedup();
    assert_eq!((slugs.len(), slugs[0].as_str()), (20, "acme"));
}

async fn one_of_many_gets_the_domain(mut t: Harness) {
    let requests = (0..12).map(|number| pb::CreateOrganizationRequest {
        organization_name: Some(format!("Acme {number}")),
        ..claiming(&[&format!("free-{number}.com"), "prize.com"])
    });
    let (won, lost) = at_once(&mut t, requests.collect()).await;
    assert_eq!((won.len(), lost.len()), (1, 11));
    for status in lost {
        let refusal = crate::harness::refusal::Refusal::of(&status);
        assert_eq!(refusal.code, Code::AlreadyExists, "{refusal:?}");
        assert_eq!(refusal.violations(), [("claimed_email_domains[1]", CLAIMED)]);
    }
    assert_eq!((t.count("organizations").await, t.count("organization_domains").await), (1, 2));
}

async fn one_of_many_gets_both_names(mut t: Harness) {
    let crossed = |slug: &str, external_id: &str| pb::CreateOrganizationRequest {
        organization_external_id: Some(external_id.to_owned()),
        ..slugged(slug)
    };
    let requests =
        (0..24).map(|number| if number % 2 == 0 { crossed("one", "two") } else { crossed("two", "one") });
    let (won, lost) = at_once(&mut t, requests.collect()).await;
    assert_eq!((won.len(), lost.len()), (1, 23));
    for status in lost {
        assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    }
    assert_eq!(t.count("organization_names").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_in_opposite_order_do_not_deadlock() {
    let t = Harness::postgres().await;
    created(&t, organization("Other")).await;
    let in_the_way = ["middle-1.com", "middle-2.com"].map(|domain| {
        format!(
            "INSERT INTO organization_domains (organization_id, kind, domain, position) \
             SELECT id, 'claimed', '{domain}', 9 FROM organizations LIMIT 1"
        )
    });
    let blockade = t.block_by(&in_the_way).await;
    let mut calls = JoinSet::new();
    let lists = [["acme.com", "middle-1.com", "zeta.com"], ["zeta.com", "middle-2.com", "acme.com"]];
    for (waiting, domains) in (1..).zip(lists) {
        let clients = t.clients();
        let request = pb::CreateOrganizationRequest {
            organization_name: Some(format!("Acme {waiting}")),
            ..claiming(&domains)
        };
        calls.spawn(async move { clients.create(request).await });
        t.blocked(waiting).await;
    }
    blockade.lift().await;
    let answers = calls.join_all().await;
    let codes: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().map_err(tonic::Status::code).err()).collect();
    assert!(codes.contains(&None) && codes.contains(&Some(Code::AlreadyExists)), "{answers:?}");
}
