//! gRPC: every call is parsed into the words of the domain, handed to one use case, and rendered.
//! Nothing outside this room knows of messages, metadata or status codes.

mod access;
mod authenticate;
mod capacity;
mod discovery_service;
mod enums;
mod http;
mod intermediate_session_service;
mod limit;
mod member_service;
mod observe;
mod organization_service;
mod parse;
mod readiness;
mod render;
mod request;
mod session_service;
mod status;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tower::util::MapResponseLayer;
use tower_http::catch_panic::CatchPanicLayer;

pub use readiness::{Dependency, Readiness};

use crate::api::capacity::REFLECTION_BYTES;
use crate::api::http::Pages;
use crate::callers::Callers;
use crate::clock::Clock;
use crate::domain::email_domain::CommonDomains;
use crate::domain::ids::Environment;
use crate::domain::rbac::RbacPolicy;
use crate::entropy::Entropy;
use crate::pb::FILE_DESCRIPTOR_SET;
use crate::pb::discovery_service_server::DiscoveryServiceServer;
use crate::pb::intermediate_session_service_server::IntermediateSessionServiceServer;
use crate::pb::member_service_server::MemberServiceServer;
use crate::pb::organization_service_server::OrganizationServiceServer;
use crate::pb::session_service_server::SessionServiceServer;
use crate::service::Service;
use crate::service::limits::Limits;
use crate::telemetry::metrics::Metrics;
use crate::transport::incoming::Incoming;

/// What the services work with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    /// The use cases.
    pub service: Service,
    /// Who may call.
    pub callers: Arc<Callers>,
    /// How many calls a caller may make.
    pub limits: Arc<Limits>,
    /// The environment in every id.
    pub environment: Environment,
    /// The domains that can be neither allowed nor claimed.
    pub common_domains: Arc<CommonDomains>,
    /// The roles that members can hold.
    pub rbac: Arc<RbacPolicy>,
    /// The time: for the ids of calls and the times of factors.
    pub clock: Arc<dyn Clock>,
    /// Randomness: for the ids of calls.
    pub entropy: Arc<dyn Entropy>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// The longest that a call may take.
    pub max_call_duration: Duration,
    /// Cancelled when calls in flight are not waited for any more.
    pub cut: CancellationToken,
    /// How many calls are worked on at once.
    pub max_calls_in_flight: usize,
    /// The most bytes of a call's metadata.
    pub max_header_bytes: u32,
    /// The most bytes of a message.
    pub max_message_bytes: u32,
}

/// The services, as health checks name them, and whether each needs the keeper of intermediate
/// sessions beside the database.
pub const SERVICES: [(&str, bool); 5] = [
    (<DiscoveryServiceServer<Api> as NamedService>::NAME, true),
    (<IntermediateSessionServiceServer<Api> as NamedService>::NAME, true),
    (<MemberServiceServer<Api> as NamedService>::NAME, false),
    (<OrganizationServiceServer<Api> as NamedService>::NAME, false),
    (<SessionServiceServer<Api> as NamedService>::NAME, false),
];

impl Api {
    /// Answers gRPC calls on the connections until `shutdown` ends; then takes no more and finishes
    /// those in flight.
    ///
    /// # Errors
    /// When the services can't be put together.
    pub async fn serve_grpc<H>(
        self,
        server: Server,
        incoming: Incoming,
        health: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
    where
        H: tower::Service<::http::Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        H::Response: axum::response::IntoResponse,
        H::Future: Send + 'static,
    {
        let routes = self.routes(health)?;
        server
            .layer(observe::ObserveLayer::new(&self))
            .layer(MapResponseLayer::new(|response: ::http::Response<_>| response.map(Body::new)))
            .layer(CatchPanicLayer::custom(status::panicked))
            .layer(authenticate::AuthenticateLayer::new(&self))
            .layer(limit::LimitLayer::new(&self))
            .layer(capacity::CapacityLayer::new(&self))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming.into_stream(), shutdown)
            .await?;
        Ok(())
    }

    /// Answers HTTP requests on the connections until `shutdown` ends; then finishes those in flight.
    /// `header_timeout`: how long the head of a request may take.
    pub async fn serve_http(
        self,
        incoming: Incoming,
        readiness: Arc<Readiness>,
        header_timeout: Duration,
        shutdown: impl Future<Output = ()>,
    ) {
        let pages =
            Pages { service: self.service, metrics: self.metrics, readiness, reading: Arc::default() };
        http::serve(incoming, pages, header_timeout, shutdown).await;
    }

    fn routes<H>(&self, health: H) -> Result<Routes, tonic_reflection::server::Error>
    where
        H: tower::Service<::http::Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        H::Response: axum::response::IntoResponse,
        H::Future: Send + 'static,
    {
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // Clients that know these types show the details of errors as text.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        let largest = usize::try_from(self.max_message_bytes).unwrap_or(usize::MAX);
        let mut routes = RoutesBuilder::default();
        routes
            .add_service(DiscoveryServiceServer::new(self.clone()).max_decoding_message_size(largest))
            .add_service(
                IntermediateSessionServiceServer::new(self.clone()).max_decoding_message_size(largest),
            )
            .add_service(MemberServiceServer::new(self.clone()).max_decoding_message_size(largest))
            .add_service(OrganizationServiceServer::new(self.clone()).max_decoding_message_size(largest))
            .add_service(SessionServiceServer::new(self.clone()).max_decoding_message_size(largest))
            .add_service(health)
            .add_service(reflection().build_v1()?.max_decoding_message_size(REFLECTION_BYTES))
            .add_service(reflection().build_v1alpha()?.max_decoding_message_size(REFLECTION_BYTES));
        Ok(routes.routes())
    }
}
