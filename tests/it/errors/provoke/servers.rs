//! Refusals that are the server's or the call's, whatever the request says.

use tonic::metadata::MetadataValue;
use tonic::{Request, Status};
use vestibule::domain::ids::Environment;

use crate::harness::fixtures::{organization, with_key};
use crate::harness::raw::RawClient;
use crate::harness::{Harness, Setup};

pub(super) fn id(environment: &str) -> String {
    format!("organization-{environment}-01890a5d-ac96-774b-bcce-b302099a8057")
}

pub(super) async fn raw(t: &Harness, path: &str, headers: &[(&'static str, &str)], body: Vec<u8>) -> Status {
    RawClient::connect(t.grpc).await.call(path, headers, body).await.unwrap_err()
}

pub(super) async fn as_a_member(t: &Harness) -> Status {
    let mut request = Request::new(organization("Acme"));
    request.metadata_mut().insert("x-stytch-member-session", MetadataValue::from_static("token"));
    t.clients().create(request).await.unwrap_err()
}

pub(super) async fn a_key_is_reused(t: &Harness) -> Status {
    t.clients().create(with_key(organization("Acme"), "key")).await.unwrap();
    t.clients().create(with_key(organization("Another"), "key")).await.unwrap_err()
}

pub(super) async fn a_stored_value_is_corrupt() -> Status {
    let t = Harness::embedded().await;
    t.clients().create(organization("Acme")).await.unwrap();
    t.execute("UPDATE organizations SET mfa_policy = 'nonsense'").await;
    t.clients().get("acme").await.unwrap_err()
}

pub(super) async fn the_database_is_away() -> Status {
    let t = Setup::stage().await.start().await;
    t.stage.as_ref().unwrap().postgres_proxy.refuse();
    t.clients().create(organization("Acme")).await.unwrap_err()
}

pub(super) async fn the_database_is_busy() -> Status {
    let t = Harness::postgres().await;
    let blockade = t.block_organizations().await;
    let status = t.clients().create(organization("Acme")).await.unwrap_err();
    blockade.lift().await;
    status
}

pub(super) async fn a_caller_is_busy() -> Status {
    let t = Setup::embedded().with(|config| config.limits.caller_burst = Some(1)).start().await;
    t.clients().create(organization("Acme")).await.unwrap();
    t.clients().create(organization("Another")).await.unwrap_err()
}

pub(super) async fn live() -> Harness {
    let setup = Setup::postgres().await.with(|config| {
        std::fs::create_dir_all(&config.data_dir).unwrap();
        let file = config.data_dir.join("sealing-key");
        std::fs::write(&file, format!("{}=", "A".repeat(43))).unwrap();
        config.sealing_key_file = Some(file);
        config.environment = Environment::Live;
    });
    setup.start().await
}
