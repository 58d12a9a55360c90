//! A standby of Postgres becomes the primary.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{in_the_end, tells, works_soon};
use crate::faults::{login, not_found, until};
use crate::harness::database;
use crate::harness::fixtures::{creation, organization, with_key};
use crate::harness::logins::by_token;
use crate::harness::postgres_pair::{PostgresPair, Replication, USER};
use crate::harness::refusal::refused;
use crate::storm::site::Site;

/// The name of the database.
pub(super) const DATABASE: &str = "vestibule";

/// The shortest lease, which sites have.
const LEASE: Duration = Duration::from_secs(3);

/// How often the service looks for the primary though nothing breaks.
const LOOKS: Duration = Duration::from_secs(5);

/// A pair with an empty database, and its URL.
pub(super) async fn pair(replication: Replication) -> PostgresPair {
    let pair = PostgresPair::start(replication).await;
    // The service needs no more than to own its database.
    let owner = format!("CREATE ROLE {USER} LOGIN");
    pair.primary.execute(&[&owner]).await;
    database::create_on(&pair.primary.url("postgres"), DATABASE).await;
    pair.primary.execute(&[&format!("ALTER DATABASE {DATABASE} OWNER TO {USER}")]).await;
    vestibule::app::migrate(&SecretString::from(pair.url_reversed(DATABASE))).await.unwrap();
    pair
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_takes_over() {
    let mut pair = pair(Replication::Synchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    // Neither order of the servers matters: a standby is no place to begin.
    let programs = [site.program(&[]).await, site.program_at(&pair.url_reversed(DATABASE)).await];
    let clients = [programs[0].clients().await, programs[1].clients().await];
    let token = clients[0].token("ada@acme.example").await;
    let bought = login(clients[0].spend(with_key(creation(&token), "key")).await);
    pair.primary.kill().await;
    pair.promote().await;
    for clients in &clients {
        let session = in_the_end(async || clients.authenticate(by_token(&bought.2)).await).await;
        assert_eq!(session.unwrap().into_inner().organization.unwrap().organization_id, bought.0);
        works_soon(clients).await;
    }
    let again = in_the_end(async || clients[1].spend(with_key(creation(&token), "key")).await).await;
    assert_eq!(login(again), bought, "a repeat has the first answer");

    pair.follow().await;
    for clients in &clients {
        works_soon(clients).await;
    }
    for url in [pair.url(DATABASE), pair.url_reversed(DATABASE)] {
        works_soon(&site.program_at(&url).await.clients().await).await;
    }
    until("nobody to use the standby", async || pair.standby.connections().await == 0).await;
}

/// What the standby did not have is lost, and what the tokens bought with it: nothing is bought twice of what is
/// left. The old primary comes back as if it still were one, and is left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_standby_takes_over() {
    let mut pair = pair(Replication::Asynchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    let early = clients.token("ada@acme.example").await;
    let kept = login(clients.spend(with_key(creation(&early), "early")).await);
    until("the standby to have it", async || {
        pair.primary
            .ask::<bool>("SELECT bool_and(replay_lsn = pg_current_wal_lsn()) FROM pg_stat_replication")
            .await
    })
    .await;
    pair.make_stale().await;
    let late = clients.token("bob@acme.example").await;
    let lost = login(clients.spend(with_key(creation(&late), "late")).await);
    pair.primary.kill().await;
    pair.promote().await;
    in_the_end(async || clients.authenticate(by_token(&kept.2)).await).await.unwrap();
    let gone = in_the_end(async || clients.authenticate(by_token(&lost.2)).await).await;
    refused(gone, Code::NotFound, "SESSION_NOT_FOUND");
    not_found(clients.spend(with_key(creation(&late), "late")).await);
    not_found(clients.spend(creation(&early)).await);
    assert_eq!(login(clients.spend(with_key(creation(&early), "early")).await), kept);
    works_soon(&clients).await;

    // Nobody told it that it is over.
    pair.standby.start_again().await;
    works_soon(&clients).await;
    for url in [pair.url(DATABASE), pair.url_reversed(DATABASE)] {
        let newcomer = site.program_at(&url).await;
        let newcomer = newcomer.clients().await;
        works_soon(&newcomer).await;
        in_the_end(async || newcomer.authenticate(by_token(&kept.2)).await).await.unwrap();
        let gone = newcomer.authenticate(by_token(&lost.2)).await;
        refused(gone, Code::NotFound, "SESSION_NOT_FOUND");
    }
    until("nobody to use the old primary", async || pair.standby.connections().await == 0).await;
}

/// Where nobody is left but an old primary, there is no database: what was acknowledged since is not on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_back_to_an_old_primary() {
    let mut pair = pair(Replication::Asynchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    pair.make_stale().await;
    pair.primary.kill().await;
    pair.promote().await;
    works_soon(&clients).await;
    pair.standby.start_again().await;
    pair.primary.kill().await;
    tells(&clients, "", ServingStatus::NotServing).await;
    for number in 0..3 {
        let answer = clients.create(organization(&format!("Acme {number}"))).await;
        refused(answer, Code::Unavailable, "SERVER_UNAVAILABLE");
    }
    pair.primary.start_again().await;
    works_soon(&clients).await;
    tells(&clients, "", ServingStatus::Serving).await;
    until("nobody to use the old primary", async || pair.standby.connections().await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_hangs() {
    let mut pair = pair(Replication::Asynchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    pair.primary.hang().await;
    tells(&clients, "", ServingStatus::NotServing).await;
    pair.promote().await;
    works_soon(&clients).await;
    pair.standby.go_on().await;
    until("nobody to use the old primary", async || pair.standby.connections().await == 0).await;
    works_soon(&clients).await;
}

/// A commit waits for a standby that is gone: nobody knows what becomes of it, and nobody is told that it worked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_is_gone_for_a_while() {
    let mut pair = pair(Replication::Synchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    let token = clients.token("ada@acme.example").await;
    works_soon(&clients).await;
    pair.make_stale().await;
    let refusal = clients.spend(with_key(creation(&token), "key")).await;
    let refusal = refused(refusal, Code::Unavailable, "SERVER_UNAVAILABLE");
    assert!(refusal.retry_after.is_some_and(|after| after >= LEASE), "{refusal:?}");
    for number in 0..3 {
        let answer = clients.create(organization(&format!("Acme {number}"))).await;
        refused(answer, Code::Unavailable, "SERVER_UNAVAILABLE");
    }
    // Nobody else sees what is not safe yet.
    let refusal =
        refused(clients.spend(with_key(creation(&token), "key")).await, Code::Aborted, "CONCURRENT_REQUEST");
    assert!(refusal.retry_after.is_some(), "{refusal:?}");
    pair.rejoins().await;
    works_soon(&clients).await;
    let bought = login(in_the_end(async || clients.spend(with_key(creation(&token), "key")).await).await);
    not_found(in_the_end(async || clients.spend(creation(&token)).await).await);
    pair.primary.kill().await;
    pair.promote().await;
    in_the_end(async || clients.authenticate(by_token(&bought.2)).await).await.unwrap();
}

/// Nobody has ended or fenced the old primary, and no connection to it breaks. What it takes from now on is lost: the
/// service notices within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_standby_is_promoted_beside_the_primary() {
    let mut pair = pair(Replication::Asynchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    pair.promote().await;
    timeout(
        LOOKS * 4,
        until("nobody to use the old primary", async || pair.standby.connections().await == 0),
    )
    .await
    .expect("the new primary is found without a call");
    works_soon(&clients).await;
    let bought = clients.founded("ada@acme.example").await;
    pair.standby.kill().await;
    in_the_end(async || clients.authenticate(by_token(&bought.session_token)).await).await.unwrap();
}

/// The way it is done on purpose: the old primary is fenced first, and lives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_primary_is_fenced_and_the_standby_promoted() {
    let mut pair = pair(Replication::Asynchronous).await;
    let site = Site::new(&pair.url(DATABASE), &database::redis_url().await);
    let program = site.program(&[]).await;
    let clients = program.clients().await;
    works_soon(&clients).await;
    pair.primary
        .execute(&["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"])
        .await;
    tells(&clients, "", ServingStatus::NotServing).await;
    until("nobody to use the fenced primary", async || pair.primary.connections().await == 0).await;
    pair.promote().await;
    works_soon(&clients).await;
    tells(&clients, "", ServingStatus::Serving).await;
    until("nobody to use the fenced primary", async || pair.standby.connections().await == 0).await;
}
