mod login;
mod names;
mod outcomes;
mod parameters;
mod refusals;
mod replays;
mod sessions;
mod tokens;
mod traces;

use tonic::Code;

use crate::harness::fixtures::creation;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(a_token_buys_one_organization);

async fn a_token_buys_one_organization(t: Harness) {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    let created = clients.spend(creation(&token)).await.unwrap().into_inner();
    assert!(created.member_authenticated);
    refused(clients.spend(creation(&token)).await, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    assert_eq!(t.count("organizations").await, 1);
}
