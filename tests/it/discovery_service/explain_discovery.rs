mod requests;
mod unseen;
mod visible;

use vestibule::pb;
use vestibule::pb::RuleVerdict;

use crate::harness::clients::Clients;
use crate::harness::fixtures::organization;
use crate::harness::logins::{exchange, explanation, listing};
use crate::harness::members::invitation;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_visible_organization_is_explained_as_it_is_listed,
    the_organization_is_named_by_id_slug_or_external_id,
    nothing_is_spent_and_nothing_changes,
);

/// A rule as it is explained: name, verdict, setting, explanation.
type Rule = (&'static str, RuleVerdict, &'static str, &'static str);

/// The names of the rules, in the order of their application.
const RULES: [&str; 8] = [
    "bound_token",
    "claimed_email_domain",
    "membership",
    "email_jit_provisioning",
    "oauth_tenant_jit_provisioning",
    "email_verification",
    "auth_methods",
    "mfa_policy",
];

async fn explained(clients: &Clients, request: pb::ExplainDiscoveryRequest) -> pb::ExplainDiscoveryResponse {
    clients.explain(request).await.unwrap().into_inner()
}

/// Compares the rules of an answer.
#[track_caller]
fn says(answer: &pb::ExplainDiscoveryResponse, expected: &[Rule; 8]) {
    let of = |(rule, verdict, setting, explanation): &Rule| pb::ExplainedRule {
        rule: (*rule).to_owned(),
        verdict: (*verdict).into(),
        setting: (*setting).to_owned(),
        explanation: (*explanation).to_owned(),
    };
    assert_eq!(answer.rules, expected.iter().map(of).collect::<Vec<_>>());
    assert_eq!(expected.map(|(rule, ..)| rule), RULES);
}

async fn a_visible_organization_is_explained_as_it_is_listed(t: Harness) {
    let clients = t.clients();
    clients.founded("ada@acme.com").await;
    let invited = clients.organization("Invited").await;
    clients.invite_member(invitation(&invited.organization_id, "ada@acme.com")).await.unwrap();
    clients.ask_for_second_factors(&invited.organization_id).await;
    clients.open_to("Joinable", "acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let listed = clients.discovered(listing(&token)).await.unwrap().into_inner().discovered_organizations;
    assert_eq!(listed.len(), 3);
    for found in listed {
        let organization = found.organization.clone().unwrap();
        let answer = clients.explain(explanation(&token, &organization.organization_id)).await.unwrap();
        let header = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        let answer = answer.into_inner();
        let expected = pb::ExplainDiscoveryResponse {
            request_id: header,
            visible: true,
            discovered_organization: Some(found),
            rules: answer.rules.clone(),
        };
        assert_eq!(answer, expected);
        let rules: Vec<_> = answer.rules.iter().map(|rule| rule.rule.as_str()).collect();
        assert_eq!(rules, RULES);
        assert!(answer.rules.iter().all(|rule| !rule.explanation.is_empty()), "{answer:?}");
    }
}

async fn the_organization_is_named_by_id_slug_or_external_id(t: Harness) {
    let clients = t.clients();
    let request = pb::CreateOrganizationRequest {
        organization_slug: Some("Acme.Corp".to_owned()),
        organization_external_id: Some("CRM|Acme-1".to_owned()),
        ..organization("Acme")
    };
    let acme = clients.create(request).await.unwrap().into_inner().organization.unwrap();
    clients.member(&acme.organization_id, "ada@acme.com").await;
    let token = clients.token("ada@acme.com").await;
    let visible = async |name: &str| explained(&clients, explanation(&token, name)).await.visible;
    for name in [&acme.organization_id, "Acme.Corp", "acme.corp", "CRM|Acme-1"] {
        assert!(visible(name).await, "{name}");
        assert!(clients.get(name).await.is_ok(), "{name}");
    }
    for name in ["acme", "Acme", "CRM|acme-1"] {
        assert!(!visible(name).await, "{name}");
        assert!(clients.get(name).await.is_err(), "{name}");
    }
}

async fn nothing_is_spent_and_nothing_changes(t: Harness) {
    let clients = t.clients();
    let acme = clients.open_to("Acme", "acme.com").await.organization_id;
    let token = clients.token("ada@acme.com").await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session;
    let tables = ["events", "members", "sessions", "intermediate_session_receipts", "idempotency_records"];
    let mut counts = Vec::new();
    for table in tables {
        counts.push(t.count(table).await);
    }
    for name in [acme.as_str(), "nowhere"] {
        let first = explained(&clients, explanation(&token, name)).await;
        let again = explained(&clients, explanation(&token, name)).await;
        assert_eq!(pb::ExplainDiscoveryResponse { request_id: first.request_id.clone(), ..again }, first);
    }
    for (table, count) in tables.into_iter().zip(counts) {
        assert_eq!(t.count(table).await, count, "{table}");
    }
    assert_eq!(clients.inspect(&token).await.unwrap().into_inner().intermediate_session, before);
    assert!(clients.exchange(exchange(&token, &acme)).await.unwrap().into_inner().member_authenticated);
}
