//! One person's login, with everything that can go wrong on a client's side of it: buttons pressed twice, tabs,
//! pages left too early, copies of the token.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::{sleep, timeout};
use vestibule::pb;

use super::balanced::{Failure, now};
use super::ledger::{End, Life, Spend};
use super::{HOUSES, Work};
use crate::harness::fixtures::{creation, magic_link, with_key};
use crate::harness::logins::exchange;

/// How long a person tries. Longer than any fault here lasts, and far shorter than a token.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long somebody waits before another try at least, and at most, whatever the service asks for.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// How a token is spent.
#[derive(Clone, Copy, Debug)]
enum Wish {
    /// On an organization of one's own.
    Found,
    /// On entering one that is there.
    Enter,
}

/// One way in which a person tries to spend the token, with what the key ends in.
type Try = (Wish, Option<&'static str>);

/// The same call twice, as a double click sends it.
const CLICK: Try = (Wish::Found, Some("click"));

impl Work {
    /// Lives one login to its end. `past`: tokens that were spent before.
    pub(super) async fn live(&self, number: usize, past: Option<Life>) -> Vec<Life> {
        let token = self.verify(number).await;
        let mut life = Life { token, number, spends: Vec::new(), settled: false };
        let other = match number % 3 {
            0 => (Wish::Found, Some("other")),
            1 => (Wish::Enter, Some("other")),
            _ => (Wish::Enter, None),
        };
        let given_up =
            if number.is_multiple_of(2) { (Wish::Found, None) } else { (Wish::Enter, Some("given-up")) };
        let patience = Duration::from_millis((number * 37 % 60) as u64);
        let mut race: Vec<BoxFuture<'_, Spend>> = vec![
            self.spend(&life, CLICK).boxed(),
            self.spend(&life, CLICK).boxed(),
            self.spend(&life, other).boxed(),
            self.give_up(&life, given_up, patience).boxed(),
        ];
        race.rotate_left(number % 4);
        let copy = async {
            let mut past = past?;
            // Whoever stole it has no key, or one of their own.
            let key = [None, Some("stolen")][number % 2];
            let spend = self.spend(&past, (Wish::Found, key)).await;
            past.spends.push(spend);
            Some(past)
        };
        let (spends, past) = tokio::join!(join_all(race), copy);
        life.spends = spends;
        self.settle(&mut life, &[CLICK, other, given_up]).await;
        past.into_iter().chain([life]).collect()
    }

    /// Makes a token.
    async fn verify(&self, number: usize) -> String {
        let request = pb::CreateIntermediateSessionRequest {
            email_address: format!("person-{number}@house-{}.example", number % HOUSES),
            factors: vec![magic_link()],
        };
        let began = now();
        while now() - began < PATIENCE {
            let call = self.clients.call(|clients| {
                let request = request.clone();
                async move { clients.intermediate_sessions.clone().create_intermediate_session(request).await }
            });
            match self.heard(false, call).await {
                Ok(answer) => return answer.intermediate_session_token,
                Err(failure) => pause(&failure).await,
            }
        }
        panic!("person {number} gets no token in {PATIENCE:?}")
    }

    /// Tries until it is known what the token has bought, and then once more.
    async fn settle(&self, life: &mut Life, tries: &[Try]) {
        let began = now();
        while now() - began < PATIENCE {
            if let Some(won) = life.spends.iter().find(|spend| matches!(spend.end, End::Bought(..))) {
                let key = won.key.clone();
                let again =
                    tries.iter().find(|(_, suffix)| suffix.is_some() && self.key(life, *suffix) == key);
                if let Some(again) = again {
                    life.spends.push(self.spend(life, *again).await);
                }
                life.settled = true;
                return;
            }
            let mut waiting = None;
            for again in tries.iter().filter(|(_, suffix)| suffix.is_some()) {
                let spend = self.spend(life, *again).await;
                let won = matches!(spend.end, End::Bought(..));
                if let End::Failed(failure) = &spend.end
                    && !failure.is("INTERMEDIATE_SESSION_NOT_FOUND")
                {
                    waiting = Some(failure.clone());
                }
                life.spends.push(spend);
                if won {
                    waiting = None;
                    break;
                }
            }
            match waiting {
                Some(failure) => pause(&failure).await,
                None if life.logins().next().is_some() => {}
                None => {
                    life.settled = true;
                    return;
                }
            }
        }
    }

    async fn spend(&self, life: &Life, (wish, suffix): Try) -> Spend {
        let key = self.key(life, suffix);
        let began = now();
        let end = match wish {
            Wish::Found => {
                let call = self.clients.call(|clients| {
                    let request = keyed(creation(&life.token), key.as_deref());
                    async move { clients.spend(request).await }
                });
                self.heard(true, call).await.map(End::from)
            }
            Wish::Enter => {
                let house = &self.houses[life.number % HOUSES];
                let call = self.clients.call(|clients| {
                    let request = keyed(exchange(&life.token, house), key.as_deref());
                    async move { clients.exchange(request).await }
                });
                self.heard(true, call).await.map(End::from)
            }
        };
        Spend { key, began, ended: now(), end: end.unwrap_or_else(End::Failed) }
    }

    /// Spends, and hangs up after a while.
    async fn give_up(&self, life: &Life, wish: Try, patience: Duration) -> Spend {
        let began = now();
        if let Ok(spend) = timeout(patience, self.spend(life, wish)).await {
            return spend;
        }
        self.counted();
        Spend { key: self.key(life, wish.1), began, ended: now(), end: End::Cancelled }
    }

    fn key(&self, life: &Life, suffix: Option<&str>) -> Option<String> {
        suffix.map(|suffix| format!("{}-{}-{suffix}", self.name, life.number))
    }
}

fn keyed<T>(message: T, key: Option<&str>) -> tonic::Request<T> {
    match key {
        Some(key) => with_key(message, key),
        None => tonic::Request::new(message),
    }
}

async fn pause(failure: &Failure) {
    let [least, most] = PAUSES;
    sleep(failure.retry_after.unwrap_or(most).clamp(least, most)).await;
}
