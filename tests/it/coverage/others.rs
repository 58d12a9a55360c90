//! Each method that takes no key, called so that it succeeds.

use vestibule::pb;

use super::Stand;
use crate::harness::clients::Clients;
use crate::harness::fixtures::magic_link;
use crate::harness::logins::{explanation, listing};

/// Calls a method.
pub(super) async fn call(clients: &Clients, method: &str, stand: &Stand) {
    let token = stand.token.as_str();
    let organization_id = stand.organization_id.clone();
    match method {
        "IntermediateSessionService/CreateIntermediateSession" => {
            assert!(!clients.token("ada@acme.com").await.is_empty());
        }
        "IntermediateSessionService/AddFactor" => {
            drop(clients.add_factor(token, magic_link()).await.unwrap());
        }
        "IntermediateSessionService/RevokeIntermediateSession" => drop(clients.revoke(token).await.unwrap()),
        "IntermediateSessionService/GetIntermediateSession" => drop(clients.inspect(token).await.unwrap()),
        "OrganizationService/GetOrganization" => drop(clients.get(&organization_id).await.unwrap()),
        "OrganizationService/SearchOrganizations" => {
            let request = pb::SearchOrganizationsRequest::default();
            let found = clients.search_organizations(request).await.unwrap().into_inner().organizations;
            assert!(!found.is_empty());
        }
        "OrganizationService/GetOrganizationMetrics" => {
            let request = pb::GetOrganizationMetricsRequest { organization_id };
            let metrics = clients.get_organization_metrics(request).await.unwrap().into_inner();
            assert_eq!(metrics.member_count, 1);
        }
        "MemberService/GetMember" => {
            drop(clients.member_by_id(&organization_id, &stand.member.member_id).await.unwrap());
        }
        "MemberService/SearchMembers" => {
            let organization_ids = vec![organization_id];
            let request =
                pb::SearchMembersRequest { organization_ids, ..pb::SearchMembersRequest::default() };
            let found = clients.search_members(request).await.unwrap().into_inner().members;
            assert_eq!(found, std::slice::from_ref(&stand.member));
        }
        "DiscoveryService/ListDiscoveredOrganizations" => {
            let listed = clients.discovered(listing(&stand.member_token)).await.unwrap().into_inner();
            // Other stands have a member of this address too.
            assert!(listed.discovered_organizations.len() >= 2);
        }
        "DiscoveryService/ExplainDiscovery" => {
            let request = explanation(&stand.member_token, &organization_id);
            assert!(clients.explain(request).await.unwrap().into_inner().visible);
        }
        "SessionService/GetSessions" => {
            let listed = clients.sessions_of(&organization_id, &stand.member.member_id).await.unwrap();
            assert_eq!(listed.into_inner().member_sessions, std::slice::from_ref(&stand.session));
        }
        "SessionService/GetJwks" => {
            drop(clients.sessions.clone().get_jwks(pb::GetJwksRequest {}).await.unwrap());
        }
        new => panic!("call {new} here"),
    }
}
