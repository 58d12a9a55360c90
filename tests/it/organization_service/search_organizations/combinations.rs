//! Filters together.

use serde_json::json;
use vestibule::pb;

use super::{AND, Filters, OR, found, later};
use crate::harness::fixtures::organization;
use crate::harness::members::query;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(every_filter_must_match, one_filter_must_match, constants_decide, twenty_operands_will_do);

async fn check(t: &Harness, operator: pb::SearchOperator, filters: Filters<'_>, expected: &str) {
    let found = found(t, query(operator, filters)).await;
    let found: String = found.into_iter().map(|organization| organization.organization_name).collect();
    assert_eq!(found.replace("Acme ", ""), expected, "{operator:?} {filters:?}");
}

/// Acme A to Acme D; the domain of each is allowed there, and ada is a member of A and B.
async fn four(t: &Harness) {
    for letter in ["a", "b", "c", "d"] {
        let request = pb::CreateOrganizationRequest {
            organization_slug: Some(format!("slug-{letter}")),
            email_allowed_domains: vec![format!("acme-{letter}.com"), "everybody.dev".to_owned()],
            ..organization(&format!("Acme {}", letter.to_uppercase()))
        };
        let id = later(t, request).await.organization_id;
        t.clients().member(&id, &format!("{letter}@acme.com")).await;
        if letter < "c" {
            t.clients().member(&id, "ada@acme.com").await;
        }
    }
}

async fn every_filter_must_match(t: Harness) {
    four(&t).await;
    let ada = ("member_emails", json!(["ada@acme.com"]));
    let bc = ("organization_slugs", json!(["slug-b", "slug-c"]));
    let acme = ("organization_name_fuzzy", json!("acme"));
    let name_c = ("organization_name_fuzzy", json!("me c"));
    let domain = ("allowed_domain_fuzzy", json!("acme-"));
    check(&t, AND, &[ada.clone(), bc.clone()], "B").await;
    check(&t, AND, &[acme.clone(), ada.clone()], "BA").await;
    check(&t, AND, &[acme.clone(), domain.clone()], "DCBA").await;
    check(&t, AND, &[acme.clone(), domain.clone(), bc.clone()], "CB").await;
    check(&t, AND, &[acme.clone(), name_c.clone()], "C").await;
    check(&t, AND, &[ada.clone(), name_c.clone()], "").await;
    check(&t, AND, &[acme.clone(), acme.clone()], "DCBA").await;
    check(&t, AND, &[bc.clone(), bc.clone()], "CB").await;
    check(&t, AND, &[("organization_slugs", json!(["slug-a", "slug-b"])), bc.clone()], "B").await;
    // Two filters of members need not be met by one member.
    check(&t, AND, &[ada.clone(), ("member_emails", json!(["b@acme.com"]))], "B").await;
    check(&t, AND, &[ada, ("member_email_fuzzy", json!("b@acme"))], "B").await;
}

async fn one_filter_must_match(t: Harness) {
    four(&t).await;
    let ada = ("member_emails", json!(["ada@acme.com"]));
    let bc = ("organization_slugs", json!(["slug-b", "slug-c"]));
    let name_d = ("organization_name_fuzzy", json!("me D"));
    let nobody = ("member_email_fuzzy", json!("nobody"));
    check(&t, OR, &[ada.clone(), bc.clone()], "CBA").await;
    check(&t, OR, &[bc.clone(), bc.clone()], "CB").await;
    check(&t, OR, &[ada.clone(), name_d.clone()], "DBA").await;
    check(&t, OR, &[name_d, nobody.clone()], "D").await;
    check(&t, OR, &[nobody.clone(), nobody.clone()], "").await;
    check(&t, OR, &[nobody], "").await;
    // An organization that matches one filter in several ways is one organization.
    check(&t, OR, &[("member_email_fuzzy", json!("@acme"))], "DCBA").await;
    check(&t, OR, &[("member_emails", json!(["ada@acme.com", "a@acme.com"]))], "BA").await;
    check(&t, OR, &[ada, bc, ("organization_name_fuzzy", json!("acme"))], "DCBA").await;
}

async fn constants_decide(t: Harness) {
    four(&t).await;
    let ada = || ("member_emails", json!(["ada@acme.com"]));
    let (every, none) =
        (("has_active_sso_connection", json!(false)), ("has_active_sso_connection", json!(true)));
    let connection = ("sso_connection_id", json!("saml-connection"));
    for (all, any) in [(&none, &none), (&connection, &connection), (&none, &connection)] {
        check(&t, AND, &[all.clone(), ada()], "").await;
        check(&t, AND, &[ada(), all.clone(), every.clone()], "").await;
        check(&t, OR, &[any.clone(), ada()], "BA").await;
        check(&t, OR, &[all.clone(), any.clone()], "").await;
        check(&t, OR, &[any.clone(), every.clone()], "DCBA").await;
    }
    check(&t, AND, &[every.clone(), ada()], "BA").await;
    check(&t, AND, &[every.clone(), every.clone()], "DCBA").await;
    check(&t, OR, &[ada(), every.clone()], "DCBA").await;
    check(&t, OR, &[every], "DCBA").await;
}

async fn twenty_operands_will_do(t: Harness) {
    four(&t).await;
    let slugs = |letter: char| ("organization_slugs", json!([format!("slug-{letter}")]));
    let many: Vec<_> = ('c'..='v').map(slugs).collect();
    assert_eq!(many.len(), 20);
    check(&t, OR, &many, "DC").await;
    check(&t, AND, &many, "").await;
    let texts: Vec<_> = (0..20).map(|_| ("member_email_fuzzy", json!("ada@"))).collect();
    check(&t, AND, &texts, "BA").await;
    check(&t, OR, &texts, "BA").await;
}
