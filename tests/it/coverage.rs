//! That nothing is forgotten: each method has its tests, and each that writes accepts keys.

use std::path::Path;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use vestibule::api::SERVICES;
use vestibule::pb;

use crate::harness::Harness;
use crate::harness::database::rows;
use crate::harness::fixtures::{creation, magic_link, organization, with_key};

/// What a method does to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// It writes, and accepts idempotency keys.
    Writes,
    /// It writes to the keeper, at most a receipt to the database, and takes no key.
    Keeps,
    /// It writes nothing.
    Reads,
}

/// A method of the API.
#[derive(Clone, Debug)]
struct Method {
    service: String,
    name: String,
    comment: String,
}

impl Method {
    fn effect(&self) -> Effect {
        match format!("{}/{}", self.service, self.name).as_str() {
            "OrganizationService/CreateOrganization" | "DiscoveryService/CreateOrganization" => {
                Effect::Writes
            }
            "IntermediateSessionService/CreateIntermediateSession"
            | "IntermediateSessionService/AddFactor"
            | "IntermediateSessionService/RevokeIntermediateSession" => Effect::Keeps,
            "OrganizationService/GetOrganization"
            | "IntermediateSessionService/GetIntermediateSession"
            | "SessionService/GetJwks" => Effect::Reads,
            new => panic!("say here what {new} does, and prove below that it accepts keys if it writes"),
        }
    }
}

/// The files of this package.
fn files() -> Vec<prost_types::FileDescriptorProto> {
    let set = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    set.file.into_iter().filter(|file| file.package() == "vestibule.v1").collect()
}

fn methods() -> Vec<Method> {
    let mut methods = Vec::new();
    for file in files() {
        let locations = &file.source_code_info.as_ref().unwrap().location;
        for (service, descriptor) in (0..).zip(&file.service) {
            for (number, method) in (0..).zip(&descriptor.method) {
                // descriptor.proto: service = 6 of a file, method = 2 of a service.
                let path = [6, service, 2, number];
                let location = locations.iter().find(|location| location.path == path).unwrap();
                methods.push(Method {
                    service: descriptor.name().to_owned(),
                    name: method.name().to_owned(),
                    comment: location.leading_comments().to_owned(),
                });
            }
        }
    }
    assert!(methods.len() > 7, "{methods:?}");
    methods
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

#[test]
fn every_method_has_a_file_of_tests() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = methods().into_iter().map(|method| {
        tests.join(snake_case(&method.service)).join(format!("{}.rs", snake_case(&method.name)))
    });
    let missing: Vec<_> = files
        .filter(|file| !std::fs::read_to_string(file).is_ok_and(|text| text.contains("async fn ")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn health_checks_know_every_service() {
    let mut declared: Vec<_> = files()
        .iter()
        .flat_map(|file| {
            file.service
                .iter()
                .map(|service| format!("{}.{}", file.package(), service.name()))
                .collect::<Vec<_>>()
        })
        .collect();
    let mut checked: Vec<_> = SERVICES.iter().map(|(name, _)| (*name).to_owned()).collect();
    declared.sort();
    checked.sort();
    assert_eq!(checked, declared);
}

#[test]
fn the_contract_says_which_methods_accept_keys() {
    for method in methods() {
        let says = method.comment.contains("Accepts `idempotency-key` metadata");
        assert_eq!(says, method.effect() == Effect::Writes, "{method:?}");
    }
}

/// The organization that a writing method makes when it is called with a key.
async fn written_by(t: &Harness, method: &Method, token: &str) -> String {
    let clients = t.clients();
    let created = match method.service.as_str() {
        "OrganizationService" => {
            let answer = clients.create(with_key(organization("Acme"), "first")).await.unwrap();
            answer.into_inner().organization
        }
        "DiscoveryService" => {
            let answer = clients.spend(with_key(creation(token), "second")).await.unwrap();
            answer.into_inner().organization
        }
        new => panic!("call {new} here"),
    };
    created.unwrap().organization_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_that_writes_answers_a_repeat_as_before() {
    let t = Harness::embedded().await;
    let token = t.clients().token("ada@acme.com").await;
    let mut records = 0;
    for method in methods().into_iter().filter(|method| method.effect() == Effect::Writes) {
        let first = written_by(&t, &method, &token).await;
        records += 1;
        assert_eq!(t.count("idempotency_records").await, records, "{method:?}");
        let before = contents(&t).await;
        assert_eq!(written_by(&t, &method, &token).await, first, "{method:?}");
        assert_eq!(contents(&t).await, before, "{method:?}");
    }
}

/// How many rows each table has.
async fn contents(t: &Harness) -> Vec<(String, i64)> {
    let connection = t.database().await;
    let sql =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut contents = Vec::new();
    for row in rows(&connection, sql, vec![]).await {
        let table: String = row.try_get("", "name").unwrap();
        let count = t.count(&table).await;
        contents.push((table, count));
    }
    assert!(contents.len() > 10, "{contents:?}");
    contents
}

/// Calls a method that takes no key.
async fn call(t: &Harness, method: &Method, token: &str) {
    let clients = t.clients();
    let (mut sessions, mut keys) = (clients.intermediate_sessions.clone(), clients.sessions.clone());
    let intermediate_session_token = token.to_owned();
    match method.name.as_str() {
        "CreateIntermediateSession" => drop(clients.token("ada@acme.com").await),
        "AddFactor" => {
            let factor = Some(magic_link());
            let request = pb::AddFactorRequest { intermediate_session_token, factor };
            sessions.add_factor(request).await.unwrap();
        }
        "RevokeIntermediateSession" => {
            let request = pb::RevokeIntermediateSessionRequest { intermediate_session_token };
            sessions.revoke_intermediate_session(request).await.unwrap();
        }
        "GetIntermediateSession" => drop(clients.inspect(token).await.unwrap()),
        "GetOrganization" => drop(clients.get("acme").await.unwrap()),
        "GetJwks" => drop(keys.get_jwks(pb::GetJwksRequest {}).await.unwrap()),
        new => panic!("call {new} here"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_method_writes() {
    let t = Harness::embedded().await;
    t.clients().create(organization("Acme")).await.unwrap();
    for method in methods().into_iter().filter(|method| method.effect() != Effect::Writes) {
        let token = t.clients().token("ada@acme.com").await;
        let before = contents(&t).await;
        call(&t, &method, &token).await;
        let mut after = contents(&t).await;
        if method.name == "RevokeIntermediateSession" {
            let receipts = after.iter_mut().find(|(table, _)| table == "intermediate_session_receipts");
            receipts.unwrap().1 -= 1;
        }
        assert_eq!(after, before, "{method:?}");
    }
}
