//! MemberService.

use std::collections::{HashMap, HashSet};

use prost::Message;
use tonic::{Request, Response, Status};

use super::parse::search::Bound;
use super::{Api, parse, render, request, status};
use crate::domain::member::Member;
use crate::pb;
use crate::pb::member_service_server::MemberService;
use crate::service::members::MemberAnswer;
use crate::service::members::create::CreatedMembers;
use crate::service::members::search::FoundMembers;

/// The answer of most calls: the member as it is now, with its organization.
macro_rules! answered {
    ($api:ident, $response:ident, $request_id:expr, $answer:expr $(, $field:ident: $value:expr)*) => {{
        let MemberAnswer { member, organization } = $answer;
        Ok(Response::new(pb::$response {
            request_id: $request_id,
            member_id: member.id.text($api.environment),
            $($field: $value,)*
            member: Some(render::member(&member, &organization, $api.environment)),
            organization: Some(render::organization(&organization, $api.environment)),
        }))
    }};
}

#[tonic::async_trait]
impl MemberService for Api {
    async fn create_member(
        &self,
        request: Request<pb::CreateMemberRequest>,
    ) -> Result<Response<pb::CreateMemberResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/CreateMember")?;
        let command = parse::member::create(self, request.into_inner())?;
        let created = self.service.create_members(&call, command).await.map_err(status::from_error)?;
        let CreatedMembers { members, organization } = created;
        Ok(Response::new(pb::CreateMemberResponse {
            request_id: call.request_id,
            member_id: members.first().map(|member| member.id.text(self.environment)).unwrap_or_default(),
            member: members.first().map(|member| render::member(member, &organization, self.environment)),
            organization: Some(render::organization(&organization, self.environment)),
        }))
    }

    async fn batch_create_members(
        &self,
        request: Request<pb::BatchCreateMembersRequest>,
    ) -> Result<Response<pb::BatchCreateMembersResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/BatchCreateMembers")?;
        let command = parse::member::batch_create(self, request.into_inner())?;
        let created = self.service.create_members(&call, command).await.map_err(status::from_error)?;
        let CreatedMembers { members, organization } = created;
        let render = |member| render::member(member, &organization, self.environment);
        Ok(Response::new(pb::BatchCreateMembersResponse {
            request_id: call.request_id,
            members: members.iter().map(render).collect(),
            organization: Some(render::organization(&organization, self.environment)),
        }))
    }

    async fn invite_member(
        &self,
        request: Request<pb::InviteMemberRequest>,
    ) -> Result<Response<pb::InviteMemberResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/InviteMember")?;
        let command = parse::member::invite(self, request.into_inner())?;
        let answer = self.service.invite_member(&call, command).await.map_err(status::from_error)?;
        answered!(self, InviteMemberResponse, call.request_id, answer)
    }

    async fn get_member(
        &self,
        request: Request<pb::GetMemberRequest>,
    ) -> Result<Response<pb::GetMemberResponse>, Status> {
        let request_id = request::request_id(&request);
        let command = parse::member::get(self, request.get_ref())?;
        let answer = self.service.get_member(&command).await.map_err(status::from_error)?;
        answered!(self, GetMemberResponse, request_id, answer)
    }

    async fn update_member(
        &self,
        request: Request<pb::UpdateMemberRequest>,
    ) -> Result<Response<pb::UpdateMemberResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/UpdateMember")?;
        let command = parse::member::update(self, request.into_inner())?;
        let answer = self.service.update_member(&call, command).await.map_err(status::from_error)?;
        answered!(self, UpdateMemberResponse, call.request_id, answer)
    }

    async fn unlink_retired_member_email(
        &self,
        request: Request<pb::UnlinkRetiredMemberEmailRequest>,
    ) -> Result<Response<pb::UnlinkRetiredMemberEmailResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/UnlinkRetiredMemberEmail")?;
        let command = parse::member::unlink(self, request.into_inner())?;
        let answer = self.service.unlink_retired_email(&call, &command).await.map_err(status::from_error)?;
        let organization_id = answer.organization.id.text(self.environment);
        answered!(self, UnlinkRetiredMemberEmailResponse, call.request_id, answer, organization_id: organization_id)
    }

    async fn delete_member(
        &self,
        request: Request<pb::DeleteMemberRequest>,
    ) -> Result<Response<pb::DeleteMemberResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/DeleteMember")?;
        let pb::DeleteMemberRequest { organization_id, member_id, etag, allow_removing_last_admin } =
            request.into_inner();
        let target =
            parse::member::target(self, "DeleteMemberRequest", (&organization_id, &member_id), etag)?;
        let deleted = self.service.delete_member(&call, &target, allow_removing_last_admin).await;
        let member_id = deleted.map_err(status::from_error)?.text(self.environment);
        Ok(Response::new(pb::DeleteMemberResponse { request_id: call.request_id, member_id }))
    }

    async fn reactivate_member(
        &self,
        request: Request<pb::ReactivateMemberRequest>,
    ) -> Result<Response<pb::ReactivateMemberResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/ReactivateMember")?;
        let pb::ReactivateMemberRequest { organization_id, member_id, etag } = request.into_inner();
        let target =
            parse::member::target(self, "ReactivateMemberRequest", (&organization_id, &member_id), etag)?;
        let answer = self.service.reactivate_member(&call, &target).await.map_err(status::from_error)?;
        answered!(self, ReactivateMemberResponse, call.request_id, answer)
    }

    async fn search_members(
        &self,
        request: Request<pb::SearchMembersRequest>,
    ) -> Result<Response<pb::SearchMembersResponse>, Status> {
        let request_id = request::request_id(&request);
        let Bound { command, search } = parse::search::members(self, request.into_inner())?;
        let found = self.service.search_members(command).await.map_err(status::from_error)?;
        let FoundMembers { members, organizations } = found;
        let mut page: Vec<_> = members
            .rows
            .iter()
            .filter_map(|member| {
                let organization = organizations.iter().find(|other| other.id == member.organization_id)?;
                Some(render::member(member, organization, self.environment))
            })
            .collect();
        let mut organizations: HashMap<_, _> = organizations
            .iter()
            .map(|organization| render::organization(organization, self.environment))
            .map(|organization| (organization.organization_id.clone(), organization))
            .collect();
        let mut counted = HashSet::new();
        page.truncate(render::fitting(&page, |member| {
            let organization = organizations.get(&member.organization_id);
            let first = counted.insert(member.organization_id.clone());
            organization.filter(|_| first).map_or(0, Message::encoded_len)
        }));
        organizations.retain(|id, _| page.iter().any(|member| member.organization_id == *id));
        let id = |member: &Member| member.id.uuid();
        Ok(Response::new(pb::SearchMembersResponse {
            request_id,
            results_metadata: Some(render::results_metadata(&search, &members, page.len(), id)),
            members: page,
            organizations,
        }))
    }

    async fn delete_member_external_id(
        &self,
        request: Request<pb::DeleteMemberExternalIdRequest>,
    ) -> Result<Response<pb::DeleteMemberExternalIdResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/DeleteMemberExternalId")?;
        let pb::DeleteMemberExternalIdRequest { organization_id, member_id, etag } = request.into_inner();
        let names = (organization_id.as_str(), member_id.as_str());
        let target = parse::member::target(self, "DeleteMemberExternalIdRequest", names, etag)?;
        let answer = self.service.delete_member_external_id(&call, target).await;
        answered!(self, DeleteMemberExternalIdResponse, call.request_id, answer.map_err(status::from_error)?)
    }

    async fn delete_member_mfa_phone_number(
        &self,
        request: Request<pb::DeleteMemberMfaPhoneNumberRequest>,
    ) -> Result<Response<pb::DeleteMemberMfaPhoneNumberResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.MemberService/DeleteMemberMfaPhoneNumber")?;
        let pb::DeleteMemberMfaPhoneNumberRequest { organization_id, member_id, etag } = request.into_inner();
        let names = (organization_id.as_str(), member_id.as_str());
        let target = parse::member::target(self, "DeleteMemberMfaPhoneNumberRequest", names, etag)?;
        let answer = self.service.delete_member_mfa_phone_number(&call, &target).await;
        answered!(
            self,
            DeleteMemberMfaPhoneNumberResponse,
            call.request_id,
            answer.map_err(status::from_error)?
        )
    }
}
