//! Where the keys of an issuer are.

use std::path::{Path, PathBuf};

use url::Url;

use super::{bounded, fetch};
use crate::tokens::bearer::{Jwks, JwksError};

/// The largest JWKS that is read, in bytes: some hundreds of keys.
pub(super) const MAX_BYTES: usize = 256 * 1024;

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
    /// The keys.
    Keys(Jwks),
    /// What is needed to ask for the keys.
    Around { url: Url, authorities: Option<String>, token: Option<String> },
}

/// Why the keys could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
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
    /// Reads the keys. Bounded in size, and at a URL in time.
    pub(super) async fn read(&self) -> Result<Jwks, ReadError> {
        let source = self.clone();
        // Files may be on something slow.
        let files = tokio::task::spawn_blocking(move || source.read_files()).await;
        match files.map_err(ReadError::Task)?? {
            Files::Keys(keys) => Ok(keys),
            Files::Around { url, authorities, token } => {
                let text = fetch::get(&url, authorities.as_deref(), token.as_deref().map(str::trim)).await?;
                Ok(Jwks::parse(&text)?)
            }
        }
    }

    fn read_files(self) -> Result<Files, ReadError> {
        match self {
            Self::File(path) => Ok(Files::Keys(Jwks::parse(&text(&path)?)?)),
            Self::Url { url, ca_file, bearer_token_file } => {
                let authorities = ca_file.as_deref().map(text).transpose()?;
                let token = bearer_token_file.as_deref().map(text).transpose()?;
                Ok(Files::Around { url, authorities, token })
            }
        }
    }

    /// Reads the keys if they are in a file.
    pub(super) fn read_file(&self) -> Option<Result<Jwks, ReadError>> {
        match self {
            Self::File(path) => Some(text(path).and_then(|text| Ok(Jwks::parse(&text)?))),
            Self::Url { .. } => None,
        }
    }
}

fn text(path: &Path) -> Result<String, ReadError> {
    bounded(path, MAX_BYTES as u64).map_err(|source| ReadError::File { path: path.to_owned(), source })
}
