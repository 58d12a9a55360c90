//! The real binary: how it starts, refuses to start, dies and ends.

mod callers;
mod crashes;
mod embedded;
pub(crate) mod keys;
mod rbac_policy;
mod refusals;
mod seed;
mod settings;
mod shutdown;

use secrecy::{ExposeSecret as _, SecretString};

use crate::harness::Harness;
use crate::harness::program::Program;

/// Another process on the database and the Redis of the harness, with the shortest lease.
pub(crate) async fn beside(t: &Harness, arguments: &[&str]) -> Program {
    let url = |url: &Option<SecretString>| url.as_ref().unwrap().expose_secret().to_owned();
    let (database, redis) = (url(&t.config.database_url), url(&t.config.redis_url));
    let data_dir = t.config.data_dir.display().to_string();
    let own = ["--database-url", &database, "--redis-url", &redis, "--data-dir", &data_dir];
    let lease = ["--claim-lease", "3s"];
    Program::serve(&t.config.data_dir, &[&own[..], &lease, arguments].concat()).await
}
