//! The name and the slug of an organization whose creator gives none.

use tonic::Code;
use vestibule::pb;

use crate::harness::fixtures::{creation, organization};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    names_are_made_from_the_address,
    only_what_is_missing_is_made,
    a_generated_slug_that_is_taken_gets_a_random_ending,
    a_chosen_slug_that_is_taken_is_refused_and_the_token_is_as_good_as_before,
);

async fn names_are_made_from_the_address(t: Harness) {
    let clients = t.clients();
    let long = format!("{}@gmail.com", "l".repeat(64));
    let cases = [
        ("ada@acme.com", "acme", "acme"),
        ("ada@mail.eu.acme-two.co.uk", "acme-two", "acme-two"),
        ("ada@GitHub.io", "Organization", "organization"),
        ("ada@pages.github.io", "pages", "pages"),
        ("Ada.Lovelace+news+x@gmail.com", "ada.lovelace", "ada.lovelace"),
        ("ada_k@googlemail.com", "ada_k", "ada_k"),
        ("countess@yahoo.co.uk", "countess", "countess"),
        ("noel@live.fr", "noel", "noel"),
        ("charles@mit.edu", "charles", "charles"),
        ("mary+lab@cs.ox.edu", "mary", "mary"),
        ("ada@unimelb.edu.au", "unimelb", "unimelb"),
        ("ada@x.com", "x", "x-org"),
        ("q@gmail.com", "q", "q-org"),
        ("a!!#b--c$@gmail.com", "a!!#b--c$", "a-b-c"),
        ("+tag@outlook.com", "Organization", "organization-"),
        ("$$@gmail.com", "$$", "organization-"),
        ("~@gmail.com", "~", "~-org"),
        ("ada@münchen.example", "xn--mnchen-3ya", "xn-mnchen-3ya"),
        (&long, &long[..64], &long[..64]),
    ];
    for (address, name, slug) in cases {
        let token = clients.token(address).await;
        let created = clients.spend(creation(&token)).await.unwrap().into_inner();
        let organization = created.organization.unwrap();
        assert_eq!(organization.organization_name, name, "{address}");
        let seen = &organization.organization_slug;
        if slug.ends_with('-') {
            // Taken by a row above.
            assert!(seen.starts_with(slug) && seen.len() == slug.len() + 6, "{address}: {seen}");
        } else {
            assert_eq!(seen, slug, "{address}");
        }
        assert_eq!(&created.member_session.unwrap().organization_slug, seen, "{address}");
    }
}

async fn only_what_is_missing_is_made(t: Harness) {
    let clients = t.clients();
    let cases = [
        (Some("Analytical Engines"), None, "Analytical Engines", "acme"),
        (None, Some("Engines"), "acme", "Engines"),
        (Some("Engines"), Some("Difference"), "Engines", "Difference"),
    ];
    for (name, slug, expected_name, expected_slug) in cases {
        let token = clients.token("ada@acme.com").await;
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            organization_name: name.map(str::to_owned),
            organization_slug: slug.map(str::to_owned),
            ..creation(&token)
        };
        let seen = clients.spend(request).await.unwrap().into_inner().organization.unwrap();
        assert_eq!(
            (seen.organization_name.as_str(), seen.organization_slug.as_str()),
            (expected_name, expected_slug)
        );
    }
}

async fn a_generated_slug_that_is_taken_gets_a_random_ending(t: Harness) {
    let clients = t.clients();
    // Taken in another spelling, and for the second organization as an external id.
    clients
        .create(pb::CreateOrganizationRequest {
            organization_slug: Some("ACME".to_owned()),
            organization_external_id: Some("Other".to_owned()),
            ..organization("First")
        })
        .await
        .unwrap();
    let mut slugs = Vec::new();
    for (address, base) in [("ada@acme.com", "acme-"), ("bob@acme.com", "acme-"), ("ada@other.com", "other-")]
    {
        let token = clients.token(address).await;
        let created = clients.spend(creation(&token)).await.unwrap().into_inner();
        let slug = created.organization.unwrap().organization_slug;
        let ending = slug.strip_prefix(base).unwrap_or_else(|| panic!("{slug}"));
        let base36 = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        assert!(ending.len() == 6 && ending.bytes().all(base36), "{slug}");
        assert!(!slugs.contains(&slug), "{slugs:?} has {slug} already");
        assert!(clients.get(&slug).await.is_ok());
        slugs.push(slug);
    }
}

async fn a_chosen_slug_that_is_taken_is_refused_and_the_token_is_as_good_as_before(t: Harness) {
    let clients = t.clients();
    let first = pb::CreateOrganizationRequest {
        organization_external_id: Some("crm-7".to_owned()),
        ..organization("Acme")
    };
    clients.create(first).await.unwrap();
    let token = clients.token("ada@acme.com").await;
    let before = clients.inspect(&token).await.unwrap().into_inner().intermediate_session;
    // The external id of another organization is taken as a slug too, and the other way round.
    for slug in ["acme", "aCmE", "CRM-7"] {
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            organization_slug: Some(slug.to_owned()),
            ..creation(&token)
        };
        let refusal =
            refused(clients.spend(request).await, Code::AlreadyExists, "ORGANIZATION_SLUG_ALREADY_USED");
        assert_eq!(refusal.violations(), [("organization_slug", "ORGANIZATION_SLUG_ALREADY_USED")]);
    }
    for external_id in ["crm-7", "ACME"] {
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            organization_slug: Some("free".to_owned()),
            organization_external_id: Some(external_id.to_owned()),
            ..creation(&token)
        };
        let reason = "ORGANIZATION_EXTERNAL_ID_ALREADY_USED";
        let refusal = refused(clients.spend(request).await, Code::AlreadyExists, reason);
        assert_eq!(refusal.violations(), [("organization_external_id", reason)]);
    }
    assert_eq!(clients.inspect(&token).await.unwrap().into_inner().intermediate_session, before);
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_slug: Some("free".to_owned()),
        ..creation(&token)
    };
    assert!(clients.spend(request).await.unwrap().into_inner().member_authenticated);
}
