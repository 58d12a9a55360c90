//! Nobody learns from a refusal what another organization has: over every method, and every field of its
//! request that takes an id.

mod requests;

use std::time::Duration;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;
use serde_json::json;
use tonic::{Code, Status};
use vestibule::pb;

use crate::coverage::stand::Stand;
use crate::harness::members::query;
use crate::harness::raw::{RawClient, frame};
use crate::harness::refusal::Refusal;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    what_is_elsewhere_is_nowhere,
    what_was_deleted_is_nowhere,
    what_can_be_no_id_is_refused,
    ids_of_the_other_environment_are_refused,
    a_search_stays_in_its_organizations,
);

/// A version 7 UUID that no id has.
const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Texts that are neither an id nor a name of any kind.
const MALFORMED: [&str; 6] = ["", " ", "?", "a\0b", "é", "member test"];

/// What a field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Organization,
    Member,
    EmailAddress,
}

impl Names {
    /// What a field names by its name; `None`: it takes no id that this service gives.
    fn of(field: &str) -> Option<Self> {
        match field {
            "organization_id" | "organization_ids" => Some(Self::Organization),
            "member_id" | "invited_by_member_id" => Some(Self::Member),
            "email_id" => Some(Self::EmailAddress),
            // Identifiers that callers choose, and those of things that live elsewhere.
            "external_id"
            | "organization_external_id"
            | "sso_default_connection_id"
            | "invite_template_id"
            | "telemetry_id" => None,
            other if other.ends_with("_id") || other.ends_with("_ids") => {
                panic!("say here what {other} names")
            }
            _ => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Member => "member",
            Self::EmailAddress => "email",
        }
    }

    fn id(self, environment: &str) -> String {
        format!("{}-{environment}-{NOBODY}", self.prefix())
    }

    fn not_found(self) -> &'static str {
        match self {
            Self::Organization => "ORGANIZATION_NOT_FOUND",
            Self::Member => "MEMBER_NOT_FOUND",
            Self::EmailAddress => "EMAIL_NOT_FOUND",
        }
    }

    fn malformed(self) -> &'static str {
        match self {
            Self::Organization => "INVALID_ORGANIZATION_ID",
            Self::Member => "INVALID_MEMBER_ID",
            Self::EmailAddress => "INVALID_ARGUMENT",
        }
    }
}

/// A field of a method's request that takes an id.
#[derive(Clone, Debug)]
struct Field {
    /// `MemberService/GetMember`.
    method: String,
    name: String,
    number: u32,
    repeated: bool,
    names: Names,
}

impl Field {
    /// How refusals call the field, when it has a second value where it can have several.
    fn path(&self) -> String {
        if self.repeated { format!("{}[1]", self.name) } else { self.name.clone() }
    }
}

/// Every field of every method.
fn fields() -> Vec<Field> {
    let files = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap().file;
    let files: Vec<_> = files.into_iter().filter(|file| file.package() == "vestibule.v1").collect();
    let messages: Vec<_> = files.iter().flat_map(|file| &file.message_type).collect();
    let mut fields = Vec::new();
    for service in files.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let request = method.input_type().trim_start_matches(".vestibule.v1.");
            let request = messages.iter().find(|message| message.name() == request).unwrap();
            for field in request.field.iter().filter(|field| field.r#type() == Type::String) {
                let Some(names) = Names::of(field.name()) else { continue };
                fields.push(Field {
                    method: format!("{}/{}", service.name(), method.name()),
                    name: field.name().to_owned(),
                    number: u32::try_from(field.number()).unwrap(),
                    repeated: field.name().ends_with("_ids"),
                    names,
                });
            }
        }
    }
    assert!(fields.len() >= 25, "{fields:?}");
    fields
}

/// What a refusal tells: everything but the id of the call.
#[derive(Debug, PartialEq)]
struct Told {
    code: Code,
    message: String,
    reason: String,
    metadata: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    retry_after: Option<Duration>,
}

impl Told {
    fn by(status: &Status) -> Self {
        let Refusal { code, message, reason, metadata, fields, retry_after, request_id: _ } =
            Refusal::of(status);
        let mut metadata: Vec<_> = metadata.into_iter().filter(|(key, _)| key != "request_id").collect();
        metadata.sort();
        Self { code, message, reason, metadata, fields, retry_after }
    }
}

/// Two organizations, and a connection to their server.
struct Tenants {
    own: Stand,
    other: Stand,
    client: RawClient,
}

impl Tenants {
    async fn new(t: &Harness) -> Self {
        let clients = t.clients();
        let (own, other) = (Stand::new(&clients).await, Stand::new(&clients).await);
        Self { own, other, client: RawClient::connect(t.grpc).await }
    }

    /// Calls the method with a request of the first organization's that would succeed, but for the field.
    async fn refused(&self, field: &Field, value: &str) -> Told {
        let mut request = requests::valid(&field.method, &self.own);
        // Of a field that is there twice the last one counts.
        prost::encoding::string::encode(field.number, &value.to_owned(), &mut request);
        let path = format!("/vestibule.v1.{}", field.method);
        let answer = self.client.call(&path, &[], frame(&request)).await;
        Told::by(&answer.expect_err(&format!("{field:?} {value:?}")))
    }
}

/// How the other organization's things are named.
fn elsewhere(names: Names, other: &Stand) -> Vec<String> {
    match names {
        // Callers may reach every organization: what they must not reach through it are other members.
        Names::Organization => vec![],
        Names::Member => vec![
            other.member.member_id.clone(),
            other.member.external_id.clone().unwrap(),
            other.deleted_member_id.clone(),
        ],
        Names::EmailAddress => {
            vec![other.member.retired_email_addresses[0].email_id.clone()]
        }
    }
}

async fn what_is_elsewhere_is_nowhere(t: Harness) {
    let tenants = Tenants::new(&t).await;
    let events = t.count("events").await;
    for field in fields() {
        let nobody = tenants.refused(&field, &field.names.id("test")).await;
        assert_eq!((nobody.code, nobody.reason.as_str()), (Code::NotFound, field.names.not_found()));
        for value in elsewhere(field.names, &tenants.other) {
            assert_eq!(tenants.refused(&field, &value).await, nobody, "{field:?} {value}");
        }
    }
    assert_eq!(t.count("events").await, events);
}

async fn what_was_deleted_is_nowhere(t: Harness) {
    let tenants = Tenants::new(&t).await;
    let clients = t.clients();
    let gone = tenants.other.organization_id.clone();
    let organization = clients.get(&gone).await.unwrap().into_inner().organization.unwrap();
    let request = pb::DeleteOrganizationRequest { organization_id: gone.clone(), etag: None };
    clients.delete_organization(request).await.unwrap();
    let names = [gone, organization.organization_slug, organization.organization_external_id.unwrap()];
    for field in fields() {
        let nobody = tenants.refused(&field, &field.names.id("test")).await;
        let values = match field.names {
            Names::Organization => names.to_vec(),
            names => elsewhere(names, &tenants.other),
        };
        for value in values {
            assert_eq!(tenants.refused(&field, &value).await, nobody, "{field:?} {value}");
        }
    }
}

async fn what_can_be_no_id_is_refused(t: Harness) {
    let tenants = Tenants::new(&t).await;
    let long = "x".repeat(129);
    for field in fields() {
        for value in MALFORMED.into_iter().chain([long.as_str()]) {
            let told = tenants.refused(&field, value).await;
            assert_eq!(told.code, Code::InvalidArgument, "{field:?} {value:?} {told:?}");
            let violation = (field.path(), field.names.malformed().to_owned());
            assert_eq!(told.fields, [violation], "{field:?} {value:?}");
        }
    }
}

async fn ids_of_the_other_environment_are_refused(t: Harness) {
    let tenants = Tenants::new(&t).await;
    for field in fields() {
        let told = tenants.refused(&field, &field.names.id("live")).await;
        assert_eq!(told.code, Code::InvalidArgument, "{field:?}");
        let violation = (field.path(), "LIVE_ID_USED_IN_TEST_ENVIRONMENT".to_owned());
        assert_eq!(told.fields, [violation], "{field:?}");
    }
}

async fn a_search_stays_in_its_organizations(t: Harness) {
    let Tenants { own, other, .. } = Tenants::new(&t).await;
    let statuses = json!(["pending", "invited", "active", "deleted"]);
    for (name, value, finds) in [
        ("member_ids", json!([other.member.member_id, other.deleted_member_id]), 0),
        ("member_ids", json!([other.member.external_id]), 0),
        // Both organizations have these.
        ("member_emails", json!([other.member.email_address, "ada@acme.com"]), 2),
        ("member_mfa_phone_numbers", json!([other.member.mfa_phone_number]), 1),
        ("member_email_fuzzy", json!("@acme.com"), 2),
        ("member_is_breakglass", json!(false), 2),
    ] {
        let request = pb::SearchMembersRequest {
            organization_ids: vec![own.organization_id.clone()],
            query: query(pb::SearchOperator::And, &[(name, value), ("statuses", statuses.clone())]),
            ..pb::SearchMembersRequest::default()
        };
        let found = t.clients().search_members(request).await.unwrap().into_inner();
        assert_eq!(found.members.len(), finds, "{name}");
        assert_eq!(found.results_metadata.unwrap().total, i32::try_from(finds).unwrap(), "{name}");
        assert!(found.members.iter().all(|member| member.organization_id == own.organization_id), "{name}");
        assert!(found.organizations.keys().all(|id| *id == own.organization_id), "{name}");
    }
}
