//! The callers file changes while its callers call.

use vestibule::domain::permission::Permission::{Admin, Read};

use super::{knock, unknown};
use crate::faults::until;
use crate::harness::Setup;
use crate::harness::callers::Key;
use crate::harness::fixtures::organization;

use super::rotation::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_refused_within_seconds_and_others_go_on() {
    let (old, new) = (Key::new("ada", &[Admin]), Key::new("ada", &[Admin]));
    let (bob, late) = (Key::new("bob", &[Admin]), Key::new("late", &[Read]));
    let t = Setup::embedded().callers(&[&old.line, &bob.line]).start().await;
    let load = Load::start(&t, &[&bob.text]);
    knock(&t.clients_with(&old.text)).await.unwrap();
    unknown(t.clients_with(&new.text).get("nothing").await);
    // Both are good for a while.
    t.write_callers(&["# changing ada's key", &old.line, &new.line, &bob.line]);
    until("the new key", async || knock(&t.clients_with(&new.text)).await.is_ok()).await;
    knock(&t.clients_with(&old.text)).await.unwrap();
    load.carry(&[&bob.text, &new.text]);
    t.write_callers(&[&new.line, &bob.line, &late.line]);
    until("the old key's end", async || knock(&t.clients_with(&old.text)).await.is_err()).await;
    unknown(t.clients_with(&old.text).get("nothing").await);
    knock(&t.clients_with(&late.text)).await.unwrap();
    load.passes(50).await;
    load.end().await;
}

/// What a key lets do is what its line says now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_is_taken_away() {
    let key = Key::new("ada", &[Admin]);
    let t = Setup::embedded().callers(&[&key.line]).start().await;
    let clients = t.clients_with(&key.text);
    clients.create(organization("Acme")).await.unwrap();
    t.write_callers(&[&key.line.replace("admin", "read")]);
    until("the change", async || clients.create(organization("Acme")).await.is_err()).await;
    knock(&clients).await.unwrap();
}
