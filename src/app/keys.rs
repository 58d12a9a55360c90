//! Showing and changing the signing keys by hand.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use time::OffsetDateTime;
use time::macros::format_description;

use super::StartError;
use super::data_dir::{DataDir, DataDirError};
use super::files::Files;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, KeysCommand};
use crate::domain::ids::{Environment, IdError, KeyId};
use crate::domain::key_rotation::Rotation;
use crate::entropy::OsEntropy;
use crate::service::signing_keys::{
    ChangeError, KeyTools, Keys, LoadError, Revoked, Rotated, Successor, lives,
};
use crate::store::{self, Store};
use crate::telemetry::metrics::Metrics;
use crate::tokens::sealing::SealingKey;

/// How long a statement may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One to work with, one for searches, which there are none of.
const CONNECTIONS: u32 = 2;

/// What the list calls its columns.
const TITLES: [&str; 6] = ["KID", "ALGORITHM", "STATE", "PUBLISHED", "SIGNS FROM", "UNTIL"];

/// Why the keys were neither shown nor changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The settings, or the files they name.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// There is no such directory.
    #[error("there is no data directory yet: the first start of a server makes it, or give --database-url")]
    NoDataDir,
    /// Keys are neither made nor tried without it.
    #[error("the servers' sealing key is needed: name its file with --sealing-key-file, or --data-dir")]
    NoSealingKey,
    /// The text is no id of a key of this environment.
    #[error("the kid is not one of this deployment's")]
    Kid(#[from] IdError),
    /// The database.
    #[error("the database is not usable")]
    Store(#[from] store::ConnectError),
    /// The keys can't be read.
    #[error("the signing keys are not usable")]
    Load(#[from] LoadError),
    /// The keys can't be changed.
    #[error("the signing keys were not changed")]
    Change(#[from] ChangeError),
}

/// Does what is asked of the keys in the database that the settings name, Postgres or the embedded one,
/// and tells what came of it.
///
/// # Errors
/// [`KeysError`]; no key was changed then.
pub async fn run(config: &Config, command: &KeysCommand) -> Result<String, KeysError> {
    let rotation = config.key_rotation().map_err(StartError::from)?;
    // An empty variable is how some orchestrators say that there is none.
    let url = config.database_url.as_ref().filter(|url| !url.expose_secret().is_empty());
    let exists = config.data_dir.exists();
    if url.is_none() && !exists {
        return Err(KeysError::NoDataDir);
    }
    let data_dir = exists.then(|| DataDir::open(&config.data_dir, url.is_none())).transpose()?;
    let metrics = Metrics::unread();
    let store = match (url, &data_dir) {
        (Some(url), _) => store::connect_postgres(url, CONNECTIONS, TIMEOUT, metrics).await?,
        (None, Some(data_dir)) => store::open_sqlite(&data_dir.database(), TIMEOUT, metrics).await?,
        (None, None) => return Err(KeysError::NoDataDir),
    };
    let told = match command {
        KeysCommand::List => list(&store, config.environment, &rotation).await,
        KeysCommand::Rotate => rotate(config, rotation, store.clone(), data_dir.as_ref()).await,
        KeysCommand::Revoke { kid } => revoke(config, rotation, store.clone(), data_dir.as_ref(), kid).await,
    };
    store.close().await;
    told
}

async fn list(store: &Store, environment: Environment, rotation: &Rotation) -> Result<String, KeysError> {
    let keys = lives(store, environment).await?;
    let now = SystemClock::new().now();
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
        [
            key.id.text(environment),
            key.algorithm.as_str().to_owned(),
            rotation.state(key, &keys, now).as_str().to_owned(),
            moment(key.created_at),
            moment(key.signs_from),
            moment(rotation.signs_until(key, &keys)),
        ]
    }));
    Ok(aligned(&rows))
}

async fn rotate(
    config: &Config,
    rotation: Rotation,
    store: Store,
    data_dir: Option<&DataDir>,
) -> Result<String, KeysError> {
    let keys = Keys::existing(tools(config, rotation, store, data_dir)?).await?;
    let Rotated { key, made, signing } = keys.rotate().await?;
    let kid = key.id.text(config.environment);
    let published = if made {
        format!("{kid} is made, and published from now on.")
    } else {
        format!("{kid} is published since {}.", moment(key.created_at))
    };
    let until_then = signing.map_or_else(String::new, |signing| {
        format!(" Until then {} does.", signing.id.text(config.environment))
    });
    Ok(format!("{published}\nIt signs from {}.{until_then}\n", moment(key.signs_from)))
}

async fn revoke(
    config: &Config,
    rotation: Rotation,
    store: Store,
    data_dir: Option<&DataDir>,
    kid: &str,
) -> Result<String, KeysError> {
    let id = KeyId::parse(kid, config.environment)?;
    let keys = Keys::existing(tools(config, rotation, store, data_dir)?).await?;
    let revoked = format!(
        "{kid} is revoked. Servers refuse its JWTs from now on; verifiers that hold on to the keys they have \
         read accept them for up to 5 minutes.\n"
    );
    Ok(match keys.revoke(id).await? {
        Revoked::Before(at) => format!("{kid} was revoked at {} and stays so.\n", moment(at)),
        Revoked::Now => revoked,
        Revoked::Succeeded(Successor { key, unheard }) => {
            let meanwhile = if unheard {
                " Verifiers that hold on to the keys they have read refuse its JWTs for up to 5 minutes."
            } else {
                ""
            };
            format!("{revoked}{} signs at once.{meanwhile}\n", key.id.text(config.environment))
        }
    })
}

fn tools(
    config: &Config,
    rotation: Rotation,
    store: Store,
    data_dir: Option<&DataDir>,
) -> Result<KeyTools, KeysError> {
    Ok(KeyTools {
        store,
        sealing_key: sealing_key(config, data_dir)?,
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(OsEntropy),
        environment: config.environment,
        rotation,
    })
}

/// The key that the servers use, which none is made in place of.
fn sealing_key(config: &Config, data_dir: Option<&DataDir>) -> Result<SealingKey, KeysError> {
    if let Some(named) = Files::read(config)?.sealing_key {
        return Ok(named);
    }
    let kept = data_dir.map(DataDir::kept_sealing_key).transpose()?.flatten();
    kept.ok_or(KeysError::NoSealingKey)
}

/// The time in UTC, to the second.
fn moment(time: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time.format(format).unwrap_or_default()
}

/// The rows as lines, each cell as wide as the widest of its column.
fn aligned(rows: &[[String; TITLES.len()]]) -> String {
    let widths: Vec<_> = (0..TITLES.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or_default())
        .collect();
    let line = |row: &[String; TITLES.len()]| {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
