//! The calls that are measured.

use prost_types::value::Kind;
use prost_types::{ListValue, Value};
use tonic::Status;
use vestibule::pb;
use vestibule::pb::SearchOperator::{And, Or};

use crate::samples::Samples;
use crate::server::Server;

/// How many organizations a page has.
pub(crate) const PAGE: u64 = 10;

/// How many organizations' members are searched at once.
const SEVERAL: usize = 10;

/// A part of every address but those of large providers.
const IN_NEARLY_ALL: &str = ".example";

/// What lookups and pages may cost with ten times as many tenants, and what searches may.
const LOOKUP: Option<f64> = Some(1.5);
const SEARCH: Option<f64> = Some(2.0);

/// Where there are more matches among more tenants, and each is counted, up to ten thousand.
const COUNTED: Option<f64> = None;

/// A kind of call.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What large/small should not exceed; `None`: whatever it is.
    pub(crate) aim: Option<f64>,
    /// The call of a number; other numbers ask for other rows.
    request: fn(&Server, usize) -> Request,
}

/// A call.
enum Request {
    Organization(String),
    Metrics(String),
    Member(pb::GetMemberRequest),
    Organizations(pb::SearchOrganizationsRequest),
    Members(pb::SearchMembersRequest),
}

use Request::{Metrics, Organization};

const fn case(name: &'static str, aim: Option<f64>, request: fn(&Server, usize) -> Request) -> Case {
    Case { name, aim, request }
}

/// Every call that reads organizations or members, in the ways that it can be asked.
pub(crate) const CASES: [Case; 32] = [
    case("GetOrganization by id", LOOKUP, |server, number| {
        Organization(pick(&server.samples.organization_ids, number))
    }),
    case("GetOrganization by slug", LOOKUP, |server, number| {
        Organization(pick(&server.samples.slugs, number))
    }),
    case("GetOrganization by external id", LOOKUP, |server, number| {
        Organization(pick(&server.samples.external_ids, number))
    }),
    case("GetOrganizationMetrics", LOOKUP, |server, number| {
        Metrics(pick(&server.samples.organization_ids, number))
    }),
    case("GetMember by id", LOOKUP, |server, number| member(&server.samples.member_ids, number, false)),
    case("GetMember by external id", LOOKUP, |server, number| {
        member(&server.samples.member_external_ids, number, false)
    }),
    case("GetMember by address", LOOKUP, |server, number| member(&server.samples.addresses, number, true)),
    case("SearchOrganizations, first page", LOOKUP, |_, _| page(String::new(), None)),
    case("SearchOrganizations, page far behind", LOOKUP, |server, _| page(server.cursor.clone(), None)),
    case("… by id", SEARCH, |server, number| {
        organizations(
            And,
            vec![list("organization_ids", vec![pick(&server.samples.organization_ids, number)])],
        )
    }),
    case("… by ten slugs and ids", SEARCH, |server, number| {
        let samples = &server.samples;
        let names = |list: &[String]| (0..5).map(|step| pick(list, number + step)).collect::<Vec<_>>();
        let both = [names(&samples.organization_ids), names(&samples.slugs)].concat();
        organizations(And, vec![list("organization_ids", both)])
    }),
    case("… by slug", SEARCH, |server, number| {
        organizations(And, vec![list("organization_slugs", vec![pick(&server.samples.slugs, number)])])
    }),
    case("… by member's address", SEARCH, |server, number| {
        organizations(And, vec![list("member_emails", vec![pick(&server.samples.addresses, number).1])])
    }),
    case("… by allowed domain", SEARCH, |server, number| {
        let domain = pick(&server.samples.allowed_domains, number);
        organizations(And, vec![list("allowed_domains", vec![domain])])
    }),
    case("… by claimed domain", SEARCH, |server, number| {
        let domain = pick(&server.samples.claimed_domains, number);
        organizations(And, vec![list("claimed_email_domains", vec![domain])])
    }),
    case("… by name, rare text", SEARCH, |_, number| organizations(And, vec![needle(number)])),
    case("… by slug, rare text", SEARCH, |server, number| {
        organizations(And, vec![rare_slug(server, number)])
    }),
    case("… by address, rare text", SEARCH, |server, number| {
        organizations(And, vec![text("member_email_fuzzy", rare_address(server, number))])
    }),
    case("… by domain, rare text", SEARCH, |server, number| {
        // From the number on: no other domain ends so.
        let domain = pick(&server.samples.allowed_domains, number);
        let number = domain.rfind('-').unwrap();
        organizations(And, vec![text("allowed_domain_fuzzy", domain[number..].to_owned())])
    }),
    case("… by address, text of nearly all", SEARCH, |_, _| organizations(And, vec![nearly_all()])),
    case("… by name, text of one in ten", COUNTED, |_, _| organizations(And, vec![one_in_ten()])),
    case("… by slug, text of none", SEARCH, |_, number| {
        organizations(And, vec![text("organization_slug_fuzzy", format!("qj{number:04}vk"))])
    }),
    case("… by rare AND nearly all", SEARCH, |server, number| {
        organizations(And, vec![rare_slug(server, number), nearly_all()])
    }),
    case("… by one in ten AND nearly all", COUNTED, |_, _| {
        organizations(And, vec![one_in_ten(), nearly_all()])
    }),
    case("… by rare OR id", SEARCH, |server, number| {
        let id = pick(&server.samples.organization_ids, number + 1);
        organizations(Or, vec![rare_slug(server, number), list("organization_ids", vec![id])])
    }),
    case("SearchMembers, first page", LOOKUP, |server, number| members(server, number, 1, vec![])),
    case("… by address", SEARCH, |server, number| {
        let (organization_id, address) = pick(&server.samples.addresses, number);
        members_of(vec![organization_id], vec![list("member_emails", vec![address])])
    }),
    case("… by text in address", SEARCH, |server, number| members(server, number, 1, vec![nearly_all()])),
    case("… by role", SEARCH, |server, number| {
        members(server, number, 1, vec![list("member_roles", vec!["stytch_admin".to_owned()])])
    }),
    case("SearchMembers of ten organizations, first page", LOOKUP, |server, number| {
        members(server, number, SEVERAL, vec![])
    }),
    case("… by text in address", SEARCH, |server, number| {
        members(server, number, SEVERAL, vec![nearly_all()])
    }),
    case("… by role", SEARCH, |server, number| {
        members(server, number, SEVERAL, vec![list("member_roles", vec!["stytch_admin".to_owned()])])
    }),
];

impl Case {
    /// Makes the call of a number, and tells how many rows match; `None`: it is no search.
    pub(crate) async fn call(&self, server: &Server, number: usize) -> Result<Option<i32>, Status> {
        let (mut organizations, mut members) = (server.organizations.clone(), server.members.clone());
        let total = |metadata: Option<pb::ResultsMetadata>| Some(metadata.unwrap_or_default().total);
        Ok(match (self.request)(server, number) {
            Organization(organization_id) => {
                organizations.get_organization(pb::GetOrganizationRequest { organization_id }).await?;
                None
            }
            Metrics(organization_id) => {
                let request = pb::GetOrganizationMetricsRequest { organization_id };
                organizations.get_organization_metrics(request).await?;
                None
            }
            Request::Member(request) => {
                members.get_member(request).await?;
                None
            }
            Request::Organizations(request) => {
                total(organizations.search_organizations(request).await?.into_inner().results_metadata)
            }
            Request::Members(request) => {
                total(members.search_members(request).await?.into_inner().results_metadata)
            }
        })
    }
}

fn pick<T: Clone>(samples: &[T], number: usize) -> T {
    samples[number % samples.len()].clone()
}

fn member(samples: &[(String, String)], number: usize, by_address: bool) -> Request {
    let (organization_id, value) = pick(samples, number);
    let (member_id, email_address) = if by_address { (None, Some(value)) } else { (Some(value), None) };
    Request::Member(pb::GetMemberRequest { organization_id, member_id, email_address })
}

fn page(cursor: String, query: Option<pb::SearchQuery>) -> Request {
    let limit = Some(u32::try_from(PAGE).unwrap());
    Request::Organizations(pb::SearchOrganizationsRequest { cursor, limit, query })
}

fn organizations(operator: pb::SearchOperator, operands: Vec<pb::SearchOperand>) -> Request {
    page(String::new(), Some(pb::SearchQuery { operator: operator.into(), operands }))
}

fn members(server: &Server, number: usize, count: usize, operands: Vec<pb::SearchOperand>) -> Request {
    let ids = &server.samples.organization_ids;
    members_of((0..count).map(|step| pick(ids, number + step)).collect(), operands)
}

fn members_of(organization_ids: Vec<String>, operands: Vec<pb::SearchOperand>) -> Request {
    let query = Some(pb::SearchQuery { operator: And.into(), operands });
    Request::Members(pb::SearchMembersRequest {
        organization_ids,
        query,
        ..pb::SearchMembersRequest::default()
    })
}

fn operand(filter_name: &str, kind: Kind) -> pb::SearchOperand {
    pb::SearchOperand { filter_name: filter_name.to_owned(), filter_value: Some(Value { kind: Some(kind) }) }
}

fn text(filter_name: &str, text: String) -> pb::SearchOperand {
    operand(filter_name, Kind::StringValue(text))
}

fn list(filter_name: &str, texts: Vec<String>) -> pb::SearchOperand {
    let values = texts.into_iter().map(|text| Value { kind: Some(Kind::StringValue(text)) });
    operand(filter_name, Kind::ListValue(ListValue { values: values.collect() }))
}

fn needle(number: usize) -> pb::SearchOperand {
    text("organization_name_fuzzy", Samples::needle(number))
}

fn rare_slug(server: &Server, number: usize) -> pb::SearchOperand {
    text("organization_slug_fuzzy", pick(&server.samples.slugs, number))
}

/// All of an address but how it begins.
fn rare_address(server: &Server, number: usize) -> String {
    pick(&server.samples.addresses, number).1[1..].to_owned()
}

fn nearly_all() -> pb::SearchOperand {
    text("member_email_fuzzy", IN_NEARLY_ALL.to_owned())
}

fn one_in_ten() -> pb::SearchOperand {
    text("organization_name_fuzzy", "& Sons".to_owned())
}
