//! The embedded default: nothing configured, one process, kept over a restart.

use tonic::Code;

use crate::harness::fixtures::{creation, with_key};
use crate::harness::program::{Folder, Program, run};
use crate::harness::refusal::refused;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_in_an_empty_folder() {
    let folder = Folder::new();
    let program = Program::serve(folder.path(), &[]).await;
    let clients = program.clients().await;
    let token = clients.token("ada@acme.com").await;
    let created = clients.spend(creation(&token)).await.unwrap().into_inner().organization.unwrap();
    assert_eq!(clients.get("acme").await.unwrap().into_inner().organization.unwrap(), created);
    assert!(folder.path().join("vestibule-data/vestibule.sqlite").is_file());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_folder_is_refused() {
    let folder = Folder::new();
    let mut first = Program::serve(folder.path(), &[]).await;
    let ports = ["--listen-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
    let second = run(folder.path(), &ports).await;
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("the data directory is in use by another process"), "{said}");
    // A process that was killed leaves the folder to the next.
    first.kill().await;
    Program::serve(folder.path(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_what_was_bought() {
    let folder = Folder::new();
    let mut first = Program::serve(folder.path(), &[]).await;
    let clients = first.clients().await;
    let spent = clients.token("ada@acme.com").await;
    let open = clients.token("grace@navy.example").await;
    let bought = clients.spend(with_key(creation(&spent), "key")).await.unwrap().into_inner();
    let keys =
        clients.sessions.clone().get_jwks(vestibule::pb::GetJwksRequest {}).await.unwrap().into_inner();
    first.kill().await;

    let mut second = Program::serve(folder.path(), &[]).await;
    let clients = second.clients().await;
    let organization = bought.organization.clone().unwrap();
    let read = clients.get(&organization.organization_id).await.unwrap().into_inner();
    assert_eq!(read.organization.as_ref(), Some(&organization));
    let replayed = clients.spend(with_key(creation(&spent), "key")).await.unwrap().into_inner();
    assert_eq!(replayed.session_token, bought.session_token);
    assert_eq!(replayed.member_session, bought.member_session);
    assert_eq!(replayed.organization, bought.organization);
    for token in [&spent, &open] {
        let answer = clients.spend(creation(token)).await;
        refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
    }
    let same =
        clients.sessions.clone().get_jwks(vestibule::pb::GetJwksRequest {}).await.unwrap().into_inner();
    assert_eq!(same.keys, keys.keys);
    second.signal("TERM").await;
    assert_eq!(second.ended().await.code(), Some(0));
}
