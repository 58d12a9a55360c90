//! A permission for every call, whatever it asks about: over every method, and every set of permissions.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Response, Status};
use vestibule::domain::permission::Permission::{self, Admin, Discover, Read, Verify, Vouch, Write};
use vestibule::pb;

use super::UNAUTHORIZED;
use crate::coverage::stand::Stand;
use crate::harness::callers::Key;
use crate::harness::fixtures::{creation, factor, magic_link, organization};
use crate::harness::raw::{RawClient, frame};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, Setup};
use crate::isolation::requests::valid;

/// What each permission but `admin` lets do apart.
const APART: [Permission; 5] = [Read, Write, Verify, Discover, Vouch];

/// A version 7 UUID that no id has.
const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Every method, like `SessionService/GetJwks`.
fn methods() -> Vec<String> {
    let files = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap().file;
    let services =
        files.iter().filter(|file| file.package() == "vestibule.v1").flat_map(|file| &file.service);
    let names = services.flat_map(|service| {
        service.method.iter().map(|method| format!("{}/{}", service.name(), method.name()))
    });
    names.collect()
}

/// The permissions of which a call needs one; `None`: it needs no credential.
fn needed(method: &str) -> Option<&'static [Permission]> {
    let (service, name) = method.split_once('/').unwrap();
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    Some(match service {
        "IntermediateSessionService" => &[Vouch],
        "DiscoveryService" => &[Discover],
        "OrganizationService" | "MemberService" if begins(&["Get", "Search"]) => &[Read],
        "OrganizationService" | "MemberService"
            if begins(&["Create", "Batch", "Update", "Delete", "Invite", "Reactivate", "Unlink"]) =>
        {
            &[Write]
        }
        "SessionService" => match name {
            "GetJwks" => return None,
            "AuthenticateSession" | "GetSessions" => &[Verify],
            "ExchangeSession" => &[Discover],
            "RevokeSession" => &[Discover, Write],
            new => panic!("say here what {new} needs"),
        },
        _ => panic!("say here what {method} needs"),
    })
}

fn path(method: &str) -> String {
    format!("/vestibule.v1.{method}")
}

/// A request about what stands there.
fn about(method: &str, stand: &Stand) -> Vec<u8> {
    let intermediate_session_token = stand.token.clone();
    match method {
        "OrganizationService/CreateOrganization" => organization("Initech").encode_to_vec(),
        "OrganizationService/SearchOrganizations" => {
            pb::SearchOrganizationsRequest::default().encode_to_vec()
        }
        "DiscoveryService/CreateOrganization" => creation(&stand.token).encode_to_vec(),
        "IntermediateSessionService/CreateIntermediateSession" => pb::CreateIntermediateSessionRequest {
            email_address: "ada@acme.com".to_owned(),
            factors: vec![magic_link()],
        }
        .encode_to_vec(),
        "IntermediateSessionService/AddFactor" => {
            let factor = Some(factor("totp", "authenticator_app"));
            pb::AddFactorRequest { intermediate_session_token, factor }.encode_to_vec()
        }
        "IntermediateSessionService/GetIntermediateSession" => {
            pb::GetIntermediateSessionRequest { intermediate_session_token }.encode_to_vec()
        }
        "IntermediateSessionService/RevokeIntermediateSession" => {
            pb::RevokeIntermediateSessionRequest { intermediate_session_token }.encode_to_vec()
        }
        "SessionService/RevokeSession" => pb::RevokeSessionRequest {
            session_token: Some(stand.session_token.clone()),
            ..pb::RevokeSessionRequest::default()
        }
        .encode_to_vec(),
        "SessionService/GetJwks" => vec![],
        other => valid(other, stand),
    }
}

/// What stands nowhere, with ids and tokens like those of what does.
async fn absent(t: &Harness, admin: &Key) -> Stand {
    let mut stand = Stand::new(&t.clients_with(&admin.text)).await;
    stand.organization_id = format!("organization-test-{NOBODY}");
    (stand.deleted_member_id, stand.member.member_id) =
        (format!("member-test-{NOBODY}"), format!("member-test-{NOBODY}"));
    let token = format!("{}=", "A".repeat(43));
    (stand.session_token, stand.member_token, stand.token) = (token.clone(), token.clone(), token);
    stand
}

/// A key for each set of permissions without `admin`.
fn keys() -> Vec<(Vec<Permission>, Key)> {
    let sets = (1..1 << APART.len()).map(|set| {
        let held = (0..).zip(APART).filter(|(bit, _)| set & (1 << bit) != 0).map(|(_, one)| one);
        let held: Vec<_> = held.collect();
        let key = Key::new(&format!("caller-{set}"), &held);
        (held, key)
    });
    sets.collect()
}

fn lines<'a>(keys: &'a [(Vec<Permission>, Key)], admin: &'a Key) -> Vec<&'a str> {
    keys.iter().map(|(_, key)| key).chain([admin]).map(|key| key.line.as_str()).collect()
}

async fn call(
    client: &RawClient,
    method: &str,
    key: Option<&Key>,
    body: &[u8],
) -> Result<Response<Vec<u8>>, Status> {
    let bearer = key.map(|key| format!("Bearer {}", key.text));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    client.call(&path(method), &headers, body.to_vec()).await
}

/// What a refusal says, without the id of its call.
fn said(refusal: Refusal) -> (String, HashMap<String, String>) {
    let mut metadata = refusal.metadata;
    metadata.remove("request_id");
    assert_eq!(metadata.remove("http_status").as_deref(), Some("403"));
    assert!(refusal.fields.is_empty() && refusal.retry_after.is_none());
    (refusal.message, metadata)
}

/// How much there is in the database and in Redis.
async fn written(t: &Harness) -> (Vec<i64>, usize) {
    let mut counts = Vec::new();
    for table in ["organizations", "members", "sessions", "events", "idempotency_records"] {
        counts.push(t.count(table).await);
    }
    (counts, t.keys().await.len())
}

/// The database and Redis are away meanwhile: who asked them anything could not say that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_call_learns_and_does_nothing() {
    let (keys, admin) = (keys(), Key::new("admin", &[Admin]));
    let t = Setup::stage().await.callers(&lines(&keys, &admin)).start().await;
    let (stand, nowhere) = (Stand::new(&t.clients_with(&admin.text)).await, absent(&t, &admin).await);
    let (stage, client) = (t.stage.as_ref().unwrap(), RawClient::connect(t.grpc).await);
    let before = written(&t).await;
    stage.postgres_proxy.refuse();
    stage.redis_proxy.refuse();
    for method in methods() {
        let Some(needed) = needed(&method) else { continue };
        let words: Vec<_> = needed.iter().map(|one| one.as_str()).collect();
        let bodies = [
            frame(&about(&method, &stand)),
            frame(&about(&method, &nowhere)),
            frame(&[]),
            frame(&[0xff]),
            b"no message".to_vec(),
            vec![],
        ];
        let mut answers = Vec::new();
        let lacking = keys.iter().filter(|(held, _)| !needed.iter().any(|one| held.contains(one)));
        for (held, key) in lacking {
            for body in &bodies {
                let answer = call(&client, &method, Some(key), body).await;
                let refusal = Refusal::of(&answer.expect_err(&method));
                assert_eq!(refusal.code, Code::PermissionDenied, "{method} with {held:?}: {refusal:?}");
                assert_eq!(refusal.reason, "CALLER_NOT_PERMITTED", "{method} with {held:?}");
                answers.push(said(refusal));
            }
        }
        assert!(answers.len() >= 6 * 7, "{method}: {}", answers.len());
        answers.dedup();
        assert_eq!(answers.len(), 1, "{method}: {answers:?}");
        assert_eq!(answers[0].1, [("permissions".to_owned(), words.join(","))].into(), "{method}");
        // Whoever may call gets that far.
        let code = call(&client, &method, Some(&admin), &bodies[0]).await.expect_err(&method).code();
        assert!(![Code::PermissionDenied, Code::Unauthenticated].contains(&code), "{method}: {code:?}");
        refused(call(&client, &method, None, &bodies[0]).await, Code::Unauthenticated, UNAUTHORIZED);
    }
    stage.postgres_proxy.pass();
    stage.redis_proxy.pass();
    assert_eq!(written(&t).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_permission_of_those_needed_is_enough() {
    let (keys, admin) = (keys(), Key::new("admin", &[Admin]));
    let t = Setup::embedded().callers(&lines(&keys, &admin)).start().await;
    let client = RawClient::connect(t.grpc).await;
    for method in methods() {
        let needed = needed(&method).unwrap_or(&APART);
        let stand = Stand::new(&t.clients_with(&admin.text)).await;
        let enough: Vec<_> =
            keys.iter().filter(|(held, _)| needed.iter().any(|one| *held == [*one])).collect();
        assert_eq!(enough.len(), needed.len());
        for key in enough.into_iter().map(|(_, key)| key).chain([&admin]) {
            for body in [frame(&[0xff]), frame(&[]), frame(&about(&method, &stand))] {
                let code = call(&client, &method, Some(key), &body).await.err().map(|status| status.code());
                let refusals = [Some(Code::PermissionDenied), Some(Code::Unauthenticated)];
                assert!(!refusals.contains(&code), "{method}: {code:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_credential_there_is_nothing_but_what_is_open() {
    let key = Key::new("reader", &[Read]);
    let t = Setup::embedded().callers(&[&key.line]).start().await;
    let client = RawClient::connect(t.grpc).await;
    for method in methods() {
        for body in [frame(&[]), frame(&[0xff]), b"no message".to_vec(), vec![], frame(&vec![0; 5 << 20])] {
            let answer = call(&client, &method, None, &body).await;
            match needed(&method) {
                Some(_) => drop(refused(answer, Code::Unauthenticated, UNAUTHORIZED)),
                None => assert_ne!(answer.err().map(|status| status.code()), Some(Code::Unauthenticated)),
            }
        }
    }
    call(&client, "SessionService/GetJwks", None, &frame(&[])).await.unwrap();
    let check = client.call("/grpc.health.v1.Health/Check", &[], frame(&[])).await;
    check.unwrap();
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        // ServerReflectionRequest.list_services = 7, a text.
        client.call(&path, &[], frame(&[0x3a, 0])).await.unwrap();
    }
}

/// Whoever is not known does not learn what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_that_do_not_exist() {
    let key = Key::new("reader", &[Read]);
    let t = Setup::embedded().callers(&[&key.line]).start().await;
    let client = RawClient::connect(t.grpc).await;
    let bearer = format!("Bearer {}", key.text);
    for path in [
        "/",
        "/nobody.Knows/This",
        "/vestibule.v1.MemberService/Nothing",
        "/vestibule.v1.MemberService/",
        "/vestibule.v1.MemberService/getmember",
        "/vestibule.v1.MemberService/GetMember/",
        "//vestibule.v1.MemberService/GetMember",
        "/vestibule.v1.MemberService/%47etMember",
        "/vestibule.v1.SessionService/GetJwks/",
        "/grpc.health.v1.Health/Nothing",
        "/grpc.health.v1.Health/Check/../../vestibule.v1.MemberService/GetMember",
    ] {
        let answer = client.call(path, &[], frame(&[])).await;
        refused(answer, Code::Unauthenticated, UNAUTHORIZED);
        let answer = client.call(path, &[("authorization", &bearer)], frame(&[])).await;
        refused(answer, Code::Unimplemented, "ROUTE_NOT_FOUND");
    }
}

/// Who calls comes before whether they may, and that before what is wrong with the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_come_in_their_order() {
    let key = Key::new("reader", &[Read]);
    let t = Setup::embedded().callers(&[&key.line]).start().await;
    let client = RawClient::connect(t.grpc).await;
    let bearer = format!("Bearer {}", key.text);
    let member = ("x-stytch-member-session", "token");
    let bad = ("idempotency-key", "");
    let (reading, writing) = (path("MemberService/GetMember"), path("MemberService/CreateMember"));
    let call =
        async |path: &str, headers: &[(&'static str, &str)]| client.call(path, headers, frame(&[0xff])).await;
    refused(call(&writing, &[member, bad]).await, Code::Unauthenticated, UNAUTHORIZED);
    let authorization = ("authorization", bearer.as_str());
    let answer = call(&writing, &[authorization, member, bad]).await;
    refused(answer, Code::PermissionDenied, "CALLER_NOT_PERMITTED");
    let answer = call(&reading, &[authorization, member]).await;
    refused(answer, Code::Unimplemented, "MEMBER_SESSION_NOT_SUPPORTED");
    refused(call(&reading, &[authorization]).await, Code::InvalidArgument, "BAD_REQUEST");
}
