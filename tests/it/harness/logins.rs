//! Entering organizations, and the sessions that come of it: thin calls, and what tests begin with.

use tonic::{IntoRequest, Response, Status};
use vestibule::pb;

use super::clients::Clients;
use super::fixtures::creation;

/// A request to enter an organization with a token, and nothing else.
pub(crate) fn exchange(token: &str, organization: &str) -> pb::ExchangeIntermediateSessionRequest {
    pb::ExchangeIntermediateSessionRequest {
        intermediate_session_token: token.to_owned(),
        organization_id: organization.to_owned(),
        ..pb::ExchangeIntermediateSessionRequest::default()
    }
}

/// A request to list the organizations of a person with a token.
pub(crate) fn listing(token: &str) -> pb::ListDiscoveredOrganizationsRequest {
    pb::ListDiscoveredOrganizationsRequest {
        intermediate_session_token: Some(token.to_owned()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    }
}

/// A request to explain an organization to a person with a token.
pub(crate) fn explanation(token: &str, organization: &str) -> pb::ExplainDiscoveryRequest {
    pb::ExplainDiscoveryRequest {
        intermediate_session_token: Some(token.to_owned()),
        organization_id: organization.to_owned(),
        ..pb::ExplainDiscoveryRequest::default()
    }
}

/// A request to check a session by its token.
pub(crate) fn by_token(token: &str) -> pb::AuthenticateSessionRequest {
    pb::AuthenticateSessionRequest {
        session_token: Some(token.to_owned()),
        ..pb::AuthenticateSessionRequest::default()
    }
}

/// A request to check a session by its JWT.
pub(crate) fn by_jwt(jwt: &str) -> pb::AuthenticateSessionRequest {
    pb::AuthenticateSessionRequest {
        session_jwt: Some(jwt.to_owned()),
        ..pb::AuthenticateSessionRequest::default()
    }
}

/// A request to go from a session to another organization.
pub(crate) fn switch(session_token: &str, organization: &str) -> pb::ExchangeSessionRequest {
    pb::ExchangeSessionRequest {
        organization_id: organization.to_owned(),
        session_token: Some(session_token.to_owned()),
        ..pb::ExchangeSessionRequest::default()
    }
}

impl Clients {
    /// Creates an organization with a token for the address, as its first member, who is logged in.
    pub(crate) async fn founded(&self, address: &str) -> pb::DiscoveryServiceCreateOrganizationResponse {
        let token = self.token(address).await;
        self.spend(creation(&token)).await.unwrap().into_inner()
    }

    /// Enters an organization.
    pub(crate) async fn exchange(
        &self,
        request: impl IntoRequest<pb::ExchangeIntermediateSessionRequest>,
    ) -> Result<Response<pb::ExchangeIntermediateSessionResponse>, Status> {
        self.discovery.clone().exchange_intermediate_session(request).await
    }

    /// Lists organizations.
    pub(crate) async fn discovered(
        &self,
        request: impl IntoRequest<pb::ListDiscoveredOrganizationsRequest>,
    ) -> Result<Response<pb::ListDiscoveredOrganizationsResponse>, Status> {
        self.discovery.clone().list_discovered_organizations(request).await
    }

    /// Explains.
    pub(crate) async fn explain(
        &self,
        request: impl IntoRequest<pb::ExplainDiscoveryRequest>,
    ) -> Result<Response<pb::ExplainDiscoveryResponse>, Status> {
        self.discovery.clone().explain_discovery(request).await
    }

    /// Checks a session.
    pub(crate) async fn authenticate(
        &self,
        request: impl IntoRequest<pb::AuthenticateSessionRequest>,
    ) -> Result<Response<pb::AuthenticateSessionResponse>, Status> {
        self.sessions.clone().authenticate_session(request).await
    }

    /// Lists the sessions of a member.
    pub(crate) async fn sessions_of(
        &self,
        organization: &str,
        member: &str,
    ) -> Result<Response<pb::GetSessionsResponse>, Status> {
        let request =
            pb::GetSessionsRequest { organization_id: organization.to_owned(), member_id: member.to_owned() };
        self.sessions.clone().get_sessions(request).await
    }

    /// Ends sessions.
    pub(crate) async fn revoke_session(
        &self,
        request: impl IntoRequest<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        self.sessions.clone().revoke_session(request).await
    }

    /// Goes to another organization.
    pub(crate) async fn switch(
        &self,
        request: impl IntoRequest<pb::ExchangeSessionRequest>,
    ) -> Result<Response<pb::ExchangeSessionResponse>, Status> {
        self.sessions.clone().exchange_session(request).await
    }
}
