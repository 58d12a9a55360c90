//! An issuer changes its keys while callers call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use vestibule::clock::Clock as _;
use vestibule::domain::permission::Permission::Read;

use super::{knock, unknown};
use crate::faults::until;
use crate::harness::callers::{by_subject, issuer_line};
use crate::harness::clients::{Authorization, Clients};
use crate::harness::issuer::{Pair, jwks};
use crate::harness::jwks_server::JwksServer;
use crate::harness::{Harness, Setup};

const ISSUER: &str = "https://id.acme.com";

/// Callers that go on calling, with what they carry at the moment. None is ever refused.
pub(super) struct Load {
    carried: Arc<Mutex<Vec<String>>>,
    done: Arc<AtomicUsize>,
    calling: JoinSet<()>,
}

impl Load {
    pub(super) fn start(t: &Harness, credentials: &[&str]) -> Self {
        let this = Self { carried: Arc::default(), done: Arc::default(), calling: JoinSet::new() };
        this.carry(credentials);
        let Self { carried, done, mut calling } = this;
        for number in 0..4 {
            let (carried, done, channel) = (Arc::clone(&carried), Arc::clone(&done), t.channel());
            calling.spawn(async move {
                for turn in number.. {
                    let credential = {
                        let carried = carried.lock().unwrap_or_else(PoisonError::into_inner);
                        carried[turn % carried.len()].clone()
                    };
                    let clients = Clients::new(channel.clone(), Authorization::bearer(&credential));
                    knock(&clients).await.unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { carried, done, calling }
    }

    /// Changes what calls carry, from now on.
    pub(super) fn carry(&self, credentials: &[&str]) {
        let credentials = credentials.iter().map(|one| (*one).to_owned()).collect();
        *self.carried.lock().unwrap_or_else(PoisonError::into_inner) = credentials;
    }

    /// Waits until so many more calls have been answered.
    pub(super) async fn passes(&self, calls: usize) {
        let goal = self.done.load(Ordering::SeqCst) + calls;
        until("calls", async || self.done.load(Ordering::SeqCst) >= goal).await;
    }

    /// Ends the calls. Panics if one was refused.
    pub(super) async fn end(mut self) {
        self.calling.abort_all();
        while let Some(ended) = self.calling.join_next().await {
            let error = ended.unwrap_err();
            assert!(error.is_cancelled(), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_under_load_and_nobody_is_refused() {
    let (a, b) = (Pair::es256("a"), Pair::es256("b"));
    let server = JwksServer::plain(jwks(&[&a])).await;
    let issuer = issuer_line(ISSUER, "vestibule", &json!({"jwks_url": server.url()}));
    let caller = by_subject("billing", &[Read], ISSUER, "billing");
    let t = Setup::embedded().callers(&[&issuer, &caller]).start().await;
    let exp = (t.clock.now() + Duration::from_hours(48)).unix_timestamp();
    let claims = json!({"iss": ISSUER, "sub": "billing", "aud": "vestibule", "exp": exp});
    let (with_a, with_b) = (a.sign(&claims), b.sign(&claims));
    let stranger = t.clients_with(&Pair::es256("made-up").sign(&claims));
    let load = Load::start(&t, &[&with_a]);
    load.passes(50).await;
    assert_eq!(server.asked(), 1);

    // Signed with as soon as it is published: the calls that come first wait for it.
    server.publish(jwks(&[&a, &b]));
    t.clock.advance(Duration::from_secs(10));
    load.carry(&[&with_a, &with_b]);
    load.passes(100).await;
    assert_eq!(server.asked(), 2);

    server.be_away(true);
    for _ in 0..10 {
        t.clock.advance(Duration::from_hours(1));
        unknown(stranger.get("nothing").await);
        load.passes(50).await;
        unknown(stranger.get("nothing").await);
    }
    // At most once ahead of the calls and once for those with a made-up key, each hour.
    assert!((3..=2 + 20).contains(&server.asked()), "{}", server.asked());

    server.be_away(false);
    load.carry(&[&with_b]);
    load.passes(20).await;
    server.publish(jwks(&[&b]));
    t.clock.advance(Duration::from_mins(5));
    let clients = t.clients_with(&with_a);
    until("the end of the old key", async || knock(&clients).await.is_err()).await;
    unknown(clients.get("nothing").await);
    load.passes(50).await;
    load.end().await;
}

/// The keys in a file are read again by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_a_file_change() {
    let folder = crate::harness::program::Folder::new();
    let (a, b) = (Pair::es256("a"), Pair::es256("b"));
    let keys = json!({"jwks_file": folder.file("jwks", &jwks(&[&a]))});
    let caller = by_subject("billing", &[Read], ISSUER, "billing");
    let t = Setup::embedded().callers(&[&issuer_line(ISSUER, "vestibule", &keys), &caller]).start().await;
    let exp = (t.clock.now() + Duration::from_hours(1)).unix_timestamp();
    let claims = json!({"iss": ISSUER, "sub": "billing", "aud": "vestibule", "exp": exp});
    let (old, new) = (t.clients_with(&a.sign(&claims)), t.clients_with(&b.sign(&claims)));
    knock(&old).await.unwrap();
    folder.file("jwks", &jwks(&[&b]));
    t.clock.advance(Duration::from_secs(10));
    until("the new key", async || knock(&new).await.is_ok()).await;
    unknown(old.get("nothing").await);
}
