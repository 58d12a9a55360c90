//! What comes of trying to enter, whichever the call.

use tonic::{Code, Response, Status};
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::logins::exchange;
use crate::harness::refusal::Refusal;

/// What is owed before the login is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    /// The methods of which one is owed.
    pub(super) primary: Option<Vec<String>>,
    /// Whether a second factor is.
    pub(super) mfa: bool,
}

impl Owed {
    pub(super) fn of(primary: Option<&pb::PrimaryRequired>, mfa: Option<&pb::MfaRequired>) -> Self {
        Self { primary: primary.map(|owed| owed.allowed_auth_methods.clone()), mfa: mfa.is_some() }
    }

    /// A first factor of one of these methods.
    pub(super) fn primary(methods: &[&str]) -> Self {
        Self { primary: Some(methods.iter().map(|method| (*method).to_owned()).collect()), mfa: false }
    }

    /// A second factor.
    pub(super) fn mfa() -> Self {
        Self { primary: None, mfa: true }
    }

    pub(super) fn nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// An answer of any of the calls that let people in.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Empty: the person is no member.
    pub(super) member_id: String,
    pub(super) member: Option<pb::Member>,
    pub(super) organization_id: String,
    /// Empty: a factor is owed.
    pub(super) session_token: String,
    /// The intermediate session token. Empty: nothing is owed.
    pub(super) token: String,
    pub(super) owed: Owed,
}

macro_rules! answers {
    ($($response:ident)*) => {$(
        impl From<pb::$response> for Answer {
            fn from(response: pb::$response) -> Self {
                let owed =
                    Owed::of(response.primary_required.as_ref(), response.mfa_required.as_ref());
                let complete = owed.nothing();
                assert_eq!(response.member_authenticated, complete);
                assert_eq!(response.member_session.is_some(), complete);
                assert_eq!(response.session_token.is_empty(), !complete);
                assert_eq!(response.session_jwt.is_empty(), !complete);
                assert_eq!(response.intermediate_session_token.is_empty(), complete);
                assert_eq!(response.intermediate_session_token_expires_at.is_none(), complete);
                let member_id = response.member.as_ref().map(|member| member.member_id.clone());
                assert_eq!(response.member_id, member_id.unwrap_or_default());
                Self {
                    member_id: response.member_id,
                    member: response.member,
                    organization_id: response.organization.unwrap().organization_id,
                    session_token: response.session_token,
                    token: response.intermediate_session_token,
                    owed,
                }
            }
        }
    )*};
}

answers! {
    DiscoveryServiceCreateOrganizationResponse
    ExchangeIntermediateSessionResponse
    ExchangeSessionResponse
}

/// An answer, or why there is none.
pub(super) type Tried = Result<Answer, (Code, String)>;

/// What came of a call.
pub(super) fn tried<T: Into<Answer>>(result: Result<Response<T>, Status>) -> Tried {
    result.map(|response| response.into_inner().into()).map_err(|status| {
        let refusal = Refusal::of(&status);
        (refusal.code, refusal.reason)
    })
}

/// A refusal by the rules.
pub(super) fn kept_out<T>(reason: &str) -> Result<T, (Code, String)> {
    let code = if reason.ends_with("_NOT_FOUND") { Code::NotFound } else { Code::FailedPrecondition };
    Err((code, reason.to_owned()))
}

impl Answer {
    /// The member, who is one.
    pub(super) fn member(&self) -> &pb::Member {
        self.member.as_ref().unwrap()
    }
}

/// Enters an organization with a token.
pub(super) async fn enter(clients: &Clients, token: &str, organization: &str) -> Tried {
    tried(clients.exchange(exchange(token, organization)).await)
}

/// Enters an organization with a new token, and must get in.
pub(super) async fn log_in(
    clients: &Clients,
    address: &str,
    factors: Vec<pb::VouchedFactor>,
    organization: &str,
) -> Answer {
    let token = clients.token_with(address, factors).await;
    let answer = enter(clients, &token, organization).await.unwrap();
    assert!(answer.owed.nothing(), "{answer:?}");
    answer
}

/// Every member of an organization, deleted ones too.
pub(super) async fn members(clients: &Clients, organization: &str) -> Vec<pb::Member> {
    let every = serde_json::json!(["pending", "invited", "active", "deleted"]);
    let query = crate::harness::members::query(pb::SearchOperator::And, &[("statuses", every)]);
    let request = pb::SearchMembersRequest {
        organization_ids: vec![organization.to_owned()],
        limit: Some(1_000),
        query,
        ..pb::SearchMembersRequest::default()
    };
    clients.search_members(request).await.unwrap().into_inner().members
}
