//! Floods of HTTP/2 frames, and connections that grow old.

use std::time::Duration;

use h2::Reason;
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{PATIENCE, PREFACE, SOON, ask, ask_anew};
use crate::faults::until;
use crate::harness::program::{Folder, Program};
use crate::harness::raw::{RawClient, frame};
use crate::harness::{Harness, Setup};

/// The types of frames, their flags, and codes of errors (RFC 9113, 6 and 7).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// `POST / HTTP/2` to `x`, compressed (RFC 7541, 6).
const REQUEST: &[u8] = &[0x83, 0x86, 0x84, 0x41, 1, b'x'];

fn http2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The codes of the `GOAWAY` frames that a server has sent.
fn goaways(mut sent: &[u8]) -> Vec<u32> {
    let mut codes = Vec::new();
    while let Some((head, rest)) = sent.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        if head[3] == GOAWAY {
            codes.push(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        sent = rest;
    }
    codes
}

/// Sends frames on a connection of its own until the server closes it; tells what the server has sent.
async fn attack(address: std::net::SocketAddr, mut frames: impl FnMut() -> Vec<u8>) -> Vec<u8> {
    let (mut receiving, mut sending) = TcpStream::connect(address).await.unwrap().into_split();
    sending.write_all(PREFACE).await.unwrap();
    let mut sent = Vec::new();
    let flood = async { while sending.write_all(&frames()).await.is_ok() {} };
    let listen = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(bytes @ 1..) = receiving.read(&mut buffer).await {
            sent.extend_from_slice(&buffer[..bytes]);
        }
    };
    let both = async { tokio::join!(flood, listen) };
    timeout(PATIENCE, both).await.expect("the server closes the connection");
    sent
}

/// CVE-2023-44487.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_resets_ends_its_connection() {
    let t = Harness::embedded().await;
    let mut attackers = JoinSet::new();
    for _ in 0..4 {
        let mut stream = 1;
        let mut flood = move || {
            let mut frames = Vec::new();
            for _ in 0..1000 {
                frames.extend(http2_frame(HEADERS, END_STREAM | END_HEADERS, stream, REQUEST));
                frames.extend(http2_frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
                stream += 2;
            }
            frames
        };
        let address = t.grpc;
        attackers.spawn(async move { attack(address, &mut flood).await });
    }
    for _ in 0..20 {
        ask(t.channel()).await.unwrap();
    }
    while let Some(sent) = attackers.join_next().await {
        assert_eq!(goaways(&sent.unwrap()), [ENHANCE_YOUR_CALM]);
    }
}

/// A header of four megabytes, and one without an end (CVE-2024-24549).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_headers_end_their_connection_and_fill_no_memory() {
    const MIB: u64 = 1024 * 1024;
    let folder = Folder::new();
    let program = Program::serve(folder.path(), &[]).await;
    ask_anew(program.grpc).await;
    let before = program.memory();
    let mut attackers = JoinSet::new();
    for number in 0..40 {
        // A literal header `x` with a value of four million bytes (RFC 7541, 5.1 and 6.2.2).
        let large = [REQUEST, &[0, 1, b'x', 0x7f, 0x81, 0x91, 0xf4, 0x01]].concat();
        // Or many headers of a byte each.
        let many = [REQUEST, &[0, 1, b'x', 1, b'y'].repeat(100)].concat();
        let filling = if number % 2 == 0 { vec![b'y'; 16_000] } else { [0, 1, b'x', 1, b'y'].repeat(3200) };
        let begin = http2_frame(HEADERS, END_STREAM, 1, if number % 2 == 0 { &large } else { &many });
        let mut next = Some(begin);
        let frames = move || next.take().unwrap_or_else(|| http2_frame(CONTINUATION, 0, 1, &filling));
        let address = program.grpc;
        attackers.spawn(async move { attack(address, frames).await });
    }
    for _ in 0..20 {
        ask_anew(program.grpc).await;
    }
    let mut most = before;
    while let Some(sent) = attackers.join_next().await {
        sent.unwrap();
        most = most.max(program.memory());
    }
    assert!(most < before + 64 * MIB, "{} MiB, then {} MiB", before / MIB, most / MIB);
}

#[tokio::test]
async fn clients_are_told_how_many_calls_they_may_have() {
    let t = Harness::embedded().await;
    let stream = TcpStream::connect(t.grpc).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    until("the settings", async || requests.current_max_send_streams() == 200).await;
}

/// Connections grow old in the middle of many calls. Each call is answered, or its client is told that it was
/// not begun (RFC 9113, 6.8) and makes it again elsewhere, as gRPC's clients do by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_notices_the_age_of_its_connection() {
    let t = Setup::embedded()
        .with(|config| config.transport.max_connection_age = Duration::from_millis(100))
        .start()
        .await;
    let mut answers = JoinSet::new();
    for _ in 0..10 {
        let stream = TcpStream::connect(t.grpc).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let mut answered = 0;
        let mut count = |answer: Result<http::Response<h2::RecvStream>, h2::Error>| match answer {
            Ok(answer) => {
                assert_eq!(answer.status(), 200);
                answered += 1;
            }
            Err(error) => {
                assert!(error.is_go_away() && error.reason() == Some(Reason::NO_ERROR), "{error:?}");
            }
        };
        while let Ok(mut requests) = requests.clone().ready().await {
            // The end may come between any two of these lines: what was not begun is no call.
            let Ok((answer, mut body)) = requests.send_request(health_check(&t), false) else { continue };
            let sent = body.send_data(frame(&[]).into(), true);
            answers.spawn(async move { answer.await.and_then(|answer| sent.map(|()| answer)) });
            // More than the connection may have would wait in the client.
            if answers.len() > 50 {
                count(answers.join_next().await.unwrap().unwrap());
            }
        }
        while let Some(answer) = answers.join_next().await {
            count(answer.unwrap());
        }
        assert!(answered > 0, "the connection is of use");
        over(&mut connections).await;
    }
}

/// Waits for the end of a connection. Whether its client still had something to say then does not matter.
async fn over(connections: &mut JoinSet<Result<(), h2::Error>>) {
    let ended = timeout(PATIENCE, connections.join_next()).await.expect("the connection ends");
    drop(ended.unwrap().unwrap());
}

/// The head of a call.
fn health_check(t: &Harness) -> Request<()> {
    let uri = format!("http://{}/grpc.health.v1.Health/Check", t.grpc);
    Request::post(uri).header("content-type", "application/grpc").body(()).unwrap()
}

#[tokio::test]
async fn a_call_in_flight_is_answered_on_an_old_connection() {
    let t = Setup::embedded()
        .with(|config| config.transport.max_connection_age = Duration::from_secs(1))
        .start()
        .await;
    let stream = TcpStream::connect(t.grpc).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let (answer, mut body) = requests.send_request(health_check(&t), false).unwrap();
    until("the server to want a new connection", async || requests.clone().ready().await.is_err()).await;
    body.send_data(frame(&[]).into(), true).unwrap();
    let answer = timeout(PATIENCE, answer).await.expect("an answer in time").unwrap();
    assert_eq!(answer.headers().get("grpc-status"), None, "a status stands in the trailers");
    let mut body = answer.into_body();
    while let Some(data) = body.data().await {
        data.unwrap();
    }
    assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    over(&mut connections).await;
}

/// A call that never ends holds its connection until the longest call would have ended, and no longer.
#[tokio::test]
async fn an_old_connection_ends_whatever_goes_on() {
    let t = Setup::embedded()
        .with(|config| {
            config.transport.max_connection_age = Duration::from_secs(1);
            config.transport.write_timeout = Duration::from_secs(1);
            config.max_call_duration = SOON;
        })
        .start()
        .await;
    let mut clients = t.clients();
    let request = tonic_health::pb::HealthCheckRequest { service: String::new() };
    let mut watch = clients.health.watch(request).await.unwrap().into_inner();
    let ended = async {
        loop {
            match watch.message().await {
                Ok(said) => assert!(said.is_some(), "the call ends like one that has nothing more to say"),
                Err(cut) => return cut,
            }
        }
    };
    timeout(PATIENCE, ended).await.expect("the connection ends");
    RawClient::connect(t.grpc).await.call("/grpc.health.v1.Health/Check", &[], frame(&[])).await.unwrap();
}
