//! Who calls, and what they may: API keys, JWTs of issuers that are trusted, and a permission for every call.

mod api_keys;
mod certificates;
mod jwts;
mod kubernetes;
mod permissions;
mod reloading;
mod rotation;
mod shares;

use std::fmt::Debug;

use tonic::{Code, Response, Status};
use vestibule::domain::permission::Permission;

use crate::harness::callers::Key;
use crate::harness::clients::Clients;
use crate::harness::raw::{CREATE, RawClient, frame};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, Setup};

const UNAUTHORIZED: &str = "UNAUTHORIZED_CREDENTIALS";

/// A server that one caller may call, who may do everything, with this key.
async fn with_one() -> (Harness, Key) {
    let key = Key::new("billing", &[Permission::Admin]);
    (Setup::embedded().callers(&[&key.line]).start().await, key)
}

/// Asserts that nobody knows who calls, and tells what is said about it.
#[track_caller]
fn unknown<T: Debug>(result: Result<Response<T>, Status>) -> Refusal {
    refused(result, Code::Unauthenticated, UNAUTHORIZED)
}

/// Reads an organization that is not there: whoever is known gets that far.
async fn knock(clients: &Clients) -> Result<(), Status> {
    match clients.get("nothing").await {
        Err(status) if status.code() == Code::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// The refusal of a call whose `authorization` metadata are these.
async fn presenting(t: &Harness, values: &[&str]) -> Result<Response<Vec<u8>>, Status> {
    let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
    RawClient::connect(t.grpc).await.call(CREATE, &headers, frame(b"\x0a\x04Acme")).await
}
