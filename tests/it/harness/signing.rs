//! Session JWTs past the service: with claims that it would never sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use vestibule::domain::ids::{Environment, Id};
use vestibule::domain::jwt_algorithm::JwtAlgorithm;
use vestibule::tokens::jwt::SigningKey;
use vestibule::tokens::sealing::SealingKey;

use super::Harness;
use super::database::rows;

impl Harness {
    /// Signs claims with the deployment's oldest key.
    pub(crate) async fn sign(&self, claims: &Value) -> String {
        let connection = self.database().await;
        let sql = "SELECT id, sealed_private_key FROM signing_keys ORDER BY generation LIMIT 1";
        let key = rows(&connection, sql, vec![]).await;
        connection.close().await.unwrap();
        let id = Id::new(key[0].try_get("", "id").unwrap());
        let sealed: Vec<u8> = key[0].try_get("", "sealed_private_key").unwrap();
        let sealing = std::fs::read_to_string(self.config.data_dir.join("sealing.key")).unwrap();
        let sealing = SealingKey::parse(&sealing).unwrap();
        let key = SigningKey::open(id, JwtAlgorithm::Es256, &sealed, &sealing, Environment::Test).unwrap();
        key.sign(claims).unwrap()
    }

    /// A JWT like this one, with other claims, which the deployment's key has signed all the same.
    pub(crate) async fn sign_like(&self, jwt: &str, change: impl FnOnce(&mut Value)) -> String {
        let payload = jwt.split('.').nth(1).unwrap();
        let mut claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        change(&mut claims);
        self.sign(&claims).await
    }
}
