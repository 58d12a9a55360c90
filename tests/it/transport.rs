//! What is below a call: TLS, and connections that flood, stall, or say nothing. Whatever one client does,
//! the others are answered.

mod certificates;
mod connections;
mod healthcheck;
mod http2;
mod metadata;
mod reload;
mod settings;
mod silence;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::certificates::{Authority, Issued, connect_tls};
use crate::harness::program::Folder;
use crate::harness::replicas::Replicas;
use crate::harness::{Setup, connect};

/// How long anything may take before a test gives up: less than the servers' own times, where a test has
/// not set them.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than any test: a time that is not what the test is about.
const NEVER: Duration = Duration::from_hours(1);

/// A time that a test waits for. Honest clients keep well within it on a busy machine.
const SOON: Duration = Duration::from_secs(2);

/// How every HTTP/2 connection begins (RFC 9113, 3.4), with empty settings behind it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Asks how the server is.
async fn ask(channel: impl Into<Replicas>) -> Result<(), Status> {
    let request = HealthCheckRequest { service: String::new() };
    let mut client = HealthClient::new(channel.into());
    timeout(PATIENCE, client.check(request)).await.expect("an answer in time").map(drop)
}

/// Asks on a connection of its own.
async fn ask_anew(address: SocketAddr) {
    ask(connect(address).await).await.unwrap();
}

/// Asks on a connection of its own, with TLS.
async fn ask_tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(ask(connect_tls(address, config).await?).await?)
}

/// A server with a certificate for TLS. Its files are in the folder.
fn with_tls(authority: &Authority, clients: Option<&Authority>) -> (Setup, Folder) {
    let folder = Folder::new();
    let issued = authority.server();
    write(&folder, &issued);
    let mut setup = Setup::embedded().with(|config| {
        let path = |name: &str| Some(folder.path().join(name));
        config.transport.tls_certificate_file = path("tls.crt");
        config.transport.tls_key_file = path("tls.key");
        if let Some(clients) = clients {
            config.transport.tls_client_ca_file = Some(folder.file("ca.crt", &clients.certificate).into());
        }
    });
    setup.tls = Some(authority.trusted_by(None));
    (setup, folder)
}

/// Writes a certificate and its key, in place of those that are there.
fn write(folder: &Folder, issued: &Issued) {
    folder.file("tls.key", &issued.key);
    folder.file("tls.crt", &issued.certificate);
}

/// Sends text, and reads all that is answered.
async fn http(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    answer
}

/// Waits until the server has closed the connection.
async fn closed(mut stream: TcpStream) {
    let reading = async {
        let mut buffer = [0; 1024];
        while matches!(stream.read(&mut buffer).await, Ok(bytes) if bytes > 0) {}
    };
    timeout(PATIENCE, reading).await.expect("the server closes the connection");
}

/// Whether the server has closed the connection.
fn is_closed(stream: &TcpStream) -> bool {
    loop {
        match stream.try_read(&mut [0; 1024]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}
