//! More connections than there are places.

use std::net::SocketAddr;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::server::Connected as _;
use vestibule::telemetry::metrics::Metrics;
use vestibule::transport::incoming::{Bounds, Incoming};

use super::certificates::BOUNDS;
use super::{PATIENCE, PREFACE, ask, ask_anew, closed, is_closed};
use crate::faults::until;
use crate::harness::connect;
use crate::harness::program::{Folder, Program};

/// Opens connections, one after the other, on each of which the client says this and then stops.
async fn open(address: SocketAddr, count: usize, says: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(says).await.unwrap();
        streams.push(stream);
    }
    streams
}

/// A port with two places that sends back what it reads. A connection on which an `!` comes has
/// authenticated.
async fn echo(servers: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut incoming =
        Incoming::new(listener, Bounds { max_connections: 2, ..BOUNDS }, None, Metrics::unread());
    servers.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let mut connection = incoming.next().await;
            connections.spawn(async move {
                let mut byte = [0];
                while connection.read_exact(&mut byte).await.is_ok() {
                    if byte == *b"!" {
                        connection.connect_info().authenticated();
                    }
                    if connection.write_all(&byte).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn say(stream: &mut TcpStream, byte: u8) {
    stream.write_all(&[byte]).await.unwrap();
    let answer = timeout(PATIENCE, stream.read_u8()).await.expect("an answer in time");
    assert_eq!(answer.unwrap(), byte);
}

#[tokio::test]
async fn who_has_authenticated_stays_and_the_oldest_stranger_goes() {
    let mut servers = JoinSet::new();
    let address = echo(&mut servers).await;
    let mut known = TcpStream::connect(address).await.unwrap();
    say(&mut known, b'!').await;
    let mut stranger = TcpStream::connect(address).await.unwrap();
    say(&mut stranger, b'?').await;
    for _ in 0..100 {
        let mut next = TcpStream::connect(address).await.unwrap();
        say(&mut next, b'?').await;
        closed(stranger).await;
        say(&mut known, b'?').await;
        stranger = next;
    }
    say(&mut stranger, b'!').await;
    closed(TcpStream::connect(address).await.unwrap()).await;
    say(&mut known, b'?').await;
    say(&mut stranger, b'?').await;
    // A place that is given back is free.
    drop(stranger);
    until("a free place", async || {
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"?").await.is_ok() && matches!(next.read_u8().await, Ok(b'?'))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_limit_newcomers_are_answered() {
    let folder = Folder::new();
    let program = Program::serve(folder.path(), &["--max-connections", "50"]).await;
    for (address, says) in [(program.grpc, PREFACE), (program.http, b"GET")] {
        let streams = open(address, 500, says).await;
        ask_anew(program.grpc).await;
        let answer =
            super::http(program.http, "GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        for stream in streams.into_iter().take(400) {
            closed(stream).await;
        }
    }
}

/// A caller who was there before, and one who comes later, are answered while ten thousand strangers hold
/// connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_strangers_keep_nobody_from_calling() {
    const MIB: u64 = 1024 * 1024;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    // Where fewer files may be open, other tests need some too.
    let most = maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap());
    let count = 10_000.min(most / 2);
    let folder = Folder::new();
    let program = Program::serve(folder.path(), &["--max-connections", "1000000"]).await;
    let before = program.memory();
    let channel = connect(program.grpc).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.extend(open(program.grpc, count / 10, PREFACE).await);
        ask(channel.clone()).await.unwrap();
        ask_anew(program.grpc).await;
    }
    let open = streams.iter().filter(|stream| !is_closed(stream)).count();
    let each = (program.memory() - before) / u64::try_from(count).unwrap();
    assert!(each < MIB / 16, "{each} bytes for a connection");
    assert_eq!(open, streams.len());
}

/// The operating system's limit is met like the server's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_files_to_open_is_no_end() {
    let folder = Folder::new();
    let mut program = Program::serve(folder.path(), &[]).await;
    ask_anew(program.grpc).await;
    let pid = Pid::from_raw(i32::try_from(program.id()).unwrap()).unwrap();
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(60), maximum: Some(60) }).unwrap();
    let streams = open(program.grpc, 200, PREFACE).await;
    program.line(|line| line["message"] == "a connection can't be accepted").await;
    ask_anew(program.grpc).await;
    drop(streams);
    ask_anew(program.grpc).await;
}
