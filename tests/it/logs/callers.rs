//! What callers prove themselves with.

use std::path::Path;

use serde_json::json;
use tonic::Code;
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::domain::permission::Permission::{Admin, Read};

use super::told_without;
use crate::harness::callers::{Key, by_subject, issuer_line};
use crate::harness::clients::{Authorization, Clients};
use crate::harness::connect;
use crate::harness::fixtures::organization;
use crate::harness::issuer::{Pair, jwks};
use crate::harness::jwks_server::JwksServer;
use crate::harness::program::{Folder, Program};
use crate::harness::refusal::refused;

const ISSUER: &str = "https://id.acme.com";

/// A server that writes all it can.
async fn talkative(folder: &Path, callers: &str) -> Program {
    Program::serve(folder, &["--callers-file", callers, "--log-filter", "trace"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_logged() {
    let (folder, pair) = (Folder::new(), Pair::es256("one"));
    let server = JwksServer::tls(jwks(&[&pair])).await;
    server.ask_for("secret-of-the-issuer");
    let keys = json!({
        "jwks_url": server.url(),
        "ca_file": folder.file("ca.crt", server.certificate()),
        "bearer_token_file": folder.file("token", "secret-of-the-issuer"),
    });
    let (key, reader, stranger) =
        (Key::new("ada", &[Admin]), Key::new("ada", &[Read]), Key::new("bob", &[Admin]));
    let lines = [
        key.line.clone(),
        reader.line.clone(),
        by_subject("billing", &[Admin], ISSUER, "secret-subject"),
        issuer_line(ISSUER, "vestibule", &keys),
    ];
    let callers = folder.file("callers", &lines.join("\n"));
    let mut program = talkative(folder.path(), &callers).await;
    let now = SystemClock::new().now().unix_timestamp();
    let claims = |subject: &str, exp: i64| json!({"iss": ISSUER, "sub": subject, "aud": "vestibule", "exp": exp, "secret": "secret-claim"});
    let jwt = pair.sign(&claims("secret-subject", now + 300));
    let expired = pair.sign(&claims("secret-subject", now - 300));
    let unknown = pair.sign(&claims("secret-stranger", now + 300));
    let forged = Pair::es256("secret-kid").sign(&claims("secret-subject", now + 300));
    let crossed = format!("{}.{}", key.parts().0, stranger.parts().1);
    let broken = format!("{}=", key.text);
    let channel = connect(program.grpc).await;
    let with = |credential: &str| Clients::new(channel.clone(), Authorization::bearer(credential));
    for good in [&key.text, &jwt] {
        with(good).create(organization("Acme")).await.unwrap();
    }
    refused(
        with(&reader.text).create(organization("Acme")).await,
        Code::PermissionDenied,
        "CALLER_NOT_PERMITTED",
    );
    let wrong = [&stranger.text, &crossed, &broken, &expired, &unknown, &forged];
    for wrong in wrong.into_iter().map(String::as_str).chain(["secret-nonsense"]) {
        let answer = with(wrong).create(organization("Acme")).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated, "{wrong}");
    }
    // Somebody pastes a key in place of its hash.
    let pasted = key.line.replace("secret_sha256\":\"", &format!("secret_sha256\":\"{}", stranger.text));
    folder.file("callers", &pasted);
    program
        .line(|line| line["message"] == "the callers file can't be used; the callers stay as they were")
        .await;

    let mut secrets = vec!["Bearer", "secret-"];
    secrets.extend([&key, &reader, &stranger].map(|key| key.parts().1));
    for jwt in [&jwt, &expired, &unknown, &forged] {
        // The header of a JWT is the same for all of its key.
        secrets.extend(jwt.split('.').skip(1));
    }
    drop(channel);
    told_without(&mut program, &secrets).await;
}

/// The span of every call has the caller's name, once it is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_tell_who_called() {
    let (folder, key) = (Folder::new(), Key::new("ada", &[Admin]));
    let callers = folder.file("callers", &key.line);
    let mut program = Program::serve(folder.path(), &["--callers-file", &callers]).await;
    let channel = connect(program.grpc).await;
    Clients::new(channel.clone(), Authorization::bearer(&key.text))
        .create(organization("Acme"))
        .await
        .unwrap();
    Clients::new(channel, Authorization::default()).create(organization("Acme")).await.unwrap_err();
    let answered = |code: &'static str| {
        move |line: &serde_json::Value| line["message"] == "answered" && line["code"] == code
    };
    assert_eq!(program.line(answered("OK")).await["span"]["caller"], "ada");
    assert_eq!(program.line(answered("UNAUTHENTICATED")).await["span"].get("caller"), None);
    let told = program.line(|line| line["message"] == "nobody knows who calls").await;
    assert_eq!(told["problem"], "missing");
}
