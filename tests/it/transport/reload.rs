//! Certificates that are renewed while the server runs.

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use vestibule::telemetry::metrics::Metrics;
use vestibule::transport::incoming::Incoming;

use super::certificates::{BOUNDS, tls};
use super::{ask, ask_tls, with_tls, write};
use crate::faults::until;
use crate::harness::certificates::{Authority, Issued, connect_tls, shake_hands};
use crate::harness::program::{Folder, Program};

#[tokio::test]
async fn new_connections_use_what_has_changed_and_old_ones_go_on() {
    let (old, new) = (Authority::new("root"), Authority::new("root"));
    let (setup, folder) = with_tls(&old, None);
    let t = setup.start().await;
    ask(t.channel()).await.unwrap();
    write(&folder, &new.server());
    until("the new certificate", async || ask_tls(t.grpc, new.trusted_by(None)).await.is_ok()).await;
    ask(t.channel()).await.unwrap();
    ask_tls(t.grpc, old.trusted_by(None)).await.expect_err("the old certificate is gone");
}

#[tokio::test]
async fn broken_files_change_nothing() {
    let (authority, clients) = (Authority::new("root"), Authority::new("clients"));
    let folder = Folder::new();
    let (first, second) = (authority.server(), authority.server());
    write(&folder, &first);
    let tls = tls(&folder, &clients);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut incoming = Incoming::new(listener, BOUNDS, Some(tls.clone()), Metrics::unread());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            drop(incoming.next().await);
        }
    });
    let presented = async || {
        let stream = shake_hands(address, authority.trusted_by(None)).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let before = presented().await;
    let mixed = Issued { certificate: second.certificate.clone(), key: first.key.clone() };
    let garbage = Issued { certificate: "garbage".to_owned(), key: first.key.clone() };
    let empty = Issued { certificate: String::new(), key: String::new() };
    for broken in [mixed, garbage, empty] {
        write(&folder, &broken);
        tls.reload();
        assert_eq!(presented().await, before);
    }
    std::fs::remove_file(folder.path().join("tls.key")).unwrap();
    tls.reload();
    assert_eq!(presented().await, before);
    write(&folder, &second);
    folder.file("ca.crt", "garbage");
    tls.reload();
    assert_eq!(presented().await, before);
    folder.file("ca.crt", &clients.certificate);
    tls.reload();
    assert_ne!(presented().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_tells_of_a_change_once() {
    let authority = Authority::new("root");
    let folder = Folder::new();
    write(&folder, &authority.server());
    let arguments = ["--tls-certificate-file", "tls.crt", "--tls-key-file", "tls.key"];
    let mut program = Program::serve(folder.path(), &arguments).await;
    let channel = connect_tls(program.grpc, authority.trusted_by(None)).await.unwrap();
    folder.file("tls.crt", "garbage");
    let broken = |line: &serde_json::Value| {
        line["level"] == "ERROR"
            && line["error"].as_str().is_some_and(|error| error.contains("--tls-certificate-file"))
    };
    program.line(broken).await;
    write(&folder, &authority.server());
    program.line(|line| line["message"] == "new connections use the files of TLS that have changed").await;
    assert_eq!(program.log().iter().filter(|line| line["level"] == "ERROR").count(), 1);
    ask(channel).await.unwrap();
    ask_tls(program.grpc, authority.trusted_by(None)).await.unwrap();
}
