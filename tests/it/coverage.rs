//! That nothing is forgotten: each method has its tests, and each that writes accepts keys.

pub(crate) mod stand;

mod others;
mod writing;

use std::path::Path;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use vestibule::api::SERVICES;
use vestibule::pb;

use crate::harness::Harness;
use crate::harness::database::rows;

use stand::Stand;

/// What a method does to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// It writes, at least when asked to, and accepts idempotency keys.
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
    /// Its name among all methods.
    fn path(&self) -> String {
        format!("{}/{}", self.service, self.name)
    }

    fn effect(&self) -> Effect {
        match self.path().as_str() {
            "OrganizationService/CreateOrganization"
            | "OrganizationService/UpdateOrganization"
            | "OrganizationService/DeleteOrganization"
            | "OrganizationService/DeleteOrganizationExternalId"
            | "DiscoveryService/CreateOrganization"
            | "MemberService/CreateMember"
            | "MemberService/BatchCreateMembers"
            | "MemberService/InviteMember"
            | "MemberService/UpdateMember"
            | "MemberService/UnlinkRetiredMemberEmail"
            | "MemberService/DeleteMember"
            | "MemberService/ReactivateMember"
            | "MemberService/DeleteMemberExternalId"
            | "MemberService/DeleteMemberMfaPhoneNumber"
            | "DiscoveryService/ExchangeIntermediateSession"
            | "SessionService/AuthenticateSession"
            | "SessionService/RevokeSession"
            | "SessionService/ExchangeSession" => Effect::Writes,
            "IntermediateSessionService/CreateIntermediateSession"
            | "IntermediateSessionService/AddFactor"
            | "IntermediateSessionService/RevokeIntermediateSession" => Effect::Keeps,
            "OrganizationService/GetOrganization"
            | "OrganizationService/SearchOrganizations"
            | "OrganizationService/GetOrganizationMetrics"
            | "MemberService/GetMember"
            | "MemberService/SearchMembers"
            | "IntermediateSessionService/GetIntermediateSession"
            | "DiscoveryService/ListDiscoveredOrganizations"
            | "DiscoveryService/ExplainDiscovery"
            | "SessionService/GetSessions"
            | "SessionService/GetJwks" => Effect::Reads,
            new => panic!("say here what {new} does, and call it in writing.rs or others.rs"),
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
        let words: Vec<_> = method.comment.split_whitespace().collect();
        let says = words.join(" ").contains("Accepts `idempotency-key` metadata");
        assert_eq!(says, method.effect() == Effect::Writes, "{method:?}");
    }
}

/// Every row of every table.
async fn contents(t: &Harness) -> Vec<(String, String)> {
    let connection = t.database().await;
    let sql = "SELECT m.name AS name, group_concat('quote(\"' || c.name || '\")', ' || '','' || ') AS row \
               FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c \
               WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' GROUP BY m.name ORDER BY m.name";
    let mut contents = Vec::new();
    for table in rows(&connection, sql, vec![]).await {
        let name: String = table.try_get("", "name").unwrap();
        let row: String = table.try_get("", "row").unwrap();
        let sql = format!(
            "SELECT coalesce(group_concat(line, ';'), '') AS whole \
             FROM (SELECT {row} AS line FROM {name} ORDER BY line)"
        );
        let whole: String = rows(&connection, &sql, vec![]).await[0].try_get("", "whole").unwrap();
        contents.push((name, whole));
    }
    connection.close().await.unwrap();
    assert!(contents.len() > 10, "{contents:?}");
    contents
}

/// The tables that are not what they were.
fn changed(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    assert_eq!(before.len(), after.len());
    let pairs = before.iter().zip(after);
    pairs.filter(|(before, after)| before != after).map(|((table, _), _)| table.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_that_writes_answers_a_repeat_as_before() {
    let t = Harness::embedded().await;
    let mut records = 0;
    for method in methods().into_iter().filter(|method| method.effect() == Effect::Writes) {
        let stand = Stand::new(&t.clients()).await;
        let before = contents(&t).await;
        let first = writing::call(&t, &method.path(), &stand, &method.path()).await;
        records += 1;
        assert_eq!(t.count("idempotency_records").await, records, "{method:?}");
        let after = contents(&t).await;
        // Extending a session is nothing that others hear of.
        let told = if method.name == "AuthenticateSession" { "sessions" } else { "events" };
        assert!(changed(&before, &after).contains(&told.to_owned()), "it does something: {method:?}");
        assert_eq!(writing::call(&t, &method.path(), &stand, &method.path()).await, first, "{method:?}");
        assert_eq!(changed(&after, &contents(&t).await), [""; 0], "{method:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_method_writes() {
    let t = Harness::embedded().await;
    for method in methods().into_iter().filter(|method| method.effect() != Effect::Writes) {
        let stand = Stand::new(&t.clients()).await;
        let before = contents(&t).await;
        others::call(&t.clients(), &method.path(), &stand).await;
        let revokes = method.name == "RevokeIntermediateSession";
        let expected: &[&str] = if revokes { &["intermediate_session_receipts"] } else { &[] };
        assert_eq!(changed(&before, &contents(&t).await), expected, "{method:?}");
    }
}
