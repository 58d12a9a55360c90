//! The generated clients of a server, or of several by turns.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};
use tonic_health::pb::health_client::HealthClient;
use tower::Service;
use vestibule::pb::discovery_service_client::DiscoveryServiceClient;
use vestibule::pb::intermediate_session_service_client::IntermediateSessionServiceClient;
use vestibule::pb::member_service_client::MemberServiceClient;
use vestibule::pb::organization_service_client::OrganizationServiceClient;
use vestibule::pb::session_service_client::SessionServiceClient;

use super::replicas::Replicas;
use super::told;

/// Connections whose calls carry a credential.
type Authorized = InterceptedService<Overheard, Authorization>;

/// Connections that remember what goes over them, so that it is found when a server tells it to others.
#[derive(Clone, Debug)]
pub(crate) struct Overheard(Replicas);

/// The credential of calls that have no other; none by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorization(Option<AsciiMetadataValue>);

/// One client of each service, over the same connections.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) organizations: OrganizationServiceClient<Authorized>,
    pub(crate) members: MemberServiceClient<Authorized>,
    pub(crate) discovery: DiscoveryServiceClient<Authorized>,
    pub(crate) intermediate_sessions: IntermediateSessionServiceClient<Authorized>,
    pub(crate) sessions: SessionServiceClient<Authorized>,
    pub(crate) health: HealthClient<Authorized>,
}

impl Authorization {
    /// An API key or a JWT.
    pub(crate) fn bearer(credential: &str) -> Self {
        Self(Some(format!("Bearer {credential}").parse().unwrap()))
    }
}

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = self.0.as_ref().filter(|_| request.metadata().get("authorization").is_none()) {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Service<http::Request<Body>> for Overheard {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if let Some(credential) = request.headers().get(AUTHORIZATION) {
            told::remember(credential.as_bytes());
        }
        let answering = self.0.call(request.map(overheard));
        Box::pin(async move { Ok(answering.await?.map(overheard)) })
    }
}

fn overheard(body: Body) -> Body {
    Body::new(body.map_frame(|frame| {
        frame.data_ref().into_iter().for_each(|bytes| told::remember(bytes));
        frame
    }))
}

impl Clients {
    pub(crate) fn new(channel: impl Into<Replicas>, authorization: Authorization) -> Self {
        let channel = InterceptedService::new(Overheard(channel.into()), authorization);
        Self {
            organizations: OrganizationServiceClient::new(channel.clone()),
            members: MemberServiceClient::new(channel.clone()),
            discovery: DiscoveryServiceClient::new(channel.clone()),
            intermediate_sessions: IntermediateSessionServiceClient::new(channel.clone()),
            sessions: SessionServiceClient::new(channel.clone()),
            health: HealthClient::new(channel),
        }
    }
}
