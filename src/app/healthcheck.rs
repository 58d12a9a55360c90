//! Asking a running server whether it serves: for containers without a shell.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::time::Duration;

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// How long the answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whether the server at the address serves.
///
/// # Errors
/// When it does not answer in time.
pub async fn healthcheck(address: SocketAddr) -> Result<bool, Box<dyn StdError + Send + Sync>> {
    let endpoint =
        Endpoint::from_shared(format!("http://{address}"))?.connect_timeout(TIMEOUT).timeout(TIMEOUT);
    let mut client = HealthClient::new(endpoint.connect().await?);
    let answer = client.check(HealthCheckRequest { service: String::new() }).await?;
    Ok(answer.into_inner().status() == ServingStatus::Serving)
}
