//! The generated clients of one server.

use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use vestibule::pb::discovery_service_client::DiscoveryServiceClient;
use vestibule::pb::intermediate_session_service_client::IntermediateSessionServiceClient;
use vestibule::pb::member_service_client::MemberServiceClient;
use vestibule::pb::organization_service_client::OrganizationServiceClient;
use vestibule::pb::session_service_client::SessionServiceClient;

/// One client of each service, over one connection.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) organizations: OrganizationServiceClient<Channel>,
    pub(crate) members: MemberServiceClient<Channel>,
    pub(crate) discovery: DiscoveryServiceClient<Channel>,
    pub(crate) intermediate_sessions: IntermediateSessionServiceClient<Channel>,
    pub(crate) sessions: SessionServiceClient<Channel>,
    pub(crate) health: HealthClient<Channel>,
}

impl Clients {
    pub(crate) fn new(channel: Channel) -> Self {
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
