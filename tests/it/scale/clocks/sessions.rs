//! Sessions, their JWTs, and the credentials of callers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use time::Duration;
use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::domain::permission::Permission::Admin;
use vestibule::pb;

use super::{LEEWAY, apart, both, pass};
use crate::harness::callers::Key;
use crate::harness::clients::Clients;
use crate::harness::fixtures::creation;
use crate::harness::logins::{by_jwt, by_token};
use crate::harness::refusal::refused;
use crate::harness::values::seconds;
use crate::harness::{Harness, Setup};

type Founded = pb::DiscoveryServiceCreateOrganizationResponse;

/// What a JWT says, unverified.
fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Somebody who is logged in for so long.
async fn founded(clients: &Clients, minutes: i32) -> Founded {
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        session_duration_minutes: Some(minutes),
        ..creation(&clients.token("ada@acme.com").await)
    };
    clients.spend(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_of_either_is_good_at_the_other() {
    let t = apart(LEEWAY).await;
    let [ahead, behind] = both(&t);
    for (signer, other, now) in [(&ahead, &behind, t.clock.now() + LEEWAY), (&behind, &ahead, t.clock.now())]
    {
        let ada = founded(signer, 60).await;
        let (claims, now) = (claims(&ada.session_jwt), now.unix_timestamp());
        assert_eq!(
            (&claims["iat"], &claims["nbf"], &claims["exp"]),
            (&now.into(), &now.into(), &(now + 300).into())
        );
        other.authenticate(by_jwt(&ada.session_jwt)).await.unwrap();
        let listing = pb::ListDiscoveredOrganizationsRequest {
            session_jwt: Some(ada.session_jwt.clone()),
            ..pb::ListDiscoveredOrganizationsRequest::default()
        };
        other.discovered(listing).await.unwrap();
        let revoke = pb::RevokeSessionRequest {
            session_jwt: Some(ada.session_jwt.clone()),
            ..pb::RevokeSessionRequest::default()
        };
        other.revoke_session(revoke).await.unwrap();
        refused(signer.authenticate(by_jwt(&ada.session_jwt)).await, Code::NotFound, "SESSION_NOT_FOUND");
    }
}

/// Its token is good all the same, and so is the JWT as soon as it is no more than a minute ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_from_further_ahead_is_refused() {
    let t = apart(LEEWAY + Duration::SECOND).await;
    let [ahead, behind] = both(&t);
    let ada = founded(&ahead, 60).await;
    let answer = behind.authenticate(by_jwt(&ada.session_jwt)).await;
    refused(answer, Code::InvalidArgument, "JWT_INVALID_CLAIMS");
    behind.authenticate(by_token(&ada.session_token)).await.unwrap();
    pass(&t, Duration::SECOND);
    behind.authenticate(by_jwt(&ada.session_jwt)).await.unwrap();
}

/// Whether a session of five minutes is alive at the replica that is ahead, and at the other, so many seconds after
/// one of them has made it.
async fn lives(made_ahead: bool, expected: &[(i64, bool, bool)]) {
    let t = apart(LEEWAY).await;
    let replicas = both(&t);
    let ada = founded(&replicas[usize::from(!made_ahead)], 5).await;
    let organization = ada.organization.unwrap().organization_id;
    let mut passed = 0;
    for (second, ahead, behind) in expected {
        pass(&t, Duration::seconds(second - passed));
        passed = *second;
        for (clients, alive) in replicas.iter().zip([*ahead, *behind]) {
            let checked = clients.authenticate(by_token(&ada.session_token)).await;
            assert_eq!(checked.is_ok(), alive, "{second}");
            let listed = clients.sessions_of(&organization, &ada.member_id).await.unwrap().into_inner();
            assert_eq!(listed.member_sessions.len(), usize::from(alive), "{second}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_made_ahead_lives_a_minute_longer_at_the_other() {
    lives(true, &[(299, true, true), (300, false, true), (359, false, true), (360, false, false)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_made_behind_ends_a_minute_earlier_at_the_other() {
    lives(false, &[(239, true, true), (240, false, true), (299, false, true), (300, false, false)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_counts_by_the_clock_of_whoever_is_asked() {
    let t = apart(LEEWAY).await;
    let [ahead, behind] = both(&t);
    let ada = founded(&ahead, 5).await;
    let extend =
        pb::AuthenticateSessionRequest { session_duration_minutes: Some(5), ..by_token(&ada.session_token) };
    for (replica, other, offset) in [(&behind, &ahead, Duration::ZERO), (&ahead, &behind, LEEWAY)] {
        // It would have ended.
        for _ in 0..3 {
            pass(&t, Duration::minutes(3));
            let extended = replica.authenticate(extend.clone()).await.unwrap().into_inner();
            let end = t.clock.now() + offset + Duration::minutes(5);
            let extended = extended.member_session.unwrap();
            assert_eq!(extended.expires_at, Some(seconds(end)));
            let seen = other.authenticate(by_token(&ada.session_token)).await.unwrap().into_inner();
            assert_eq!(seen.member_session.unwrap().expires_at, extended.expires_at);
        }
    }
}

/// What is written down never goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_use_is_the_latest_that_any_clock_has_told() {
    let mut t = apart(LEEWAY).await;
    let ada = founded(&both(&t)[1], 60).await;
    let organization = ada.organization.unwrap().organization_id;
    pass(&t, Duration::minutes(2));
    t.restart().await;
    let latest = Some(seconds(t.clock.now() + LEEWAY));
    for clients in both(&t) {
        clients.authenticate(by_token(&ada.session_token)).await.unwrap();
    }
    t.restart().await;
    for clients in both(&t) {
        let listed = clients.sessions_of(&organization, &ada.member_id).await.unwrap().into_inner();
        assert_eq!(listed.member_sessions[0].last_accessed_at, latest);
        let checked = clients.authenticate(by_token(&ada.session_token)).await.unwrap().into_inner();
        assert_eq!(checked.member_session.unwrap().last_accessed_at, latest);
    }
}

/// What has expired by one clock and not by the other can be ended by either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ending_a_session_at_either_ends_it_at_both() {
    let t = apart(LEEWAY).await;
    for ender in 0..2 {
        let replicas = both(&t);
        let ada = founded(&replicas[1], 5).await;
        pass(&t, Duration::seconds(270));
        let revoke = pb::RevokeSessionRequest {
            session_token: Some(ada.session_token.clone()),
            ..pb::RevokeSessionRequest::default()
        };
        replicas[1].authenticate(by_token(&ada.session_token)).await.unwrap();
        replicas[ender].revoke_session(revoke).await.unwrap();
        for clients in &replicas {
            let answer = clients.authenticate(by_token(&ada.session_token)).await;
            refused(answer, Code::NotFound, "SESSION_NOT_FOUND");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_key_ends_by_the_clock_of_whoever_is_asked() {
    let setup = Setup::postgres().await.apart(&[LEEWAY, Duration::ZERO]);
    let ends = setup.clock.now() + Duration::minutes(10);
    let key = Key::until(ends, "ada", &[Admin]);
    let t: Harness = setup.callers(&[&key.line]).start().await;
    let [ahead, behind] = t.each_with(&key.text).try_into().unwrap();
    let mut passed = 0;
    for (second, at_one, at_other) in
        [(538, true, true), (541, false, true), (598, false, true), (601, false, false)]
    {
        pass(&t, Duration::seconds(second - passed));
        passed = second;
        for (clients, known) in [(&ahead, at_one), (&behind, at_other)] {
            let code = clients.get("nothing").await.unwrap_err().code();
            assert_eq!(code, if known { Code::NotFound } else { Code::Unauthenticated }, "{second}");
        }
    }
}
