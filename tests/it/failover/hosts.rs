//! Servers of Postgres that take no writes, or say nothing.

use std::net::{Ipv4Addr, TcpListener};

use secrecy::SecretString;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{tells, works_soon};
use crate::harness::database;
use crate::harness::fixtures::organization;
use crate::harness::postgres::{Durability, PostgresServer};
use crate::harness::program::{Folder, run};
use crate::harness::refusal::refused;
use crate::storm::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_takes_no_writes_for_a_while() {
    let postgres = PostgresServer::start(Durability::Off).await;
    database::create_on(&postgres.url("postgres"), "vestibule").await;
    let url = postgres.url("vestibule");
    vestibule::app::migrate(&SecretString::from(url.clone())).await.unwrap();
    let redis_url = database::redis_url().await;
    let program = Site::new(&url, &redis_url).program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    postgres
        .execute(&["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"])
        .await;
    tells(&clients, "", ServingStatus::NotServing).await;
    let refusal =
        refused(clients.create(organization("Acme")).await, Code::Unavailable, "SERVER_UNAVAILABLE");
    assert!(refusal.retry_after.is_some(), "{refusal:?}");
    // Nobody begins there either.
    let folder = Folder::new();
    let data_dir = folder.path().display().to_string();
    let servers = ["serve", "--database-url", &url, "--redis-url", &redis_url, "--data-dir", &data_dir];
    let output = run(folder.path(), &servers).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("the database takes no writes"), "{said}");

    let off = "ALTER SYSTEM RESET default_transaction_read_only";
    postgres.execute(&["SET transaction_read_only = off", off, "SELECT pg_reload_conf()"]).await;
    works_soon(&clients).await;
    tells(&clients, "", ServingStatus::Serving).await;
}

/// A server that takes connections and says nothing, as one whose machine hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_says_nothing() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (url, redis_url) = (database::create().await, database::redis_url().await);
    let url = url.replacen('@', &format!("@{},", silent.local_addr().unwrap()), 1);
    let program = Site::new(&url, &redis_url).program(&[]).await;
    works_soon(&program.clients().await).await;
}
