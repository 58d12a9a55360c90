//! What most tests begin with, made through the public API.

use tonic::{Request, Response, Status};
use vestibule::pb;

use super::clients::Clients;

/// A factor of a magic link.
pub(crate) fn magic_link() -> pb::VouchedFactor {
    factor("magic_link", "email")
}

/// A factor of a type and delivery method.
pub(crate) fn factor(r#type: &str, delivery_method: &str) -> pb::VouchedFactor {
    pb::VouchedFactor {
        r#type: r#type.to_owned(),
        delivery_method: delivery_method.to_owned(),
        ..pb::VouchedFactor::default()
    }
}

/// A factor of an account at an OAuth provider.
pub(crate) fn oauth(delivery_method: &str, email_verified: bool) -> pb::VouchedFactor {
    pb::VouchedFactor {
        email_verified: Some(email_verified),
        provider_subject: Some("subject-1".to_owned()),
        ..factor("oauth", delivery_method)
    }
}

/// A request with a message and the metadata of an idempotency key.
pub(crate) fn with_key<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

/// A request to create an organization with a token, and nothing else.
pub(crate) fn creation(token: &str) -> pb::DiscoveryServiceCreateOrganizationRequest {
    pb::DiscoveryServiceCreateOrganizationRequest {
        intermediate_session_token: token.to_owned(),
        ..pb::DiscoveryServiceCreateOrganizationRequest::default()
    }
}

/// A request to create an organization of a name.
pub(crate) fn organization(name: &str) -> pb::CreateOrganizationRequest {
    pb::CreateOrganizationRequest {
        organization_name: Some(name.to_owned()),
        ..pb::CreateOrganizationRequest::default()
    }
}

/// Texts that are no intermediate session token, made from one that is.
pub(crate) fn malformed_tokens(token: &str) -> Vec<String> {
    let bare = token.trim_end_matches('=');
    // The last of the 43 characters has two bits to spare: other spellings of the same bytes.
    let respelt = |last: char| format!("{}{last}=", "A".repeat(42));
    vec![
        String::new(),
        " ".to_owned(),
        "token".to_owned(),
        bare.to_owned(),
        token[..40].to_owned(),
        token[1..].to_owned(),
        format!("{token}="),
        format!("{token}A"),
        format!("{token}AAAA"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{}\0=", &bare[..42]),
        format!("{}\u{ff21}=", &bare[..40]),
        format!("+/{}=", "A".repeat(41)),
        format!("-/{}=", "A".repeat(41)),
        respelt('B'),
        respelt('_'),
        "=".repeat(44),
        "A".repeat(44),
        "A".repeat(100_000),
    ]
}

impl Clients {
    /// A token for an address, verified by a magic link.
    pub(crate) async fn token(&self, email_address: &str) -> String {
        self.token_with(email_address, vec![magic_link()]).await
    }

    /// A token for an address with these factors.
    pub(crate) async fn token_with(&self, email_address: &str, factors: Vec<pb::VouchedFactor>) -> String {
        let request =
            pb::CreateIntermediateSessionRequest { email_address: email_address.to_owned(), factors };
        let mut client = self.intermediate_sessions.clone();
        client.create_intermediate_session(request).await.unwrap().into_inner().intermediate_session_token
    }

    /// Spends a token on an organization.
    pub(crate) async fn spend(
        &self,
        request: impl tonic::IntoRequest<pb::DiscoveryServiceCreateOrganizationRequest>,
    ) -> Result<Response<pb::DiscoveryServiceCreateOrganizationResponse>, Status> {
        self.discovery.clone().create_organization(request).await
    }

    /// Creates an organization without members.
    pub(crate) async fn create(
        &self,
        request: impl tonic::IntoRequest<pb::CreateOrganizationRequest>,
    ) -> Result<Response<pb::CreateOrganizationResponse>, Status> {
        self.organizations.clone().create_organization(request).await
    }

    /// Reads an organization by whatever names it.
    pub(crate) async fn get(&self, name: &str) -> Result<Response<pb::GetOrganizationResponse>, Status> {
        let request = pb::GetOrganizationRequest { organization_id: name.to_owned() };
        self.organizations.clone().get_organization(request).await
    }

    /// Inspects a token.
    pub(crate) async fn inspect(
        &self,
        token: &str,
    ) -> Result<Response<pb::GetIntermediateSessionResponse>, Status> {
        let request = pb::GetIntermediateSessionRequest { intermediate_session_token: token.to_owned() };
        self.intermediate_sessions.clone().get_intermediate_session(request).await
    }

    /// Adds a factor to a token.
    pub(crate) async fn add_factor(
        &self,
        token: &str,
        factor: pb::VouchedFactor,
    ) -> Result<Response<pb::AddFactorResponse>, Status> {
        let request =
            pb::AddFactorRequest { intermediate_session_token: token.to_owned(), factor: Some(factor) };
        self.intermediate_sessions.clone().add_factor(request).await
    }

    /// Revokes a token.
    pub(crate) async fn revoke(
        &self,
        token: &str,
    ) -> Result<Response<pb::RevokeIntermediateSessionResponse>, Status> {
        let request = pb::RevokeIntermediateSessionRequest { intermediate_session_token: token.to_owned() };
        self.intermediate_sessions.clone().revoke_intermediate_session(request).await
    }
}
