use std::collections::HashSet;
use std::error::Error as StdError;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use vestibule::app::{App, StartError};
use vestibule::clock::Clock;
use vestibule::domain::jwt_algorithm::JwtAlgorithm;
use vestibule::entropy::{Entropy, OsEntropy};
use vestibule::pb;
use vestibule::telemetry::metrics::Metrics;

use crate::harness::database::rows;
use crate::harness::fixtures::{creation, factor, magic_link, oauth};
use crate::harness::values::object;
use crate::harness::{Harness, Setup, on_both_backends};

on_both_backends!(
    grpc_and_http_serve_the_same_keys,
    a_jwt_verifies_with_the_published_keys_alone,
    every_claim_has_its_value,
    keys_outlive_a_restart,
    private_keys_are_sealed,
    the_wrong_sealing_key_is_refused_in_words,
);

/// What the HTTP port answers to a plain request: the head, and the body.
async fn http_get(t: &Harness, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(t.http).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", t.http);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

/// The keys as any verifier reads them.
async fn jwks(t: &Harness) -> Value {
    let (head, body) = http_get(t, "/.well-known/jwks.json").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    serde_json::from_str(&body).unwrap()
}

async fn grpc_keys(t: &Harness) -> Vec<pb::Jwk> {
    let mut client = t.clients().sessions;
    let answer = client.get_jwks(pb::GetJwksRequest {}).await.unwrap().into_inner();
    assert!(answer.request_id.starts_with("request-id-test-"), "{answer:?}");
    answer.keys
}

async fn login(t: &Harness) -> pb::DiscoveryServiceCreateOrganizationResponse {
    let clients = t.clients();
    let token = clients.token("ada@acme.com").await;
    clients.spend(creation(&token)).await.unwrap().into_inner()
}

/// The claims of a JWT that is verified as a stranger does it.
async fn verified(t: &Harness, jwt: &str) -> Value {
    let set: JwkSet = serde_json::from_value(jwks(t).await).unwrap();
    let header = decode_header(jwt).unwrap();
    let key = DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
    validation.set_audience(&[project(t).await]);
    decode::<Value>(jwt, &key, &validation).unwrap().claims
}

async fn project(t: &Harness) -> String {
    let project = rows(&t.database().await, "SELECT id FROM project", vec![]).await;
    assert_eq!(project.len(), 1);
    format!("project-test-{}", project[0].try_get::<uuid::Uuid>("", "id").unwrap())
}

async fn grpc_and_http_serve_the_same_keys(t: Harness) {
    let (head, body) = http_get(&t, "/.well-known/jwks.json").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("cache-control: public, max-age=300"), "{head}");
    let served: Value = serde_json::from_str(&body).unwrap();
    let [key] = grpc_keys(&t).await.try_into().unwrap();
    assert_eq!((key.x.len(), key.y.len()), (43, 43), "{key:?}");
    let uuid = key.kid.strip_prefix("jwk-test-").unwrap();
    assert!(uuid::Uuid::try_parse(uuid).is_ok(), "{key:?}");
    let expected = pb::Jwk {
        kty: "EC".to_owned(),
        r#use: "sig".to_owned(),
        key_ops: vec!["verify".to_owned()],
        alg: "ES256".to_owned(),
        crv: "P-256".to_owned(),
        kid: key.kid.clone(),
        x: key.x.clone(),
        y: key.y.clone(),
        ..pb::Jwk::default()
    };
    assert_eq!(key, expected);
    let json = json!({"keys": [{
        "kty": "EC", "use": "sig", "key_ops": ["verify"], "alg": "ES256", "crv": "P-256",
        "kid": key.kid, "x": key.x, "y": key.y,
    }]});
    assert_eq!(served, json);
    let (head, _) = http_get(&t, "/.well-known/openid-configuration").await;
    assert!(head.starts_with("http/1.1 404 "), "{head}");
}

async fn a_jwt_verifies_with_the_published_keys_alone(t: Harness) {
    let jwt = login(&t).await.session_jwt;
    let header: Value = part(&jwt, 0);
    let kid = &grpc_keys(&t).await[0].kid;
    assert_eq!(header, json!({"typ": "JWT", "alg": "ES256", "kid": kid}));
    let claims = verified(&t, &jwt).await;
    assert_eq!(claims, part(&jwt, 1));
    // One bit of another signature, and it does not.
    let set: JwkSet = serde_json::from_value(jwks(&t).await).unwrap();
    let key = DecodingKey::from_jwk(set.find(kid).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_aud = false;
    assert!(decode::<Value>(&jwt, &key, &validation).is_ok());
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    signature[40] ^= 1;
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(decode::<Value>(&forged, &key, &validation).is_err());
}

/// A part of a JWT, unverified.
fn part(jwt: &str, index: usize) -> Value {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rs256_by_setting() {
    let setup = Setup::embedded();
    let mut t = setup.with(|config| config.jwt_algorithm = JwtAlgorithm::Rs256).start().await;
    let jwt = login(&t).await.session_jwt;
    let [key] = grpc_keys(&t).await.try_into().unwrap();
    assert_eq!(part(&jwt, 0), json!({"typ": "JWT", "alg": "RS256", "kid": key.kid}));
    assert_eq!(verified(&t, &jwt).await, part(&jwt, 1));
    assert_eq!((key.kty.as_str(), key.alg.as_str(), key.e.as_str()), ("RSA", "RS256", "AQAB"));
    assert_eq!(URL_SAFE_NO_PAD.decode(&key.n).unwrap().len(), 256);
    assert_eq!((key.crv.as_str(), key.x.as_str(), key.y.as_str()), ("", "", ""));
    let served = jwks(&t).await;
    assert_eq!(
        served,
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "key_ops": ["verify"], "alg": "RS256", "kid": key.kid,
            "x5c": [], "x5tS256": "", "n": key.n, "e": key.e,
        }]})
    );
    // Back to ES256: JWTs of before still verify.
    t.config.jwt_algorithm = JwtAlgorithm::Es256;
    t.restart().await;
    let both: HashSet<_> = grpc_keys(&t).await.into_iter().map(|key| key.alg).collect();
    assert_eq!(both, HashSet::from(["ES256".to_owned(), "RS256".to_owned()]));
    assert_eq!(verified(&t, &jwt).await, part(&jwt, 1));
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap()
}

async fn every_claim_has_its_value(t: Harness) {
    let clients = t.clients();
    let sms = pb::VouchedFactor { phone_number: Some("+14155550123".to_owned()), ..factor("otp", "sms") };
    let tenants = |provider: &str| pb::VouchedFactor {
        provider_tenant_ids: vec!["T1".to_owned(), "T2".to_owned()],
        ..oauth(provider, true)
    };
    let factors = vec![magic_link(), oauth("oauth_microsoft", true), tenants("oauth_github"), sms];
    let token = clients.token_with("ada@acme.com", factors).await;
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        organization_slug: Some("Acme".to_owned()),
        session_duration_minutes: Some(90),
        session_custom_claims: Some(object(&json!({"plan": {"seats": 3}, "sub": "evil"}))),
        ..creation(&token)
    };
    let created = clients.spend(request).await.unwrap().into_inner();
    let session = created.member_session.unwrap();
    let [email, microsoft, github, phone] = session.authentication_factors.try_into().unwrap();
    let email_id = email.email_factor.unwrap().email_id;
    let now = t.clock.now();
    let factor = |kind: &str, method: &str, order: &str, name: &str, detail: Value| {
        json!({
            "type": kind, "delivery_method": method, "sequence_order": order, name: detail,
            "created_at": rfc3339(now), "updated_at": rfc3339(now), "last_authenticated_at": rfc3339(now),
        })
    };
    let email = json!({"email_id": email_id, "email_address": "ada@acme.com"});
    let microsoft = json!({
        "id": microsoft.microsoft_oauth_factor.unwrap().id, "provider_subject": "subject-1", "email_id": email_id,
    });
    let github = json!({
        "id": github.github_oauth_factor.unwrap().id, "provider_subject": "subject-1",
        "provider_tenant_ids": ["T1", "T2"],
    });
    let phone_id = phone.phone_number_factor.unwrap().phone_id;
    let phone = json!({"phone_id": phone_id, "phone_number": "+14155550123"});
    let project = project(&t).await;
    let expected = json!({
        "iss": format!("vestibule/{project}"),
        "aud": [project],
        "sub": created.member_id,
        "iat": now.unix_timestamp(),
        "nbf": now.unix_timestamp(),
        "exp": now.unix_timestamp() + 300,
        "plan": {"seats": 3},
        "https://stytch.com/session": {
            "id": session.member_session_id,
            "started_at": rfc3339(now),
            "last_accessed_at": rfc3339(now),
            "expires_at": rfc3339(now + Duration::minutes(90)),
            "attributes": {"user_agent": "", "ip_address": ""},
            "roles": ["stytch_member", "stytch_admin"],
            "authentication_factors": [
                factor("magic_link", "email", "PRIMARY", "email_factor", email),
                factor("oauth", "oauth_microsoft", "PRIMARY", "microsoft_oauth_factor", microsoft),
                factor("oauth", "oauth_github", "PRIMARY", "github_oauth_factor", github),
                factor("otp", "sms", "SECONDARY", "phone_number_factor", phone),
            ],
        },
        "https://stytch.com/organization": {
            "organization_id": created.organization.unwrap().organization_id, "slug": "Acme",
        },
    });
    assert_eq!(verified(&t, &created.session_jwt).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_issuer_is_a_setting() {
    let setup = Setup::embedded();
    let t = setup.with(|config| config.jwt_issuer = Some("https://id.acme.com".to_owned())).start().await;
    let claims = verified(&t, &login(&t).await.session_jwt).await;
    assert_eq!(claims["iss"], "https://id.acme.com");
}

async fn keys_outlive_a_restart(mut t: Harness) {
    let (keys, project_before, jwt) = (grpc_keys(&t).await, project(&t).await, login(&t).await.session_jwt);
    t.restart().await;
    assert_eq!(grpc_keys(&t).await, keys);
    assert_eq!(project(&t).await, project_before);
    verified(&t, &jwt).await;
}

/// Replicas that start at the same moment, on an empty database and an empty directory, agree on
/// the deployment's id and its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_agree() {
    for algorithm in [JwtAlgorithm::Es256, JwtAlgorithm::Rs256] {
        let setup = Setup::postgres().await.with(|config| config.jwt_algorithm = algorithm);
        let mut starting = JoinSet::new();
        for _ in 0..6 {
            let (config, clock) = (setup.config.clone(), Arc::clone(&setup.clock) as Arc<dyn Clock>);
            starting.spawn(async move {
                App::build(&config, clock, Arc::new(OsEntropy), Metrics::unread()).await.unwrap()
            });
        }
        let started = starting.join_all().await;
        assert_eq!(started.len(), 6);
        drop(started);
        let mut t = setup.start().await;
        let keys = grpc_keys(&t).await;
        assert_eq!(keys.len(), 1, "{keys:?}");
        project(&t).await;
        // A JWT of one replica verifies with the keys of another.
        let replica = t.replica().await;
        let token = replica.token("ada@acme.com").await;
        let created = replica.spend(creation(&token)).await.unwrap().into_inner();
        verified(&t, &created.session_jwt).await;
    }
}

/// The first of several that start in one empty directory makes the sealing key, and none of the
/// others ever sees half of it. Nothing listens at the database's address: that far they come.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn replicas_that_start_together_share_a_sealing_key() {
    let mut starting = JoinSet::new();
    for setup in std::iter::repeat_with(Setup::embedded).take(50) {
        let setup = setup.with(|config| {
            config.database_url = Some("postgres://127.0.0.1:1/nowhere".into());
            config.redis_url = Some("redis://127.0.0.1:1/".into());
        });
        for _ in 0..4 {
            let (config, clock) = (setup.config.clone(), Arc::clone(&setup.clock) as Arc<dyn Clock>);
            starting.spawn(async move {
                let error = App::build(&config, clock, Arc::new(OsEntropy), Metrics::unread())
                    .await
                    .expect_err("no database");
                (config.data_dir, error)
            });
        }
    }
    let mut directories = HashSet::new();
    for (directory, error) in starting.join_all().await {
        assert!(matches!(error, StartError::Store(_)), "{error:?}");
        directories.insert(directory);
    }
    for directory in directories {
        let files = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name());
        assert_eq!(files.collect::<Vec<_>>(), ["sealing.key"]);
        std::fs::remove_dir_all(directory).unwrap();
    }
}

async fn private_keys_are_sealed(t: Harness) {
    let stored = rows(&t.database().await, "SELECT sealed_private_key FROM signing_keys", vec![]).await;
    assert_eq!(stored.len(), 1);
    let sealed: Vec<u8> = stored[0].try_get("", "sealed_private_key").unwrap();
    // In PKCS#8 (RFC 5958) the algorithm's identifier stands in the clear: id-ecPublicKey.
    let ec_public_key = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    assert!(!sealed.windows(ec_public_key.len()).any(|window| window == ec_public_key));
    // The public point would stand in it too.
    let x = URL_SAFE_NO_PAD.decode(&grpc_keys(&t).await[0].x).unwrap();
    assert!(!sealed.windows(x.len()).any(|window| window == x));
}

async fn the_wrong_sealing_key_is_refused_in_words(mut t: Harness) {
    t.stop().await;
    let entropy: &dyn Entropy = &OsEntropy;
    let bytes: [u8; 32] = entropy.bytes();
    let file = t.config.data_dir.join("another.key");
    std::fs::write(&file, STANDARD.encode(bytes)).unwrap();
    let mut config = t.config.clone();
    config.sealing_key_file = Some(file.clone());
    let words = refused_start(&t, &config).await;
    assert!(words.starts_with("the signing keys are not usable: "), "{words}");
    assert!(words.contains("is this the sealing key that the database was used with before?"), "{words}");
    assert!(words.ends_with("it was not sealed with this sealing key"), "{words}");
    std::fs::write(&file, "short").unwrap();
    let words = refused_start(&t, &config).await;
    assert_eq!(
        words,
        "the sealing key is not usable: a sealing key is 32 bytes in base64, as `openssl rand -base64 32` \
         prints them"
    );
    config.sealing_key_file = Some(t.config.data_dir.join("nowhere.key"));
    let words = refused_start(&t, &config).await;
    assert!(words.starts_with("the file of --sealing-key-file can't be read: "), "{words}");
}

/// What a server that does not start says, with its causes.
async fn refused_start(t: &Harness, config: &vestibule::config::Config) -> String {
    let clock = Arc::clone(&t.clock) as Arc<dyn Clock>;
    let error = App::build(config, clock, Arc::new(OsEntropy), Metrics::unread())
        .await
        .expect_err("it does not start");
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
