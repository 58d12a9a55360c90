//! The settings of sockets, TLS and HTTP/2.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::ConfigError;

/// What bounds a connection, and how it is encrypted.
#[derive(Clone, Debug, Args)]
pub struct TransportConfig {
    /// The certificate that gRPC is served with, in PEM: the server's own, then those between it and the
    /// root. Given together with the key; without both, calls come in plain text. The files are read again
    /// every 5 seconds: new connections use what has changed.
    #[arg(long, global = true, env = "VESTIBULE_TLS_CERTIFICATE_FILE")]
    pub tls_certificate_file: Option<PathBuf>,

    /// The private key of the certificate, in PEM.
    #[arg(long, global = true, env = "VESTIBULE_TLS_KEY_FILE")]
    pub tls_key_file: Option<PathBuf>,

    /// The certificates, in PEM, that clients' certificates lead to. Clients are then asked for one and may
    /// come without; one that is not valid ends the connection.
    #[arg(long, global = true, env = "VESTIBULE_TLS_CLIENT_CA_FILE")]
    pub tls_client_ca_file: Option<PathBuf>,

    /// The most connections to each port, 1 to 1000000. At the limit a new one replaces the oldest that has
    /// never authenticated. Callers are servers that share a few connections among all their calls, so a
    /// thousand are many; and a thousand fit into the file descriptors that systems usually allow.
    #[arg(long, global = true, env = "VESTIBULE_MAX_CONNECTIONS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// How long a client may take for the TLS handshake, and after that for its first bytes. At least
    /// 100ms. Round trips around the world take a tenth of a second, lost packets a few.
    #[arg(long, global = true, env = "VESTIBULE_HANDSHAKE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub handshake_timeout: Duration,

    /// How long a client may take nothing of what it is sent before its connection ends. At least 100ms.
    #[arg(long, global = true, env = "VESTIBULE_WRITE_TIMEOUT", default_value = "20s", value_parser = duration)]
    pub write_timeout: Duration,

    /// How often a silent gRPC connection is asked whether its client is still there. At least 100ms.
    #[arg(long, global = true, env = "VESTIBULE_KEEP_ALIVE_INTERVAL", default_value = "1m", value_parser = duration)]
    pub keep_alive_interval: Duration,

    /// How long the client has to answer that. At least 100ms.
    #[arg(long, global = true, env = "VESTIBULE_KEEP_ALIVE_TIMEOUT", default_value = "20s", value_parser = duration)]
    pub keep_alive_timeout: Duration,

    /// How long a gRPC connection is used before its client is told to make a new one. At least 100ms. New
    /// replicas get their share of the connections within this time, and a certificate that has expired or
    /// was replaced is not used for longer. Calls in flight go on.
    #[arg(long, global = true, env = "VESTIBULE_MAX_CONNECTION_AGE", default_value = "30m", value_parser = duration)]
    pub max_connection_age: Duration,

    /// The most calls in flight on one connection, 100 to 10000. Clients wait with the next one. Many times
    /// the connections to the database, so that one client can keep the server busy, and no more. With less
    /// than 100, clients would begin too many before they know (RFC 9113, 6.5.2).
    #[arg(long, global = true, env = "VESTIBULE_MAX_CONCURRENT_STREAMS", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(100..=10_000))]
    pub max_concurrent_streams: u32,

    /// The most bytes of a call's metadata, 1024 to 1048576: of names and values, and 32 for each (RFC
    /// 9113, 6.5.2). Room for a few tokens. A call with more is refused; one with more than four times as
    /// much is refused without a gRPC status.
    #[arg(long, global = true, env = "VESTIBULE_MAX_HEADER_BYTES", default_value_t = 16 * 1024,
          value_parser = clap::value_parser!(u32).range(1024..=1024 * 1024))]
    pub max_header_bytes: u32,

    /// The most bytes of a message, 65536 to 67108864. As much as most clients accept; 1,000 members with
    /// their metadata fit.
    #[arg(long, global = true, env = "VESTIBULE_MAX_MESSAGE_BYTES", default_value_t = 4 * 1024 * 1024,
          value_parser = clap::value_parser!(u32).range(64 * 1024..=64 * 1024 * 1024))]
    pub max_message_bytes: u32,

    /// The most calls of a connection that its client has given up before the server has begun them, 1 to
    /// 10000. One more ends the connection: floods of calls that are given up at once (CVE-2023-44487)
    /// look like that, clients that give up now and then don't.
    #[arg(long, global = true, env = "VESTIBULE_MAX_PENDING_ACCEPT_RESET_STREAMS", default_value_t = 20,
          value_parser = reset_streams)]
    pub max_pending_accept_reset_streams: usize,

    /// The most calls of a connection that the server has ended because its client broke HTTP/2's rules, 1
    /// to 10000. One more ends the connection: a client that never stops (CVE-2025-8671) is no client.
    #[arg(long, global = true, env = "VESTIBULE_MAX_LOCAL_ERROR_RESET_STREAMS", default_value_t = 1_000,
          value_parser = reset_streams)]
    pub max_local_error_reset_streams: usize,
}

/// The files of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What clients' certificates lead to.
    pub client_ca: Option<PathBuf>,
}

impl TransportConfig {
    /// The files of TLS, if it is on.
    ///
    /// # Errors
    /// [`ConfigError::TlsPair`], [`ConfigError::ClientCaAlone`].
    pub fn tls(&self) -> Result<Option<TlsFiles>, ConfigError> {
        // An empty variable is how some orchestrators say that there is none.
        let given = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        let client_ca = given(&self.tls_client_ca_file);
        match (given(&self.tls_certificate_file), given(&self.tls_key_file)) {
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key, client_ca })),
            (None, None) if client_ca.is_some() => Err(ConfigError::ClientCaAlone),
            (None, None) => Ok(None),
            _ => Err(ConfigError::TlsPair),
        }
    }

    /// The settings, each with its value.
    pub(super) fn describe(&self) -> Vec<(&'static str, String)> {
        let Self {
            tls_certificate_file,
            tls_key_file,
            tls_client_ca_file,
            max_connections,
            handshake_timeout,
            write_timeout,
            keep_alive_interval,
            keep_alive_timeout,
            max_connection_age,
            max_concurrent_streams,
            max_header_bytes,
            max_message_bytes,
            max_pending_accept_reset_streams,
            max_local_error_reset_streams,
        } = self;
        let path = super::path_text;
        let duration = |duration: &Duration| humantime::format_duration(*duration).to_string();
        vec![
            ("tls-certificate-file", path(tls_certificate_file.as_ref())),
            ("tls-key-file", path(tls_key_file.as_ref())),
            ("tls-client-ca-file", path(tls_client_ca_file.as_ref())),
            ("max-connections", max_connections.to_string()),
            ("handshake-timeout", duration(handshake_timeout)),
            ("write-timeout", duration(write_timeout)),
            ("keep-alive-interval", duration(keep_alive_interval)),
            ("keep-alive-timeout", duration(keep_alive_timeout)),
            ("max-connection-age", duration(max_connection_age)),
            ("max-concurrent-streams", max_concurrent_streams.to_string()),
            ("max-header-bytes", max_header_bytes.to_string()),
            ("max-message-bytes", max_message_bytes.to_string()),
            ("max-pending-accept-reset-streams", max_pending_accept_reset_streams.to_string()),
            ("max-local-error-reset-streams", max_local_error_reset_streams.to_string()),
        ]
    }
}

/// The longest that a setting here may be: timers take no more.
const LONGEST: Duration = Duration::from_hours(24 * 365);

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(100)..=LONGEST).contains(&duration) {
        Ok(duration)
    } else {
        Err("not within 100ms to 365days".to_owned())
    }
}

fn reset_streams(text: &str) -> Result<usize, String> {
    let streams = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
    if (1..=10_000).contains(&streams) { Ok(streams) } else { Err("not within 1 to 10000".to_owned()) }
}
