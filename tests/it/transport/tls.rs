//! Calls through TLS, and handshakes that fail.

use std::sync::Arc;

use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tonic::transport::Endpoint;

use super::{ask, ask_anew, ask_tls, with_tls};
use crate::harness::certificates::{Authority, shake_hands};
use crate::harness::fixtures::organization;

#[tokio::test]
async fn calls_go_through_tls() {
    let authority = Authority::new("root");
    let (setup, _folder) = with_tls(&authority, None);
    let t = setup.start().await;
    t.clients().create(organization("Acme")).await.unwrap();
    assert_eq!(t.count("organizations").await, 1);
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let authority = Authority::new("root");
    let (setup, _folder) = with_tls(&authority, None);
    let t = setup.start().await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let stream = shake_hands(t.grpc, Arc::new(config.clone())).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        shake_hands(t.grpc, Arc::new(config)).await.expect_err("nothing but HTTP/2 is spoken");
    }
}

#[tokio::test]
async fn plain_text_is_refused() {
    let authority = Authority::new("root");
    let (setup, _folder) = with_tls(&authority, None);
    let t = setup.start().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", t.grpc)).unwrap();
    let answer = match endpoint.connect().await {
        Ok(channel) => ask(channel).await.map_err(|status| status.to_string()),
        Err(error) => Err(error.to_string()),
    };
    answer.expect_err("the port speaks TLS");
    ask(t.channel()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_goes() {
    let authority = Authority::new("root");
    let (setup, _folder) = with_tls(&authority, None);
    let t = setup.start().await;
    let other = Authority::new("root").trusted_by(None);
    ask_tls(t.grpc, other).await.expect_err("the certificate is of another authority");
    ask(t.channel()).await.unwrap();
}

#[tokio::test]
async fn clients_may_show_a_certificate_and_it_must_be_valid() {
    let (authority, clients) = (Authority::new("root"), Authority::new("clients"));
    let (setup, _folder) = with_tls(&authority, Some(&clients));
    let t = setup.start().await;
    ask_tls(t.grpc, authority.trusted_by(None)).await.unwrap();
    let valid = clients.client(&["caller.example"], &[]);
    ask_tls(t.grpc, authority.trusted_by(Some(&valid))).await.unwrap();
    let wrong = [
        ("expired", clients.expired_client()),
        ("another authority's", Authority::new("clients").client(&["caller.example"], &[])),
        ("the server's authority's", authority.client(&["caller.example"], &[])),
        ("a server's", clients.server()),
    ];
    for (what, shown) in &wrong {
        let answer = ask_tls(t.grpc, authority.trusted_by(Some(shown))).await;
        assert!(answer.is_err(), "{what} certificate is accepted");
    }
    // The clock of the server decides.
    t.clock.advance(std::time::Duration::from_hours(48));
    assert!(ask_tls(t.grpc, authority.trusted_by(Some(&valid))).await.is_err());
}

#[tokio::test]
async fn without_an_authority_for_clients_none_is_asked_for() {
    let authority = Authority::new("root");
    let (setup, _folder) = with_tls(&authority, None);
    let t = setup.start().await;
    let shown = Authority::new("clients").client(&["caller.example"], &[]);
    ask_tls(t.grpc, authority.trusted_by(Some(&shown))).await.unwrap();
    // The port of HTTP stays plain.
    let url = format!("GET /.well-known/jwks.json HTTP/1.1\r\nHost: {}\r\n\r\n", t.http);
    assert!(super::http(t.http, &url).await.starts_with("HTTP/1.1 200 "));
    let plain = crate::harness::Harness::embedded().await;
    ask_anew(plain.grpc).await;
}
