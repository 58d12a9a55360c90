//! More calls than are worked on at once.

use std::time::Duration;

use h2::client::SendRequest;
use http::Request;
use prost::bytes::Bytes;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::{Code, Response, Status};
use vestibule::pb;

use crate::faults::hold::{Hold, Moment, all_held};
use crate::faults::{Answer, Running, until};
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, organization};
use crate::harness::raw::CREATE;
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, Setup};

/// How many calls that are no searches a server of these tests works on: of four slots one is for searches.
const PLACES: usize = 3;

async fn small() -> Harness {
    Setup::postgres().await.alone().with(|config| config.max_calls_in_flight = 4).start().await
}

async fn get(clients: &Clients) -> Result<Response<pb::GetOrganizationResponse>, Status> {
    let request = pb::GetOrganizationRequest { organization_id: "nobody".to_owned() };
    clients.organizations.clone().get_organization(request).await
}

async fn search(clients: &Clients) -> Result<Response<pb::SearchOrganizationsResponse>, Status> {
    clients.organizations.clone().search_organizations(pb::SearchOrganizationsRequest::default()).await
}

/// Asserts that the call was sent away, and told when to come again.
#[track_caller]
fn sent_away<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> Refusal {
    let refusal = refused(answer, Code::Unavailable, "SERVER_UNAVAILABLE");
    let delay = refusal.retry_after.unwrap_or_else(|| panic!("no RetryInfo: {refusal:?}"));
    assert!((Duration::from_millis(250)..=Duration::from_millis(750)).contains(&delay), "{refusal:?}");
    refusal
}

/// Whether every place is taken.
async fn full(clients: &Clients) -> bool {
    match get(clients).await {
        Ok(_) => panic!("there is no such organization"),
        Err(status) => status.code() == Code::Unavailable,
    }
}

async fn spends(clients: &Clients) -> Vec<Running<Answer>> {
    let mut running = Vec::new();
    for number in 0..PLACES {
        let token = clients.token(&format!("ada{number}@acme.com")).await;
        let clients = clients.clone();
        running.push(Running::call(async move { clients.spend(creation(&token)).await }));
    }
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_beyond_is_sent_away_and_leaves_nothing() {
    let t = small().await;
    let clients = t.clients();
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let running = spends(&clients).await;
    all_held(&t, 3).await;
    let delays: Vec<_> = {
        let mut delays = Vec::new();
        for _ in 0..20 {
            delays.push(sent_away(clients.create(organization("Acme")).await).retry_after);
        }
        delays
    };
    assert!(delays.iter().any(|delay| *delay != delays[0]), "not all at the same time: {delays:?}");
    // Searches have places of their own; what costs nothing needs none.
    search(&clients).await.unwrap();
    clients.sessions.clone().get_jwks(pb::GetJwksRequest::default()).await.unwrap();
    clients.health.clone().check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    hold.release().await;
    for call in running {
        call.answer().await.unwrap();
    }
    refused(get(&clients).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    assert_eq!(t.count("organizations").await, i64::try_from(PLACES).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_without_its_caller_keeps_its_place() {
    let t = small().await;
    let clients = t.clients();
    let hold = Hold::at(&t, Moment::BeforeReceipt).await;
    let running = spends(&clients).await;
    all_held(&t, 3).await;
    drop(running);
    // Long enough for the cancellations to arrive: they travel on the connection that these calls use too.
    for _ in 0..50 {
        sent_away(get(&clients).await);
    }
    hold.release().await;
    until("the places to be free", async || !full(&clients).await).await;
    let spent = i64::try_from(PLACES).unwrap();
    until("what was begun to be done", async || t.count("organizations").await == spent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_call_gives_its_place_back() {
    let t = small().await;
    let clients = t.clients();
    let blockade = t.block_organizations().await;
    let running: Vec<_> = (0..PLACES)
        .map(|number| {
            let clients = clients.clone();
            Running::call(async move { clients.create(organization(&format!("Acme {number}"))).await })
        })
        .collect();
    t.blocked(3).await;
    sent_away(get(&clients).await);
    drop(running);
    until("the places to be free", async || !full(&clients).await).await;
    blockade.lift().await;
}

/// Calls whose messages never end hold no places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_sender_holds_no_place() {
    let t = small().await;
    let stream = TcpStream::connect(t.grpc).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let mut senders = Vec::new();
    for _ in 0..50 {
        senders.push(begin(&requests, &t).await);
    }
    let clients = t.clients();
    for _ in 0..20 {
        refused(get(&clients).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
    drop(senders);
}

async fn begin(requests: &SendRequest<Bytes>, t: &Harness) -> h2::SendStream<Bytes> {
    let request = Request::post(format!("http://{}{CREATE}", t.grpc))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut requests = requests.clone().ready().await.unwrap();
    let (_, mut sending) = requests.send_request(request, false).unwrap();
    sending.send_data(Bytes::from_static(&[0, 0, 0]), false).unwrap();
    sending
}
