//! The table, row by row: each decides at its door, and is told the same by the list and the explanation.

use vestibule::domain::admission::{Door, Entry, Facts, Proof, TABLE};
use vestibule::pb;

use super::answers::{Answer, Tried, kept_out};
use super::cases::{chosen, rows_without_a_case, values_without_a_case};
use super::in_parallel;
use super::world::{Key, State, World};
use crate::harness::clients::Clients;
use crate::harness::logins::by_token;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(every_row_decides_as_it_says);

/// What rows name and nobody can meet; `cases::impossible` says why.
const NEVER_MET: [&str; 3] = [
    // Whoever may join by domain is in before tenants are asked about.
    "OauthTenantJitProvisioning [] Refuse(InvalidEmailForJitProvisioning): domain Open",
    // An account is a member's: a creator and somebody who joins are none yet.
    "EmailVerification [Creator] OweVerification: proof Account",
    "EmailVerification [ByDomain] OweVerification: proof Account",
];

#[test]
fn every_row_has_a_world() {
    let chosen = chosen();
    let missing: Vec<_> = rows_without_a_case(&chosen).into_iter().map(|row| TABLE[row]).collect();
    assert!(missing.is_empty(), "build a world of each: {missing:#?}");
    assert_eq!(values_without_a_case(&chosen), NEVER_MET);
}

/// How many rows each table has that a login could write to.
async fn counts(t: &Harness) -> Vec<i64> {
    let tables = ["organizations", "members", "member_email_addresses", "sessions", "events"];
    let mut counts = Vec::new();
    for table in tables.into_iter().chain(["intermediate_session_receipts", "idempotency_records"]) {
        counts.push(t.count(table).await);
    }
    counts
}

/// How many events tell of a session that began.
async fn begun(t: &Harness) -> i64 {
    t.count("events WHERE type = 'session.created'").await
}

async fn every_row_decides_as_it_says(t: Harness) {
    let cases: Vec<(usize, Facts)> = chosen().into_iter().enumerate().collect();
    let build = |(number, facts)| World::build(t.clients(), number, facts);
    let worlds = in_parallel(cases, build).await;
    let before = counts(&t).await;
    let discover = |world: World| {
        let clients = t.clients();
        async move { world.is_shown_as_it_is(&clients).await }
    };
    in_parallel(worlds.clone(), discover).await;
    let attempt = |world: World| {
        let clients = t.clients();
        async move { world.decides(&clients).await }
    };
    let (silent, others): (Vec<_>, Vec<_>) = worlds.into_iter().partition(World::writes_nothing);
    in_parallel(silent, attempt).await;
    assert_eq!(counts(&t).await, before, "who does not get in leaves no trace");
    let begun_before = begun(&t).await;
    let kinds = |kind: &dyn Fn(&World) -> bool| {
        i64::try_from(others.iter().filter(|world| kind(world)).count()).unwrap()
    };
    let created = kinds(&|world| world.said.entry == Ok(Entry::Creator));
    let joined = kinds(&|world| world.said.joins() && world.member_id.is_none());
    let sessions = kinds(&|world| world.said.complete());
    in_parallel(others, attempt).await;
    let after = counts(&t).await;
    let more: Vec<_> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
    assert_eq!(more[..4], [created, created + joined, created + joined, sessions]);
    assert_eq!(begun(&t).await - begun_before, sessions);
}

impl World {
    /// Tries to enter, and compares what comes of it with the table.
    async fn decides(&self, clients: &Clients) {
        let before = self.state(clients).await;
        let tried = self.enter(clients).await;
        let after = self.state(clients).await;
        match self.said.entry {
            Err(reason) => {
                assert_eq!(tried.as_ref().err(), kept_out::<()>(reason.as_str()).as_ref().err(), "{self:?}");
                assert_eq!(after, before, "{self:?}");
            }
            Ok(entry) => {
                let answer = self.answer(tried);
                self.enters_as(entry, &answer, &before);
                if self.said.complete() {
                    self.is_in(clients, entry, &answer, (&before, &after)).await;
                } else {
                    self.is_sent_on(clients, entry, &answer, (&before, &after)).await;
                }
            }
        }
    }

    fn answer(&self, tried: Tried) -> Answer {
        let answer = tried.unwrap_or_else(|refusal| panic!("{refusal:?}: {self:?}"));
        assert_eq!(answer.owed, self.owed(), "{self:?}");
        if let Some(organization) = &self.organization {
            assert_eq!(&answer.organization_id, organization);
        }
        answer
    }

    /// As what the answer says that the person enters.
    fn enters_as(&self, entry: Entry, answer: &Answer, before: &State) {
        let verified = matches!(self.facts.proof, Proof::Fresh | Proof::Carried);
        let was = before.members.iter().find(|member| Some(&member.member_id) == self.member_id.as_ref());
        match entry {
            Entry::Creator => {
                let status = if verified { "active" } else { "pending" };
                assert!(answer.member().is_admin, "{self:?}");
                assert_eq!(
                    (answer.member().status.as_str(), answer.member().email_address_verified),
                    (status, verified)
                );
            }
            Entry::Member => {
                let was = was.unwrap();
                assert_eq!(answer.member_id, was.member_id);
                if self.said.complete() {
                    let proved = was.email_address_verified || verified;
                    assert_eq!(
                        (answer.member().status.as_str(), answer.member().email_address_verified),
                        ("active", proved),
                        "{self:?}"
                    );
                } else {
                    assert_eq!(answer.member(), was, "{self:?}");
                }
            }
            Entry::ByDomain | Entry::ByTenant if self.said.owes_primary() => {
                assert_eq!(answer.member, None, "{self:?}");
            }
            Entry::ByDomain | Entry::ByTenant => {
                let complete = self.said.complete();
                let status = if complete { "active" } else { "pending" };
                let member = answer.member();
                assert_eq!(
                    (member.status.as_str(), member.email_address_verified),
                    (status, complete && verified),
                    "{self:?}"
                );
                assert!(!member.is_admin && !member.is_breakglass);
                if let Some(was) = was {
                    assert_eq!((was.status.as_str(), &was.member_id), ("deleted", &member.member_id));
                }
                assert!(
                    before
                        .members
                        .iter()
                        .filter(|member| member.status != "deleted")
                        .all(|other| other.member_id != member.member_id)
                );
            }
        }
    }

    /// Whoever is in has a session, for which the token is spent.
    async fn is_in(
        &self,
        clients: &Clients,
        entry: Entry,
        answer: &Answer,
        (before, after): (&State, &State),
    ) {
        let authenticated = clients.authenticate(by_token(&answer.session_token)).await.unwrap().into_inner();
        assert_eq!(authenticated.member.as_ref(), answer.member.as_ref(), "{self:?}");
        let sessions = clients.sessions_of(&answer.organization_id, &answer.member_id).await.unwrap();
        let had = if entry == Entry::Member { before.sessions.len() } else { 0 };
        assert_eq!(sessions.into_inner().member_sessions.len(), had + 1, "{self:?}");
        assert_eq!(after.token, None, "{self:?}");
    }

    /// Whoever owes a factor has a token to go on with, and no session.
    async fn is_sent_on(
        &self,
        clients: &Clients,
        entry: Entry,
        answer: &Answer,
        (before, after): (&State, &State),
    ) {
        let inspected =
            clients.inspect(&answer.token).await.unwrap().into_inner().intermediate_session.unwrap();
        match (&self.key, entry) {
            (Key::Session(_), _) => {
                assert!(inspected.factors.iter().all(|factor| factor.carried), "{self:?}");
                assert_eq!(
                    (inspected.organization_id, inspected.organization_id_hint),
                    (None, self.organization.clone())
                );
            }
            (Key::Token(token), Entry::Creator) => {
                assert_eq!(self.facts.door, Door::Create);
                let bound = (inspected.organization_id.as_ref(), inspected.member_id.as_ref());
                assert_eq!(
                    (&answer.token, bound),
                    (token, (Some(&answer.organization_id), Some(&answer.member_id)))
                );
                let read = clients.member_by_id(&answer.organization_id, &answer.member_id).await.unwrap();
                assert_eq!(Some(&read), answer.member.as_ref());
                let sessions = clients.sessions_of(&answer.organization_id, &answer.member_id).await.unwrap();
                assert_eq!(sessions.into_inner().member_sessions, Vec::<pb::MemberSession>::new());
                return;
            }
            (Key::Token(token), _) => {
                assert_eq!((&answer.token, Some(inspected)), (token, before.token.clone()), "{self:?}");
            }
        }
        if self.writes_nothing() {
            assert_eq!(after, before, "{self:?}");
        } else {
            let written: Vec<_> =
                after.members.iter().filter(|member| !before.members.contains(member)).collect();
            assert_eq!(written, [answer.member()], "{self:?}");
            assert_eq!(after.token, before.token, "{self:?}");
        }
    }
}
