//! JWTs of issuers that are trusted, whose keys are in a file or at a URL.

use std::time::Duration;

use serde_json::{Value, json};
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::domain::permission::Permission::{Admin, Read};

use super::{knock, presenting, unknown};
use crate::harness::callers::{Key, by_subject, issuer_line};
use crate::harness::issuer::{Pair, jwks};
use crate::harness::jwks_server::JwksServer;
use crate::harness::program::Folder;
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup};

const ISSUER: &str = "https://id.acme.com";

/// Claims of the caller, good for five minutes.
fn claims(t: &Harness) -> Value {
    let now = t.clock.now().unix_timestamp();
    json!({"iss": ISSUER, "sub": "billing-service", "aud": "vestibule", "iat": now, "nbf": now, "exp": now + 300})
}

fn with(t: &Harness, member: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims(t);
    claims[member] = value.into();
    claims
}

async fn trusting(keys: &Value) -> Harness {
    let issuer = issuer_line(ISSUER, "vestibule", keys);
    let caller = by_subject("billing", &[Admin], ISSUER, "billing-service");
    Setup::embedded().callers(&[&caller, &issuer]).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_is_believed_when_everything_is_right() {
    let (folder, pair) = (Folder::new(), Pair::es256("one"));
    let server = JwksServer::plain(jwks(&[&pair])).await;
    for keys in
        [json!({"jwks_file": folder.file("jwks", &jwks(&[&pair]))}), json!({"jwks_url": server.url()})]
    {
        let t = trusting(&keys).await;
        for good in [claims(&t), with(&t, "aud", vec!["other", "vestibule"]), with(&t, "more", "of anything")]
        {
            knock(&t.clients_with(&pair.sign(&good))).await.unwrap();
        }
        wrong_ones(&t, &pair).await;
    }
    assert!(server.asked() <= 2, "ahead, and for the key that is nobody's: {}", server.asked());
}

async fn wrong_ones(t: &Harness, pair: &Pair) {
    let now = t.clock.now().unix_timestamp();
    let untrusted = "the JWT is not one of an issuer that is trusted here";
    let mut another = ISSUER.to_owned();
    another.push('/');
    for (claims, expected) in [
        (with(t, "iss", "https://evil.com"), untrusted),
        (with(t, "iss", another), untrusted),
        (with(t, "iss", ""), untrusted),
        (with(t, "aud", "other"), "the JWT is for another audience"),
        (with(t, "aud", json!([])), "the JWT is for another audience"),
        (with(t, "sub", "someone-else"), "the callers file does not name the subject of the JWT"),
        (with(t, "sub", ""), "the callers file does not name the subject of the JWT"),
        // What the caller is called in the file is no subject.
        (with(t, "sub", "billing"), "the callers file does not name the subject of the JWT"),
        (with(t, "exp", now - 60), "the credential has expired"),
        (with(t, "nbf", now + 61), "the credential is not valid yet"),
        (with(t, "iat", now + 61), "the credential is not valid yet"),
    ] {
        let refusal = unknown(t.clients_with(&pair.sign(&claims)).get("nothing").await);
        assert_eq!(refusal.message, expected, "{claims}");
    }
    for (stranger, claims) in [(Pair::es256("one"), claims(t)), (Pair::es256("two"), claims(t))] {
        let refusal = unknown(t.clients_with(&stranger.sign(&claims)).get("nothing").await);
        assert_eq!(refusal.message, untrusted);
    }
    for missing in ["iss", "sub", "aud", "exp"] {
        let mut claims = claims(t);
        claims.as_object_mut().unwrap().remove(missing);
        let bearer = format!("Bearer {}", pair.sign(&claims));
        let answer = presenting(t, &[&bearer]).await;
        refused(answer, Code::Unauthenticated, "INVALID_AUTHORIZATION_HEADER");
    }
}

/// Those of Vestibule's members say who a person is, not who calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_tokens_are_no_credentials_of_callers() {
    let key = Key::new("billing", &[Admin]);
    let t = Setup::embedded().callers(&[&key.line]).start().await;
    let founded = t.clients_with(&key.text).founded("ada@acme.com").await;
    unknown(t.clients_with(&founded.session_jwt).get("nothing").await);
    for token in [founded.session_token, t.clients_with(&key.text).token("alan@acme.com").await] {
        let answer = t.clients_with(&token).get("nothing").await;
        refused(answer, Code::Unauthenticated, "INVALID_AUTHORIZATION_HEADER");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_ends_with_the_line_of_its_subject_too() {
    let (folder, pair) = (Folder::new(), Pair::es256("one"));
    let file = json!({"jwks_file": folder.file("jwks", &jwks(&[&pair]))});
    let clock = crate::harness::clock::ManualClock::starting_now();
    let mut caller: Value =
        serde_json::from_str(&by_subject("billing", &[Read], ISSUER, "billing-service")).unwrap();
    let ends = clock.now() + Duration::from_mins(1);
    caller["expires_at"] = ends.format(&time::format_description::well_known::Rfc3339).unwrap().into();
    let issuer = issuer_line(ISSUER, "vestibule", &file);
    let mut setup = Setup::embedded().callers(&[&issuer, &caller.to_string()]);
    setup.clock = clock.into();
    let t = setup.start().await;
    let clients = t.clients_with(&pair.sign(&claims(&t)));
    knock(&clients).await.unwrap();
    t.clock.advance(Duration::from_mins(1));
    assert_eq!(unknown(clients.get("nothing").await).message, "the credential has expired");
}

/// The same subject of two issuers is two callers, and one that is trusted says nothing for the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_belong_to_their_issuer() {
    let (folder, ours, theirs) = (Folder::new(), Pair::es256("one"), Pair::es256("one"));
    let second = "https://id.globex.com";
    let lines = [
        issuer_line(ISSUER, "vestibule", &json!({"jwks_file": folder.file("ours", &jwks(&[&ours]))})),
        issuer_line(second, "vestibule", &json!({"jwks_file": folder.file("theirs", &jwks(&[&theirs]))})),
        by_subject("billing", &[Admin], ISSUER, "billing-service"),
        by_subject("globex", &[Read], second, "reader"),
    ];
    let t = Setup::embedded().callers(&lines.each_ref().map(String::as_str)).start().await;
    knock(&t.clients_with(&ours.sign(&claims(&t)))).await.unwrap();
    unknown(t.clients_with(&theirs.sign(&claims(&t))).get("nothing").await);
    unknown(t.clients_with(&theirs.sign(&with(&t, "iss", second))).get("nothing").await);
    let mut reader = with(&t, "iss", second);
    reader["sub"] = "reader".into();
    let clients = t.clients_with(&theirs.sign(&reader));
    knock(&clients).await.unwrap();
    let creating = clients.create(crate::harness::fixtures::organization("Acme")).await;
    refused(creating, Code::PermissionDenied, "CALLER_NOT_PERMITTED");
}

/// Nobody can say, so nobody is turned away for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_issuer_is_away_callers_may_come_again() {
    let pair = Pair::es256("one");
    let server = JwksServer::plain(jwks(&[&pair])).await;
    server.be_away(true);
    let t = trusting(&json!({"jwks_url": server.url()})).await;
    let clients = t.clients_with(&pair.sign(&claims(&t)));
    let refusal = refused(clients.get("nothing").await, Code::Unavailable, "SERVER_UNAVAILABLE");
    assert!(refusal.retry_after.is_some());
    server.be_away(false);
    t.clock.advance(Duration::from_secs(10));
    knock(&clients).await.unwrap();
}
