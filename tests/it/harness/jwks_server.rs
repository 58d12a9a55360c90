//! The HTTP server of an issuer.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Answers every request with the JWKS that it has. Ends when dropped.
#[derive(Debug)]
pub(crate) struct JwksServer {
    address: SocketAddr,
    state: Arc<State>,
    /// The certificate that it is trusted by, where it speaks TLS.
    certificate: Option<String>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    jwks: Mutex<String>,
    /// What requests must carry as `Bearer`.
    token: Mutex<Option<String>>,
    away: AtomicBool,
    asked: AtomicUsize,
    /// The `traceparent` of requests that had one.
    traceparents: Mutex<Vec<String>>,
}

impl JwksServer {
    /// One that speaks HTTP.
    pub(crate) async fn plain(jwks: String) -> Self {
        Self::start(jwks, None).await
    }

    /// One that speaks HTTPS, with a certificate that it has signed itself.
    pub(crate) async fn tls(jwks: String) -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::start(jwks, Some((TlsAcceptor::from(Arc::new(config)), cert.pem()))).await
    }

    async fn start(jwks: String, tls: Option<(TlsAcceptor, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { jwks: Mutex::new(jwks), ..State::default() });
        let (acceptor, certificate) = tls.unzip();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, acceptor, Arc::clone(&state)));
        Self { address, state, certificate, _serving: serving }
    }

    /// Where the JWKS is.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/openid/v1/jwks", self.address)
    }

    /// The certificate, as PEM.
    pub(crate) fn certificate(&self) -> &str {
        self.certificate.as_deref().unwrap()
    }

    /// Publishes other keys.
    pub(crate) fn publish(&self, jwks: String) {
        *lock(&self.state.jwks) = jwks;
    }

    /// Answers only those who send this token.
    pub(crate) fn ask_for(&self, token: &str) {
        *lock(&self.state.token) = Some(token.to_owned());
    }

    /// Closes connections at once, from now on, or answers again.
    pub(crate) fn be_away(&self, away: bool) {
        self.state.away.store(away, Ordering::SeqCst);
    }

    /// How often it was asked, whether it answered or not.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// To which traces requests belonged.
    pub(crate) fn traceparents(&self) -> Vec<String> {
        lock(&self.state.traceparents).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        state.asked.fetch_add(1, Ordering::SeqCst);
        if state.away.load(Ordering::SeqCst) {
            continue;
        }
        connections.spawn(async move {
            match tls {
                Some(tls) => state.answer(tls.accept(stream).await?).await,
                None => state.answer(stream).await,
            }
        });
    }
}

impl State {
    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await?);
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let traceparent = request.lines().find_map(|line| line.strip_prefix("traceparent: "));
        lock(&self.traceparents).extend(traceparent.map(str::to_owned));
        let token = lock(&self.token).clone();
        let expected = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let may = expected.is_none_or(|expected| request.contains(&expected));
        let jwks = lock(&self.jwks).clone();
        let answer = if may && request.starts_with("GET /openid/v1/jwks HTTP/1.1\r\n") {
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{jwks}", jwks.len())
        } else {
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".to_owned()
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
}
