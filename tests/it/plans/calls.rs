//! Every method of the API but the searches, called so that it runs all of its statements. Those of
//! members, and what people log in by, are apart.

use serde_json::json;
use vestibule::pb;

use super::logins;
use super::member_calls;
use super::subjects::Subjects;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, magic_link, organization, with_key};
use crate::harness::json::object;
use crate::harness::members::{mask, organization_update};

/// Calls a method, by the name of its service and its own.
pub(super) async fn call(clients: &Clients, subjects: &Subjects, method: &str) {
    // What a call makes is named after it, so that no two meet.
    let name = method.replace('/', "-").to_ascii_lowercase();
    match method {
        "DiscoveryService/CreateOrganization" => discover(clients, subjects, &name).await,
        "IntermediateSessionService/CreateIntermediateSession" => drop(clients.token("a@acme.com").await),
        "IntermediateSessionService/AddFactor" => {
            let token = clients.token("ada@acme.com").await;
            clients.add_factor(&token, magic_link()).await.unwrap();
        }
        "IntermediateSessionService/GetIntermediateSession" => {
            let token = clients.token("ada@acme.com").await;
            clients.inspect(&token).await.unwrap();
            clients.inspect(&token.replace(&token[..4], "AAAA")).await.unwrap_err();
        }
        "IntermediateSessionService/RevokeIntermediateSession" => {
            let token = clients.token("ada@acme.com").await;
            clients.revoke(&token).await.unwrap();
            clients.revoke(&token).await.unwrap_err();
        }
        "SessionService/GetJwks" => {
            clients.sessions.clone().get_jwks(pb::GetJwksRequest {}).await.unwrap();
        }
        method if method.starts_with("DiscoveryService/") || method.starts_with("SessionService/") => {
            logins::call(clients, subjects, method, &name).await;
        }
        method if method.starts_with("OrganizationService/") => {
            call_of_organizations(clients, subjects, method, &name).await;
        }
        method => member_calls::call(clients, subjects, method, &name).await,
    }
}

/// Everything that can become of a token.
async fn discover(clients: &Clients, subjects: &Subjects, name: &str) {
    let token = clients.token(&format!("ada@{name}.com")).await;
    let first = clients.spend(with_key(creation(&token), name)).await.unwrap().into_inner();
    let repeated = clients.spend(with_key(creation(&token), name)).await.unwrap().into_inner();
    assert_eq!(repeated.session_token, first.session_token);
    clients.spend(creation(&token)).await.unwrap_err();
    let token = clients.token(&format!("ada@{name}.com")).await;
    let wanting = |slug: &str, external_id: Option<String>| pb::DiscoveryServiceCreateOrganizationRequest {
        organization_slug: Some(slug.to_owned()),
        organization_external_id: external_id,
        ..creation(&token)
    };
    let slug = &subjects.organization.organization_slug;
    clients.spend(with_key(wanting(slug, Some(subjects.external_id())), "taken")).await.unwrap_err();
    let owed = pb::DiscoveryServiceCreateOrganizationRequest {
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        ..creation(&token)
    };
    clients.spend(owed).await.unwrap();
    clients.inspect(&token).await.unwrap();
    let claimed = clients.token(&format!("ada@{}", subjects.claimed_domain())).await;
    clients.spend(creation(&claimed)).await.unwrap_err();
}

async fn call_of_organizations(clients: &Clients, subjects: &Subjects, method: &str, name: &str) {
    let seeded = &subjects.organization;
    let known_by = [&seeded.organization_id, &seeded.organization_slug, &subjects.external_id()];
    match method {
        "OrganizationService/CreateOrganization" => {
            let request = || pb::CreateOrganizationRequest {
                organization_external_id: Some(name.to_owned()),
                claimed_email_domains: vec![format!("{name}.com")],
                ..organization(name)
            };
            clients.create(with_key(request(), name)).await.unwrap();
            clients.create(with_key(request(), name)).await.unwrap();
            clients.create(request()).await.unwrap_err();
            let claimed = vec![subjects.claimed_domain()];
            let request =
                pb::CreateOrganizationRequest { claimed_email_domains: claimed, ..organization(name) };
            clients.create(request).await.unwrap_err();
        }
        "OrganizationService/GetOrganization" => {
            for known in known_by {
                clients.get(known).await.unwrap();
            }
            clients.get("nobody").await.unwrap_err();
        }
        "OrganizationService/UpdateOrganization" => update_organization(clients, subjects, name).await,
        "OrganizationService/DeleteOrganization" => {
            let id = clients.organization(name).await.organization_id;
            clients.member(&id, "ada@acme.com").await;
            let request = || pb::DeleteOrganizationRequest { organization_id: id.clone(), etag: None };
            clients.delete_organization(with_key(request(), name)).await.unwrap();
            clients.delete_organization(with_key(request(), name)).await.unwrap();
            clients.delete_organization(request()).await.unwrap_err();
        }
        "OrganizationService/GetOrganizationMetrics" => {
            for known in known_by {
                let request = pb::GetOrganizationMetricsRequest { organization_id: known.clone() };
                clients.get_organization_metrics(request).await.unwrap();
            }
        }
        "OrganizationService/DeleteOrganizationExternalId" => {
            let id = clients.organization(name).await.organization_id;
            let request = pb::UpdateOrganizationRequest {
                organization_external_id: Some(name.to_owned()),
                ..organization_update(&id)
            };
            clients.update_organization(request).await.unwrap();
            let request = pb::DeleteOrganizationExternalIdRequest { organization_id: id, etag: None };
            clients.delete_organization_external_id(with_key(request, name)).await.unwrap();
        }
        new => panic!("call {new} here"),
    }
}

async fn update_organization(clients: &Clients, subjects: &Subjects, name: &str) {
    let id = clients.organization(name).await.organization_id;
    let domain = format!("{name}.com");
    clients.member(&id, &format!("ada@{domain}")).await;
    let assignment =
        pb::EmailImplicitRoleAssignment { domain: domain.clone(), role_id: "stytch_admin".to_owned() };
    let request = pb::UpdateOrganizationRequest {
        organization_slug: Some(format!("{name}-2")),
        organization_external_id: Some(format!("{name}-3")),
        email_allowed_domains: vec![domain.clone(), "globex.com".to_owned()],
        claimed_email_domains: vec![domain],
        allowed_oauth_tenants: Some(object(json!({"github": ["acme", "globex"], "slack": ["T1"]}))),
        rbac_email_implicit_role_assignments: vec![assignment],
        ..organization_update(&id)
    };
    clients.update_organization(with_key(request.clone(), name)).await.unwrap();
    clients.update_organization(with_key(request, name)).await.unwrap();
    let seeded = &subjects.organization;
    for request in [
        pb::UpdateOrganizationRequest {
            organization_slug: Some(seeded.organization_slug.clone()),
            organization_external_id: Some(subjects.external_id()),
            ..organization_update(&id)
        },
        pb::UpdateOrganizationRequest {
            claimed_email_domains: vec![subjects.claimed_domain()],
            ..organization_update(&id)
        },
    ] {
        clients.update_organization(request).await.unwrap_err();
    }
    // Whether that takes the last admin's role away has to be found out.
    let request = pb::UpdateOrganizationRequest {
        update_mask: mask(&[
            "rbac_email_implicit_role_assignments",
            "organization_external_id",
            "email_allowed_domains",
        ]),
        ..organization_update(&id)
    };
    clients.update_organization(request).await.unwrap();
}
