//! What holds for every method by its mere description: what is no text, what is too large, what comes
//! too late and what comes as a member is refused before anything happens. And the methods that people
//! log in by, with all else in order, say which text is wrong.

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};
use serde_json::json;
use tonic::Code;
use vestibule::pb;

use super::LARGEST;
use crate::coverage::stand::Stand;
use crate::harness::Harness;
use crate::harness::json::object;
use crate::harness::logins::{by_token, exchange, listing, switch};
use crate::harness::raw::{RawClient, frame};
use crate::harness::refusal::refused;
use crate::isolation::requests::valid;

/// Fields that say who asks, of which a request has one.
const CREDENTIALS: [&str; 3] = ["intermediate_session_token", "session_token", "session_jwt"];

/// A field that takes a text.
#[derive(Clone, Debug)]
struct Text {
    /// How refusals call it.
    path: String,
    /// The numbers of the fields that lead to it, the outermost first.
    numbers: Vec<u32>,
}

impl Text {
    /// A message with this in the field and nothing else.
    fn message(&self, content: &[u8]) -> Vec<u8> {
        self.numbers.iter().rev().fold(content.to_vec(), |content, number| {
            let mut message = Vec::new();
            encode_key(*number, WireType::LengthDelimited, &mut message);
            encode_varint(content.len() as u64, &mut message);
            [message, content].concat()
        })
    }
}

/// A method, and its request.
#[derive(Debug)]
struct Method {
    /// `SessionService/GetJwks`.
    name: String,
    texts: Vec<Text>,
    /// The numbers of [`CREDENTIALS`].
    credentials: Vec<u32>,
}

impl Method {
    fn path(&self) -> String {
        format!("/vestibule.v1.{}", self.name)
    }

    /// Whether people log in by it, or stay so.
    fn is_about_logins(&self) -> bool {
        let (service, name) = self.name.split_once('/').unwrap();
        match service {
            "DiscoveryService" => name != "CreateOrganization",
            "SessionService" => name != "GetJwks",
            _ => false,
        }
    }
}

fn methods() -> Vec<Method> {
    let files = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap().file;
    let files: Vec<_> = files.into_iter().filter(|file| file.package() == "vestibule.v1").collect();
    let messages: Vec<_> = files.iter().flat_map(|file| &file.message_type).collect();
    let mut methods = Vec::new();
    for service in files.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let request = message(&messages, method.input_type()).unwrap();
            let credential = |name: &&str| request.field.iter().find(|field| field.name() == *name);
            methods.push(Method {
                name: format!("{}/{}", service.name(), method.name()),
                texts: texts(&messages, request, "", &[]),
                credentials: CREDENTIALS.iter().filter_map(credential).map(number).collect(),
            });
        }
    }
    assert!(methods.len() >= 30 && methods.iter().filter(|method| method.is_about_logins()).count() == 7);
    methods
}

fn number(field: &prost_types::FieldDescriptorProto) -> u32 {
    u32::try_from(field.number()).unwrap()
}

fn message<'a>(messages: &[&'a DescriptorProto], name: &str) -> Option<&'a DescriptorProto> {
    let name = name.strip_prefix(".vestibule.v1.")?;
    messages.iter().find(|message| message.name() == name).copied()
}

/// Every text of a message, and of those in it.
fn texts(messages: &[&DescriptorProto], of: &DescriptorProto, path: &str, above: &[u32]) -> Vec<Text> {
    let mut found = Vec::new();
    for field in &of.field {
        let path = format!("{path}{}", field.name());
        let numbers = [above, &[number(field)]].concat();
        match (field.r#type(), message(messages, field.type_name())) {
            (Type::String, _) => found.push(Text { path, numbers }),
            (Type::Message, Some(inner)) => {
                found.extend(texts(messages, inner, &format!("{path}."), &numbers));
            }
            _ => {}
        }
    }
    found
}

/// A message without some of its fields.
fn without(mut message: &[u8], numbers: &[u32]) -> Vec<u8> {
    let mut kept = Vec::new();
    while !message.is_empty() {
        let before = message;
        let (number, wire_type) = decode_key(&mut message).unwrap();
        skip_field(wire_type, number, &mut message, DecodeContext::default()).unwrap();
        if !numbers.contains(&number) {
            kept.extend_from_slice(&before[..before.len() - message.len()]);
        }
    }
    kept
}

/// A server, and what stands on it.
struct Standing {
    t: Harness,
    stand: Stand,
    client: RawClient,
    written: [i64; 3],
}

impl Standing {
    async fn new() -> Self {
        let t = Harness::embedded().await;
        let stand = Stand::new(&t.clients()).await;
        let client = RawClient::connect(t.grpc).await;
        let written = written(&t).await;
        Self { t, stand, client, written }
    }

    /// A request of a method that people log in by; of others an empty one.
    fn request(&self, method: &Method) -> Vec<u8> {
        if method.is_about_logins() { valid(&method.name, &self.stand) } else { vec![] }
    }

    /// Asserts that nothing has happened: not to the tokens either.
    async fn nothing_has_happened(self) {
        assert_eq!(written(&self.t).await, self.written);
        let clients = self.t.clients();
        let found = clients.authenticate(by_token(&self.stand.session_token)).await.unwrap().into_inner();
        assert_eq!(found.member_session.unwrap(), self.stand.session);
        clients.discovered(listing(&self.stand.token)).await.unwrap();
        clients.exchange(exchange(&self.stand.member_token, &self.stand.organization_id)).await.unwrap();
    }
}

async fn written(t: &Harness) -> [i64; 3] {
    [t.count("events").await, t.count("sessions").await, t.count("idempotency_records").await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_text_is_a_bad_request() {
    let standing = Standing::new().await;
    for method in methods() {
        for text in &method.texts {
            for bytes in [&[0xc3, 0x28][..], &[0xed, 0xa0, 0x80]] {
                let request = [standing.request(&method), text.message(bytes)].concat();
                let answer = standing.client.call(&method.path(), &[], frame(&request)).await;
                refused(answer, Code::InvalidArgument, "BAD_REQUEST");
            }
        }
        for undecodable in [&[0x0f][..], &[0xff; 11], &[0x0a, 0x05, b'A']] {
            let answer = standing.client.call(&method.path(), &[], frame(undecodable)).await;
            refused(answer, Code::InvalidArgument, "BAD_REQUEST");
        }
    }
    standing.nothing_has_happened().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_null_byte_is_refused_where_it_stands() {
    let standing = Standing::new().await;
    for method in methods().iter().filter(|method| method.is_about_logins()) {
        for text in &method.texts {
            for content in ["\0", "a\0b", "\u{202e}\0"] {
                let whole = standing.request(method);
                let is_credential = CREDENTIALS.contains(&text.path.as_str());
                let rest = if is_credential { without(&whole, &method.credentials) } else { whole };
                let request = [rest, text.message(content.as_bytes())].concat();
                let answer = standing.client.call(&method.path(), &[], frame(&request)).await;
                let refusal = crate::harness::refusal::Refusal::of(&answer.unwrap_err());
                assert_eq!(refusal.code, Code::InvalidArgument, "{method:?} {text:?} {refusal:?}");
                let fields: Vec<_> = refusal.fields.iter().map(|(field, _)| field.as_str()).collect();
                assert_eq!(fields, [text.path.as_str()], "{method:?} {refusal:?}");
            }
        }
    }
    standing.nothing_has_happened().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_refused_for_what_is_in_them() {
    let standing = Standing::new().await;
    let (clients, stand) = (standing.t.clients(), &standing.stand);
    let many: serde_json::Map<_, _> = (0..150_000).map(|key| (key.to_string(), json!(1))).collect();
    for (claims, reason) in [
        (json!({"k": "x".repeat(LARGEST - 1_000)}), "CUSTOM_CLAIMS_TOO_LARGE"),
        (json!(many), "CUSTOM_CLAIMS_TOO_LARGE"),
        (json!({"k": "x".repeat(LARGEST)}), "REQUEST_TOO_LARGE"),
        (json!({"k": "a\0b"}), "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON"),
        (json!({"a\0b": 1}), "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON"),
        (json!({"k": [{"a\0b": 1}]}), "UNABLE_TO_REPRESENT_CUSTOM_CLAIMS_JSON"),
        (json!({"https://stytch.com/session": 1}), "STYTCH_CLAIMS_IN_CUSTOM_CLAIMS"),
    ] {
        let session_custom_claims = Some(object(claims));
        let code =
            if reason == "REQUEST_TOO_LARGE" { Code::ResourceExhausted } else { Code::InvalidArgument };
        let request = pb::ExchangeIntermediateSessionRequest {
            session_custom_claims: session_custom_claims.clone(),
            ..exchange(&stand.member_token, &stand.organization_id)
        };
        refused(clients.exchange(request).await, code, reason);
        let request = pb::AuthenticateSessionRequest {
            session_custom_claims: session_custom_claims.clone(),
            ..by_token(&stand.session_token)
        };
        refused(clients.authenticate(request).await, code, reason);
        let request = pb::ExchangeSessionRequest {
            session_custom_claims,
            ..switch(&stand.session_token, &stand.invited_to)
        };
        refused(clients.switch(request).await, code, reason);
    }
    standing.nothing_has_happened().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_not_read() {
    let standing = Standing::new().await;
    let endless = [vec![0], u32::MAX.to_be_bytes().to_vec(), vec![0; 10]].concat();
    for method in methods() {
        let answer = standing.client.call(&method.path(), &[], endless.clone()).await;
        refused(answer, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
    }
    standing.nothing_has_happened().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_too_late_does_nothing() {
    let standing = Standing::new().await;
    for method in methods() {
        let request = frame(&standing.request(&method));
        for timeout in ["0n", "0S", "1n"] {
            let headers = [("grpc-timeout", timeout), ("idempotency-key", "key")];
            let answer = standing.client.call(&method.path(), &headers, request.clone()).await;
            refused(answer, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        }
    }
    standing.nothing_has_happened().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_calls_as_a_member() {
    let standing = Standing::new().await;
    for method in methods() {
        let request = frame(&standing.request(&method));
        for header in ["x-stytch-member-session", "x-stytch-member-sessionjwt"] {
            for value in ["", standing.stand.session_token.as_str()] {
                let answer = standing.client.call(&method.path(), &[(header, value)], request.clone()).await;
                let refusal = refused(answer, Code::Unimplemented, "MEMBER_SESSION_NOT_SUPPORTED");
                assert_eq!(refusal.metadata["header"], header);
            }
        }
    }
    standing.nothing_has_happened().await;
}
