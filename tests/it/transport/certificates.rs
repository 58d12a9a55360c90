//! The names in a client's certificate reach those who decide who calls.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::Connected as _;
use vestibule::clock::SystemClock;
use vestibule::config::transport::TlsFiles;
use vestibule::telemetry::metrics::Metrics;
use vestibule::transport::incoming::{Bounds, Incoming};
use vestibule::transport::peer::ClientCertificate;
use vestibule::transport::tls::Tls;

use super::{NEVER, PATIENCE, write};
use crate::harness::certificates::{Authority, Issued, shake_hands};
use crate::harness::program::Folder;

/// What bounds the connections of tests that are about something else.
pub(super) const BOUNDS: Bounds = Bounds {
    port: "grpc",
    max_connections: 100,
    preface: 24,
    handshake_timeout: PATIENCE,
    write_timeout: PATIENCE,
    life: NEVER,
};

/// TLS from files in a folder.
pub(super) fn tls(folder: &Folder, clients: &Authority) -> Arc<Tls> {
    let client_ca = Some(folder.file("ca.crt", &clients.certificate).into());
    let path = |name: &str| folder.path().join(name);
    let files = TlsFiles { certificate: path("tls.crt"), key: path("tls.key"), client_ca };
    Arc::new(Tls::open(files, Arc::new(SystemClock::new())).unwrap())
}

#[tokio::test]
async fn names_arrive() {
    let (authority, clients) = (Authority::new("root"), Authority::new("clients"));
    let folder = Folder::new();
    write(&folder, &authority.server());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut incoming = Incoming::new(listener, BOUNDS, Some(tls(&folder, &clients)), Metrics::unread());
    let names = |dns_names: &[&str], uris: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Some(ClientCertificate { dns_names: owned(dns_names), uris: owned(uris) })
    };
    let (one, uri) = ("caller.example", "spiffe://vestibule.example/billing");
    let rows: [(Option<Issued>, Option<ClientCertificate>); 4] = [
        (None, None),
        (Some(clients.client(&[], &[])), names(&[], &[])),
        (Some(clients.client(&[one, "*.callers.example"], &[])), names(&[one, "*.callers.example"], &[])),
        (Some(clients.client(&[one], &[uri])), names(&[one], &[uri])),
    ];
    for (shown, expected) in rows {
        let mut clients = JoinSet::new();
        clients.spawn(shake_hands(address, authority.trusted_by(shown.as_ref())));
        let peer = incoming.next().await.connect_info();
        let client = clients.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(peer.certificate(), expected.as_ref());
        assert_eq!(peer.address(), client.get_ref().0.local_addr().unwrap());
        assert!(!peer.is_authenticated());
        peer.clone().authenticated();
        assert!(peer.is_authenticated());
    }
}
