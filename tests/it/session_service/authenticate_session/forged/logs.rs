//! What the real binary writes about JWTs: nothing.

use secrecy::ExposeSecret as _;
use vestibule::pb;

use super::super::super::common::{Login, founder};
use super::Forger;
use crate::harness::Harness;
use crate::harness::logins::{by_jwt, by_token, switch};
use crate::harness::program::Program;

/// Another process on the servers of the harness, that writes all it can.
async fn talkative(t: &Harness) -> Program {
    let database = t.config.database_url.as_ref().unwrap().expose_secret();
    let redis = t.config.redis_url.as_ref().unwrap().expose_secret();
    let data_dir = t.config.data_dir.display().to_string();
    let arguments = ["--database-url", database, "--redis-url", redis, "--data-dir", &data_dir];
    Program::serve(&t.config.data_dir, &[&arguments[..], &["--log-filter", "trace"]].concat()).await
}

/// Calls every method with everything secret, and tells which secrets there are.
async fn called(t: &Harness, program: &Program, ada: &Login) -> Vec<String> {
    let clients = program.clients().await;
    let deployment = Forger::with_the_key(t, &ada.jwt).await;
    let stranger = Forger::stranger(&ada.jwt);
    let other_issuer = deployment.claims_with("iss", "https://evil.example.com".into());
    let jwts = [
        ada.jwt.clone(),
        deployment.signed(&deployment.header(), &other_issuer),
        deployment.signed(&deployment.header_with("kid", "../../dev/null".into()), &deployment.claims),
        stranger.signed(&stranger.header(), &stranger.claims),
        format!("{}.{}", ada.jwt, "A".repeat(40_000)),
    ];
    let mut secrets = vec![ada.token.clone()];
    for jwt in &jwts {
        let request = pb::ExchangeSessionRequest {
            session_token: None,
            session_jwt: Some(jwt.clone()),
            ..switch("", ada.organization_id())
        };
        let outcomes =
            [clients.authenticate(by_jwt(jwt)).await.map(drop), clients.switch(request).await.map(drop)];
        assert_eq!(outcomes.map(|outcome| outcome.is_ok()), [*jwt == ada.jwt; 2]);
        // Not in pieces either; the header of every JWT is the same, and no secret.
        secrets.extend(jwt.split('.').skip(1).map(str::to_owned));
    }
    let checked = clients.authenticate(by_token(&ada.token)).await.unwrap().into_inner();
    let switched = clients.switch(switch(&ada.token, ada.organization_id())).await.unwrap().into_inner();
    secrets.extend([checked.session_jwt, switched.session_jwt, switched.session_token]);
    let revoke = pb::RevokeSessionRequest {
        session_jwt: Some(ada.jwt.clone()),
        ..pb::RevokeSessionRequest::default()
    };
    clients.revoke_session(revoke).await.unwrap();
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_and_no_jwt_is_logged() {
    let t = Harness::postgres().await;
    let ada = founder(&t, "ada@acme.com").await;
    let mut program = talkative(&t).await;
    let secrets = called(&t, &program, &ada).await;
    program.signal("TERM").await;
    assert!(program.ended().await.success());
    let output = program.output().join("\n");
    assert!(output.contains("AuthenticateSession") && output.contains("\"TRACE\""), "all is told:\n{output}");
    assert!(secrets.iter().all(|secret| secret.len() > 40), "{secrets:?}");
    for secret in secrets {
        let told: Vec<_> = output.lines().filter(|line| line.contains(&secret)).take(3).collect();
        assert!(told.is_empty(), "{secret:?} is logged:\n{}", told.join("\n"));
    }
}
