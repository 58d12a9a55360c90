//! What the service needs fails over, for real: replicas take over, old servers come back. The service works again
//! by itself within seconds, and what was spent stays spent.

mod cluster;
mod hosts;
mod postgres;
mod redis;
mod sentinel;
mod storms;

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::faults::{comes_again, login, not_found, until};
use crate::harness::clients::Clients;
use crate::harness::database;
use crate::harness::fixtures::{creation, with_key};
use crate::harness::logins::by_token;
use crate::harness::redis::RedisServer;
use crate::storm::site::Site;

/// How soon everything works again, once somebody has taken over.
const SOON: Duration = Duration::from_secs(20);

/// A site with this Redis, and a database of its own.
async fn on_redis(url: &str) -> Site {
    Site::new(&database::create().await, url)
}

/// The answer to a call that is made until the service does not say to come again.
async fn in_the_end<T: Debug>(
    mut call: impl AsyncFnMut() -> Result<Response<T>, Status>,
) -> Result<Response<T>, Status> {
    let mut answer = None;
    until("an answer", async || {
        match call().await {
            Err(status) if matches!(status.code(), Code::Unavailable | Code::Aborted) => comes_again(&status),
            other => answer = Some(other),
        }
        answer.is_some()
    })
    .await;
    answer.unwrap()
}

/// Asserts that people soon log in as if nothing had happened, wherever their tokens are kept. A token that is lost
/// meanwhile is made again.
async fn works_soon(clients: &Clients) {
    let working = async {
        for number in 0..9 {
            until("a login", async || logs_in(clients, number).await).await;
        }
    };
    timeout(SOON, working).await.expect("it works again within seconds");
}

/// Whether somebody logs in at the first attempt.
async fn logs_in(clients: &Clients, number: usize) -> bool {
    let request = vestibule::pb::CreateIntermediateSessionRequest {
        email_address: format!("grace-{number}@works.example"),
        factors: vec![crate::harness::fixtures::magic_link()],
    };
    let token = match clients.intermediate_sessions.clone().create_intermediate_session(request).await {
        Ok(answer) => answer.into_inner().intermediate_session_token,
        Err(status) => {
            comes_again(&status);
            return false;
        }
    };
    match in_the_end(async || clients.spend(creation(&token)).await).await {
        Ok(answer) => {
            let session_token = answer.into_inner().session_token;
            in_the_end(async || clients.authenticate(by_token(&session_token)).await).await.unwrap();
            true
        }
        Err(status) => {
            assert_eq!(status.code(), Code::NotFound, "{status:?}");
            false
        }
    }
}

/// Waits until a service says that it serves, or that it does not.
async fn tells(clients: &Clients, service: &str, status: ServingStatus) {
    until(format!("{service} to tell {status:?}"), async || {
        let request = HealthCheckRequest { service: service.to_owned() };
        clients.health.clone().check(request).await.unwrap().into_inner().status() == status
    })
    .await;
}

/// Three tokens, of which two are used while the replica misses it.
#[derive(Debug)]
struct Past {
    /// Bought an organization with the key `key`.
    spent: String,
    bought: (String, String, String),
    revoked: String,
    untouched: String,
}

impl Past {
    /// Makes tokens until this server has three, waits until its replica has all it has, and hands them out.
    async fn tokens_on(clients: &Clients, master: &RedisServer, replica: &RedisServer) -> Vec<String> {
        let mut tokens = Vec::new();
        for number in 0_u32.. {
            let before = master.entries().await.len();
            let token = clients.token(&format!("ada-{number}@acme.example")).await;
            if master.entries().await.len() > before {
                tokens.push(token);
            }
            if tokens.len() == 3 {
                break;
            }
        }
        until("the replica to have them", async || replica.entries().await.len() == 3).await;
        tokens
    }

    /// Spends the first, revokes the second.
    async fn happens(clients: &Clients, tokens: Vec<String>) -> Self {
        let [spent, revoked, untouched] = tokens.try_into().unwrap();
        let bought = login(clients.spend(with_key(creation(&spent), "key")).await);
        clients.revoke(&revoked).await.unwrap();
        Self { spent, bought, revoked, untouched }
    }

    /// Asserts that a server which has all three tokens, as if nothing had been done with them, sells nothing for
    /// those that are gone, and everything for the other.
    async fn stays(&self, clients: &Clients, promoted: &RedisServer) {
        assert_eq!(promoted.entries().await.len(), 3, "the copy is stale");
        not_found(in_the_end(async || clients.spend(creation(&self.spent)).await).await);
        not_found(in_the_end(async || clients.inspect(&self.spent).await).await);
        not_found(in_the_end(async || clients.spend(with_key(creation(&self.spent), "other")).await).await);
        not_found(in_the_end(async || clients.spend(creation(&self.revoked)).await).await);
        let again = in_the_end(async || clients.spend(with_key(creation(&self.spent), "key")).await).await;
        assert_eq!(login(again), self.bought, "a repeat has the first answer");
        login(in_the_end(async || clients.spend(creation(&self.untouched)).await).await);
        assert_eq!(promoted.entries().await.len(), 0, "what is gone is removed");
    }
}
