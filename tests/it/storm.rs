//! People log in, over and over, while something breaks: every answer is written down, and compared afterwards
//! with what stands in the database.
//!
//! Each token is spent by several calls at once, at several replicas: the same call twice, another one, one that
//! its caller gives up, and one with a token that was spent before. What fails is repeated, first as a service mesh
//! does it and then as a person does. A storm needs a database of its own, and limits that it does not meet: a `Site`.
//!
//! How many spends there are is said by `VESTIBULE_STORM_SPENDS`; `scripts/storm` makes a long run of it.

pub(crate) mod balanced;
pub(crate) mod judge;
pub(crate) mod ledger;
mod person;
pub(crate) mod report;
pub(crate) mod site;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use tokio::time::Instant;
use vestibule::pb;

use crate::faults::until;
use crate::harness::fixtures::{creation, magic_link, with_key};

use balanced::{Balanced, Failure, now};
use ledger::{Call, End, Ledger, Life, Outcome, Spend};

/// How many spends are raced at least when nobody says.
const SPENDS: usize = 600;

/// How many spends are raced well within the patience of tests, whatever else the machine does.
const STEP: usize = 100;

/// How many of them there are for each fault of a long run.
const SPENDS_FOR_A_FAULT: usize = 2_000;

/// How many people log in at once.
const PEOPLE: usize = 8;

/// How many organizations there are that people of their domain may enter.
const HOUSES: usize = 8;

/// How many logins later a copy of a token comes back.
const LATER: usize = 12;

/// A load of logins.
#[derive(Debug)]
pub(crate) struct Storm {
    work: Arc<Work>,
    founders: Vec<Life>,
    people: JoinSet<Vec<Life>>,
    planned: usize,
    faults: Vec<Instant>,
}

/// What all people share.
#[derive(Debug)]
struct Work {
    /// Tells the keys of this storm from those of others.
    name: String,
    clients: Balanced,
    houses: Vec<String>,
    next: AtomicUsize,
    spends: AtomicUsize,
    closing: AtomicBool,
    calls: Mutex<Vec<Call>>,
}

impl Storm {
    /// People begin to log in at these replicas.
    pub(crate) async fn over(replicas: &[SocketAddr]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let planned = match std::env::var("VESTIBULE_STORM_SPENDS") {
            Ok(spends) => spends.parse().expect("VESTIBULE_STORM_SPENDS is a number"),
            Err(_) => SPENDS,
        };
        let name = format!("storm-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let clients = Balanced::over(replicas);
        let (mut houses, mut founders) = (Vec::new(), Vec::new());
        for number in 0..HOUSES {
            let (house, founder) = house(&clients, &name, number).await;
            houses.push(house);
            founders.push(founder);
        }
        let work = Arc::new(Work {
            name,
            clients,
            houses,
            next: AtomicUsize::new(0),
            spends: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            calls: Mutex::default(),
        });
        let mut people = JoinSet::new();
        for _ in 0..PEOPLE {
            people.spawn(Arc::clone(&work).log_in());
        }
        Self { work, founders, people, planned, faults: Vec::new() }
    }

    /// The clients, to tell them of replicas that come and go.
    pub(crate) fn clients(&self) -> &Balanced {
        &self.work.clients
    }

    /// How often to break something: once, and more often in a long run.
    pub(crate) fn faults(&self) -> usize {
        (self.planned / SPENDS_FOR_A_FAULT).max(1)
    }

    /// Waits until this part of the planned spends is raced: of `of` parts, so many.
    pub(crate) async fn raced(&self, parts: usize, of: usize) {
        self.reaches(self.planned * parts / of).await;
    }

    /// Waits until a few more people have logged in than had when this was called.
    pub(crate) async fn goes_on(&self) {
        self.reaches(self.work.spends.load(Ordering::Relaxed) + self.planned.min(SPENDS) / 10).await;
    }

    async fn reaches(&self, spends: usize) {
        // A long run takes longer than anybody's patience; what is waited for is that it goes on.
        let mut seen = self.work.spends.load(Ordering::Relaxed);
        while seen < spends {
            let goal = spends.min(seen + STEP);
            until("spends to be raced", async || self.work.spends.load(Ordering::Relaxed) >= goal).await;
            seen = self.work.spends.load(Ordering::Relaxed);
        }
    }

    /// Something is broken now.
    pub(crate) fn fault(&mut self) {
        self.faults.push(now());
    }

    /// Waits until all planned spends are raced and everybody knows what came of theirs.
    pub(crate) async fn end(mut self) -> Ledger {
        self.reaches(self.planned).await;
        self.work.closing.store(true, Ordering::Relaxed);
        let mut lives = self.founders;
        while let Some(lived) = self.people.join_next().await {
            lives.extend(lived.unwrap());
        }
        let calls = std::mem::take(&mut *self.work.calls.lock().unwrap_or_else(PoisonError::into_inner));
        Ledger {
            lives,
            calls,
            faults: self.faults,
            houses: self.work.houses.clone(),
            clients: self.work.clients.clone(),
        }
    }
}

impl Work {
    /// One after the other, people log in.
    async fn log_in(self: Arc<Self>) -> Vec<Life> {
        let (mut lives, mut recent) = (Vec::new(), VecDeque::new());
        while !self.closing.load(Ordering::Relaxed) {
            let past = if recent.len() > LATER { recent.pop_front() } else { None };
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let mut further = self.live(number, past).await;
            recent.extend(further.pop());
            lives.append(&mut further);
        }
        lives.extend(recent);
        lives
    }

    /// Makes a call and writes down what came of it.
    async fn heard<T>(
        &self,
        spend: bool,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let began = now();
        let answer = call.await;
        let outcome = match &answer {
            Ok(_) => Outcome::Done,
            Err(failure) if judge::LOST.iter().any(|reason| failure.is(reason)) => Outcome::Lost,
            Err(_) => Outcome::Failed,
        };
        let call = Call { began, ended: now(), outcome };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        if spend {
            self.counted();
        }
        answer
    }

    /// Counts a spend.
    fn counted(&self) {
        self.spends.fetch_add(1, Ordering::Relaxed);
    }
}

/// An organization that everybody of a domain may enter, and the login of the one who proved the domain.
async fn house(clients: &Balanced, name: &str, number: usize) -> (String, Life) {
    let verification = pb::CreateIntermediateSessionRequest {
        email_address: format!("founder@house-{number}.example"),
        factors: vec![magic_link()],
    };
    let call = clients.call(|clients| {
        let request = verification.clone();
        async move { clients.intermediate_sessions.clone().create_intermediate_session(request).await }
    });
    let token = call.await.expect("the service works").intermediate_session_token;
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        email_allowed_domains: vec![format!("house-{number}.example")],
        ..creation(&token)
    };
    let key = format!("{name}-house-{number}");
    let began = now();
    let call = clients.call(|clients| {
        let request = with_key(request.clone(), &key);
        async move { clients.spend(request).await }
    });
    let end = End::from(call.await.expect("the service works"));
    let spend = Spend { key: Some(key), began, ended: now(), end };
    let life = Life { number, token, spends: vec![spend], settled: true };
    let house = life.logins().next().unwrap().organization_id.clone();
    (house, life)
}
