//! SessionService.

use tonic::{Request, Response, Status};

use super::{Api, parse, render, request, status};
use crate::domain::permission::Permission;
use crate::pb;
use crate::pb::session_service_server::SessionService;
use crate::service::login::Login;
use crate::service::sessions::SessionCredential;
use crate::service::sessions::authenticate::Authenticated;
use crate::service::sessions::exchange::{Exchanged, Unfinished};
use crate::service::sessions::revoke::RevokeSession;

#[tonic::async_trait]
impl SessionService for Api {
    async fn authenticate_session(
        &self,
        request: Request<pb::AuthenticateSessionRequest>,
    ) -> Result<Response<pb::AuthenticateSessionResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.SessionService/AuthenticateSession")?;
        let command = parse::session::authenticate(self, request.into_inner())?;
        let token = match &command.credential {
            SessionCredential::Token(token) => token.reveal(),
            SessionCredential::Jwt(_) => String::new(),
        };
        let authenticated = self.service.authenticate_session(&call, command).await;
        let authenticated = authenticated.map_err(status::from_error)?;
        let Authenticated { session, member, organization, jwt, granting_roles } = authenticated;
        Ok(Response::new(pb::AuthenticateSessionResponse {
            request_id: call.request_id,
            member_session: Some(render::member_session(&session, self.environment)),
            session_token: token,
            session_jwt: jwt,
            member: Some(render::member(&member, &organization, self.environment)),
            organization: Some(render::organization(&organization, self.environment)),
            verdict: granting_roles
                .map(|granting_roles| pb::AuthorizationVerdict { authorized: true, granting_roles }),
        }))
    }

    async fn get_sessions(
        &self,
        request: Request<pb::GetSessionsRequest>,
    ) -> Result<Response<pb::GetSessionsResponse>, Status> {
        let request_id = request::request_id(&request);
        let command = parse::session::list(self, request.get_ref())?;
        let sessions = self.service.get_sessions(&command).await.map_err(status::from_error)?;
        let render = |session| render::member_session(session, self.environment);
        let mut member_sessions: Vec<_> = sessions.iter().map(render).collect();
        member_sessions.truncate(render::fitting(&member_sessions, |_| 0));
        Ok(Response::new(pb::GetSessionsResponse { request_id, member_sessions }))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.SessionService/RevokeSession")?;
        let command = parse::session::revoke(self, request.into_inner())?;
        // Whoever acts for a person holds the person's token; others' sessions are for who administers members.
        let held = matches!(command, RevokeSession::Credential(_));
        if !held && !call.caller.permissions.allow(Permission::Write) {
            return Err(status::not_permitted(&[Permission::Write]));
        }
        self.service.revoke_session(&call, &command).await.map_err(status::from_error)?;
        Ok(Response::new(pb::RevokeSessionResponse { request_id: call.request_id }))
    }

    async fn exchange_session(
        &self,
        request: Request<pb::ExchangeSessionRequest>,
    ) -> Result<Response<pb::ExchangeSessionResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.SessionService/ExchangeSession")?;
        let command = parse::session::exchange(self, request.into_inner())?;
        let exchanged = self.service.exchange_session(&call, command).await.map_err(status::from_error)?;
        let Exchanged { organization, member, outcome } = exchanged;
        let mut response = pb::ExchangeSessionResponse {
            request_id: call.request_id,
            member_id: member.id.text(self.environment),
            member_authenticated: outcome.is_ok(),
            member: Some(render::member(&member, &organization, self.environment)),
            organization: Some(render::organization(&organization, self.environment)),
            ..pb::ExchangeSessionResponse::default()
        };
        match outcome {
            Ok(Login { session, token, jwt }) => {
                response.session_token = token.reveal();
                response.session_jwt = jwt;
                response.member_session = Some(render::member_session(&session, self.environment));
            }
            Err(Unfinished { owed, token, token_expires_at }) => {
                response.mfa_required = render::mfa_required(&owed, Some(&member));
                response.primary_required = render::primary_required(&owed);
                response.intermediate_session_token = token.reveal();
                response.intermediate_session_token_expires_at = Some(render::timestamp(token_expires_at));
            }
        }
        Ok(Response::new(response))
    }

    async fn get_jwks(
        &self,
        request: Request<pb::GetJwksRequest>,
    ) -> Result<Response<pb::GetJwksResponse>, Status> {
        let request_id = request::request_id(&request);
        let keys = self.service.public_keys().iter().map(render::jwk).collect();
        Ok(Response::new(pb::GetJwksResponse { request_id, keys }))
    }
}
