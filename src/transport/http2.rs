//! What bounds HTTP/2.

use std::time::Duration;

use tonic::transport::Server;

use crate::config::transport::TransportConfig;

/// How many times what `--max-header-bytes` allows the transport lets through. What is between the two is a
/// call that is refused with a status; what is beyond has the stream refused.
const HEADER_SLACK: u32 = 4;

/// A server with these settings, to which services are added.
#[must_use]
pub fn server(config: &TransportConfig) -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(config.keep_alive_interval))
        .http2_keepalive_timeout(Some(config.keep_alive_timeout))
        .max_concurrent_streams(config.max_concurrent_streams)
        .http2_max_header_list_size(config.max_header_bytes.saturating_mul(HEADER_SLACK))
        // The builder's own defaults are no limit at all for the second.
        .http2_max_pending_accept_reset_streams(Some(config.max_pending_accept_reset_streams))
        .http2_max_local_error_reset_streams(Some(config.max_local_error_reset_streams))
        // No grace here: with one, the library cuts the connection after it and sends no GOAWAY before.
        // `Bounds::life` ends what goes on for too long.
        .max_connection_age(config.max_connection_age)
}

/// How long a connection may be open: its age, and the time that the longest call needs to end after that.
#[must_use]
pub fn life(config: &TransportConfig, max_call_duration: Duration) -> Duration {
    config.max_connection_age.saturating_add(max_call_duration).saturating_add(config.write_timeout)
}
