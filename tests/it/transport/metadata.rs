//! Calls whose metadata or message is too large.

use http::Request;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::Code;

use super::ask;
use crate::harness::fixtures::organization;
use crate::harness::raw::{CREATE, RawClient, frame};
use crate::harness::refusal::refused;
use crate::harness::{Harness, Setup};

const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// What the metadata of a [`RawClient`]'s call takes beside the value of one more entry: three names, two
/// values, and 32 bytes for each.
const AROUND: usize = "content-typeapplication/grpctetrailersx-large".len() + 3 * 32;

#[tokio::test]
async fn too_much_metadata_is_refused_with_a_status() {
    let t = Harness::embedded().await;
    let client = RawClient::connect(t.grpc).await;
    let call =
        async |size: usize| client.call(HEALTH, &[("x-large", &"x".repeat(size - AROUND))], frame(&[])).await;
    call(16 * 1024).await.unwrap();
    for size in [16 * 1024 + 1, 20 * 1024, 60 * 1024] {
        let refusal = refused(call(size).await, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
        assert_eq!(refusal.message, "the metadata of the call is larger than 16384 bytes");
        assert_eq!(refusal.metadata["max_bytes"], "16384");
    }
    // The connection goes on.
    call(1024).await.unwrap();
}

#[tokio::test]
async fn far_too_much_is_refused_by_the_transport() {
    let t = Harness::embedded().await;
    let stream = TcpStream::connect(t.grpc).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let uri = format!("http://{}{HEALTH}", t.grpc);
    let request = Request::post(uri).header("x-large", "x".repeat(70 * 1024)).body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 431);
    ask(t.channel()).await.unwrap();
}

#[tokio::test]
async fn the_limits_are_settings() {
    let t = Setup::embedded()
        .with(|config| {
            config.transport.max_header_bytes = 2048;
            config.transport.max_message_bytes = 100_000;
        })
        .start()
        .await;
    let client = RawClient::connect(t.grpc).await;
    let over = client.call(HEALTH, &[("x-large", &"x".repeat(2048))], frame(&[])).await;
    let refusal = refused(over, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
    assert_eq!(refusal.metadata["max_bytes"], "2048");
    let message = |size: usize| {
        let message = organization(&"x".repeat(size)).encode_to_vec();
        let around = message.len() - size;
        frame(&organization(&"x".repeat(size - around)).encode_to_vec())
    };
    let fits = client.call(CREATE, &[], message(100_000)).await;
    refused(fits, Code::InvalidArgument, "INVALID_ORGANIZATION_NAME");
    let over = client.call(CREATE, &[], message(100_001)).await;
    let refusal = refused(over, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
    assert_eq!(refusal.message, "the message is larger than 100000 bytes");
    assert_eq!(refusal.metadata["max_bytes"], "100000");
}
