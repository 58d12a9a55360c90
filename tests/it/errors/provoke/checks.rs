//! Refusals to check sessions, and to end them.

use serde_json::{Value, json};
use tonic::Status;
use vestibule::pb;

use crate::harness::Harness;
use crate::harness::logins::{by_jwt, by_token};

pub(super) async fn authenticating(t: &Harness, request: pb::AuthenticateSessionRequest) -> Status {
    t.clients().authenticate(request).await.unwrap_err()
}

/// Fails to check a session by a JWT that says something else than the service does.
async fn telling(t: &Harness, change: impl FnOnce(&mut Value)) -> Status {
    let founded = t.clients().founded("ada@acme.com").await;
    let jwt = t.sign_like(&founded.session_jwt, change).await;
    authenticating(t, by_jwt(&jwt)).await
}

pub(super) async fn for_another_deployment(t: &Harness) -> Status {
    telling(t, |claims| claims["aud"] = json!(["project-test-01890a5d-ac96-774b-bcce-b302099a8057"])).await
}

pub(super) async fn from_somebody_else(t: &Harness) -> Status {
    telling(t, |claims| claims["iss"] = json!("https://elsewhere.com")).await
}

pub(super) async fn from_the_future(t: &Harness) -> Status {
    telling(t, |claims| claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 3_600)).await
}

/// Fails to check whether the founder of an organization may do something.
pub(super) async fn permitting(
    t: &Harness,
    organization: Option<&str>,
    resource_id: &str,
    action: &str,
) -> Status {
    let founded = t.clients().founded("ada@acme.com").await;
    let own = founded.organization.unwrap().organization_id;
    let check = pb::AuthorizationCheck {
        organization_id: organization.map_or(own, str::to_owned),
        resource_id: resource_id.to_owned(),
        action: action.to_owned(),
    };
    let request = pb::AuthenticateSessionRequest {
        authorization_check: Some(check),
        ..by_token(&founded.session_token)
    };
    authenticating(t, request).await
}

pub(super) async fn revoking(t: &Harness, request: pb::RevokeSessionRequest) -> Status {
    t.clients().revoke_session(request).await.unwrap_err()
}
