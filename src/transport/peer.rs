//! Who is at the other end of a connection, as far as the transport knows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The other end of a connection. In the extensions of every gRPC request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    certificate: Option<ClientCertificate>,
    authenticated: Arc<AtomicBool>,
}

/// The names in a client's certificate, which was verified against `--tls-client-ca-file` when the
/// connection began: its subject alternative names (RFC 5280, 4.2.1.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The DNS names, as they stand there. One may begin with `*.`.
    pub dns_names: Vec<String>,
    /// The URIs, as they stand there: SPIFFE ids, for one.
    pub uris: Vec<String>,
}

impl Peer {
    pub(super) fn new(
        address: SocketAddr,
        certificate: Option<ClientCertificate>,
        authenticated: Arc<AtomicBool>,
    ) -> Self {
        Self(Arc::new(Inner { address, certificate, authenticated }))
    }

    /// Where the connection comes from.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The verified certificate, if the client sent one.
    #[must_use]
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.0.certificate.as_ref()
    }

    /// Marks the connection as one on which a call has shown a valid credential. It then keeps its place
    /// when there are too many connections.
    pub fn authenticated(&self) {
        self.0.authenticated.store(true, Ordering::Relaxed);
    }

    /// Whether the connection is so marked.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.0.authenticated.load(Ordering::Relaxed)
    }
}

impl ClientCertificate {
    /// Reads the names. `None` when there is no certificate; one that can't be read was not verified.
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(chain?.first()?).ok()?;
        Some(Self {
            dns_names: certificate.valid_dns_names().map(str::to_owned).collect(),
            uris: certificate.valid_uri_names().map(str::to_owned).collect(),
        })
    }
}
