//! Clients that say nothing, too little, or never listen.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use vestibule::config::transport::TransportConfig;

use super::{NEVER, PATIENCE, PREFACE, SOON, ask, closed, with_tls};
use crate::harness::certificates::Authority;
use crate::harness::program::{Folder, Program};
use crate::harness::{Harness, Setup};

/// Sends nothing on, and never gives up: only the time that the test is about ends anything.
fn patient(config: &mut TransportConfig) {
    config.handshake_timeout = NEVER;
    config.write_timeout = NEVER;
    config.keep_alive_interval = NEVER;
    config.keep_alive_timeout = NEVER;
}

async fn server(change: impl FnOnce(&mut TransportConfig)) -> Harness {
    let change = |config: &mut vestibule::config::Config| {
        patient(&mut config.transport);
        change(&mut config.transport);
    };
    Setup::embedded().with(change).start().await
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends bytes one by one, until the server closes the connection.
async fn dribble(mut stream: TcpStream, bytes: &[u8]) {
    let sending = async {
        let mut buffer = [0; 64];
        for byte in bytes.iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::select! {
                read = stream.read(&mut buffer) => if !matches!(read, Ok(bytes) if bytes > 0) {
                    return;
                },
                () = sleep(Duration::from_millis(100)) => {}
            }
        }
    };
    timeout(PATIENCE, sending).await.expect("the server closes the connection");
}

#[tokio::test]
async fn who_says_nothing_goes() {
    let t = server(|config| config.handshake_timeout = SOON).await;
    let silent = connect(t.grpc).await;
    let mut stopped = connect(t.grpc).await;
    stopped.write_all(&PREFACE[..23]).await.unwrap();
    let web = connect(t.http).await;
    let mut half = connect(t.http).await;
    half.write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    tokio::join!(
        closed(silent),
        closed(stopped),
        closed(web),
        closed(half),
        dribble(connect(t.http).await, b"GET"),
    );
    ask(t.channel()).await.unwrap();
}

#[tokio::test]
async fn a_handshake_has_an_end() {
    let authority = Authority::new("root");
    let (setup, _folder) = with_tls(&authority, None);
    let t = setup
        .with(|config| {
            patient(&mut config.transport);
            config.transport.handshake_timeout = SOON;
        })
        .start()
        .await;
    // The beginning of a ClientHello (RFC 8446, 4.1.2) of 16 KiB.
    let hello = [0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc, 0x03, 0x03];
    let shaken = crate::harness::certificates::shake_hands(t.grpc, authority.trusted_by(None)).await.unwrap();
    let silent_after = shaken.into_inner().0;
    tokio::join!(
        closed(connect(t.grpc).await),
        dribble(connect(t.grpc).await, &hello),
        // Its handshake is done, its first bytes are missing.
        closed(silent_after),
    );
    ask(t.channel()).await.unwrap();
}

#[tokio::test]
async fn who_stops_after_the_preface_goes() {
    let t = server(|config| {
        config.keep_alive_interval = Duration::from_secs(1);
        config.keep_alive_timeout = SOON;
    })
    .await;
    let mut stopped = connect(t.grpc).await;
    stopped.write_all(PREFACE).await.unwrap();
    let mut amid = connect(t.grpc).await;
    // The head of a frame whose rest never comes.
    amid.write_all(&[PREFACE, &[0, 0, 9]].concat()).await.unwrap();
    tokio::join!(closed(stopped), closed(amid));
    ask(t.channel()).await.unwrap();
}

/// Pings have to be answered. A client that never reads the answers fills every buffer on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_goes() {
    let t = server(|config| config.write_timeout = SOON).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(t.grpc).await.unwrap();
    deaf.write_all(PREFACE).await.unwrap();
    let pings = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(4096);
    let sending = async { while deaf.write_all(&pings).await.is_ok() {} };
    let (ended, ()) = tokio::join!(timeout(PATIENCE, sending), async {
        for _ in 0..10 {
            ask(t.channel()).await.unwrap();
        }
    });
    ended.expect("the server closes the connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_silent_do_not_hold_up_the_end() {
    let folder = Folder::new();
    let mut program = Program::serve(folder.path(), &["--handshake-timeout", "1h"]).await;
    let silent = [connect(program.grpc).await, connect(program.http).await];
    // Whoever is answered after them shows that they were accepted.
    super::ask_anew(program.grpc).await;
    super::http(program.http, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    program.signal("TERM").await;
    assert_eq!(program.ended().await.code(), Some(0));
    drop(silent);
}
