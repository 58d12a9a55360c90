//! JWTs of other deployments, and of this one under another name.

use tonic::Code;

use super::super::super::common::{checked, founder, part};
use super::{MALFORMED, refuses};
use crate::harness::logins::{by_jwt, by_token};
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(a_jwt_of_before_the_issuer_changed_is_refused, a_jwt_of_before_a_restart_is_good);

async fn other_deployments_are_strangers(one: Setup, two: Setup) {
    let (one, two) = (one.start().await, two.start().await);
    let ada = founder(&one, "ada@acme.com").await;
    let eve = founder(&two, "ada@acme.com").await;
    refuses(&two, &eve, &ada.jwt, MALFORMED).await;
    refuses(&one, &ada, &eve.jwt, MALFORMED).await;
    // Nor are their tokens known.
    refused(two.clients().authenticate(by_token(&ada.token)).await, Code::NotFound, "SESSION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_deployments_are_strangers_on_postgres() {
    Box::pin(other_deployments_are_strangers(Setup::postgres().await, Setup::postgres().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_deployments_are_strangers_on_the_embedded_default() {
    Box::pin(other_deployments_are_strangers(Setup::embedded(), Setup::embedded())).await;
}

async fn a_jwt_of_before_the_issuer_changed_is_refused(mut t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.config.jwt_issuer = Some("https://id.acme.com".to_owned());
    t.restart().await;
    refuses(&t, &ada, &ada.jwt, "JWT_INVALID_ISSUER").await;
    let answer = t.clients().authenticate(by_token(&ada.token)).await.unwrap().into_inner();
    assert_eq!(part(&answer.session_jwt, 1)["iss"], "https://id.acme.com");
    assert!(t.clients().authenticate(by_jwt(&answer.session_jwt)).await.is_ok());
    // Back again, the one of before is good again.
    t.config.jwt_issuer = None;
    t.restart().await;
    assert!(t.clients().authenticate(by_jwt(&ada.jwt)).await.is_ok());
    refuses(&t, &ada, &answer.session_jwt, "JWT_INVALID_ISSUER").await;
}

async fn a_jwt_of_before_a_restart_is_good(mut t: Harness) {
    let ada = founder(&t, "ada@acme.com").await;
    t.restart().await;
    let answer = t.clients().authenticate(by_jwt(&ada.jwt)).await.unwrap().into_inner();
    assert_eq!(answer.member_session, Some(checked(&t, &ada.token).await));
}
