//! The files that settings name, read and checked before anything is begun.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StartError;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::email_domain::CommonDomains;
use crate::domain::rbac::RbacPolicy;
use crate::tokens::sealing::SealingKey;
use crate::transport::tls::Tls;

/// What the files hold, or what stands in for those that no setting names.
#[derive(Clone, Debug)]
pub struct Files {
    /// The sealing key, if a file is named.
    pub sealing_key: Option<SealingKey>,
    /// The domains that can be neither allowed nor claimed.
    pub common_domains: Arc<CommonDomains>,
    /// The roles.
    pub rbac: Arc<RbacPolicy>,
}

impl Files {
    /// Reads and checks each file that a setting names.
    ///
    /// # Errors
    /// [`StartError::File`], [`StartError::SealingKey`], [`StartError::RbacPolicy`].
    pub fn read(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            sealing_key: sealing_key(config)?,
            common_domains: Arc::new(common_domains(config)?),
            rbac: Arc::new(rbac(config)?),
        })
    }
}

/// Reads and checks the files of TLS, if it is on.
///
/// # Errors
/// [`StartError::Config`], [`StartError::Tls`].
pub fn tls(config: &Config, clock: Arc<dyn Clock>) -> Result<Option<Tls>, StartError> {
    Ok(config.transport.tls()?.map(|files| Tls::open(files, clock)).transpose()?)
}

fn sealing_key(config: &Config) -> Result<Option<SealingKey>, StartError> {
    let Some(path) = &config.sealing_key_file else {
        return Ok(None);
    };
    Ok(Some(SealingKey::parse(&read("sealing-key-file", path)?)?))
}

fn common_domains(config: &Config) -> Result<CommonDomains, StartError> {
    let Some(path) = &config.common_email_domains_file else {
        return Ok(CommonDomains::default());
    };
    let text = read("common-email-domains-file", path)?;
    let labels = text
        .lines()
        .map(|line| line.trim().to_lowercase())
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(CommonDomains::new(labels))
}

fn rbac(config: &Config) -> Result<RbacPolicy, StartError> {
    let Some(path) = &config.rbac_policy_file else {
        return Ok(RbacPolicy::default());
    };
    let text = read("rbac-policy-file", path)?;
    RbacPolicy::parse(&text).map_err(|source| StartError::RbacPolicy { path: path.clone(), source })
}

fn read(setting: &'static str, path: &Path) -> Result<String, StartError> {
    let file = |source| StartError::File { setting, path: PathBuf::from(path), source };
    std::fs::read_to_string(path).map_err(file)
}
