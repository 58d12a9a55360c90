//! TLS of the gRPC port: 1.2 and 1.3, with files that may change while the server runs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::transport::TlsFiles;
use crate::telemetry::chain;

/// How often the files are read again. Certificates are renewed days before they expire, so this is soon;
/// people who replace one wait for it without wondering; and reading three small files costs nothing.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// HTTP/2 as TLS negotiates it (RFC 9113, 3.2). gRPC speaks nothing else.
const ALPN: &[u8] = b"h2";

/// Why the files of TLS are not usable.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("the file of --{setting} can't be read: {path}")]
    File {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file has nothing of the kind in it, or something broken.
    #[error("the file of --{setting} has no {wanted} in PEM")]
    Pem {
        /// The setting.
        setting: &'static str,
        /// What it should have.
        wanted: &'static str,
        /// The cause.
        source: pem::Error,
    },
    /// The certificate and the key.
    #[error("the certificate of --tls-certificate-file and the key of --tls-key-file can't be used together")]
    Pair(#[source] rustls::Error),
    /// A certificate of the clients' authorities.
    #[error("a certificate of --tls-client-ca-file can't be used")]
    ClientCa(#[source] rustls::Error),
    /// The clients' authorities as a whole.
    #[error("the certificates of --tls-client-ca-file can't be used")]
    ClientCas(#[source] VerifierBuilderError),
}

/// TLS as new connections get it.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    current: RwLock<Arc<ServerConfig>>,
    /// What the files held when they were last read; `None` when they could not be.
    seen: Mutex<Option<Contents>>,
}

#[derive(Debug)]
struct Contents {
    certificate: Vec<u8>,
    key: SecretSlice<u8>,
    client_ca: Option<Vec<u8>>,
}

/// The time, for certificates that expire.
#[derive(Debug)]
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().unix_timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

impl Tls {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let current = RwLock::new(contents.server_config(&clock)?);
        Ok(Self { files, clock, current, seen: Mutex::new(Some(contents)) })
    }

    /// Reads the files again and again.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(RELOAD_INTERVAL) => {}
                () = stop.cancelled() => return,
            }
            let this = Arc::clone(&self);
            // A file system that hangs must not hold up calls, nor the end of the program.
            let reading = tokio::task::spawn_blocking(move || this.reload());
            tokio::select! {
                read = reading => if let Err(error) = read {
                    tracing::error!(error = chain(&error), "the files of TLS were not read");
                },
                () = stop.cancelled() => return,
            }
        }
    }

    /// Reads the files, and uses them from now on if they have changed and are usable. Tells the log once of
    /// every change.
    pub fn reload(&self) {
        let read = Contents::read(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if read.as_ref().ok() == seen.as_ref() {
            return;
        }
        let usable = read.and_then(|contents| {
            let config = contents.server_config(&self.clock);
            *seen = Some(contents);
            config
        });
        match usable {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("new connections use the files of TLS that have changed");
            }
            Err(error) => {
                if matches!(error, TlsError::File { .. }) {
                    *seen = None;
                }
                let error = chain(&error);
                tracing::error!(error, "the files of TLS have changed and are not usable: the old go on");
            }
        }
    }

    /// What makes the handshake of a new connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl PartialEq for Contents {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate
            && self.key.expose_secret() == other.key.expose_secret()
            && self.client_ca == other.client_ca
    }
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |setting, path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::File { setting, path: path.to_path_buf(), source })
        };
        let client_ca = files.client_ca.as_deref();
        Ok(Self {
            certificate: read("tls-certificate-file", &files.certificate)?,
            key: read("tls-key-file", &files.key)?.into(),
            client_ca: client_ca.map(|path| read("tls-client-ca-file", path)).transpose()?,
        })
    }

    fn server_config(&self, clock: &Arc<dyn Clock>) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(default_provider());
        let chain = certificates("tls-certificate-file", &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose_secret())
            .map_err(|source| TlsError::Pem { setting: "tls-key-file", wanted: "private key", source })?;
        let time = Arc::new(Time(Arc::clone(clock)));
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), time)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(text) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(text)?, provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(TlsError::ClientCas)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed session would bring a client's certificate along without another look at it; connections
        // live for long, so resuming would save little.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

fn roots(text: &[u8]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls-client-ca-file", text)? {
        roots.add(certificate).map_err(TlsError::ClientCa)?;
    }
    Ok(Arc::new(roots))
}

/// At least one.
fn certificates(setting: &'static str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |source| TlsError::Pem { setting, wanted: "certificate", source };
    let all: Vec<_> = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(error)?;
    if all.is_empty() { Err(error(pem::Error::NoItemsFound)) } else { Ok(all) }
}
