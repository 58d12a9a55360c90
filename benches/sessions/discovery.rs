//! The second table: finding and entering organizations among few and among many.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, Database};
use tokio::task::JoinSet;
use vestibule::pb;

use crate::logins::vouch;
use crate::persons::{self, hire, member_of, worker};
use crate::postgres::PostgresServer;
use crate::redis::RedisServer;
use crate::server::Server;
use crate::slices::{Measured, once, slice};

/// How many organizations the small database has, and the large one.
const SMALL: u64 = 10_000;
const LARGE: u64 = 100_000;
const VERY_LARGE: u64 = 1_000_000;

/// The members of each.
const MEMBERS: u64 = 2;

/// The numbers of organizations that the persons are in.
const MEMBER_OF: [usize; 4] = [1, 10, 100, 1_000];

/// Calls that are measured one at a time on each server, at most, and for how long at most.
const CALLS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(8);

/// Calls before the clock starts.
const WARM_UP: usize = 10;

/// The calls in flight that entering is measured with, and how often the servers take turns.
const IN_FLIGHT: usize = 8;
const TURNS: usize = 5;

/// Tokens for one slice: more than are used in it.
const TOKENS: usize = 1_500;

/// What a call may cost among ten times as many organizations.
const AIM: f64 = 1.5;

/// One kind of call.
#[derive(Clone, Copy)]
enum Call {
    /// The organizations of the person who is in so many.
    List(usize),
    /// Why a person can enter one.
    Explain,
    /// The login of an active member.
    Enter,
}

/// A server, and who is found on it.
struct Place {
    server: Arc<Server>,
    /// An organization of each worker.
    organizations: Arc<Vec<String>>,
}

pub(crate) async fn measure(postgres: &PostgresServer, redis: &RedisServer, very_large: bool) {
    let size = if very_large { VERY_LARGE } else { LARGE };
    let small = Place::start(postgres, redis, "small", SMALL).await;
    let large = Place::start(postgres, redis, "large", size).await;
    println!("Among {SMALL} organizations and among {size}:\n");
    println!(
        "| call | statements | small ms | p99 | large ms | p99 | large/small | aim | ms per organization |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for call in MEMBER_OF.map(Call::List).into_iter().chain([Call::Explain, Call::Enter]) {
        let (on_small, on_large) = alternate(call, &small, &large).await;
        let ratio = on_large.milliseconds(50) / on_small.milliseconds(50);
        println!(
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {ratio:.2} | {AIM:.1} | {} |",
            call.name(),
            large.statements(postgres, call).await,
            on_small.milliseconds(50),
            on_small.milliseconds(99),
            on_large.milliseconds(50),
            on_large.milliseconds(99),
            call.share(on_large.milliseconds(50)),
        );
    }
    let (on_small, on_large) = enter_at_once(&small, &large).await;
    println!(
        "\nExchangeIntermediateSession with {IN_FLIGHT} in flight: {:.0}/s among few, {:.0}/s among many, \
         p99 {:.2} ms and {:.2} ms.",
        on_small.per_second(),
        on_large.per_second(),
        on_small.milliseconds(99),
        on_large.milliseconds(99),
    );
}

impl Call {
    fn name(self) -> String {
        match self {
            Self::List(organizations) => format!("ListDiscoveredOrganizations of {organizations}"),
            Self::Explain => "ExplainDiscovery".to_owned(),
            Self::Enter => "ExchangeIntermediateSession".to_owned(),
        }
    }

    /// Whether a call spends its token.
    fn spends(self) -> bool {
        matches!(self, Self::Enter)
    }

    /// Who makes the call of this number.
    fn person(self, number: usize) -> String {
        match self {
            Self::List(organizations) => member_of(organizations),
            Self::Explain | Self::Enter => worker(number),
        }
    }

    /// What each listed organization costs of so many milliseconds.
    fn share(self, milliseconds: f64) -> String {
        let Self::List(organizations) = self else {
            return String::new();
        };
        format!("{:.3}", milliseconds / f64::from(u32::try_from(organizations).unwrap()))
    }
}

impl Place {
    async fn start(postgres: &PostgresServer, redis: &RedisServer, name: &str, organizations: u64) -> Self {
        let server = Server::start(postgres, redis, name, Some((organizations, MEMBERS))).await;
        hire(&server.database, &MEMBER_OF).await;
        let mut organizations = Vec::new();
        for number in 0..persons::WORKERS {
            let token = vouch(&server, &worker(number), None).await;
            let listed = list(&server, &token).await;
            let only = listed.discovered_organizations.into_iter().next().unwrap();
            organizations.push(only.organization.unwrap().organization_id);
        }
        Self { server: Arc::new(server), organizations: Arc::new(organizations) }
    }

    /// The tokens that so many calls need.
    async fn tokens(&self, call: Call, calls: usize) -> Vec<String> {
        let mut workers = JoinSet::new();
        for worker in 0..IN_FLIGHT {
            let server = Arc::clone(&self.server);
            workers.spawn(async move {
                let mut tokens = Vec::new();
                for number in (worker..calls).step_by(IN_FLIGHT) {
                    tokens.push((number, vouch(&server, &call.person(number), None).await));
                }
                tokens
            });
        }
        let mut tokens: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
        tokens.sort_unstable();
        tokens.into_iter().map(|(_, token)| token).collect()
    }

    async fn call(&self, call: Call, tokens: &[String], number: usize) {
        let token = &tokens[number % tokens.len()];
        match call {
            Call::List(organizations) => {
                let listed = list(&self.server, token).await;
                assert_eq!(listed.discovered_organizations.len(), organizations, "all are listed");
            }
            Call::Explain => {
                let request = pb::ExplainDiscoveryRequest {
                    intermediate_session_token: Some(token.clone()),
                    organization_id: self.organization(number),
                    ..pb::ExplainDiscoveryRequest::default()
                };
                let explained = self.server.discovery().explain_discovery(request).await.unwrap();
                assert!(explained.into_inner().visible, "a member sees the organization");
            }
            Call::Enter => enter(&self.server, token.clone(), self.organization(number)).await,
        }
    }

    fn organization(&self, number: usize) -> String {
        self.organizations[number % self.organizations.len()].clone()
    }

    /// How many statements a call sends, by the log of the database server. Something in the background
    /// may send one more now and then: the least of several calls.
    async fn statements(&self, postgres: &PostgresServer, call: Call) -> usize {
        let admin = Database::connect(postgres.url("postgres")).await.unwrap();
        for setting in ["log_statement = 'all'", "log_parameter_max_length = 0"] {
            admin.execute_unprepared(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
        }
        admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
        let tokens = self.tokens(call, 20).await;
        let mut counts = Vec::new();
        for number in 0..tokens.len() {
            let mark = format!("SELECT 'call {number}'");
            admin.execute_unprepared(&mark).await.unwrap();
            self.call(call, &tokens, number).await;
            let log = postgres.log();
            let since = log.rsplit_once(&mark).map(|(_, since)| since);
            let sent = since.map(|since| since.lines().filter(|line| line.contains("LOG:  execute")).count());
            // The setting may take a moment to arrive.
            counts.extend(sent.filter(|sent| *sent > 0));
        }
        admin.execute_unprepared("ALTER SYSTEM RESET ALL").await.unwrap();
        admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
        counts.into_iter().min().unwrap_or_default()
    }
}

/// Measures a kind of call on both, one call at a time, each first every other time.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn alternate(call: Call, small: &Place, large: &Place) -> (Measured, Measured) {
    let needed = if call.spends() { WARM_UP + CALLS } else { persons::WORKERS };
    let tokens = [small.tokens(call, needed).await, large.tokens(call, needed).await];
    for number in 0..WARM_UP {
        small.call(call, &tokens[0], number).await;
        large.call(call, &tokens[1], number).await;
    }
    let (mut on_small, mut on_large) = (Measured::default(), Measured::default());
    let began = Instant::now();
    for number in WARM_UP..WARM_UP + CALLS {
        if began.elapsed() > PATIENCE {
            break;
        }
        if number.is_multiple_of(2) {
            once(&mut on_small, small.call(call, &tokens[0], number)).await;
            once(&mut on_large, large.call(call, &tokens[1], number)).await;
        } else {
            once(&mut on_large, large.call(call, &tokens[1], number)).await;
            once(&mut on_small, small.call(call, &tokens[0], number)).await;
        }
    }
    (on_small, on_large)
}

/// Measures entering with several calls in flight, on both by turns.
async fn enter_at_once(small: &Place, large: &Place) -> (Measured, Measured) {
    let (mut on_small, mut on_large) = (Measured::default(), Measured::default());
    for _ in 0..TURNS {
        for (place, measured) in [(small, &mut on_small), (large, &mut on_large)] {
            let tokens = Arc::new(place.tokens(Call::Enter, TOKENS).await);
            let (server, organizations) = (Arc::clone(&place.server), Arc::clone(&place.organizations));
            let next = Arc::new(AtomicUsize::new(0));
            slice(measured, IN_FLIGHT, &next, move |number| {
                let token = tokens.get(number).expect("enough tokens for a slice").clone();
                let organization = organizations[number % organizations.len()].clone();
                let server = Arc::clone(&server);
                async move { enter(&server, token, organization).await }
            })
            .await;
        }
    }
    (on_small, on_large)
}

async fn list(server: &Server, token: &str) -> pb::ListDiscoveredOrganizationsResponse {
    let request = pb::ListDiscoveredOrganizationsRequest {
        intermediate_session_token: Some(token.to_owned()),
        ..pb::ListDiscoveredOrganizationsRequest::default()
    };
    server.discovery().list_discovered_organizations(request).await.unwrap().into_inner()
}

async fn enter(server: &Server, token: String, organization_id: String) {
    let request = pb::ExchangeIntermediateSessionRequest {
        intermediate_session_token: token,
        organization_id,
        ..pb::ExchangeIntermediateSessionRequest::default()
    };
    let entered = server.discovery().exchange_intermediate_session(request).await.unwrap();
    assert!(entered.into_inner().member_authenticated, "nothing more is asked of a worker");
}
