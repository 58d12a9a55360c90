//! Organizations and members through the public API: requests with little in them, and calls whose
//! answers are taken apart.

use tonic::{Response, Status};
use vestibule::pb;

use super::clients::Clients;

/// Calls by the names of their methods, as the generated clients have them but without `mut`.
macro_rules! calls {
    ($client:ident { $($method:ident: $request:ident -> $response:ident,)* }) => {
        impl Clients {
            $(
                /// Calls the method of this name.
                pub(crate) async fn $method(
                    &self,
                    request: impl tonic::IntoRequest<pb::$request>,
                ) -> Result<Response<pb::$response>, Status> {
                    self.$client.clone().$method(request).await
                }
            )*
        }
    };
}

calls! {
    organizations {
        update_organization: UpdateOrganizationRequest -> UpdateOrganizationResponse,
        delete_organization: DeleteOrganizationRequest -> DeleteOrganizationResponse,
        search_organizations: SearchOrganizationsRequest -> SearchOrganizationsResponse,
        get_organization_metrics: GetOrganizationMetricsRequest -> GetOrganizationMetricsResponse,
        delete_organization_external_id: DeleteOrganizationExternalIdRequest -> DeleteOrganizationExternalIdResponse,
    }
}

calls! {
    members {
        create_member: CreateMemberRequest -> CreateMemberResponse,
        batch_create_members: BatchCreateMembersRequest -> BatchCreateMembersResponse,
        invite_member: InviteMemberRequest -> InviteMemberResponse,
        get_member: GetMemberRequest -> GetMemberResponse,
        update_member: UpdateMemberRequest -> UpdateMemberResponse,
        unlink_retired_member_email: UnlinkRetiredMemberEmailRequest -> UnlinkRetiredMemberEmailResponse,
        delete_member: DeleteMemberRequest -> DeleteMemberResponse,
        reactivate_member: ReactivateMemberRequest -> ReactivateMemberResponse,
        search_members: SearchMembersRequest -> SearchMembersResponse,
        delete_member_external_id: DeleteMemberExternalIdRequest -> DeleteMemberExternalIdResponse,
        delete_member_mfa_phone_number: DeleteMemberMfaPhoneNumberRequest -> DeleteMemberMfaPhoneNumberResponse,
    }
}

/// A request to create a member with an address, and nothing else.
pub(crate) fn new_member(organization_id: &str, email_address: &str) -> pb::CreateMemberRequest {
    pb::CreateMemberRequest {
        organization_id: organization_id.to_owned(),
        email_address: email_address.to_owned(),
        ..pb::CreateMemberRequest::default()
    }
}

/// A request to invite an address, and nothing else.
pub(crate) fn invitation(organization_id: &str, email_address: &str) -> pb::InviteMemberRequest {
    pb::InviteMemberRequest {
        organization_id: organization_id.to_owned(),
        email_address: email_address.to_owned(),
        ..pb::InviteMemberRequest::default()
    }
}

/// A request to change nothing about a member.
pub(crate) fn member_update(organization_id: &str, member_id: &str) -> pb::UpdateMemberRequest {
    pb::UpdateMemberRequest {
        organization_id: organization_id.to_owned(),
        member_id: member_id.to_owned(),
        ..pb::UpdateMemberRequest::default()
    }
}

/// A request to change nothing about an organization.
pub(crate) fn organization_update(organization_id: &str) -> pb::UpdateOrganizationRequest {
    pb::UpdateOrganizationRequest {
        organization_id: organization_id.to_owned(),
        ..pb::UpdateOrganizationRequest::default()
    }
}

/// A mask of these fields.
#[expect(clippy::unnecessary_wraps, reason = "as requests take it")]
pub(crate) fn mask(fields: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: fields.iter().map(|field| (*field).to_owned()).collect() })
}

/// A query of one operator and some operands, each a name and a value in JSON.
#[expect(clippy::unnecessary_wraps, reason = "as requests take it")]
pub(crate) fn query(
    operator: pb::SearchOperator,
    operands: &[(&str, serde_json::Value)],
) -> Option<pb::SearchQuery> {
    let operands = operands.iter().map(|(name, value)| pb::SearchOperand {
        filter_name: (*name).to_owned(),
        filter_value: Some(super::json::value(value.clone())),
    });
    Some(pb::SearchQuery { operator: operator.into(), operands: operands.collect() })
}

impl Clients {
    /// An organization of a name, created without members.
    pub(crate) async fn organization(&self, name: &str) -> pb::Organization {
        let created = self.create(super::fixtures::organization(name)).await.unwrap();
        created.into_inner().organization.unwrap()
    }

    /// A member with an address.
    pub(crate) async fn member(&self, organization_id: &str, email_address: &str) -> pb::Member {
        let created = self.create_member(new_member(organization_id, email_address)).await.unwrap();
        created.into_inner().member.unwrap()
    }

    /// A member as it is now.
    pub(crate) async fn member_by_id(
        &self,
        organization_id: &str,
        member_id: &str,
    ) -> Result<pb::Member, Status> {
        let request = pb::GetMemberRequest {
            organization_id: organization_id.to_owned(),
            member_id: Some(member_id.to_owned()),
            email_address: None,
        };
        self.get_member(request).await.map(|answer| answer.into_inner().member.unwrap())
    }
}
