//! What a creation leaves behind: events that say no more than they must, and no secret anywhere.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use redis::AsyncCommands as _;
use serde_json::{Value, json};
use tonic::Request;
use uuid::Uuid;
use vestibule::pb;

use crate::harness::database::rows;
use crate::harness::fixtures::{creation, factor, magic_link, oauth, with_key};
use crate::harness::values::object;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    events_tell_who_did_what_and_no_more,
    an_unfinished_login_is_no_event,
    secrets_are_stored_nowhere,
);

/// The events, oldest first: type, organization, member, session, caller, call, and more.
async fn events(t: &Harness) -> Vec<(String, Uuid, Option<Uuid>, Option<Uuid>, String, String, Value)> {
    let connection = t.database().await;
    let sql = "SELECT type, organization_id, member_id, session_id, caller, request_id, data FROM events \
               ORDER BY position";
    let rows = rows(&connection, sql, vec![]).await;
    let event = |row: &sea_orm::QueryResult| {
        (
            row.try_get("", "type").unwrap(),
            row.try_get("", "organization_id").unwrap(),
            row.try_get("", "member_id").unwrap(),
            row.try_get("", "session_id").unwrap(),
            row.try_get("", "caller").unwrap(),
            row.try_get("", "request_id").unwrap(),
            row.try_get("", "data").unwrap(),
        )
    };
    rows.iter().map(event).collect()
}

fn uuid(id: &str) -> Uuid {
    Uuid::try_parse(&id[id.len() - 36..]).unwrap()
}

/// A request that says much of which events must say nothing.
fn talkative(token: &str) -> pb::DiscoveryServiceCreateOrganizationRequest {
    pb::DiscoveryServiceCreateOrganizationRequest {
        organization_name: Some("Analytical Engines".to_owned()),
        trusted_metadata: Some(object(&json!({"secret": "s3cr3t"}))),
        session_custom_claims: Some(object(&json!({"claim": "cl41m"}))),
        telemetry_id: Some("device-1".to_owned()),
        ..creation(token)
    }
}

async fn events_tell_who_did_what_and_no_more(t: Harness) {
    let clients = t.clients();
    let named =
        pb::VouchedFactor { full_name: Some("Ada Lovelace".to_owned()), ..oauth("oauth_github", false) };
    let token = clients.token_with("ada@acme.com", vec![magic_link(), named]).await;
    let mut request = Request::new(talkative(&token));
    request.metadata_mut().insert("x-request-id", "call-1".parse().unwrap());
    let created = clients.spend(request).await.unwrap().into_inner();
    assert_eq!(created.request_id, "call-1");
    let organization = uuid(&created.organization.unwrap().organization_id);
    let member = uuid(&created.member_id);
    let session = uuid(&created.member_session.unwrap().member_session_id);
    let event = |kind: &str, member, session| {
        let (caller, call) = ("anonymous".to_owned(), "call-1".to_owned());
        (kind.to_owned(), organization, member, session, caller, call, json!({"telemetry_id": "device-1"}))
    };
    assert_eq!(
        events(&t).await,
        [
            event("organization.created", None, None),
            event("member.created", Some(member), None),
            event("session.created", Some(member), Some(session)),
        ]
    );
    // The ids are left out: random digits spell "ada" now and then, and hold nothing else.
    let told = events(&t).await.into_iter();
    let told: Vec<_> = told.map(|(kind, .., caller, call, data)| (kind, caller, call, data)).collect();
    let stored = format!("{told:?}");
    for private in ["ada", "acme.com", "Ada Lovelace", "Analytical", "s3cr3t", "cl41m", "subject-1", &token] {
        assert!(!stored.contains(private), "{private} in {stored}");
    }
}

async fn an_unfinished_login_is_no_event(t: Harness) {
    let clients = t.clients();
    let token = clients.token_with("ada@acme.com", vec![factor("password", "knowledge")]).await;
    let created = clients.spend(creation(&token)).await.unwrap().into_inner();
    let organization = uuid(&created.organization.unwrap().organization_id);
    let call = created.request_id;
    let event = |kind: &str, member| {
        (kind.to_owned(), organization, member, None, "anonymous".to_owned(), call.clone(), json!({}))
    };
    let expected =
        [event("organization.created", None), event("member.created", Some(uuid(&created.member_id)))];
    assert_eq!(events(&t).await, expected);
}

async fn secrets_are_stored_nowhere(t: Harness) {
    let clients = t.clients();
    let spent = clients.token("ada@acme.com").await;
    let bound = clients.token_with("bob@acme.com", vec![factor("password", "knowledge")]).await;
    let open = clients.token("eve@acme.com").await;
    let revoked = clients.token("joe@acme.com").await;
    clients.revoke(&revoked).await.unwrap();
    let login =
        clients.spend(with_key(talkative(&spent), &format!("of-{spent}"))).await.unwrap().into_inner();
    clients.spend(with_key(creation(&bound), &format!("of-{bound}"))).await.unwrap();
    clients.add_factor(&open, magic_link()).await.unwrap();
    let mut places = vec![("the database", database_dump(&t).await)];
    if t.on_servers() {
        places.push(("Redis", redis_dump(&t).await));
    }
    let mut secrets = vec![login.session_jwt.into_bytes()];
    for token in [spent, bound, open, revoked] {
        secrets.push(URL_SAFE.decode(&token).unwrap());
        secrets.push(token.into_bytes());
    }
    secrets.push(URL_SAFE_NO_PAD.decode(&login.session_token).unwrap());
    secrets.push(login.session_token.into_bytes());
    for (place, dump) in &places {
        // What is kept of a token is found in this way, so the search works.
        let found = |bytes: &[u8]| dump.windows(bytes.len()).any(|window| window == bytes);
        assert!(found(b"acme.com"), "{place} is empty");
        for secret in &secrets {
            let forms = [secret.clone(), hex(secret).into_bytes(), STANDARD.encode(secret).into_bytes()];
            for form in forms {
                assert!(!found(&form), "{place} has {}", String::from_utf8_lossy(&form));
            }
        }
    }
}

/// How Postgres shows bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Every table as text; of an embedded database every byte of its files.
async fn database_dump(t: &Harness) -> Vec<u8> {
    let mut dump = Vec::new();
    if t.on_servers() {
        let connection = t.database().await;
        let tables = "SELECT table_name::text AS name FROM information_schema.tables \
                      WHERE table_schema = 'public'";
        for table in rows(&connection, tables, vec![]).await {
            let name: String = table.try_get("", "name").unwrap();
            let sql = format!("SELECT t::text AS row FROM \"{name}\" AS t");
            for row in rows(&connection, &sql, vec![]).await {
                dump.extend(row.try_get::<String>("", "row").unwrap().into_bytes());
            }
        }
    } else {
        for file in std::fs::read_dir(&t.config.data_dir).unwrap() {
            dump.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
    }
    dump
}

/// Every key of this server and everything under it.
async fn redis_dump(t: &Harness) -> Vec<u8> {
    let mut redis = t.redis().await;
    let keys = t.keys().await;
    assert_eq!(keys.len(), 2, "the bound token and the open one: {keys:?}");
    let mut dump = Vec::new();
    for key in keys {
        let entry: Vec<(String, Vec<u8>)> = redis.hgetall(&key).await.unwrap();
        dump.extend(key.into_bytes());
        for (field, value) in entry {
            dump.extend(field.into_bytes());
            dump.extend(value);
        }
    }
    dump
}
