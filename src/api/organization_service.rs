//! OrganizationService.

use tonic::{Request, Response, Status};

use super::{Api, parse, render, request, status};
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
        let name =
            parse::organization::name(self, "GetOrganizationRequest", &request.get_ref().organization_id)?;
        let organization = self.service.get_organization(&name).await.map_err(status::from_error)?;
        Ok(Response::new(pb::GetOrganizationResponse {
            request_id,
            organization: Some(render::organization(&organization, self.environment)),
        }))
    }
}
