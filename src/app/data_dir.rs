//! The data directory: the embedded database, and a sealing key where none is configured.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::entropy::Entropy;
use crate::tokens::sealing::{SealingError, SealingKey};

/// Why the data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another program uses it.
    #[error("the data directory is in use by another process: {0}")]
    InUse(PathBuf),
    /// The file system refuses.
    #[error("the data directory can't be used: {path}")]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The key that was made earlier is damaged.
    #[error("the sealing key in the data directory is damaged")]
    SealingKey(#[from] SealingError),
}

/// The data directory, locked as long as this lives.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    _lock: Option<File>,
}

impl DataDir {
    /// Creates the directory if it is missing. `exclusive`: refuses one that another process uses.
    pub(super) fn open(path: &Path, exclusive: bool) -> Result<Self, DataDirError> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| DataDirError::Io { path, source }
        };
        // The database has people's addresses in it.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
        let lock = if exclusive {
            let file = path.join("lock");
            let lock =
                OpenOptions::new().create(true).truncate(false).write(true).open(&file).map_err(io(&file))?;
            match lock.try_lock() {
                Ok(()) => Some(lock),
                Err(TryLockError::WouldBlock) => {
                    return Err(DataDirError::InUse(path.to_path_buf()));
                }
                Err(TryLockError::Error(source)) => return Err(io(&file)(source)),
            }
        } else {
            None
        };
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    /// The file of the embedded database.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("vestibule.sqlite")
    }

    /// The sealing key of this directory, if one was made.
    pub(super) fn kept_sealing_key(&self) -> Result<Option<SealingKey>, DataDirError> {
        let path = self.sealing_key_file();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(SealingKey::parse(&text)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Io { path, source }),
        }
    }

    fn sealing_key_file(&self) -> PathBuf {
        self.path.join("sealing.key")
    }

    /// The sealing key of this directory, made on the first start.
    pub(super) fn sealing_key(&self, entropy: &dyn Entropy) -> Result<SealingKey, DataDirError> {
        if let Some(kept) = self.kept_sealing_key()? {
            return Ok(kept);
        }
        let path = self.sealing_key_file();
        let io = |source| DataDirError::Io { path: path.clone(), source };
        // Written whole under another name first: whoever starts at the same moment, or after a
        // crash in between, finds the complete key or none.
        let number = u64::from_ne_bytes(entropy.bytes());
        let draft = self.path.join(format!("sealing.key.{number:016x}"));
        let linked = write_private(&draft, &SealingKey::generate(entropy))
            .and_then(|()| std::fs::hard_link(&draft, &path));
        let removed = std::fs::remove_file(&draft);
        match linked {
            Ok(()) => {
                tracing::warn!(path = %path.display(), "made a sealing key; name one with --sealing-key-file outside of tests");
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error)),
        }
        removed.map_err(io)?;
        Ok(SealingKey::parse(&std::fs::read_to_string(&path).map_err(io)?)?)
    }
}

fn write_private(path: &Path, key: &SealingKey) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.reveal())?;
    file.sync_all()
}
