//! Worlds: an organization, a person and what they hold, built through the public API so that given facts
//! are the case. What a case leaves open (which method, who else is there) changes with its number.

mod bag;
mod building;

use vestibule::domain::admission::{Door, Entry, Facts, Method, Verdict};
use vestibule::pb;

use super::answers::{Owed, Tried, enter, members, tried};
use super::cases::Said;
use super::factors::VERIFYING;
use super::settings::Settings;
use crate::harness::clients::Clients;
use crate::harness::logins::{by_token, switch};

/// What a person holds.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// An intermediate session token.
    Token(String),
    /// A session token.
    Session(String),
}

/// What is the case, and where.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) facts: Facts,
    pub(super) said: Said,
    pub(super) settings: Settings,
    /// Absent: it is to be created.
    pub(super) organization: Option<String>,
    /// The person, who is or was a member. Absent: never.
    pub(super) member_id: Option<String>,
    pub(super) key: Key,
}

/// What trying to enter may change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) members: Vec<pb::Member>,
    /// Those of the person.
    pub(super) sessions: Vec<pb::MemberSession>,
    /// What the token stands for. Absent: it is spent, or the person holds a session.
    pub(super) token: Option<pb::IntermediateSession>,
}

impl World {
    /// What the person is told to owe.
    pub(super) fn owed(&self) -> Owed {
        let Settings { methods, .. } = &self.settings;
        let allowed = |method: &&str| self.facts.exempt || methods.is_empty() || methods.contains(method);
        let list = |methods: Vec<&str>| Some(methods.into_iter().map(str::to_owned).collect());
        let primary = if self.said.has(Verdict::OweVerification) {
            list(VERIFYING.into_iter().filter(|method| allowed(method)).collect())
        } else if self.said.has(Verdict::OweMethod) {
            assert_eq!(self.facts.method, Method::Forbidden);
            list(methods.clone())
        } else {
            None
        };
        Owed { primary, mfa: self.said.has(Verdict::OweSecondFactor) }
    }

    /// Whether trying to enter leaves every row of the database as it is.
    pub(super) fn writes_nothing(&self) -> bool {
        match self.said.entry {
            Err(_) => true,
            Ok(Entry::Creator) => false,
            Ok(Entry::ByDomain | Entry::ByTenant) => self.said.owes_primary(),
            Ok(Entry::Member) => !self.said.complete(),
        }
    }

    /// Tries to enter.
    pub(super) async fn enter(&self, clients: &Clients) -> Tried {
        match (&self.key, &self.organization) {
            (Key::Token(token), None) => {
                assert_eq!(self.facts.door, Door::Create);
                tried(clients.spend(self.settings.creation(token)).await)
            }
            (Key::Token(token), Some(organization)) => enter(clients, token, organization).await,
            (Key::Session(session), organization) => {
                tried(clients.switch(switch(session, organization.as_ref().unwrap())).await)
            }
        }
    }

    /// What trying to enter may change, as it is.
    pub(super) async fn state(&self, clients: &Clients) -> State {
        let mut state = State { members: Vec::new(), sessions: Vec::new(), token: None };
        if let Some(organization) = &self.organization {
            state.members = members(clients, organization).await;
            let is_person = |member: &&pb::Member| {
                Some(&member.member_id) == self.member_id.as_ref() && member.status != "deleted"
            };
            if let Some(person) = state.members.iter().find(is_person) {
                let sessions = clients.sessions_of(organization, &person.member_id).await.unwrap();
                state.sessions = sessions.into_inner().member_sessions;
            }
        }
        match &self.key {
            Key::Token(token) => {
                let inspected = clients.inspect(token).await.ok();
                state.token = inspected.map(|answer| answer.into_inner().intermediate_session.unwrap());
            }
            Key::Session(session) => {
                clients.authenticate(by_token(session)).await.unwrap();
            }
        }
        state
    }
}
