//! Where the keys of an issuer are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::{bounded, fetch};
use crate::tokens::bearer::JwksError;

/// The largest JWKS that is read, in bytes: some hundreds of keys.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// How long reading may take, from the first file to the last byte of an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In a file.
    File(PathBuf),
    /// At a URL.
    Url {
        /// The URL.
        url: Url,
        /// The certificate authorities that its server is trusted by, as PEM, in place of the usual ones.
        ca_file: Option<PathBuf>,
        /// What is sent as `Bearer`, read anew each time: Kubernetes renews it.
        bearer_token_file: Option<PathBuf>,
    },
}

/// What the files that a source names have in them.
enum Files {
    /// The JWKS.
    Jwks(String),
    /// What is needed to ask for the keys.
    Around { url: Url, authorities: Option<String>, token: Option<String> },
}

/// Why the keys could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// Nothing came in time.
    #[error("reading takes too long")]
    Late(#[from] tokio::time::error::Elapsed),
    /// A file.
    #[error("{path} can't be read")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The program is about to end.
    #[error("nothing is read any more")]
    Task(#[source] tokio::task::JoinError),
    /// The URL.
    #[error("the URL does not answer as it should")]
    Fetch(#[from] fetch::FetchError),
    /// The text.
    #[error("what was read is not a JWKS")]
    Jwks(#[from] JwksError),
}

impl Source {
    /// Reads the JWKS. Bounded in size and in time.
    pub(super) async fn read(&self) -> Result<String, ReadError> {
        tokio::time::timeout(TIMEOUT, self.read_unbounded()).await?
    }

    async fn read_unbounded(&self) -> Result<String, ReadError> {
        let source = self.clone();
        // Files may be on something slow.
        let files = tokio::task::spawn_blocking(move || source.read_files()).await;
        match files.map_err(ReadError::Task)?? {
            Files::Jwks(text) => Ok(text),
            Files::Around { url, authorities, token } => {
                Ok(fetch::get(&url, authorities.as_deref(), token.as_deref().map(str::trim)).await?)
            }
        }
    }

    fn read_files(self) -> Result<Files, ReadError> {
        match self {
            Self::File(path) => Ok(Files::Jwks(text(&path)?)),
            Self::Url { url, ca_file, bearer_token_file } => {
                let authorities = ca_file.as_deref().map(text).transpose()?;
                let token = bearer_token_file.as_deref().map(text).transpose()?;
                Ok(Files::Around { url, authorities, token })
            }
        }
    }

    /// Reads the JWKS if it is in a file.
    pub(super) fn read_file(&self) -> Result<Option<String>, ReadError> {
        match self {
            Self::File(path) => text(path).map(Some),
            Self::Url { .. } => Ok(None),
        }
    }
}

fn text(path: &Path) -> Result<String, ReadError> {
    bounded(path, MAX_BYTES as u64).map_err(|source| ReadError::File { path: path.to_owned(), source })
}
