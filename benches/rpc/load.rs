//! A bounded number of calls, so many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use vestibule::pb;
use vestibule::pb::discovery_service_client::DiscoveryServiceClient;
use vestibule::pb::intermediate_session_service_client::IntermediateSessionServiceClient;
use vestibule::pb::organization_service_client::OrganizationServiceClient;
use vestibule::pb::session_service_client::SessionServiceClient;

use crate::server::Server;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Echo,
    CreateOrganization,
    DiscoveryCreateOrganization,
    AuthenticateSession,
}

/// What came of it.
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Makes every slug and address of the process its own.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

impl Server {
    /// Makes `calls` calls, `in_flight` of them at a time. Tokens are made before the clock starts.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) async fn load(&self, call: Call, in_flight: usize, calls: usize) -> Measured {
        let tokens = Arc::new(match call {
            Call::DiscoveryCreateOrganization => self.tokens(calls).await,
            Call::AuthenticateSession => vec![self.session().await],
            Call::Echo | Call::CreateOrganization => Vec::new(),
        });
        let next = Arc::new(AtomicUsize::new(0));
        let started = Instant::now();
        let mut workers = JoinSet::new();
        for worker in 0..in_flight {
            let channels = if call == Call::Echo { &self.echo } else { &self.channels };
            let channel = channels[worker % channels.len()].clone();
            let (tokens, next) = (Arc::clone(&tokens), Arc::clone(&next));
            workers.spawn(async move {
                let mut durations = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= calls {
                        return durations;
                    }
                    let begun = Instant::now();
                    one(call, channel.clone(), tokens.get(index).or(tokens.first())).await;
                    durations.push(begun.elapsed());
                }
            });
        }
        let mut durations: Vec<Duration> = workers.join_all().await.into_iter().flatten().collect();
        let elapsed = started.elapsed();
        durations.sort_unstable();
        let milliseconds =
            |quantile: usize| durations[(durations.len() - 1) * quantile / 100].as_secs_f64() * 1_000.0;
        Measured {
            per_second: f64::from(u32::try_from(calls).unwrap()) / elapsed.as_secs_f64(),
            p50_ms: milliseconds(50),
            p99_ms: milliseconds(99),
        }
    }

    /// The token of a member's session.
    async fn session(&self) -> String {
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            intermediate_session_token: self.tokens(1).await.remove(0),
            ..pb::DiscoveryServiceCreateOrganizationRequest::default()
        };
        let mut client = DiscoveryServiceClient::new(self.channels[0].clone());
        client.create_organization(request).await.unwrap().into_inner().session_token
    }

    async fn tokens(&self, count: usize) -> Vec<String> {
        let mut workers = JoinSet::new();
        for worker in 0..32 {
            let mut client =
                IntermediateSessionServiceClient::new(self.channels[worker % self.channels.len()].clone());
            let share = count / 32 + usize::from(worker < count % 32);
            workers.spawn(async move {
                let mut tokens = Vec::with_capacity(share);
                for _ in 0..share {
                    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                    let factor = pb::VouchedFactor {
                        r#type: "magic_link".to_owned(),
                        delivery_method: "email".to_owned(),
                        ..pb::VouchedFactor::default()
                    };
                    let request = pb::CreateIntermediateSessionRequest {
                        email_address: format!("person@company-{number}.com"),
                        factors: vec![factor],
                    };
                    let response = client.create_intermediate_session(request).await.unwrap();
                    tokens.push(response.into_inner().intermediate_session_token);
                }
                tokens
            });
        }
        workers.join_all().await.into_iter().flatten().collect()
    }
}

async fn one(call: Call, channel: Channel, token: Option<&String>) {
    match call {
        Call::Echo => {
            let request = HealthCheckRequest { service: String::new() };
            HealthClient::new(channel).check(request).await.unwrap();
        }
        Call::CreateOrganization => {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let request = pb::CreateOrganizationRequest {
                organization_name: Some("Company".to_owned()),
                organization_slug: Some(format!("created-{number}")),
                ..pb::CreateOrganizationRequest::default()
            };
            OrganizationServiceClient::new(channel).create_organization(request).await.unwrap();
        }
        Call::DiscoveryCreateOrganization => {
            let request = pb::DiscoveryServiceCreateOrganizationRequest {
                intermediate_session_token: token.unwrap().clone(),
                ..pb::DiscoveryServiceCreateOrganizationRequest::default()
            };
            DiscoveryServiceClient::new(channel).create_organization(request).await.unwrap();
        }
        Call::AuthenticateSession => {
            let request = pb::AuthenticateSessionRequest {
                session_token: token.cloned(),
                ..pb::AuthenticateSessionRequest::default()
            };
            SessionServiceClient::new(channel).authenticate_session(request).await.unwrap();
        }
    }
}
