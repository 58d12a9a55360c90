//! What the service needs breaks, at every step of spending a token: exactly once, and only for
//! something, all the same. And nothing has to be started again for it to work again.

pub(crate) mod exchanges;
pub(crate) mod hold;

mod changes;
mod database;
mod keeper;
mod lease;
mod sessions;

use std::fmt::{Debug, Display};
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::{Code, IntoRequest, Response, Status};
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::creation;
use crate::harness::refusal::{Refusal, refused};
use crate::harness::supervised::Patience;
use crate::harness::{Harness, Setup, Stage};

type Creation = pb::DiscoveryServiceCreateOrganizationRequest;
pub(crate) type Created = pb::DiscoveryServiceCreateOrganizationResponse;
pub(crate) type Answer = Result<Response<Created>, Status>;

/// The shortest lease: tests that wait for its end wait three seconds.
const LEASE: Duration = Duration::from_secs(3);

/// A server on a stage of its own, with the default lease.
async fn staged() -> Harness {
    Setup::stage().await.start().await
}

/// A server on a stage of its own whose leases end soon.
async fn with_short_lease() -> Harness {
    Setup::stage().await.with(|config| config.claim_lease = LEASE).start().await
}

fn stage(t: &Harness) -> &Stage {
    t.stage.as_ref().unwrap()
}

fn stage_mut(t: &mut Harness) -> &mut Stage {
    t.stage.as_mut().unwrap()
}

/// Polls until it is so, with a bound.
#[expect(clippy::future_not_send, reason = "tests await it where they stand")]
pub(crate) async fn until(awaited: impl Display, mut condition: impl AsyncFnMut() -> bool) {
    let mut patience = Patience::new();
    while !condition().await {
        patience.turn(|| &awaited).await;
    }
}

/// A call that runs while the test does something else. Dropped, it is cancelled.
#[derive(Debug)]
pub(crate) struct Running<T = Answer>(JoinSet<T>);

impl Running {
    fn spend(clients: &Clients, request: impl IntoRequest<Creation>) -> Self {
        let (clients, request) = (clients.clone(), request.into_request());
        Self::call(async move { clients.spend(request).await })
    }
}

impl<T: Send + 'static> Running<T> {
    pub(crate) fn call(call: impl Future<Output = T> + Send + 'static) -> Self {
        let mut calls = JoinSet::new();
        calls.spawn(call);
        Self(calls)
    }

    pub(crate) async fn answer(mut self) -> T {
        self.0.join_next().await.unwrap().unwrap()
    }
}

/// How many organizations, members, sessions and receipts there are.
async fn counts(t: &Harness) -> [i64; 4] {
    let mut counts = [0; 4];
    let tables = ["organizations", "members", "sessions", "intermediate_session_receipts"];
    for (count, table) in counts.iter_mut().zip(tables) {
        *count = t.count(table).await;
    }
    counts
}

/// Asserts that the call says: away, come again no sooner than `after`.
#[track_caller]
fn unavailable<T: Debug>(answer: Result<Response<T>, Status>, after: Duration) -> Refusal {
    let refusal = refused(answer, Code::Unavailable, "SERVER_UNAVAILABLE");
    let delay = refusal.retry_after.unwrap_or_else(|| panic!("no RetryInfo: {refusal:?}"));
    assert!(delay >= after && delay > Duration::ZERO, "{refusal:?}");
    refusal
}

#[track_caller]
pub(crate) fn not_found<T: Debug>(answer: Result<Response<T>, Status>) {
    refused(answer, Code::NotFound, "INTERMEDIATE_SESSION_NOT_FOUND");
}

/// What a call got that is answered with a login: organization, member, session token.
#[track_caller]
pub(crate) fn login(answer: Answer) -> (String, String, String) {
    let created = answer.unwrap().into_inner();
    assert!(created.member_authenticated);
    (created.organization.unwrap().organization_id, created.member_id, created.session_token)
}

/// Spends the token as soon as that works; until then every answer says to come again.
pub(crate) async fn spend_in_the_end(clients: &Clients, token: &str) -> Created {
    let mut created = None;
    until("the token to be free again", async || {
        match clients.spend(creation(token)).await {
            Ok(answer) => created = Some(answer.into_inner()),
            Err(status) => comes_again(&status),
        }
        created.is_some()
    })
    .await;
    created.unwrap()
}

#[track_caller]
pub(crate) fn comes_again(status: &Status) {
    let refusal = Refusal::of(status);
    assert!(matches!(refusal.code, Code::Aborted | Code::Unavailable), "{refusal:?}");
    assert!(refusal.retry_after.is_some(), "{refusal:?}");
}

/// Asserts that logins work, start to end, again or still.
async fn works(t: &Harness) {
    let clients = t.clients();
    let before = counts(t).await;
    let mut token = None;
    until("tokens to be made", async || {
        let request = pb::CreateIntermediateSessionRequest {
            email_address: "grace@works.example".to_owned(),
            factors: vec![crate::harness::fixtures::magic_link()],
        };
        match clients.intermediate_sessions.clone().create_intermediate_session(request).await {
            Ok(answer) => token = Some(answer.into_inner().intermediate_session_token),
            Err(status) => comes_again(&status),
        }
        token.is_some()
    })
    .await;
    spend_in_the_end(&clients, &token.unwrap()).await;
    assert_eq!(counts(t).await, before.map(|count| count + 1));
}
