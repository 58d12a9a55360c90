//! Who may call: the file that says so, and new keys for it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::callers::{self, Callers};
use crate::clock::Clock;
use crate::config::{Config, NewCaller};
use crate::domain::ids::ApiKeyId;
use crate::entropy::Entropy;
use crate::telemetry::chain;
use crate::tokens::api_key::ApiKey;

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub enum NewKeyError {
    /// The name.
    #[error("{0}")]
    Name(String),
    /// The time.
    #[error("--expires-in goes beyond the year 9999")]
    ExpiresIn,
}

/// Reads the callers file that the settings name. What calls begin that outlives them runs in `tasks`.
///
/// # Errors
/// [`StartError::Callers`].
pub fn open(config: &Config, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Result<Callers, StartError> {
    Ok(Callers::open(config.callers_file.as_deref(), config.environment, clock, tasks)?)
}

/// Makes an API key and tells it, with its line for the callers file.
///
/// # Errors
/// [`NewKeyError`].
pub fn new(
    config: &Config,
    caller: &NewCaller,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<String, NewKeyError> {
    let NewCaller { name, permissions, expires_in } = caller;
    let now = clock.now();
    let expires_at = expires_in
        .map(|duration| {
            time::Duration::try_from(duration).ok().and_then(|duration| now.checked_add(duration))
        })
        .map(|expires_at| expires_at.ok_or(NewKeyError::ExpiresIn))
        .transpose()?
        .map(|expires_at| expires_at.replace_nanosecond(0).unwrap_or(expires_at));
    let key = ApiKey::generate(ApiKeyId::new(entropy.uuid(now)), entropy);
    let line = callers::key_line(&key, config.environment, name, permissions, expires_at);
    let line = line.map_err(NewKeyError::Name)?;
    let key = key.reveal(config.environment);
    Ok(format!(
        "The key, which nobody can tell again. The caller sends the metadata `authorization: Bearer` and:\n\
         {key}\n\nIts line for the callers file:\n{line}\n"
    ))
}

/// Reads the keys of the issuers again and again.
pub(super) async fn refresh_issuers(callers: Arc<Callers>, stop: CancellationToken) {
    let refreshing = async {
        loop {
            callers.refresh_issuers().await;
            tokio::time::sleep(callers::RELOAD_INTERVAL).await;
        }
    };
    tokio::select! {
        () = refreshing => {}
        () = stop.cancelled() => {}
    }
}

/// Reads the callers file again and again. An issuer that is slow does not hold this up.
pub(super) async fn reload(callers: Arc<Callers>, stop: CancellationToken) {
    let mut told = String::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(callers::RELOAD_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
        let reloading = Arc::clone(&callers);
        // Files may be on something slow, which must hold up neither calls nor the end of the program.
        let reloading = tokio::task::spawn_blocking(move || reloading.reload());
        let reloaded = tokio::select! {
            reloaded = reloading => reloaded,
            () = stop.cancelled() => return,
        };
        let reloaded = match reloaded {
            Ok(reloaded) => reloaded,
            Err(error) => {
                tracing::error!(error = chain(&error), "the callers file was not read");
                continue;
            }
        };
        // Once for each fault: it stays until somebody mends it.
        let fault = reloaded.err().map(|error| chain(&error)).unwrap_or_default();
        if !fault.is_empty() && fault != told {
            tracing::error!(error = fault, "the callers file can't be used; the callers stay as they were");
        }
        told = fault;
    }
}
