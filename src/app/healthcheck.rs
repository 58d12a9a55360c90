//! Asking a running server whether it serves: for containers without a shell.

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::Config;
use crate::transport::probe;

/// How long the answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whether the server of these settings serves.
///
/// # Errors
/// When it does not answer in time.
pub async fn healthcheck(config: &Config) -> Result<bool, Box<dyn StdError + Send + Sync>> {
    let address = reachable(config.listen_address);
    let tls = config.transport.tls()?.is_some();
    let endpoint =
        Endpoint::from_shared(format!("http://{address}"))?.connect_timeout(TIMEOUT).timeout(TIMEOUT);
    let connect = endpoint.connect_with_connector(tower::service_fn(move |_| probe::connect(address, tls)));
    // The deadline of the endpoint does not cover a connector's handshake.
    let mut client = HealthClient::new(tokio::time::timeout(TIMEOUT, connect).await??);
    let answer = client.check(HealthCheckRequest { service: String::new() }).await?;
    Ok(answer.into_inner().status() == ServingStatus::Serving)
}

/// Where a server that listens there is reached from the same machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
