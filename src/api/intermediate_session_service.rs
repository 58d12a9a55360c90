//! IntermediateSessionService.

use tonic::{Request, Response, Status};

use super::{Api, parse, render, request, status};
use crate::pb;
use crate::pb::intermediate_session_service_server::IntermediateSessionService;

#[tonic::async_trait]
impl IntermediateSessionService for Api {
    async fn create_intermediate_session(
        &self,
        request: Request<pb::CreateIntermediateSessionRequest>,
    ) -> Result<Response<pb::CreateIntermediateSessionResponse>, Status> {
        let request_id = request::request_id(&request);
        let evidence = parse::intermediate_session::create(self, request.into_inner(), self.clock.now())?;
        let created = self.service.create_intermediate_session(evidence).await;
        let (token, session) = created.map_err(status::from_error)?;
        Ok(Response::new(pb::CreateIntermediateSessionResponse {
            request_id,
            intermediate_session_token: token.reveal(),
            intermediate_session_token_expires_at: Some(render::timestamp(session.expires_at)),
        }))
    }

    async fn add_factor(
        &self,
        request: Request<pb::AddFactorRequest>,
    ) -> Result<Response<pb::AddFactorResponse>, Status> {
        let request_id = request::request_id(&request);
        let command = parse::intermediate_session::add_factor(self, request.into_inner(), self.clock.now())?;
        let added = self.service.add_factor(&command.token, command.factor, command.about.as_ref()).await;
        let session = added.map_err(status::from_error)?;
        Ok(Response::new(pb::AddFactorResponse {
            request_id,
            intermediate_session: Some(render::intermediate_session(&session, self.environment)),
        }))
    }

    async fn get_intermediate_session(
        &self,
        request: Request<pb::GetIntermediateSessionRequest>,
    ) -> Result<Response<pb::GetIntermediateSessionResponse>, Status> {
        let request_id = request::request_id(&request);
        let text = &request.get_ref().intermediate_session_token;
        let token = parse::token_only("GetIntermediateSessionRequest", text)?;
        let session = self.service.get_intermediate_session(&token).await.map_err(status::from_error)?;
        Ok(Response::new(pb::GetIntermediateSessionResponse {
            request_id,
            intermediate_session: Some(render::intermediate_session(&session, self.environment)),
        }))
    }

    async fn revoke_intermediate_session(
        &self,
        request: Request<pb::RevokeIntermediateSessionRequest>,
    ) -> Result<Response<pb::RevokeIntermediateSessionResponse>, Status> {
        let request_id = request::request_id(&request);
        let text = &request.get_ref().intermediate_session_token;
        let token = parse::token_only("RevokeIntermediateSessionRequest", text)?;
        self.service.revoke_intermediate_session(&token).await.map_err(status::from_error)?;
        Ok(Response::new(pb::RevokeIntermediateSessionResponse { request_id }))
    }
}
