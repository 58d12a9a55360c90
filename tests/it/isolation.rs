//! Nobody learns from a refusal what another organization has: over every method, and every field of its
//! request that takes an id.

pub(crate) mod requests;

use std::time::Duration;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;
use serde_json::json;
use tonic::{Code, Response, Status};
use vestibule::pb;

use crate::coverage::stand::Stand;
use crate::harness::logins::by_token;
use crate::harness::members::query;
use crate::harness::raw::{RawClient, frame};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    what_is_elsewhere_is_nowhere,
    what_was_deleted_is_nowhere,
    what_can_be_no_id_is_refused,
    ids_of_the_other_environment_are_refused,
    a_search_stays_in_its_organizations,
    a_check_tells_nothing_of_other_organizations,
    ending_what_is_not_there_ends_nothing,
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
    Session,
}

impl Names {
    /// What a field names by its name; `None`: it takes no id that this service gives.
    fn of(field: &str) -> Option<Self> {
        match field {
            "organization_id" | "organization_ids" => Some(Self::Organization),
            "member_id" | "invited_by_member_id" => Some(Self::Member),
            "email_id" => Some(Self::EmailAddress),
            "member_session_id" => Some(Self::Session),
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
            Self::Session => "session",
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
            Self::Session => "SESSION_NOT_FOUND",
        }
    }

    fn malformed(self) -> &'static str {
        match self {
            Self::Organization => "INVALID_ORGANIZATION_ID",
            Self::Member => "INVALID_MEMBER_ID",
            Self::EmailAddress | Self::Session => "INVALID_ARGUMENT",
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

    /// Whether the method answers for what is not there as well, always the same.
    fn answers_for_nobody(&self) -> bool {
        ["DiscoveryService/ExplainDiscovery", "SessionService/RevokeSession"].contains(&self.method.as_str())
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
    assert!(fields.len() >= 32, "{fields:?}");
    fields
}

/// What a call is answered with: all but its own id.
type Answer = Result<Vec<u8>, Told>;

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
    async fn answer(&self, field: &Field, value: &str) -> Answer {
        let mut request = requests::valid(&field.method, &self.own);
        // Of a field that is there twice the last one counts.
        prost::encoding::string::encode(field.number, &value.to_owned(), &mut request);
        let path = format!("/vestibule.v1.{}", field.method);
        // The id that the call is given is in the answer.
        let headers = [("x-request-id", "the-call")];
        let answer = self.client.call(&path, &headers, frame(&request)).await;
        answer.map(Response::into_inner).map_err(|status| Told::by(&status))
    }

    /// What the call must be refused with.
    async fn refused(&self, field: &Field, value: &str) -> Told {
        self.answer(field, value).await.expect_err(&format!("{field:?} {value:?}"))
    }

    /// How the call is answered for what was never there.
    async fn nobody(&self, field: &Field) -> Answer {
        let nobody = self.answer(field, &field.names.id("test")).await;
        match &nobody {
            Ok(_) => assert!(field.answers_for_nobody(), "{field:?}"),
            Err(told) => {
                assert!(!field.answers_for_nobody(), "{field:?} {told:?}");
                assert_eq!((told.code, told.reason.as_str()), (Code::NotFound, field.names.not_found()));
            }
        }
        nobody
    }
}

/// How the other organization itself is named.
async fn names(t: &Harness, other: &Stand) -> [String; 3] {
    let found = t.clients().get(&other.organization_id).await.unwrap().into_inner().organization.unwrap();
    [found.organization_id, found.organization_slug, found.organization_external_id.unwrap()]
}

/// How the other organization's things are named that the first organization must not reach.
fn elsewhere(names: Names, other: &Stand) -> Vec<String> {
    match names {
        // Callers may reach every organization, and end every session: what they must not reach through
        // an organization are other members.
        Names::Organization | Names::Session => vec![],
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
    let written = [t.count("events").await, t.count("sessions").await];
    let names = names(&t, &tenants.other).await;
    for field in fields() {
        let nobody = tenants.nobody(&field).await;
        let values = match field.method.as_str() {
            // Callers may end every member's sessions.
            "SessionService/RevokeSession" => vec![],
            // People see only what they may enter.
            "DiscoveryService/ExplainDiscovery" => names.to_vec(),
            _ => elsewhere(field.names, &tenants.other),
        };
        for value in values {
            assert_eq!(tenants.answer(&field, &value).await, nobody, "{field:?} {value}");
        }
    }
    assert_eq!([t.count("events").await, t.count("sessions").await], written);
}

async fn what_was_deleted_is_nowhere(t: Harness) {
    let tenants = Tenants::new(&t).await;
    let clients = t.clients();
    let names = names(&t, &tenants.other).await;
    let organization_id = tenants.other.organization_id.clone();
    let request = pb::DeleteOrganizationRequest { organization_id, etag: None };
    clients.delete_organization(request).await.unwrap();
    let written = [t.count("events").await, t.count("sessions").await];
    for field in fields() {
        let nobody = tenants.nobody(&field).await;
        let values = match (field.method.as_str(), field.names) {
            (_, Names::Organization) => names.to_vec(),
            (_, Names::Session) => vec![tenants.other.session.member_session_id.clone()],
            ("SessionService/RevokeSession", _) => vec![tenants.other.member.member_id.clone()],
            (_, names) => elsewhere(names, &tenants.other),
        };
        for value in values {
            assert_eq!(tenants.answer(&field, &value).await, nobody, "{field:?} {value}");
        }
    }
    assert_eq!([t.count("events").await, t.count("sessions").await], written);
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

async fn a_check_tells_nothing_of_other_organizations(t: Harness) {
    let Tenants { own, other, .. } = Tenants::new(&t).await;
    let check = async |organization_id: String| {
        let check = pb::AuthorizationCheck {
            organization_id,
            resource_id: "stytch.member".to_owned(),
            action: "create".to_owned(),
        };
        let request = pb::AuthenticateSessionRequest {
            authorization_check: Some(check),
            ..by_token(&own.session_token)
        };
        Told::by(&t.clients().authenticate(request).await.expect_err("the member may not do that"))
    };
    let nobody = check(Names::Organization.id("test")).await;
    let tenancy = (Code::PermissionDenied, "SESSION_AUTHORIZATION_TENANCY_ERROR");
    assert_eq!((nobody.code, nobody.reason.as_str()), tenancy);
    for name in names(&t, &other).await {
        assert_eq!(check(name).await, nobody);
    }
    for name in names(&t, &own).await {
        assert_eq!(check(name).await.reason, "SESSION_AUTHORIZATION_ERROR");
    }
}

async fn ending_what_is_not_there_ends_nothing(t: Harness) {
    let Tenants { own, other, .. } = Tenants::new(&t).await;
    let clients = t.clients();
    let written = [t.count("events").await, t.count("sessions").await];
    let revoke = pb::RevokeSessionRequest::default;
    for request in [
        pb::RevokeSessionRequest { member_session_id: Some(Names::Session.id("test")), ..revoke() },
        pb::RevokeSessionRequest { member_id: Some(Names::Member.id("test")), ..revoke() },
        // A member who has none.
        pb::RevokeSessionRequest { member_id: Some(own.deleted_member_id.clone()), ..revoke() },
        // A token that nobody was given.
        pb::RevokeSessionRequest { session_token: Some("A".repeat(44)), ..revoke() },
    ] {
        clients.revoke_session(request).await.unwrap();
    }
    // A member has an id for this, and no other name.
    let by_external_id = pb::RevokeSessionRequest { member_id: own.member.external_id.clone(), ..revoke() };
    let answer = clients.revoke_session(by_external_id).await;
    refused(answer, Code::InvalidArgument, "INVALID_MEMBER_ID");
    assert_eq!([t.count("events").await, t.count("sessions").await], written);
    for stand in [&own, &other] {
        clients.authenticate(by_token(&stand.session_token)).await.unwrap();
    }
}
