//! Whether the promises of the service hold in what it answered and what stands: the design calls them S1 to S6.
//!
//! One storm is judged over one database, with nothing else in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vestibule::pb;
use vestibule::tokens::opaque;

use super::PEOPLE;
use super::balanced::{Balanced, Ending};
use super::ledger::{End, Ledger, Life, Login};
use super::report::Report;
use crate::harness::logins::{by_jwt, by_token};

/// What somebody hears who is not the one, or not the first.
pub(crate) const LOST: [&str; 3] =
    ["INTERMEDIATE_SESSION_IN_USE", "INTERMEDIATE_SESSION_NOT_FOUND", "CONCURRENT_REQUEST"];

/// Everything that a call of a storm may be refused with.
const REFUSALS: [(&str, &str); 4] = [
    ("ABORTED", LOST[0]),
    ("NOT_FOUND", LOST[1]),
    ("ABORTED", LOST[2]),
    ("UNAVAILABLE", "SERVER_UNAVAILABLE"),
];

/// What a repeat may be refused with that finds its answer at one server, and what it tells of no more at the next.
const GONE: [(&str, &str); 3] = [
    ("NOT_FOUND", "ORGANIZATION_NOT_FOUND"),
    ("NOT_FOUND", "MEMBER_NOT_FOUND"),
    ("NOT_FOUND", "SESSION_NOT_FOUND"),
];

/// How many sessions are used afterwards, at most.
const USED: usize = 2_000;

/// How many calls do that at once.
const AT_ONCE: usize = 16;

/// What may be gone with the servers that kept it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowing {
    /// The last commits: a standby that was behind has taken over.
    pub(crate) lost_acknowledged: bool,
    /// Tokens that were not spent: Redis was emptied, or a replica that was behind has taken over.
    pub(crate) lost_tokens: bool,
}

/// What was found: broken promises, and numbers.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) faults: Vec<String>,
    pub(crate) report: Report,
}

/// What stands in the database.
#[derive(Debug)]
struct Standing {
    receipts: HashMap<String, Receipt>,
    sessions: HashMap<String, Session>,
    organizations: HashSet<String>,
}

#[derive(Debug, sqlx::FromRow)]
struct Receipt {
    token_hash: String,
    organization_id: Option<String>,
    session_id: Option<String>,
}

#[derive(Debug, sqlx::FromRow)]
struct Session {
    id: String,
    organization_id: String,
    token_hash: String,
}

impl Ledger {
    /// Compares what was answered with what stands. Panics where a promise is broken.
    pub(crate) async fn judge(self, database_url: &str, allowing: Allowing) -> Report {
        let Verdict { faults, report } = self.verdict(database_url, allowing).await;
        let some: Vec<_> = faults.iter().take(20).map(String::as_str).collect();
        assert!(faults.is_empty(), "{} promises are broken:\n{}\n{report}", faults.len(), some.join("\n"));
        report
    }

    /// Compares what was answered with what stands.
    pub(crate) async fn verdict(&self, database_url: &str, allowing: Allowing) -> Verdict {
        let mut report = Report::of(self);
        let standing = Standing::read(database_url).await;
        let mut faults = self.undocumented(allowing);
        faults.extend(self.not_a_storm());
        faults.extend(standing.more_than_bought(self));
        for life in &self.lives {
            let fault = match Bought::by(life, &standing) {
                Bought::Twice => Some("S1: has bought more than once"),
                Bought::Once => None,
                Bought::Lost if allowing.lost_acknowledged => {
                    report.lost_acknowledged += 1;
                    None
                }
                Bought::Lost => Some("S3: what was acknowledged is not there"),
                Bought::Unheard if life.may_be_bought_unheard() => {
                    report.unheard += 1;
                    None
                }
                Bought::Unheard => Some("S6: what was bought with a key is not told to who repeats the call"),
                Bought::Nothing if !life.settled => Some("S2, S4: nobody could spend it"),
                Bought::Nothing if allowing.lost_tokens || allowing.lost_acknowledged => {
                    report.lost_tokens += 1;
                    None
                }
                Bought::Nothing => Some("S2: is gone, and has bought nothing"),
            };
            faults.extend(fault.map(|fault| format!("token {}: {fault}", life.number)));
            // Answers are kept where what they tell of is.
            if !allowing.lost_acknowledged && life.forgets_a_key() {
                faults.push(format!("token {}: S6: a repeat did not get the first answer", life.number));
            }
        }
        let open_at_once = 2 * PEOPLE * self.faults.len();
        if report.lost_tokens > open_at_once {
            faults.push(format!("{} tokens are lost, more than were open", report.lost_tokens));
        }
        let (used, useless) = self.use_sessions(&standing).await;
        report.sessions_used = used;
        report.sessions = standing.sessions.len();
        faults.extend(useless);
        Verdict { faults, report }
    }

    /// Endings that no document has.
    fn undocumented(&self, allowing: Allowing) -> Vec<String> {
        let seen = self.clients.seen();
        let wrong = seen.endings.iter().filter(|(ending, _)| match ending {
            Ending::Answered | Ending::Cut(..) => false,
            Ending::Refused(code, reason) => {
                let gone = allowing.lost_acknowledged && GONE.contains(&(code, reason));
                !gone && !REFUSALS.contains(&(code, reason))
            }
            Ending::Bare(..) | Ending::Late => true,
        });
        wrong.map(|(ending, count)| format!("{count} attempts ended with {ending:?}")).collect()
    }

    /// Whether this was less than it is taken for.
    fn not_a_storm(&self) -> Option<String> {
        let raced = self.lives.iter().filter(|life| life.raced()).count();
        // Those who founded the houses had nobody to race with.
        let (all, endings) = (self.lives.len() - self.houses.len(), self.clients.seen().endings);
        let met = |reason: &str| {
            endings.keys().any(|ending| matches!(ending, Ending::Refused(_, found) if found == reason))
        };
        let cancelled = self.lives.iter().flat_map(|life| &life.spends);
        let cancelled = cancelled.filter(|spend| matches!(spend.end, End::Cancelled)).count();
        let tame = raced * 10 < all * 9 || !met(LOST[0]) || !met(LOST[1]) || cancelled == 0;
        tame.then(|| {
            format!("{raced} of {all} tokens were raced for, {cancelled} calls given up: {endings:?}")
        })
    }

    /// Checks sessions that were acknowledged and stand, by their tokens and by their JWTs.
    async fn use_sessions(&self, standing: &Standing) -> (usize, Vec<String>) {
        let mut logins: BTreeMap<&Login, &String> = BTreeMap::new();
        for spend in self.lives.iter().flat_map(|life| &life.spends) {
            if let End::Bought(login, jwt) = &spend.end
                && standing.has(login)
            {
                logins.insert(login, jwt);
            }
        }
        let step = logins.len().div_ceil(USED).max(1);
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut checks = JoinSet::new();
        for (login, jwt) in logins.into_iter().step_by(step) {
            for request in [by_token(&login.session_token), by_jwt(jwt)] {
                let (clients, turns, id) =
                    (self.clients.clone(), Arc::clone(&turns), login.member_session_id.clone());
                checks.spawn(async move {
                    let _turn = turns.acquire().await.unwrap();
                    authenticates(&clients, request, &id).await
                });
            }
        }
        let results = checks.join_all().await;
        (results.len() / 2, results.into_iter().filter_map(Result::err).collect())
    }
}

async fn authenticates(
    clients: &Balanced,
    request: pb::AuthenticateSessionRequest,
    member_session_id: &str,
) -> Result<(), String> {
    let call = clients.call(|clients| {
        let request = request.clone();
        async move { clients.authenticate(request).await }
    });
    match call.await.map(|answer| answer.member_session.unwrap().member_session_id) {
        Ok(found) if found == member_session_id => Ok(()),
        Ok(found) => Err(format!("S3: {member_session_id} is taken for {found}")),
        Err(failure) => Err(format!("S3: {member_session_id} does not authenticate: {failure:?}")),
    }
}

/// What a token has bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bought {
    /// What was acknowledged, and stands.
    Once,
    /// More than one thing, as acknowledged and as stands.
    Twice,
    /// It was acknowledged, and does not stand.
    Lost,
    /// It stands, and nobody heard of it.
    Unheard,
    /// Nothing was acknowledged, and nothing stands.
    Nothing,
}

impl Bought {
    fn by(life: &Life, standing: &Standing) -> Self {
        let heard: BTreeSet<&Login> = life.logins().collect();
        let receipt = standing.receipts.get(&sha256(&life.token));
        let stand = heard.iter().filter(|login| standing.has(login)).count();
        // Also what a standby that was behind has forgotten was bought.
        let tied = |login: &&&Login| {
            receipt.and_then(|receipt| receipt.session_id.as_deref()) == Some(uuid(&login.member_session_id))
        };
        match (heard.len(), stand) {
            (0, _) if receipt.is_some_and(|receipt| receipt.session_id.is_some()) => Self::Unheard,
            (0, _) => Self::Nothing,
            (_, 0) => Self::Lost,
            (1, 1) if heard.iter().filter(tied).count() == 1 => Self::Once,
            (_, 1) if heard.iter().filter(tied).count() == 1 => Self::Lost,
            _ => Self::Twice,
        }
    }
}

impl Life {
    /// Whether a key that has bought something was told afterwards that there is nothing.
    fn forgets_a_key(&self) -> bool {
        let bought_before = |key: &str, began: Instant| {
            let mut logins = self.spends.iter().filter(|spend| spend.key.as_deref() == Some(key));
            logins.any(|spend| matches!(spend.end, End::Bought(..)) && spend.ended <= began)
        };
        self.spends.iter().any(|spend| match (&spend.end, &spend.key) {
            (End::Failed(failure), Some(key)) => failure.is(LOST[1]) && bought_before(key, spend.began),
            _ => false,
        })
    }
}

impl Standing {
    async fn read(database_url: &str) -> Self {
        let mut connection = PgConnection::connect(database_url).await.unwrap();
        let receipts: Vec<Receipt> = sqlx::query_as(
            "SELECT encode(token_hash, 'hex') AS token_hash, organization_id::text, session_id::text \
             FROM intermediate_session_receipts",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let sessions: Vec<Session> = sqlx::query_as(
            "SELECT id::text, organization_id::text, encode(token_hash, 'hex') AS token_hash FROM sessions",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let organizations: Vec<String> = sqlx::query_scalar("SELECT id::text FROM organizations")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        Self {
            receipts: receipts.into_iter().map(|receipt| (receipt.token_hash.clone(), receipt)).collect(),
            sessions: sessions.into_iter().map(|session| (session.id.clone(), session)).collect(),
            organizations: organizations.into_iter().collect(),
        }
    }

    /// Whether the login stands: its session, known by its token, and its organization.
    fn has(&self, login: &Login) -> bool {
        let organization_id = uuid(&login.organization_id);
        self.organizations.contains(organization_id)
            && self.sessions.get(uuid(&login.member_session_id)).is_some_and(|session| {
                session.organization_id == organization_id
                    && session.token_hash == sha256(&login.session_token)
            })
    }

    /// S1 in what stands: every session and every organization was bought by one token, by a token of the storm.
    fn more_than_bought(&self, ledger: &Ledger) -> Vec<String> {
        let mut faults = Vec::new();
        let tokens: HashSet<String> = ledger.lives.iter().map(|life| sha256(&life.token)).collect();
        let houses: HashSet<&str> = ledger.houses.iter().map(|id| uuid(id)).collect();
        let (mut sessions, mut organizations) = (HashSet::new(), HashSet::new());
        for receipt in self.receipts.values() {
            if !tokens.contains(&receipt.token_hash) {
                faults.push("S1: a receipt is of no token".to_owned());
            }
            let (Some(organization), Some(session)) = (&receipt.organization_id, &receipt.session_id) else {
                faults.push(format!("a receipt is of nothing: {receipt:?}"));
                continue;
            };
            if !sessions.insert(session) {
                faults.push(format!("S1: session {session} has two receipts"));
            }
            if !houses.contains(organization.as_str()) && !organizations.insert(organization) {
                faults.push(format!("S1: organization {organization} has two receipts"));
            }
        }
        let unpaid = self.sessions.keys().filter(|session| !sessions.contains(session));
        faults.extend(unpaid.map(|session| format!("S1: session {session} has no receipt")));
        let unpaid = self.organizations.iter().filter(|organization| {
            !houses.contains(organization.as_str()) && !organizations.contains(organization)
        });
        faults.extend(unpaid.map(|organization| format!("S1: organization {organization} has no receipt")));
        let gone = sessions.into_iter().filter(|session| !self.sessions.contains_key(*session));
        faults.extend(gone.map(|session| format!("S3: session {session} has a receipt and does not stand")));
        faults
    }
}

/// The UUID at the end of an id.
fn uuid(id: &str) -> &str {
    &id[id.len() - 36..]
}

/// In hexadecimal, as Postgres encodes it.
fn sha256(text: &str) -> String {
    opaque::sha256(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
