//! What was answered, written down.

use tokio::time::Instant;
use vestibule::pb;

use super::balanced::{Balanced, Failure};

/// Everything that was answered in a storm.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// Every token, with every attempt to spend it.
    pub(crate) lives: Vec<Life>,
    /// Every call: after what a mesh repeats of it.
    pub(crate) calls: Vec<Call>,
    /// When something was broken.
    pub(crate) faults: Vec<Instant>,
    /// Where people came in who founded nothing.
    pub(crate) houses: Vec<String>,
    /// To look at what stands afterwards.
    pub(crate) clients: Balanced,
}

/// A call that was heard out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
}

/// How a call ended, for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Something was made.
    Done,
    /// Somebody else has, or had, the token.
    Lost,
    /// Nobody served it, or a status came that has no place here.
    Failed,
}

/// One token, from its making on.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Which of them it is.
    pub(crate) number: usize,
    pub(crate) token: String,
    pub(crate) spends: Vec<Spend>,
    /// Whether it is known what came of it: a login, or that there is nothing left to spend.
    pub(crate) settled: bool,
}

/// One attempt to spend a token.
#[derive(Clone, Debug)]
pub(crate) struct Spend {
    /// Its idempotency key.
    pub(crate) key: Option<String>,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) end: End,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// With a login, and a JWT of its session: each answer has a fresh one.
    Bought(Login, String),
    Failed(Failure),
    /// Its caller gave up.
    Cancelled,
}

/// What a token has bought.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Login {
    pub(crate) organization_id: String,
    pub(crate) member_id: String,
    pub(crate) member_session_id: String,
    pub(crate) session_token: String,
}

impl Life {
    /// What was heard to be bought; one, or somebody will hear of it.
    pub(crate) fn logins(&self) -> impl Iterator<Item = &Login> {
        self.spends.iter().filter_map(|spend| match &spend.end {
            End::Bought(login, _) => Some(login),
            End::Failed(_) | End::Cancelled => None,
        })
    }

    /// Whether a call that cannot be repeated may have bought something unheard.
    pub(crate) fn may_be_bought_unheard(&self) -> bool {
        self.spends.iter().any(|spend| match &spend.end {
            End::Bought(..) => false,
            End::Failed(failure) => spend.key.is_none() && failure.unsure,
            End::Cancelled => spend.key.is_none(),
        })
    }

    /// How many of its spends were under way at the same time as another.
    pub(crate) fn at_once(&self) -> usize {
        let beside = |one: &Spend, other: &Spend| one.began < other.ended && other.began < one.ended;
        let spends = self.spends.iter().enumerate();
        let raced = spends.filter(|(number, one)| {
            self.spends.iter().enumerate().any(|(other, spend)| other != *number && beside(one, spend))
        });
        raced.count()
    }

    /// Whether two of its spends were under way at once.
    pub(crate) fn raced(&self) -> bool {
        self.at_once() > 0
    }
}

/// Both answers that carry a login have it in the same fields.
macro_rules! logins {
    ($($answer:ident),*) => {$(
        impl From<pb::$answer> for End {
            fn from(answer: pb::$answer) -> Self {
                assert!(answer.member_authenticated, "nothing is owed");
                let login = Login {
                    organization_id: answer.organization.unwrap().organization_id,
                    member_id: answer.member_id,
                    member_session_id: answer.member_session.unwrap().member_session_id,
                    session_token: answer.session_token,
                };
                Self::Bought(login, answer.session_jwt)
            }
        }
    )*};
}
logins!(DiscoveryServiceCreateOrganizationResponse, ExchangeIntermediateSessionResponse);
