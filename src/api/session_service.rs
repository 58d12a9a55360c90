//! SessionService.

use tonic::{Request, Response, Status};

use super::{Api, render, request};
use crate::pb;
use crate::pb::session_service_server::SessionService;

#[tonic::async_trait]
impl SessionService for Api {
    async fn get_jwks(
        &self,
        request: Request<pb::GetJwksRequest>,
    ) -> Result<Response<pb::GetJwksResponse>, Status> {
        let request_id = request::request_id(&request);
        let keys = self.service.public_keys().iter().map(render::jwk).collect();
        Ok(Response::new(pb::GetJwksResponse { request_id, keys }))
    }
}
