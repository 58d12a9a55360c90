//! OrganizationService.

use tonic::{Request, Response, Status};

use super::parse::search::Bound;
use super::{Api, parse, render, request, status};
use crate::domain::organization::Organization;
use crate::pb;
use crate::pb::organization_service_server::OrganizationService;

#[tonic::async_trait]
impl OrganizationService for Api {
    async fn create_organization(
        &self,
        request: Request<pb::CreateOrganizationRequest>,
    ) -> Result<Response<pb::CreateOrganizationResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.OrganizationService/CreateOrganization")?;
        let command = parse::organization::create(self, request.into_inner())?;
        let organization =
            self.service.create_organization(&call, command).await.map_err(status::from_error)?;
        Ok(Response::new(pb::CreateOrganizationResponse {
            request_id: call.request_id,
            organization: Some(render::organization(&organization, self.environment)),
        }))
    }

    async fn get_organization(
        &self,
        request: Request<pb::GetOrganizationRequest>,
    ) -> Result<Response<pb::GetOrganizationResponse>, Status> {
        let request_id = request::request_id(&request);
        let name = parse::organization::name_only(
            self,
            "GetOrganizationRequest",
            &request.get_ref().organization_id,
        )?;
        let organization = self.service.get_organization(&name).await.map_err(status::from_error)?;
        Ok(Response::new(pb::GetOrganizationResponse {
            request_id,
            organization: Some(render::organization(&organization, self.environment)),
        }))
    }

    async fn update_organization(
        &self,
        request: Request<pb::UpdateOrganizationRequest>,
    ) -> Result<Response<pb::UpdateOrganizationResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.OrganizationService/UpdateOrganization")?;
        let command = parse::organization::update(self, request.into_inner())?;
        let organization =
            self.service.update_organization(&call, command).await.map_err(status::from_error)?;
        Ok(Response::new(pb::UpdateOrganizationResponse {
            request_id: call.request_id,
            organization: Some(render::organization(&organization, self.environment)),
        }))
    }

    async fn delete_organization(
        &self,
        request: Request<pb::DeleteOrganizationRequest>,
    ) -> Result<Response<pb::DeleteOrganizationResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.OrganizationService/DeleteOrganization")?;
        let pb::DeleteOrganizationRequest { organization_id, etag } = request.into_inner();
        let target = parse::organization::target(self, "DeleteOrganizationRequest", &organization_id, etag)?;
        let id = self.service.delete_organization(&call, &target).await.map_err(status::from_error)?;
        Ok(Response::new(pb::DeleteOrganizationResponse {
            request_id: call.request_id,
            organization_id: id.text(self.environment),
        }))
    }

    async fn search_organizations(
        &self,
        request: Request<pb::SearchOrganizationsRequest>,
    ) -> Result<Response<pb::SearchOrganizationsResponse>, Status> {
        let request_id = request::request_id(&request);
        let Bound { command, search } = parse::search::organizations(self, request.into_inner())?;
        let found = self.service.search_organizations(command).await.map_err(status::from_error)?;
        let mut organizations: Vec<_> = found
            .rows
            .iter()
            .map(|organization| render::organization(organization, self.environment))
            .collect();
        organizations.truncate(render::fitting(&organizations, |_| 0));
        let id = |organization: &Organization| organization.id.uuid();
        Ok(Response::new(pb::SearchOrganizationsResponse {
            request_id,
            results_metadata: Some(render::results_metadata(&search, &found, organizations.len(), id)),
            organizations,
        }))
    }

    async fn get_organization_metrics(
        &self,
        request: Request<pb::GetOrganizationMetricsRequest>,
    ) -> Result<Response<pb::GetOrganizationMetricsResponse>, Status> {
        let request_id = request::request_id(&request);
        let text = &request.get_ref().organization_id;
        let name = parse::organization::name_only(self, "GetOrganizationMetricsRequest", text)?;
        let member_count = self.service.organization_member_count(&name).await.map_err(status::from_error)?;
        Ok(Response::new(pb::GetOrganizationMetricsResponse { request_id, member_count }))
    }

    async fn delete_organization_external_id(
        &self,
        request: Request<pb::DeleteOrganizationExternalIdRequest>,
    ) -> Result<Response<pb::DeleteOrganizationExternalIdResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.OrganizationService/DeleteOrganizationExternalId")?;
        let pb::DeleteOrganizationExternalIdRequest { organization_id, etag } = request.into_inner();
        let message = "DeleteOrganizationExternalIdRequest";
        let target = parse::organization::target(self, message, &organization_id, etag)?;
        let organization =
            self.service.delete_organization_external_id(&call, target).await.map_err(status::from_error)?;
        Ok(Response::new(pb::DeleteOrganizationExternalIdResponse {
            request_id: call.request_id,
            organization: Some(render::organization(&organization, self.environment)),
        }))
    }
}
