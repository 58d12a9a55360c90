//! The first table: `AuthenticateSession` beside its floors.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tonic::transport::Channel;
use vestibule::pb;
use vestibule::pb::session_service_client::SessionServiceClient;

use crate::floor::Floor;
use crate::logins;
use crate::postgres::PostgresServer;
use crate::redis::RedisServer;
use crate::server::Server;
use crate::slices::{Measured, slice};

/// Calls in flight.
const LEVELS: [usize; 3] = [1, 8, 32];

/// How often call and floor take turns at each level. Odd: one of the ratios is the median.
const TURNS: usize = 9;

/// How much of its floor a check without a change should reach.
const AIM: f64 = 0.7;

/// How a session is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Jwt,
    Token,
    Extension,
}

/// What is sent, for each session: to the service, and to the floor.
struct Requests {
    service: Arc<[pb::AuthenticateSessionRequest]>,
    floor: Arc<[pb::AuthenticateSessionRequest]>,
}

pub(crate) async fn measure(postgres: &PostgresServer, redis: &RedisServer) {
    let server = Server::start(postgres, redis, "checks", None).await;
    let logins = logins::log_in(&server).await;
    let floor = Floor::start(&server, &postgres.url("checks"), &logins).await;
    println!("| in flight | AuthenticateSession | floor/s | call/s | call/floor | aim | p50 ms | p99 ms |");
    println!("|---|---|---|---|---|---|---|---|");
    for in_flight in LEVELS {
        for check in [Check::Jwt, Check::Token, Check::Extension] {
            let request = |token: &str, jwt: &str| check.request(token, jwt);
            let service = logins.iter().map(|login| request(&login.token, &login.jwt));
            let bare = logins.iter().zip(&floor.jwts).map(|(login, jwt)| request(&login.token, jwt));
            let requests = Requests { service: service.collect(), floor: bare.collect() };
            let (call, bare) = alternate(&server, &floor, in_flight, &requests).await;
            let aim = if check == Check::Extension { String::new() } else { format!("{AIM:.1}") };
            println!(
                "| {in_flight} | {} | {:.0} | {:.0} | {:.2} | {aim} | {:.2} | {:.2} |",
                check.name(),
                bare.per_second(),
                call.per_second(),
                call.to(&bare),
                call.milliseconds(50),
                call.milliseconds(99),
            );
        }
    }
    println!();
}

/// Measures call and floor by turns, each first every other time.
async fn alternate(
    server: &Server,
    floor: &Floor,
    in_flight: usize,
    requests: &Requests,
) -> (Measured, Measured) {
    let number = Arc::new(AtomicUsize::new(0));
    let call = authenticating(&requests.service, (0..in_flight).map(|_| server.sessions()).collect());
    let bare = authenticating(&requests.floor, (0..in_flight).map(|_| floor.channels.sessions()).collect());
    // Statements are prepared, and connections opened, before the clock starts.
    slice(&mut Measured::default(), in_flight, &number, call.clone()).await;
    slice(&mut Measured::default(), in_flight, &number, bare.clone()).await;
    let (mut of_call, mut of_floor) = (Measured::default(), Measured::default());
    for turn in 0..TURNS {
        if turn % 2 == 0 {
            slice(&mut of_call, in_flight, &number, call.clone()).await;
            slice(&mut of_floor, in_flight, &number, bare.clone()).await;
        } else {
            slice(&mut of_floor, in_flight, &number, bare.clone()).await;
            slice(&mut of_call, in_flight, &number, call.clone()).await;
        }
    }
    (of_call, of_floor)
}

fn authenticating(
    requests: &Arc<[pb::AuthenticateSessionRequest]>,
    clients: Vec<SessionServiceClient<Channel>>,
) -> impl Fn(usize) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Clone + Send + use<> {
    let (requests, clients) = (Arc::clone(requests), Arc::new(clients));
    move |number| {
        let request = requests[number % requests.len()].clone();
        let mut client = clients[number % clients.len()].clone();
        Box::pin(async move {
            client.authenticate_session(request).await.unwrap();
        })
    }
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::Jwt => "by JWT",
            Self::Token => "by token",
            Self::Extension => "by token, extending",
        }
    }

    fn request(self, token: &str, jwt: &str) -> pb::AuthenticateSessionRequest {
        let (session_token, session_jwt) = match self {
            Self::Jwt => (None, Some(jwt.to_owned())),
            Self::Token | Self::Extension => (Some(token.to_owned()), None),
        };
        pb::AuthenticateSessionRequest {
            session_token,
            session_jwt,
            session_duration_minutes: (self == Self::Extension).then_some(60),
            ..pb::AuthenticateSessionRequest::default()
        }
    }
}
