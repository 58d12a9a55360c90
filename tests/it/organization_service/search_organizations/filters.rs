//! Each filter alone: what it finds and what it does not.

use serde_json::{Value as Json, json};
use vestibule::pb;

use super::{later, names};
use crate::harness::Harness;
use crate::harness::fixtures::organization;
use crate::harness::members::member_update;
use crate::harness::on_both_backends;

on_both_backends!(
    by_ids_slugs_and_external_ids,
    by_slugs,
    by_a_part_of_the_slug,
    by_a_part_of_the_name,
    by_addresses_of_members,
    by_a_part_of_the_address_of_a_member,
    by_domains,
    by_connections,
);

/// Asserts what each value of a filter finds, the newest first.
async fn check(t: &Harness, filter: &str, cases: &[(Json, &[&str])]) {
    for (value, expected) in cases {
        assert_eq!(names(t, &[(filter, value.clone())]).await, *expected, "{filter}: {value}");
    }
}

fn named(name: &str, slug: &str, external_id: Option<&str>) -> pb::CreateOrganizationRequest {
    pb::CreateOrganizationRequest {
        organization_slug: Some(slug.to_owned()),
        organization_external_id: external_id.map(str::to_owned),
        ..organization(name)
    }
}

async fn by_ids_slugs_and_external_ids(t: Harness) {
    const FILTER: &str = "organization_ids";
    let a = later(&t, named("A", "Acme-One", Some("Erp|1"))).await.organization_id;
    let b = later(&t, named("B", "acme-two", Some("Erp-2"))).await.organization_id;
    later(&t, named("C", "plain", None)).await;
    // A slug and an external id that are one name, in two spellings.
    later(&t, named("D", "SAME", Some("same"))).await;
    check(
        &t,
        FILTER,
        &[
            (json!([a]), &["A"]),
            (json!([a, b]), &["B", "A"]),
            (json!([b, a, b, "acme-one"]), &["B", "A"]),
            (json!(["acme-one"]), &["A"]),
            (json!(["ACME-ONE", "PLAIN"]), &["C", "A"]),
            (json!(["Erp|1"]), &["A"]),
            (json!(["Erp-2", a, "plain"]), &["C", "B", "A"]),
            // External ids are found in their own case only, whatever else is asked for.
            (json!(["erp|1"]), &[]),
            (json!(["ERP-2", a]), &["A"]),
            (json!(["ERP-2", "Erp|1"]), &["A"]),
            (json!(["Same"]), &["D"]),
            (json!(["absent"]), &[]),
            (json!([format!("organization-test-{}", crate::organization_service::ABSENT)]), &[]),
            (json!(["acme", "acme-on", "cme-one"]), &[]),
        ],
    )
    .await;
    let many: Vec<_> =
        (0..999).map(|number| format!("absent-{number}")).chain(["plain".to_owned()]).collect();
    check(&t, FILTER, &[(json!(many), &["C"])]).await;
}

async fn by_slugs(t: Harness) {
    let a = later(&t, named("A", "Acme-One", Some("ext-1"))).await.organization_id;
    later(&t, named("B", "ext-2", None)).await;
    later(&t, named("C", "plain", Some("EXT-3"))).await;
    let uuid = a.strip_prefix("organization-test-").unwrap();
    check(
        &t,
        "organization_slugs",
        &[
            (json!(["Acme-One"]), &["A"]),
            (json!(["acme-one", "ACME-ONE"]), &["A"]),
            (json!(["EXT-2", "Plain"]), &["C", "B"]),
            // Neither an external id nor an id is a slug.
            (json!(["ext-1", "ext-3", uuid]), &[]),
            (json!(["acme", "absent"]), &[]),
        ],
    )
    .await;
    let many: Vec<_> =
        (0..999).map(|number| format!("absent-{number}")).chain(["plain".to_owned()]).collect();
    check(&t, "organization_slugs", &[(json!(many), &["C"])]).await;
}

async fn by_a_part_of_the_slug(t: Harness) {
    later(&t, named("A", "under_score.x", Some("external"))).await;
    later(&t, named("B", "UnderXscore~y", None)).await;
    check(
        &t,
        "organization_slug_fuzzy",
        &[
            (json!("under"), &["B", "A"]),
            (json!("UNDER"), &["B", "A"]),
            (json!("DerXs"), &["B"]),
            (json!("R_S"), &["A"]),
            (json!("r%s"), &[]),
            (json!("___"), &[]),
            (json!("e.x"), &["A"]),
            (json!("e~y"), &["B"]),
            (json!("UNDER_score.X"), &["A"]),
            (json!("under_score.xx"), &[]),
            (json!("exter"), &[]),
            (json!(" under"), &[]),
        ],
    )
    .await;
}

async fn by_a_part_of_the_name(t: Harness) {
    for (name, slug) in [
        ("Ácme & Söhne 100%", "s-1"),
        ("under_score \\ back\\slash", "s-2"),
        ("underXscore 日本語の会社", "s-3"),
        ("İstanbul ẞ 🏛🏗🏭", "s-4"),
        ("aaaa  'quoted\"", "s-5"),
    ] {
        later(&t, named(name, slug, None)).await;
    }
    let (acme, under, other) =
        ("Ácme & Söhne 100%", "under_score \\ back\\slash", "underXscore 日本語の会社");
    let (istanbul, quoted) = ("İstanbul ẞ 🏛🏗🏭", "aaaa  'quoted\"");
    check(
        &t,
        "organization_name_fuzzy",
        &[
            (json!("hne"), &[acme]),
            (json!("HNE 1"), &[acme]),
            (json!("Ácme"), &[acme]),
            (json!("CME & Sö"), &[acme]),
            (json!("Ácme & Söhne 100%"), &[acme]),
            (json!("00%"), &[acme]),
            (json!("0%%"), &[]),
            (json!("%%%"), &[]),
            (json!("a%e"), &[]),
            (json!("r_s"), &[under]),
            (json!("___"), &[]),
            (json!("UNDER"), &[other, under]),
            (json!("e \\ b"), &[under]),
            (json!("back\\slash"), &[under]),
            (json!("\\sl"), &[under]),
            (json!("ck\\"), &[under]),
            (json!("\\\\s"), &[]),
            (json!("日本語"), &[other]),
            (json!("の会社"), &[other]),
            (json!("日語の"), &[]),
            (json!("İst"), &[istanbul]),
            (json!("l ẞ 🏛"), &[istanbul]),
            (json!("🏛🏗🏭"), &[istanbul]),
            (json!("aaa"), &[quoted]),
            (json!("aaaaa"), &[]),
            (json!("  '"), &[quoted]),
            (json!("'quoted\""), &[quoted]),
            (json!("x".repeat(255)), &[]),
            (json!("🏛".repeat(255)), &[]),
        ],
    )
    .await;
}

/// Organizations with members: A has ada and a deleted one, B has bob who was ada once, C has nobody.
async fn peopled(t: &Harness) {
    let clients = t.clients();
    let a = later(t, named("A", "a-1", None)).await.organization_id;
    clients.member(&a, "Ada@Acme.com").await;
    clients.member(&a, "under_score+x%@acme.com").await;
    let deleted = clients.member(&a, "deleted@acme.com").await;
    let deletion = pb::DeleteMemberRequest {
        organization_id: a.clone(),
        member_id: deleted.member_id,
        ..pb::DeleteMemberRequest::default()
    };
    clients.delete_member(deletion).await.unwrap();
    let b = later(t, named("B", "b-1", None)).await.organization_id;
    let bob = clients.member(&b, "ada@other.com").await;
    let renamed = pb::UpdateMemberRequest {
        email_address: Some("bob@bücher.de".to_owned()),
        ..member_update(&b, &bob.member_id)
    };
    clients.update_member(renamed).await.unwrap();
    let pending = pb::CreateMemberRequest {
        create_member_as_pending: true,
        ..crate::harness::members::new_member(&b, "underxscore@acme.com")
    };
    clients.create_member(pending).await.unwrap();
    clients.invite_member(crate::harness::members::invitation(&b, "eve@acme.com")).await.unwrap();
    later(t, named("C", "c-1", None)).await;
    clients.member(&later(t, named("D", "d-1", None)).await.organization_id, "ada@acme.com").await;
}

async fn by_addresses_of_members(t: Harness) {
    peopled(&t).await;
    check(
        &t,
        "member_emails",
        &[
            (json!(["ada@acme.com"]), &["D", "A"]),
            (json!(["ADA@ACME.COM."]), &["D", "A"]),
            (json!(["eve@acme.com", "bob@bücher.de"]), &["B"]),
            (json!(["bob@xn--bcher-kva.de"]), &["B"]),
            (json!(["underxscore@acme.com", "under_score+x%@acme.com"]), &["B", "A"]),
            // Deleted members count for nothing, nor do addresses that members had before.
            (json!(["deleted@acme.com", "ada@other.com"]), &[]),
            (json!(["da@acme.com", "absent@acme.com"]), &[]),
        ],
    )
    .await;
}

async fn by_a_part_of_the_address_of_a_member(t: Harness) {
    peopled(&t).await;
    check(
        &t,
        "member_email_fuzzy",
        &[
            (json!("ada@"), &["D", "A"]),
            (json!("DA@AC"), &["D", "A"]),
            (json!("@acme.com"), &["D", "B", "A"]),
            (json!("r_s"), &["A"]),
            (json!("rxs"), &["B"]),
            (json!("+x%"), &["A"]),
            (json!("x%@"), &["A"]),
            (json!("a%e"), &[]),
            (json!("xn--bcher"), &["B"]),
            (json!("deleted"), &[]),
            (json!("@other"), &[]),
            (json!("ada@acme.com"), &["D", "A"]),
        ],
    )
    .await;
}

async fn by_domains(t: Harness) {
    let request = |name: &str, allowed: &[&str], claimed: &[&str]| pb::CreateOrganizationRequest {
        email_allowed_domains: allowed.iter().map(|domain| (*domain).to_owned()).collect(),
        claimed_email_domains: claimed.iter().map(|domain| (*domain).to_owned()).collect(),
        ..organization(name)
    };
    later(&t, request("A", &["acme.com", "mail.acme.org"], &["acme.org"])).await;
    later(&t, request("B", &["acme.com", "bücher.de"], &["acme.com", "acme-b.com"])).await;
    later(&t, request("C", &["other.dev"], &[])).await;
    check(
        &t,
        "allowed_domains",
        &[
            (json!(["acme.com"]), &["B", "A"]),
            (json!(["ACME.com."]), &["B", "A"]),
            (json!(["bücher.de", "other.dev"]), &["C", "B"]),
            (json!(["XN--bcher-kva.de"]), &["B"]),
            (json!(["acme.org", "acme-b.com"]), &[]),
            (json!(["acme.co", "absent.dev"]), &[]),
            // What could not be allowed is not there, and that is no mistake.
            (json!(["gmail.com", "mailinator.com", "co.uk"]), &[]),
        ],
    )
    .await;
    check(
        &t,
        "claimed_email_domains",
        &[
            (json!(["acme.com"]), &["B"]),
            (json!(["acme.org", "ACME-B.com"]), &["B", "A"]),
            (json!(["mail.acme.org", "other.dev"]), &[]),
        ],
    )
    .await;
    check(
        &t,
        "allowed_domain_fuzzy",
        &[
            (json!("acme"), &["B", "A"]),
            (json!("L.AC"), &["A"]),
            (json!("acme.org"), &["A"]),
            (json!("acme-b"), &[]),
            (json!("acme_com"), &[]),
            (json!("--bcher"), &["B"]),
            (json!(".com"), &["B", "A"]),
        ],
    )
    .await;
}

async fn by_connections(t: Harness) {
    let id = format!("saml-connection-test-{}", crate::organization_service::ABSENT);
    let connected = later(&t, organization("A")).await;
    let mut request = crate::harness::members::organization_update(&connected.organization_id);
    request.sso_default_connection_id = Some(id.clone());
    request.sso_jit_provisioning_allowed_connections = vec![id.clone()];
    t.clients().update_organization(request).await.unwrap();
    later(&t, organization("B")).await;
    check(&t, "has_active_sso_connection", &[(json!(false), &["B", "A"]), (json!(true), &[])]).await;
    // A connection that is named is not one that is active.
    check(&t, "sso_connection_id", &[(json!(id), &[]), (json!("absent"), &[])]).await;
}
