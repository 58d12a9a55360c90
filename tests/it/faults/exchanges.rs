//! What breaks while a token enters an organization: an open one, and one that is bound and finishes its
//! login. Each buys one session, or none.

mod database;
mod keeper;
mod lease;
mod steps;

use std::time::Duration;

use tonic::{Code, IntoRequest, Request, Response, Status};
use vestibule::pb;

use super::Running;
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{creation, factor, with_key};
use crate::harness::logins::{by_token, exchange};
use crate::harness::refusal::refused;

type Answer = Result<Response<pb::ExchangeIntermediateSessionResponse>, Status>;

const ADA: &str = "ada@acme.com";
const IN_USE: &str = "INTERMEDIATE_SESSION_IN_USE";
const BOUND: &str = "INVALID_INTERMEDIATE_SESSION_TOKEN_FOR_ORGANIZATION";

/// Which token enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// An open one, of a member who has never logged in.
    Open,
    /// One that is bound to a login that is complete but for this call.
    Bound,
}

/// A token, and the organization that it can enter.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    pub(crate) token: String,
    pub(crate) organization: String,
}

impl Way {
    /// Each of them.
    pub(crate) const BOTH: [Self; 2] = [Self::Open, Self::Bound];

    /// A token of this kind, with all that it needs.
    pub(crate) async fn prepare(self, clients: &Clients) -> Entrance {
        match self {
            Self::Open => {
                let organization = clients.organization("Acme").await.organization_id;
                clients.member(&organization, ADA).await;
                Entrance { token: clients.token(ADA).await, organization }
            }
            Self::Bound => {
                let token = clients.token(ADA).await;
                let organization = bind(clients, &token).await;
                clients.add_factor(&token, totp()).await.unwrap();
                Entrance { token, organization }
            }
        }
    }
}

impl Entrance {
    /// A request to enter.
    pub(crate) fn request(&self) -> pb::ExchangeIntermediateSessionRequest {
        exchange(&self.token, &self.organization)
    }

    /// The same with a key that other tokens may have, too.
    pub(crate) fn keyed_by(&self, number: usize) -> Request<pb::ExchangeIntermediateSessionRequest> {
        with_key(self.request(), &format!("key-{number}"))
    }

    async fn enter(&self, clients: &Clients) -> Answer {
        clients.exchange(self.request()).await
    }

    async fn again(&self, clients: &Clients) -> Answer {
        clients.exchange(with_key(self.request(), &self.token[..20])).await
    }

    fn running(&self, clients: &Clients) -> Running<Answer> {
        running(clients, self.request())
    }

    /// A call with a key of this token's own.
    fn running_with_key(&self, clients: &Clients) -> Running<Answer> {
        running(clients, with_key(self.request(), &self.token[..20]))
    }
}

fn running(
    clients: &Clients,
    request: impl IntoRequest<pb::ExchangeIntermediateSessionRequest>,
) -> Running<Answer> {
    let (clients, request) = (clients.clone(), request.into_request());
    Running::call(async move { clients.exchange(request).await })
}

fn totp() -> pb::VouchedFactor {
    factor("totp", "authenticator_app")
}

/// Binds a token to an organization of its own whose login owes a second factor.
async fn bind(clients: &Clients, token: &str) -> String {
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        mfa_policy: Some(pb::MfaPolicy::RequiredForAll.into()),
        ..creation(token)
    };
    let created = clients.spend(request).await.unwrap().into_inner();
    assert!(created.mfa_required.is_some());
    created.organization.unwrap().organization_id
}

/// How many organizations, members, sessions, receipts of sessions, and events of sessions there are.
pub(crate) async fn traces(t: &Harness) -> [i64; 5] {
    let mut traces = [0; 5];
    let tables = [
        "organizations",
        "members",
        "sessions",
        "intermediate_session_receipts WHERE session_id IS NOT NULL",
        "events WHERE type = 'session.created'",
    ];
    for (count, table) in traces.iter_mut().zip(tables) {
        *count = t.count(table).await;
    }
    traces
}

/// What one login more leaves.
pub(crate) fn and_one([organizations, members, sessions, receipts, events]: [i64; 5]) -> [i64; 5] {
    [organizations, members, sessions + 1, receipts + 1, events + 1]
}

/// The session token of a call that is answered with a login.
#[track_caller]
fn session(answer: Answer) -> String {
    let entered = answer.unwrap().into_inner();
    assert!(entered.member_authenticated && entered.intermediate_session_token.is_empty());
    entered.session_token
}

/// Asserts that the session token is that of a session that lives.
async fn lives(clients: &Clients, session_token: &str) {
    clients.authenticate(by_token(session_token)).await.unwrap();
}

#[track_caller]
fn in_use(answer: Answer) {
    let refusal = refused(answer, Code::Aborted, IN_USE);
    assert!(refusal.retry_after.is_some_and(|after| after > Duration::ZERO), "{refusal:?}");
}
