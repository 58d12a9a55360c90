//! Which tokens pay: texts that are none, and tokens whose ten minutes are over.

use std::time::Duration;

use tonic::Code;

use crate::harness::fixtures::{creation, malformed_tokens, with_key};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    a_text_that_is_no_token_is_refused,
    a_well_formed_token_that_is_unknown_is_not_found,
    a_token_ends_after_ten_minutes,
    a_bound_token_ends_after_ten_minutes,
);

async fn a_text_that_is_no_token_is_refused(t: Harness) {
    let clients = t.clients();
    let spent = clients.token("ada@acme.com").await;
    let login = clients.spend(creation(&spent)).await.unwrap().into_inner();
    let token = clients.token("ada@acme.com").await;
    let texts = malformed_tokens(&token).into_iter().chain([login.session_token, login.session_jwt]);
    for text in texts {
        let answer = clients.spend(creation(&text)).await;
        let refusal = refused(answer, Code::InvalidArgument, "INVALID_SESSION_TOKEN");
        assert_eq!(
            refusal.violations(),
            [("intermediate_session_token", "INVALID_SESSION_TOKEN")],
            "{text:?}"
        );
        assert!(text.len() < 40 || !refusal.message.contains(&text), "{refusal:?}");
    }
    assert!(clients.spend(creation(&token)).await.is_ok());
}

async fn a_well_formed_token_that_is_unknown_is_not_found(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let letter = token.find(|character: char| character.is_ascii_alphabetic()).unwrap();
    let mut flipped = token.clone().into_bytes();
    flipped[letter] ^= 0x20;
    let flipped = String::from_utf8(flipped).unwrap();
    let unknown = format!("{}=", "A".repeat(43));
    for text in [flipped, unknown] {
        for answer in
            [clients.spend(creation(&text)).await, clients.spend(with_key(creation(&text), "k")).await]
        {
            refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
        }
    }
    assert!(clients.spend(creation(&token)).await.is_ok());
}

async fn a_token_ends_after_ten_minutes(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    t.outlive(&token).await;
    refused(clients.spend(creation(&token)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    refused(
        clients.spend(with_key(creation(&token), "k")).await,
        Code::NotFound,
        "INTERMEDIATE_SESSION_NOT_FOUND",
    );
    assert_eq!(t.count("organizations").await, 0);
}

async fn a_bound_token_ends_after_ten_minutes(t: Harness) {
    let clients = t.clients();
    let factor = crate::harness::fixtures::factor("password", "knowledge");
    let token = clients.token_with("ada@acme.com", vec![factor]).await;
    assert!(!clients.spend(creation(&token)).await.unwrap().into_inner().member_authenticated);
    t.outlive(&token).await;
    refused(clients.spend(creation(&token)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    assert_eq!(t.count("organizations").await, 1);
}

/// The embedded default measures age on the clock that the test sets: to the very moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_lives_until_its_last_moment() {
    let t = Harness::embedded().await;
    let clients = t.clients();
    let (first, second) = (clients.token("ada@acme.com").await, clients.token("bob@acme.com").await);
    let almost = Duration::from_mins(10).checked_sub(Duration::from_micros(1)).unwrap();
    t.clock.advance(almost);
    assert!(clients.spend(creation(&first)).await.is_ok());
    t.clock.advance(Duration::from_micros(1));
    refused(clients.spend(creation(&second)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}
