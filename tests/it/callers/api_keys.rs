//! API keys: whose they are, until when, and what is none.

use std::time::Duration;

use tonic::Code;
use vestibule::clock::Clock as _;
use vestibule::domain::permission::Permission::{Admin, Read};

use super::{knock, presenting, unknown, with_one};
use crate::harness::Setup;
use crate::harness::callers::Key;
use crate::harness::fixtures::{organization, with_key};
use crate::harness::refusal::refused;

const MALFORMED: &str = "INVALID_AUTHORIZATION_HEADER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_its_id_and_its_secret() {
    let (ada, bob, stranger) =
        (Key::new("ada", &[Admin]), Key::new("bob", &[Admin]), Key::new("ada", &[Admin]));
    let t = Setup::embedded().callers(&[&ada.line, &bob.line]).start().await;
    for key in [&ada, &bob] {
        t.clients_with(&key.text).create(organization("Acme")).await.unwrap();
    }
    let crossed = format!("{}.{}", ada.parts().0, bob.parts().1);
    let guessed = format!("{}.{}", ada.parts().0, "A".repeat(43));
    let mut said = Vec::new();
    for wrong in [&stranger.text, &crossed, &guessed] {
        said.push(unknown(t.clients_with(wrong).create(organization("Acme")).await).message);
    }
    said.dedup();
    assert_eq!(said, ["the API key is unknown"], "whether there is such an id is not told");
    let refusal = unknown(t.clients().create(organization("Acme")).await);
    assert_eq!(refusal.message, "the call carries no credential");
    assert_eq!(t.count("organizations").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_ends_when_its_line_says() {
    let clock = crate::harness::clock::ManualClock::starting_now();
    let hour = Duration::from_hours(1);
    let (mortal, other) = (Key::until(clock.now() + hour, "ada", &[Admin]), Key::new("ada", &[Admin]));
    let mut setup = Setup::embedded().callers(&[&mortal.line, &other.line]);
    setup.clock = clock.into();
    let t = setup.start().await;
    let clients = t.clients_with(&mortal.text);
    knock(&clients).await.unwrap();
    t.clock.advance(Duration::from_mins(59));
    knock(&clients).await.unwrap();
    t.clock.advance(Duration::from_mins(1));
    let refusal = unknown(clients.get("nothing").await);
    assert_eq!(refusal.message, "the credential has expired");
    let wrong = format!("{}.{}", mortal.parts().0, "A".repeat(43));
    let refusal = unknown(t.clients_with(&wrong).get("nothing").await);
    assert_eq!(refusal.message, "the API key is unknown", "what expired is told to its holder alone");
    knock(&t.clients_with(&other.text)).await.unwrap();
}

/// A caller changes from one key to another while both are good; what it repeats is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotency_keys_belong_to_the_caller() {
    let (old, new, other) = (Key::new("ada", &[Admin]), Key::new("ada", &[Admin]), Key::new("bob", &[Admin]));
    let t = Setup::embedded().callers(&[&old.line, &new.line, &other.line]).start().await;
    let create = async |key: &Key| {
        let created = t.clients_with(&key.text).create(with_key(organization("Acme"), "signup-1")).await;
        created.unwrap().into_inner().organization.unwrap().organization_id
    };
    let first = create(&old).await;
    assert_eq!(create(&new).await, first);
    assert_ne!(create(&other).await, first);
    let another = with_key(organization("Globex"), "signup-1");
    let reused = t.clients_with(&new.text).create(another).await;
    refused(reused, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(t.count("organizations").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_that_is_no_credential() {
    let (t, key) = with_one().await;
    let text = &key.text;
    let (id, secret) = key.parts();
    let live = Key::live("billing").text;
    let mut wrong: Vec<String> =
        ["", " ", "Bearer", "Bearer ", "Bearer  ", "Bearer x", "Bearer .", "Bearer ..", "Bearer ..."]
            .map(str::to_owned)
            .into();
    wrong.extend([
        text.clone(),
        format!("Basic {text}"),
        format!("Token {text}"),
        format!("ApiKey {text}"),
        format!("Bearer{text}"),
        format!("Bearer:{text}"),
        format!("Bearer=\"{text}\""),
        format!("Bearer \"{text}\""),
        format!("Bearer  {text}"),
        format!("Bearer\t{text}"),
        format!("Bearer {text},Bearer {text}"),
        format!("Bearer {text}, Bearer {text}"),
        format!("Bearer {text} {text}"),
        format!("Bearer token={text}"),
        format!("Bearer {id}"),
        format!("Bearer {id}."),
        format!("Bearer .{secret}"),
        format!("Bearer {secret}"),
        format!("Bearer {text}="),
        format!("Bearer {text}A"),
        format!("Bearer {}", &text[..text.len() - 1]),
        format!("Bearer {}", text.to_uppercase()),
        format!("Bearer {id}.{secret}.{secret}"),
        format!("Bearer {}.{secret}", id.replace("api-key", "session")),
        format!("Bearer {live}"),
        format!("Bearer {}", "A".repeat(8_000)),
        "Bearer \u{e9}".to_owned(),
    ]);
    for value in &wrong {
        let refusal = refused(presenting(&t, &[value]).await, Code::Unauthenticated, MALFORMED);
        assert!(!refusal.message.contains(secret), "{refusal:?}");
    }
    let bearer = format!("Bearer {text}");
    for twice in [[bearer.as_str(), &bearer], [&bearer, "Basic x"], ["", &bearer], [&bearer, ""]] {
        refused(presenting(&t, &twice).await, Code::Unauthenticated, MALFORMED);
    }
    assert_eq!(t.count("organizations").await, 0);
    for scheme in ["Bearer", "bearer", "BEARER", "bEARER"] {
        presenting(&t, &[&format!("{scheme} {text}")]).await.unwrap();
    }
}

/// What a wrong credential could do without is not done without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_need_no_credential_take_any() {
    let (t, _) = with_one().await;
    for clients in [t.clients(), t.clients_with("?"), t.clients_with(&Key::new("ada", &[Read]).text)] {
        clients.sessions.clone().get_jwks(vestibule::pb::GetJwksRequest {}).await.unwrap();
        let asking = tonic_health::pb::HealthCheckRequest { service: String::new() };
        clients.health.clone().check(asking).await.unwrap();
    }
}

/// Without a callers file everybody may do everything, whatever they send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_callers_file_nobody_is_asked() {
    let t = crate::harness::Harness::embedded().await;
    for values in [&[][..], &["?"], &["Bearer x", "Bearer x"], &["Basic x"]] {
        presenting(&t, values).await.unwrap();
    }
}
