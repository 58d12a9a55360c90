//! DiscoveryService.

use tonic::{Request, Response, Status};

use super::{Api, parse, render, request, status};
use crate::domain::discovery::Owed;
use crate::pb;
use crate::pb::discovery_service_server::DiscoveryService;
use crate::service::discovery::create_organization::{Created, Login};

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
        let created =
            self.service.create_discovered_organization(call, command).await.map_err(status::from_error)?;
        Ok(Response::new(self.created(request_id, &created, || token.reveal())))
    }
}

impl Api {
    /// The answer. The intermediate session token comes back when a factor is owed.
    fn created(
        &self,
        request_id: String,
        created: &Created,
        token: impl FnOnce() -> String,
    ) -> pb::DiscoveryServiceCreateOrganizationResponse {
        let Created { organization, member, owed, login, token_expires_at } = created;
        let mut response = pb::DiscoveryServiceCreateOrganizationResponse {
            request_id,
            member_id: member.id.text(self.environment),
            member_authenticated: login.is_some(),
            mfa_required: mfa_required(owed),
            primary_required: primary_required(owed),
            member: Some(render::member(member, organization, self.environment)),
            organization: Some(render::organization(organization, self.environment)),
            ..pb::DiscoveryServiceCreateOrganizationResponse::default()
        };
        if let Some(Login { session, token, jwt }) = login {
            response.session_token = token.reveal();
            response.session_jwt.clone_from(jwt);
            response.member_session = Some(render::member_session(session, self.environment));
        } else {
            response.intermediate_session_token = token();
            response.intermediate_session_token_expires_at = Some(render::timestamp(*token_expires_at));
        }
        response
    }
}

/// A brand-new member has enrolled nothing.
fn mfa_required(owed: &Owed) -> Option<pb::MfaRequired> {
    owed.mfa.then_some(pb::MfaRequired { member_options: None, secondary_auth_initiated: None })
}

fn primary_required(owed: &Owed) -> Option<pb::PrimaryRequired> {
    owed.primary.as_ref().map(|methods| pb::PrimaryRequired {
        allowed_auth_methods: methods.iter().map(|method| method.as_str().to_owned()).collect(),
    })
}
