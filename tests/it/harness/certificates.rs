//! Certificates for tests, and connections with TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use vestibule::clock::{Clock as _, SystemClock};

/// The name that servers' certificates are for.
pub(crate) const SERVER_NAME: &str = "vestibule.example";

/// Makes certificates.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its own, in PEM.
    pub(crate) certificate: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let certificate = issuer.pem();
        Self { issuer, certificate }
    }

    /// A server's certificate, for [`SERVER_NAME`].
    pub(crate) fn server(&self) -> Issued {
        self.server_at(SanType::DnsName(SERVER_NAME.try_into().unwrap()))
    }

    /// One for a server on this machine.
    pub(crate) fn local_server(&self) -> Issued {
        self.server_at(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()))
    }

    fn server_at(&self, name: SanType) -> Issued {
        let mut params = params(SERVER_NAME);
        params.subject_alt_names = vec![name];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params)
    }

    /// A client's certificate with these names.
    pub(crate) fn client(&self, dns_names: &[&str], uris: &[&str]) -> Issued {
        self.issue(&Self::client_params(dns_names, uris))
    }

    /// One that has expired.
    pub(crate) fn expired_client(&self) -> Issued {
        let mut params = Self::client_params(&["late.example"], &[]);
        params.not_after = SystemClock::new().now() - Duration::hours(1);
        self.issue(&params)
    }

    fn client_params(dns_names: &[&str], uris: &[&str]) -> CertificateParams {
        let mut params = params("client");
        let dns_names = dns_names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names = dns_names.chain(uris).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
    }

    fn issue(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that believes this authority, and shows a certificate if it has one.
    pub(crate) fn trusted_by(&self, shows: Option<&Issued>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = SystemClock::new().now() - Duration::days(1);
    params.not_after = SystemClock::new().now() + Duration::days(1);
    params
}

/// Shakes hands with a server.
pub(crate) async fn shake_hands(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(config).connect(ServerName::try_from(SERVER_NAME).unwrap(), stream).await
}

/// A connection with TLS, for the generated clients.
pub(crate) async fn connect_tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let connect = move |_| {
        let config = Arc::clone(&config);
        async move { shake_hands(address, config).await.map(TokioIo::new) }
    };
    Endpoint::from_static("http://vestibule.example").connect_with_connector(tower::service_fn(connect)).await
}
