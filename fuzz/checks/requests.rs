//! Requests: whatever bytes come as a message, the answer says what is wrong with them, in bounds, and
//! without telling a token or an address again.
//!
//! The service is a whole one, but for its database, which is closed: what is right with a request ends
//! there, in `UNAVAILABLE`, and nothing of one request is left for the next.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body as Bytes;
use clap::Parser as _;
use http::{HeaderValue, Request, Response};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::FileDescriptorSet;
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;
use vestibule::app::App;
use vestibule::clock::Clock;
use vestibule::config::CommandLine;
use vestibule::domain::reason::Reason;
use vestibule::entropy::OsEntropy;
use vestibule::pb::FILE_DESCRIPTOR_SET;
use vestibule::pb::discovery_service_server::DiscoveryServiceServer;
use vestibule::pb::intermediate_session_service_server::IntermediateSessionServiceServer;
use vestibule::pb::member_service_server::MemberServiceServer;
use vestibule::pb::organization_service_server::OrganizationServiceServer;
use vestibule::pb::session_service_server::SessionServiceServer;
use vestibule::telemetry::metrics::Metrics;

/// The methods by the first byte of an input. New ones come at the end: the corpus counts.
const METHODS: [&str; 31] = [
    "DiscoveryService/CreateOrganization",
    "DiscoveryService/ExchangeIntermediateSession",
    "DiscoveryService/ListDiscoveredOrganizations",
    "DiscoveryService/ExplainDiscovery",
    "IntermediateSessionService/CreateIntermediateSession",
    "IntermediateSessionService/GetIntermediateSession",
    "IntermediateSessionService/AddFactor",
    "IntermediateSessionService/RevokeIntermediateSession",
    "MemberService/CreateMember",
    "MemberService/BatchCreateMembers",
    "MemberService/InviteMember",
    "MemberService/GetMember",
    "MemberService/UpdateMember",
    "MemberService/UnlinkRetiredMemberEmail",
    "MemberService/DeleteMember",
    "MemberService/ReactivateMember",
    "MemberService/SearchMembers",
    "MemberService/DeleteMemberExternalId",
    "MemberService/DeleteMemberMfaPhoneNumber",
    "OrganizationService/CreateOrganization",
    "OrganizationService/GetOrganization",
    "OrganizationService/UpdateOrganization",
    "OrganizationService/DeleteOrganization",
    "OrganizationService/SearchOrganizations",
    "OrganizationService/GetOrganizationMetrics",
    "OrganizationService/DeleteOrganizationExternalId",
    "SessionService/AuthenticateSession",
    "SessionService/GetSessions",
    "SessionService/RevokeSession",
    "SessionService/ExchangeSession",
    "SessionService/GetJwks",
];

/// The most bytes of headers that clients take.
const MAX_HEADERS: usize = 8 * 1024;

/// How many bytes of a secret are a part of it that nobody writes by chance.
const PART: usize = 12;

/// Added to a method whose message comes in a notation.
const NOTATION: u8 = 0x80;

/// A field that no message has, with the value 0.
const UNKNOWN_FIELD: [u8; 6] = [0xf8, 0xff, 0xff, 0xff, 0x0f, 0x00];

static STAND: LazyLock<Stand> = LazyLock::new(Stand::new);

/// What answers.
struct Stand {
    runtime: Runtime,
    routes: Routes,
}

impl Stand {
    fn new() -> Self {
        assert_eq!(sorted(METHODS.map(str::to_owned).to_vec()), sorted(methods()), "list every method");
        let folder = std::env::temp_dir().join(format!("vestibule-fuzz-{}", std::process::id()));
        let flag = folder.to_str().expect("a path of ours");
        let config = CommandLine::parse_from(["vestibule", "--data-dir", flag]).config;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let routes = runtime.block_on(async {
            let app =
                App::build(&config, Arc::new(Fleeting::default()), Arc::new(OsEntropy), Metrics::unread());
            let app = app.await.expect("the embedded default");
            app.store().clone().close().await;
            let api = app.api();
            Routes::new(DiscoveryServiceServer::new(api.clone()))
                .add_service(IntermediateSessionServiceServer::new(api.clone()))
                .add_service(MemberServiceServer::new(api.clone()))
                .add_service(OrganizationServiceServer::new(api.clone()))
                .add_service(SessionServiceServer::new(api.clone()))
                .prepare()
        });
        std::fs::remove_dir_all(&folder).expect("a folder of ours");
        Self { runtime, routes }
    }

    fn answer(&self, method: &str, key: &[u8], message: &[u8]) -> Response<Body> {
        let length = u32::try_from(message.len()).expect("a message of less than 4 GiB");
        let frame = [&[0], length.to_be_bytes().as_slice(), message].concat();
        let mut request = Request::post(format!("http://vestibule/vestibule.v1.{method}"))
            .header("content-type", "application/grpc")
            .body(Body::new(Bytes::from(frame)))
            .expect("a request");
        if let Ok(value) = HeaderValue::from_bytes(key)
            && !key.is_empty()
        {
            request.headers_mut().insert("idempotency-key", value);
        }
        self.runtime.block_on(self.routes.clone().oneshot(request)).expect("routes answer")
    }
}

/// A clock on which what is kept for minutes is gone at the next look, so that memory stays as it is. The
/// signing keys, which go by the other clock, stay.
#[derive(Debug, Default)]
struct Fleeting(AtomicU64);

impl Clock for Fleeting {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_hours(500_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_hours(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn methods() -> Vec<String> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the descriptor set").file;
    let services = files.iter().flat_map(|file| &file.service);
    let names = services.flat_map(|service| {
        service.method.iter().map(|method| format!("{}/{}", service.name(), method.name()))
    });
    names.collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// Checks a call: the method, the length of its idempotency key, the key, and the message, or, where
/// [`NOTATION`] is added to the method, what it is [`written`] in.
pub(crate) fn check(data: &[u8]) {
    let [method, length, rest @ ..] = data else { return };
    let is_notation = method & NOTATION != 0;
    let Some(method) = METHODS.get(usize::from(method & !NOTATION)) else { return };
    let Some((key, message)) = rest.split_at_checked(usize::from(*length)) else { return };
    if is_notation { check_call(method, key, &written(message)) } else { check_call(method, key, message) }
}

fn check_call(method: &str, key: &[u8], message: &[u8]) {
    let answer = STAND.answer(method, key, message);
    let headers = answer.headers();
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(size <= MAX_HEADERS, "{size} bytes of headers");
    let status = Status::from_header_map(headers).unwrap_or_else(|| Status::ok(""));
    if status.code() != Code::Ok {
        check_refusal(&status);
        for secret in [message, key] {
            assert_eq!(common_part(secret, &[status.message().as_bytes(), status.details()]), None);
        }
    }
    if status.code() == Code::Internal {
        return;
    }
    // What a newer client sends beside changes nothing.
    let again = STAND.answer(method, key, &[message, UNKNOWN_FIELD.as_slice()].concat());
    let again = Status::from_header_map(again.headers()).unwrap_or_else(|| Status::ok(""));
    assert_eq!((again.code(), again.message()), (status.code(), status.message()));
    let violations = |status: &Status| format!("{:?}", status.get_details_bad_request());
    assert_eq!(violations(&again), violations(&status));
}

/// Each refusal says why.
fn check_refusal(status: &Status) {
    let details = status.get_error_details();
    let Some(info) = details.error_info() else {
        // The outermost layer gives these their details.
        let undecodable = status.message().starts_with("failed to decode Protobuf message");
        return assert!(status.code() == Code::Internal && undecodable, "{status:?}");
    };
    let known = |text: &str| Reason::ALL.iter().any(|reason| reason.as_str() == text);
    assert!(known(&info.reason), "{status:?}");
    match status.code() {
        Code::InvalidArgument => {
            let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
            let violations = violations.unwrap_or_default();
            assert_eq!(violations.first().map(|first| &first.reason), Some(&info.reason), "{status:?}");
            for violation in violations {
                assert!(known(&violation.reason) && !violation.field.is_empty(), "{status:?}");
                assert!(!violation.description.is_empty(), "{status:?}");
            }
        }
        Code::Unavailable => assert!(details.retry_info().is_some(), "{status:?}"),
        code => assert!([Code::NotFound, Code::FailedPrecondition].contains(&code), "{status:?}"),
    }
}

/// A part of a text that might be a secret, which others have as well.
fn common_part<'a>(text: &'a [u8], others: &[&[u8]]) -> Option<&'a [u8]> {
    let parts: HashSet<_> = text.windows(PART).filter(|part| may_be_secret(part)).collect();
    others.iter().flat_map(|other| other.windows(PART)).find_map(|part| parts.get(part).copied())
}

/// Whether these bytes may be out of a token or an address: no word of ours has an at sign, or letters of both
/// cases and digits.
fn may_be_secret(part: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| part.iter().any(is);
    part.iter().all(u8::is_ascii_graphic)
        && (part.contains(&b'@')
            || (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)))
}

/// The message of a notation that stays one however it is changed, since nothing in it counts bytes. Each
/// field is a sign and its number: `"` and a text up to a NUL, `#` and an integer of two bytes, `.` and a
/// double of eight, or `(` and what is in it up to `)`, which has a number as well that means nothing.
fn written(notation: &[u8]) -> Vec<u8> {
    let mut open = vec![(0, Vec::new())];
    let mut rest = notation;
    while let [sign, number, tail @ ..] = rest {
        rest = tail;
        let number = u32::from(*number).max(1);
        let Some((_, message)) = open.last_mut() else { break };
        match sign {
            b'(' => open.push((number, Vec::new())),
            b')' => close(&mut open),
            b'"' => {
                let end = tail.iter().position(|byte| *byte == 0).unwrap_or(tail.len());
                put(message, number, &tail[..end]);
                rest = tail.get(end + 1..).unwrap_or_default();
            }
            b'#' => {
                let Some((value, tail)) = tail.split_first_chunk() else { break };
                encode_key(number, WireType::Varint, message);
                encode_varint(i64::from(i16::from_be_bytes(*value)).cast_unsigned(), message);
                rest = tail;
            }
            b'.' => {
                let Some((value, tail)) = tail.split_first_chunk::<8>() else { break };
                encode_key(number, WireType::SixtyFourBit, message);
                message.extend_from_slice(value);
                rest = tail;
            }
            _ => {}
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().map(|(_, message)| message).unwrap_or_default()
}

/// Puts the innermost message that is begun into the one around it.
fn close(open: &mut Vec<(u32, Vec<u8>)>) {
    if open.len() > 1
        && let Some((number, inner)) = open.pop()
        && let Some((_, outer)) = open.last_mut()
    {
        put(outer, number, &inner);
    }
}

fn put(message: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(content.len() as u64, message);
    message.extend_from_slice(content);
}
