//! SIGTERM: softly, and hard on the second.

use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::beside;
use crate::faults::hold::{Hold, Moment, held};
use crate::faults::until;
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::fixtures::creation;
use crate::harness::program::{Folder, Program};
use crate::harness::refusal::refused;

/// What the health service says of everything.
async fn status(clients: &Clients) -> ServingStatus {
    let request = HealthCheckRequest { service: String::new() };
    clients.health.clone().check(request).await.unwrap().into_inner().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_are_answered() {
    let t = Harness::postgres().await;
    let mut program = beside(&t, &["--lame-duck", "20s"]).await;
    let clients = program.clients().await;
    let token = clients.token("ada@acme.com").await;
    let other = clients.token("grace@navy.example").await;
    assert_eq!(status(&clients).await, ServingStatus::Serving);
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let mut calls = JoinSet::new();
    let (calling, request) = (clients.clone(), creation(&token));
    calls.spawn(async move { calling.spend(request).await });
    held(&t).await;
    program.signal("TERM").await;
    // It says first that it goes, and still answers.
    until("NOT_SERVING", async || status(&clients).await == ServingStatus::NotServing).await;
    hold.release().await;
    assert!(calls.join_next().await.unwrap().unwrap().unwrap().into_inner().member_authenticated);
    clients.spend(creation(&other)).await.unwrap();
    drop(clients);
    // The rest of the lame duck is cut short.
    program.signal("TERM").await;
    program.ended().await;
    assert_eq!(t.count("organizations").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_when_the_last_call_has_ended() {
    let t = Harness::postgres().await;
    let mut program = beside(&t, &[]).await;
    let clients = program.clients().await;
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeCommit).await;
    let mut calls = JoinSet::new();
    let request = creation(&token);
    calls.spawn(async move { clients.spend(request).await });
    held(&t).await;
    program.signal("TERM").await;
    program.line(|line| line["message"] == "shutting down").await;
    until("the listener to close", async || tokio::net::TcpStream::connect(program.grpc).await.is_err())
        .await;
    hold.release().await;
    assert!(calls.join_next().await.unwrap().unwrap().unwrap().into_inner().member_authenticated);
    assert_eq!(program.ended().await.code(), Some(0));
    assert_eq!(t.count("organizations").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_flight_ends_at_once() {
    let folder = Folder::new();
    let mut program = Program::serve(folder.path(), &[]).await;
    program.signal("TERM").await;
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_signal_ends_it_hard() {
    let t = Harness::postgres().await;
    // A call may take up to the lock timeout: it is cut, with what is left of the drain.
    let mut program = beside(&t, &["--drain-timeout", "1h"]).await;
    let clients = program.clients().await;
    let token = clients.token("ada@acme.com").await;
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let mut calls = JoinSet::new();
    let request = creation(&token);
    calls.spawn(async move { clients.spend(request).await });
    held(&t).await;
    program.signal("TERM").await;
    program.line(|line| line["message"] == "shutting down" && line["hard"] == false).await;
    program.signal("TERM").await;
    let status = program.ended().await;
    assert_eq!(status.code(), Some(1), "calls in flight did not end in time");
    refused(calls.join_next().await.unwrap().unwrap(), Code::Unavailable, "SERVER_UNAVAILABLE");
    hold.release().await;
}
