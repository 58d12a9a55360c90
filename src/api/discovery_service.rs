//! DiscoveryService.

use tonic::{Request, Response, Status};

use super::{Api, parse, render, request, status};
use crate::pb;
use crate::pb::discovery_service_server::DiscoveryService;
use crate::service::discovery::explain::Explanation;
use crate::service::discovery::list::Discovered;
use crate::service::login::{Entered, Login};

/// The answer of the calls that spend a token. The token comes back when a factor is owed.
macro_rules! entered {
    ($api:ident, $response:ident, $request_id:expr, $token:expr, $entered:expr) => {{
        let Entered { organization, member, owed, login, token_expires_at } = $entered;
        let mut response = pb::$response {
            request_id: $request_id,
            member_id: member.as_ref().map(|member| member.id.text($api.environment)).unwrap_or_default(),
            member_authenticated: login.is_some(),
            mfa_required: render::mfa_required(&owed, member.as_ref()),
            primary_required: render::primary_required(&owed),
            member: member.as_ref().map(|member| render::member(member, &organization, $api.environment)),
            organization: Some(render::organization(&organization, $api.environment)),
            ..pb::$response::default()
        };
        if let Some(Login { session, token, jwt }) = login {
            response.session_token = token.reveal();
            response.session_jwt = jwt;
            response.member_session = Some(render::member_session(&session, $api.environment));
        } else {
            response.intermediate_session_token = $token.reveal();
            response.intermediate_session_token_expires_at = Some(render::timestamp(token_expires_at));
        }
        Ok(Response::new(response))
    }};
}

#[tonic::async_trait]
impl DiscoveryService for Api {
    async fn create_organization(
        &self,
        request: Request<pb::DiscoveryServiceCreateOrganizationRequest>,
    ) -> Result<Response<pb::DiscoveryServiceCreateOrganizationResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.DiscoveryService/CreateOrganization")?;
        let request_id = call.request_id.clone();
        let command = parse::discovery::create_organization(self, request.into_inner())?;
        let token = command.token.clone();
        let created = self.service.create_discovered_organization(call, command).await;
        let created = created.map_err(status::from_error)?;
        entered!(self, DiscoveryServiceCreateOrganizationResponse, request_id, token, created)
    }

    async fn list_discovered_organizations(
        &self,
        request: Request<pb::ListDiscoveredOrganizationsRequest>,
    ) -> Result<Response<pb::ListDiscoveredOrganizationsResponse>, Status> {
        let request_id = request::request_id(&request);
        let credential = parse::discovery::list(request.into_inner())?;
        let discovered = self.service.list_discovered_organizations(&credential).await;
        let Discovered { evidence, organizations, hint, truncated } =
            discovered.map_err(status::from_error)?;
        let render = |found| render::discovered_organization(found, self.environment);
        let mut listed: Vec<_> = organizations.iter().map(render).collect();
        listed.truncate(render::fitting(&listed, |_| 0));
        Ok(Response::new(pb::ListDiscoveredOrganizationsResponse {
            request_id,
            email_address: evidence.email_address.as_str().to_owned(),
            truncated: truncated || listed.len() < organizations.len(),
            discovered_organizations: listed,
            organization_id_hint: hint.map(|organization| organization.text(self.environment)),
        }))
    }

    async fn exchange_intermediate_session(
        &self,
        request: Request<pb::ExchangeIntermediateSessionRequest>,
    ) -> Result<Response<pb::ExchangeIntermediateSessionResponse>, Status> {
        let call = request::call(&request, "vestibule.v1.DiscoveryService/ExchangeIntermediateSession")?;
        let request_id = call.request_id.clone();
        let command = parse::discovery::exchange(self, request.into_inner())?;
        let token = command.token.clone();
        let entered = self.service.exchange_intermediate_session(call, command).await;
        let entered = entered.map_err(status::from_error)?;
        entered!(self, ExchangeIntermediateSessionResponse, request_id, token, entered)
    }

    async fn explain_discovery(
        &self,
        request: Request<pb::ExplainDiscoveryRequest>,
    ) -> Result<Response<pb::ExplainDiscoveryResponse>, Status> {
        let request_id = request::request_id(&request);
        let (credential, name) = parse::discovery::explain(self, request.into_inner())?;
        let explained = self.service.explain_discovery(&credential, &name).await;
        let Explanation { discovered, rules } = explained.map_err(status::from_error)?;
        Ok(Response::new(pb::ExplainDiscoveryResponse {
            request_id,
            visible: discovered.is_some(),
            discovered_organization: discovered
                .as_ref()
                .map(|found| render::discovered_organization(found, self.environment)),
            rules: rules.into_iter().map(render::explained_rule).collect(),
        }))
    }
}
