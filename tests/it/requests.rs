//! What holds for every call: what can't be read, the id of the call, deadlines, calls made as a
//! member.

mod every_method;

use std::time::Duration;

use prost::Message as _;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};
use vestibule::clock::{Clock as _, SystemClock};
use vestibule::pb;

use crate::harness::fixtures::{organization, with_key};
use crate::harness::raw::{CREATE, RawClient, frame};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, Setup, database, on_both_backends};

on_both_backends!(
    a_call_gets_an_id,
    a_well_formed_id_is_kept,
    a_malformed_id_is_replaced,
    an_expired_call_does_nothing,
    a_stuck_call_ends_at_its_deadline,
    a_call_as_a_member_is_refused,
);

const GET: &str = "/vestibule.v1.OrganizationService/GetOrganization";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// The largest message, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// A message whose one field, a text under the number 1, makes it `size` bytes long.
fn message_of(size: usize) -> Vec<u8> {
    let message = |length| organization(&"x".repeat(length)).encode_to_vec();
    let around = message(size).len() - size;
    let message = message(size - around);
    assert_eq!(message.len(), size);
    message
}

async fn raw(t: &Harness, path: &str, body: Vec<u8>) -> Result<Response<Vec<u8>>, Status> {
    RawClient::connect(t.grpc).await.call(path, &[], body).await
}

#[tokio::test]
async fn what_can_not_be_decoded_is_a_bad_request() {
    let t = Harness::embedded().await;
    let deep = {
        // Field 5 is the metadata; each value in it holds a list that holds the next value.
        let mut value = vec![];
        for _ in 0..200 {
            let list = [vec![0x0a], length(value.len()), value].concat();
            value = [vec![0x32], length(list.len()), list].concat();
        }
        let entry = [vec![0x0a, 0x01, b'k', 0x12], length(value.len()), value].concat();
        let metadata = [vec![0x0a], length(entry.len()), entry].concat();
        [vec![0x0a, 0x01, b'A', 0x2a], length(metadata.len()), metadata].concat()
    };
    let bodies = [
        ("a wire type that does not exist", frame(&[0x0f])),
        ("a field cut short", frame(&[0x0a, 0x05, b'A'])),
        ("a number where a text belongs", frame(&[0x08, 0x01])),
        ("a varint without end", frame(&[0xff; 11])),
        ("invalid UTF-8 in a text", frame(&[0x0a, 0x02, 0xc3, 0x28])),
        ("a lone surrogate in a text", frame(&[0x0a, 0x03, 0xed, 0xa0, 0x80])),
        ("nesting that is too deep", frame(&deep)),
        ("no message at all", vec![]),
        ("a frame cut short", frame(&[0x0a, 0x01, b'A'])[..6].to_vec()),
        ("half a head", vec![0, 0]),
        ("a compression flag that does not exist", [vec![7], frame(&[])[1..].to_vec()].concat()),
        ("two messages", [frame(&organization("A").encode_to_vec()), frame(&[0xff])].concat()),
    ];
    for (what, body) in bodies {
        let answer = raw(&t, CREATE, body).await;
        let refusal = Refusal::of(&answer.expect_err(what));
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::InvalidArgument, "BAD_REQUEST"), "{what}");
        assert_eq!(refusal.metadata["http_status"], "400", "{what}");
    }
    // Nothing of it is left behind, and what is unknown is no mistake.
    let unknown = [organization("Acme").encode_to_vec(), vec![0xf8, 0x3f, 0x01]].concat();
    raw(&t, CREATE, frame(&unknown)).await.unwrap();
    assert_eq!(t.count("organizations").await, 1);
}

/// A length as protobuf writes it.
fn length(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(length as u64, &mut bytes);
    bytes
}

#[tokio::test]
async fn a_message_has_at_most_four_mebibytes() {
    let t = Harness::embedded().await;
    let over = raw(&t, CREATE, frame(&message_of(LARGEST + 1))).await;
    let refusal = refused(over, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
    assert_eq!(refusal.metadata["http_status"], "429");
    let claimed = [vec![0], u32::MAX.to_be_bytes().to_vec(), vec![0; 10]].concat();
    refused(raw(&t, CREATE, claimed).await, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
    let largest = raw(&t, CREATE, frame(&message_of(LARGEST))).await;
    refused(largest, Code::InvalidArgument, "INVALID_ORGANIZATION_NAME");
    // The generated client meets the same answer.
    let over = t.clients().create(organization(&"x".repeat(LARGEST))).await;
    refused(over, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
}

#[tokio::test]
async fn what_does_not_exist_is_unimplemented() {
    let t = Harness::embedded().await;
    for path in [
        "/vestibule.v1.OrganizationService/DropOrganization",
        "/vestibule.v1.OrganizationService/createOrganization",
        "/vestibule.v1.NoService/CreateOrganization",
        "/vestibule.v1.OrganizationService",
        "/grpc.health.v1.Health/Nothing",
        "/",
        "/favicon.ico",
    ] {
        let answer = raw(&t, path, frame(&[])).await;
        let refusal = Refusal::of(&answer.expect_err(path));
        assert_eq!(
            (refusal.code, refusal.reason.as_str()),
            (Code::Unimplemented, "ROUTE_NOT_FOUND"),
            "{path}"
        );
    }
    let client = RawClient::connect(t.grpc).await;
    let message = organization("Acme").encode_to_vec();
    for (name, value) in [
        ("grpc-encoding", "gzip"),
        ("grpc-encoding", "snappy"),
        ("content-type", "application/json"),
        ("content-type", "application/grpc-web"),
        ("content-type", "application/grpc+json"),
        ("content-type", "text/plain"),
    ] {
        let compressed = [vec![u8::from(name == "grpc-encoding")], frame(&message)[1..].to_vec()].concat();
        let status = client.call(CREATE, &[(name, value)], compressed).await.expect_err(value);
        let accepted = status.metadata().get("grpc-accept-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(accepted, (name == "grpc-encoding").then_some("identity"), "{value}");
        let refusal = Refusal::of(&status);
        assert_eq!(
            (refusal.code, refusal.reason.as_str()),
            (Code::Unimplemented, "ROUTE_NOT_FOUND"),
            "{value}"
        );
    }
    assert_eq!(t.count("organizations").await, 0);
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        let headers = [("content-type", content_type)];
        client.call(CREATE, &headers, frame(&message)).await.expect(content_type);
    }
}

/// A call that creates an organization, with an id from the caller.
fn identified(name: &str, id: &str) -> Request<pb::CreateOrganizationRequest> {
    let mut request = Request::new(organization(name));
    request.metadata_mut().insert("x-request-id", id.parse().unwrap());
    request
}

/// The ids of the calls that events came from.
async fn ids_in_events(t: &Harness) -> Vec<String> {
    let connection = t.database().await;
    let rows = database::rows(&connection, "SELECT request_id FROM events ORDER BY position", vec![]).await;
    rows.iter().map(|row| row.try_get("", "request_id").unwrap()).collect()
}

/// The id of a call that was answered, once its message and its metadata agree on it.
fn id_of(answer: Response<pb::CreateOrganizationResponse>) -> String {
    let header = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert_eq!(answer.into_inner().request_id, header);
    header
}

async fn a_call_gets_an_id(t: Harness) {
    let clients = t.clients();
    let first = id_of(clients.create(organization("Acme")).await.unwrap());
    let second = id_of(clients.create(organization("Acme")).await.unwrap());
    let failed = Refusal::of(&clients.create(organization("")).await.unwrap_err()).request_id;
    let unknown = Refusal::of(&raw(&t, "/nothing", vec![]).await.unwrap_err()).request_id;
    for id in [&first, &second, &failed, &unknown] {
        let uuid = id.strip_prefix("request-id-test-").unwrap();
        assert_eq!(uuid::Uuid::try_parse(uuid).unwrap().get_version_num(), 7);
    }
    assert!(first != second && second != failed && failed != unknown);
    assert_eq!(ids_in_events(&t).await, [first, second]);
}

async fn a_well_formed_id_is_kept(t: Harness) {
    let longest = "x".repeat(128);
    let ids = ["1", "my-request_1.2:3", "01890a5d-ac96-774b-bcce-b302099a8057", longest.as_str()];
    for id in ids {
        assert_eq!(id_of(t.clients().create(identified("Acme", id)).await.unwrap()), id);
        let refusal = Refusal::of(&t.clients().create(identified("", id)).await.unwrap_err());
        assert_eq!(refusal.request_id, id);
        let client = RawClient::connect(t.grpc).await;
        for path in [GET, HEALTH, "/nothing"] {
            let answer = client.call(path, &[("x-request-id", id)], frame(&[0xff])).await;
            assert_eq!(Refusal::of(&answer.unwrap_err()).request_id, id, "{path}");
        }
        let expired = client.call(CREATE, &[("x-request-id", id), ("grpc-timeout", "0n")], vec![]).await;
        assert_eq!(Refusal::of(&expired.unwrap_err()).request_id, id);
    }
    assert_eq!(ids_in_events(&t).await, ids);
}

async fn a_malformed_id_is_replaced(t: Harness) {
    let too_long = "x".repeat(129);
    let client = RawClient::connect(t.grpc).await;
    for id in ["", "a b", "a/b", "a\"b", "schlüssel", "<script>", too_long.as_str()] {
        let answer = client.call(GET, &[("x-request-id", id)], frame(&[])).await;
        let refusal = Refusal::of(&answer.unwrap_err());
        assert!(refusal.request_id.starts_with("request-id-test-"), "{id}: {refusal:?}");
    }
    let answer = id_of(t.clients().create(identified("Acme", "a b")).await.unwrap());
    assert!(answer.starts_with("request-id-test-"), "{answer}");
    assert_eq!(ids_in_events(&t).await, [answer]);
}

async fn an_expired_call_does_nothing(t: Harness) {
    let client = RawClient::connect(t.grpc).await;
    let message = frame(&organization("Acme").encode_to_vec());
    for timeout in ["0n", "0S", "1n", "999u"] {
        let headers = [("grpc-timeout", timeout), ("idempotency-key", "key")];
        let answer = client.call(CREATE, &headers, message.clone()).await;
        let refusal = refused(answer, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        assert_eq!(refusal.metadata["http_status"], "504");
    }
    for table in ["organizations", "events", "idempotency_records"] {
        assert_eq!(t.count(table).await, 0, "{table}");
    }
    // What is no deadline is none, and a long one is no hindrance.
    for timeout in ["", "1", "-1S", "1s", "123456789S", "99999999H", "20S"] {
        let answer = client.call(CREATE, &[("grpc-timeout", timeout)], message.clone()).await;
        answer.unwrap_or_else(|status| panic!("{timeout:?}: {status:?}"));
    }
}

/// Asserts that the call, stuck behind a lock of the test, is ended in time and leaves nothing half done.
async fn stuck(t: &Harness, headers: &[(&'static str, &str)], after: Duration) {
    let blockade = t.block_organizations().await;
    let client = RawClient::connect(t.grpc).await;
    let message = organization("Acme");
    let headers = [&[("idempotency-key", "key")], headers].concat();
    let clock = SystemClock::new();
    let answer = client.call(CREATE, &headers, frame(&message.encode_to_vec())).await;
    let took = clock.monotonic();
    refused(answer, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    assert!(took + Duration::from_millis(10) >= after, "{took:?}");
    assert!(took < after + Duration::from_secs(1), "{took:?}");
    blockade.lift().await;
    // Whether the first attempt is written now or not: a repeat settles it.
    t.clients().create(with_key(message, "key")).await.unwrap();
    for table in ["organizations", "organization_names", "events", "idempotency_records"] {
        assert_eq!(t.count(table).await, 1, "{table}");
    }
}

async fn a_stuck_call_ends_at_its_deadline(t: Harness) {
    stuck(&t, &[("grpc-timeout", "300m")], Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_takes_no_longer_than_the_server_lets_it() {
    let longest = Duration::from_millis(300);
    let setup = Setup::postgres().await.with(|config| config.max_call_duration = longest);
    let t = setup.start().await;
    stuck(&t, &[("grpc-timeout", "1H")], longest).await;
    t.execute("DELETE FROM idempotency_records").await;
    t.execute("DELETE FROM events").await;
    t.execute("DELETE FROM organizations").await;
    stuck(&t, &[], longest).await;
}

async fn a_call_as_a_member_is_refused(t: Harness) {
    for header in ["x-stytch-member-session", "x-stytch-member-sessionjwt"] {
        let mut request = Request::new(organization("Acme"));
        request.metadata_mut().insert(header, MetadataValue::from_static("token"));
        let answer = t.clients().create(request).await;
        let refusal = refused(answer, Code::Unimplemented, "MEMBER_SESSION_NOT_SUPPORTED");
        assert_eq!(refusal.metadata["header"], header);
        let client = RawClient::connect(t.grpc).await;
        for path in [
            GET,
            "/vestibule.v1.DiscoveryService/CreateOrganization",
            "/vestibule.v1.IntermediateSessionService/CreateIntermediateSession",
            "/vestibule.v1.SessionService/GetJwks",
        ] {
            for value in ["", "token"] {
                let answer = client.call(path, &[(header, value)], frame(&[])).await;
                refused(answer, Code::Unimplemented, "MEMBER_SESSION_NOT_SUPPORTED");
            }
        }
    }
    assert_eq!(t.count("organizations").await, 0);
}
