//! Reading a document over HTTP.

use std::io::Cursor;

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::jwks::MAX_BYTES;
use crate::telemetry::trace_context;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The file of certificate authorities.
    #[error("ca_file has no certificate that could be used")]
    Authorities,
    /// The token or the URL can't be sent.
    #[error("the request can't be made")]
    Request,
    /// Redirects are not followed: they could lead anywhere.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The answer did not come, or was cut.
    #[error("no answer")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not text.
    #[error("the answer is not UTF-8")]
    Encoding,
}

/// Reads what is at a URL, over a connection of its own. Bounded in size; the time is the caller's to bound.
pub(super) async fn get(
    url: &Url,
    authorities: Option<&str>,
    token: Option<&str>,
) -> Result<String, FetchError> {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(authorities)?)
        // What may be plain was decided when the URL was read.
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Empty<&'static [u8]>> = Client::builder(TokioExecutor::new()).build(connector);
    let mut request = Request::get(url.as_str()).header(ACCEPT, "application/jwk-set+json, application/json");
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| FetchError::Request)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let mut request = request.body(Empty::new()).map_err(|_| FetchError::Request)?;
    trace_context::pass_on(request.headers_mut());
    let answer = client.request(request).await.map_err(|error| FetchError::Transport(Box::new(error)))?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await.map_err(FetchError::Transport)?;
    String::from_utf8(body.to_bytes().into()).map_err(|_| FetchError::Encoding)
}

fn tls(authorities: Option<&str>) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            let certificates = CertificateDer::pem_reader_iter(Cursor::new(pem)).filter_map(Result::ok);
            roots.add_parsable_certificates(certificates);
            if roots.is_empty() {
                return Err(FetchError::Authorities);
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider().into();
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| FetchError::Request)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
