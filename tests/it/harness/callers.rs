//! Callers files, and clients that say who they are.

use serde_json::{Value, json};
use time::OffsetDateTime;
use vestibule::callers::key_line;
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::domain::ids::{ApiKeyId, Environment};
use vestibule::domain::permission::Permission;
use vestibule::entropy::{Entropy, OsEntropy};
use vestibule::tokens::api_key::ApiKey;

use super::clients::{Authorization, Clients};
use super::{Harness, Setup};

/// An API key, and its line for the callers file.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) line: String,
}

impl Key {
    /// A key of a caller with these permissions.
    pub(crate) fn new(caller: &str, permissions: &[Permission]) -> Self {
        Self::made(caller, permissions, Environment::Test, None)
    }

    /// One that ends.
    pub(crate) fn until(expires_at: OffsetDateTime, caller: &str, permissions: &[Permission]) -> Self {
        Self::made(caller, permissions, Environment::Test, Some(expires_at))
    }

    /// One of the other environment.
    pub(crate) fn live(caller: &str) -> Self {
        Self::made(caller, &[Permission::Admin], Environment::Live, None)
    }

    fn made(
        caller: &str,
        permissions: &[Permission],
        environment: Environment,
        expires_at: Option<OffsetDateTime>,
    ) -> Self {
        let entropy: &dyn Entropy = &OsEntropy;
        let key = ApiKey::generate(ApiKeyId::new(entropy.uuid(SystemClock::new().now())), entropy);
        let line = key_line(&key, environment, caller, permissions, expires_at).unwrap();
        Self { text: key.reveal(environment), line }
    }

    /// The id, and the secret.
    pub(crate) fn parts(&self) -> (&str, &str) {
        self.text.split_once('.').unwrap()
    }
}

/// The line of a caller who is known by the subject of an issuer's JWTs.
pub(crate) fn by_subject(caller: &str, permissions: &[Permission], issuer: &str, subject: &str) -> String {
    let permissions: Vec<_> = permissions.iter().map(|permission| permission.as_str()).collect();
    let jwt = json!({"issuer": issuer, "subject": subject});
    json!({"caller": caller, "permissions": permissions, "jwt": jwt}).to_string()
}

/// The line of an issuer, with where its keys are.
pub(crate) fn issuer_line(issuer: &str, audience: &str, keys: &Value) -> String {
    let mut line = json!({"issuer": issuer, "audience": audience});
    line.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    line.to_string()
}

impl Setup {
    /// A server that these may call.
    pub(crate) fn callers(mut self, lines: &[&str]) -> Self {
        std::fs::create_dir_all(&self.config.data_dir).unwrap();
        let file = self.config.data_dir.join("callers");
        std::fs::write(&file, lines.join("\n")).unwrap();
        self.config.callers_file = Some(file);
        self
    }
}

impl Harness {
    /// Writes another callers file in place of the one that is there, all at once.
    pub(crate) fn write_callers(&self, lines: &[&str]) {
        let file = self.config.callers_file.as_ref().unwrap();
        let new = file.with_extension("new");
        std::fs::write(&new, lines.join("\n")).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    /// The generated clients, whose calls carry this API key or JWT.
    pub(crate) fn clients_with(&self, credential: &str) -> Clients {
        Clients::new(self.channel(), Authorization::bearer(credential))
    }

    /// The generated clients of each replica, likewise.
    pub(crate) fn each_with(&self, credential: &str) -> Vec<Clients> {
        let clients = |channel| Clients::new(channel, Authorization::bearer(credential));
        self.channel().each().map(clients).collect()
    }
}
