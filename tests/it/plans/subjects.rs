//! Made-up organizations and members that calls are about.

use vestibule::pb;

use crate::harness::clients::Clients;

/// What is called by name.
#[derive(Debug)]
pub(super) struct Subjects {
    /// Has an external id, an allowed and a claimed domain.
    pub(super) organization: pb::Organization,
    /// Its members.
    pub(super) members: Vec<pb::Member>,
    /// Some organizations; one of them gives a role by domain.
    pub(super) organizations: Vec<pb::Organization>,
}

impl Subjects {
    pub(super) async fn find(clients: &Clients) -> Self {
        let request = pb::SearchOrganizationsRequest {
            limit: Some(1_000),
            ..pb::SearchOrganizationsRequest::default()
        };
        let found = clients.search_organizations(request).await.unwrap().into_inner().organizations;
        let whole = |organization: &&pb::Organization| {
            organization.organization_external_id.is_some()
                && !organization.email_allowed_domains.is_empty()
                && !organization.claimed_email_domains.is_empty()
        };
        let organization = found.iter().find(whole).expect("an organization that has everything").clone();
        let gives =
            |organization: &&pb::Organization| !organization.rbac_email_implicit_role_assignments.is_empty();
        let giving = found.iter().find(gives).expect("an organization that gives roles by domain");
        let mut organizations = found[..8].to_vec();
        organizations.extend([organization.clone(), giving.clone()]);
        let request = pb::SearchMembersRequest {
            organization_ids: vec![organization.organization_id.clone()],
            ..pb::SearchMembersRequest::default()
        };
        let members = clients.search_members(request).await.unwrap().into_inner().members;
        Self { organization, members, organizations }
    }

    /// The external id of the organization.
    pub(super) fn external_id(&self) -> String {
        self.organization.organization_external_id.clone().unwrap()
    }

    /// The domain that it has claimed.
    pub(super) fn claimed_domain(&self) -> String {
        self.organization.claimed_email_domains[0].clone()
    }
}
