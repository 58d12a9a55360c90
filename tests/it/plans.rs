//! What a call costs does not grow with the tenants that it is not about: none of its statements reads
//! a table that grows with them from end to end. The database itself tells how it runs each statement.

mod calls;
mod explained;
mod logins;
mod member_calls;
mod searches;
mod subjects;
mod watched;

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::source_code_info::Location;
use vestibule::pb;

use crate::harness::logins::by_token;
use crate::harness::supervised::Patience;
use subjects::Subjects;
use watched::Watched;

/// Every method, as `Service/Method`, with its comment.
fn methods() -> Vec<(String, String)> {
    let set = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    let mut methods = Vec::new();
    for file in set.file.iter().filter(|file| file.package() == "vestibule.v1") {
        let locations = &file.source_code_info.as_ref().unwrap().location;
        for (service, descriptor) in (0..).zip(&file.service) {
            for (number, method) in (0..).zip(&descriptor.method) {
                // descriptor.proto: service = 6 of a file, method = 2 of a service.
                let is_here = |location: &&Location| location.path == [6, service, 2, number];
                let comment = locations.iter().find(is_here).unwrap().leading_comments().to_owned();
                methods.push((format!("{}/{}", descriptor.name(), method.name()), comment));
            }
        }
    }
    methods
}

/// Asserts that the operands have every filter that the comment of a search lists.
fn has_every_filter(comment: &str, operands: &[(&str, serde_json::Value)]) {
    // Items of the list: - `name`, `name`: what they are.
    let listed = comment.split_once("Filters").unwrap().1.split("\n\n").next().unwrap();
    let named = listed.split("- ").skip(1).flat_map(|item| {
        item.split_once(": ").unwrap().0.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    });
    let named: Vec<_> = named.collect();
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        assert!(operands.iter().any(|(operand, _)| *operand == name), "search by {name} here");
    }
}

/// Asserts that nothing was found, or says what.
fn none(mut faults: Vec<String>) {
    let count = faults.len();
    faults.truncate(10);
    assert!(count == 0, "{count} plans read what grows with tenants:\n\n{}", faults.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_reads_what_grows_with_tenants() {
    let mut watched = Watched::start(2_000).await;
    let clients = watched.t.clients();
    let subjects = Subjects::find(&clients).await;
    let mut faults = watched.faults("start").await;
    for (method, comment) in methods() {
        match method.as_str() {
            "OrganizationService/SearchOrganizations" => {
                let operands = searches::organization_operands(&subjects);
                has_every_filter(&comment, &operands);
                for query in searches::queries(&operands) {
                    searches::organizations(&clients, query.as_ref()).await;
                    let told = searches::told(query.as_ref());
                    faults.extend(watched.faults(&format!("{method} {told}")).await);
                }
            }
            "MemberService/SearchMembers" => {
                let operands = searches::member_operands(&subjects);
                has_every_filter(&comment, &operands);
                for query in searches::queries(&operands) {
                    searches::members(&clients, &subjects, query.as_ref()).await;
                    let told = searches::told(query.as_ref());
                    faults.extend(watched.faults(&format!("{method} {told}")).await);
                }
            }
            _ => {
                calls::call(&clients, &subjects, &method).await;
                faults.extend(watched.faults(&method).await);
            }
        }
    }
    // That a session was used is written down from time to time, and before the server ends.
    let session_token = clients.founded("ada@used.com").await.session_token;
    watched.t.clock.advance(Duration::from_mins(1));
    clients.authenticate(by_token(&session_token)).await.unwrap();
    // The sweep begins as the server does; it has come by every minute since the start.
    let organization_id = clients.organization("Leftover").await.organization_id;
    let deletion = pb::DeleteOrganizationRequest { organization_id, etag: None };
    clients.delete_organization(deletion).await.unwrap();
    watched.t.clock.advance(Duration::from_hours(48));
    watched.t.restart().await;
    let mut patience = Patience::new();
    let mut awaited = BTreeSet::from([
        "UPDATE sessions SET last_accessed_at",
        "DELETE FROM sessions",
        "DELETE FROM intermediate_session_receipts",
        "DELETE FROM idempotency_records",
        "DELETE FROM organizations",
    ]);
    while !awaited.is_empty() {
        for explained in watched.explained().await {
            awaited.retain(|beginning| !explained.text.starts_with(beginning));
            let of_this = explained.faults(&watched.schema);
            faults.extend(of_this.iter().map(|fault| format!("beside: {fault}\n{}", explained.shown())));
        }
        patience.turn(|| format!("{awaited:?}")).await;
    }
    faults.dedup_by(|one, other| one.split_once('\n') == other.split_once('\n'));
    none(faults);
}

/// What each index is for: without it, a call is found to read a table, or another index, from end to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_index_is_found() {
    let mut watched = Watched::start(1_000).await;
    let clients = watched.t.clients();
    let subjects = Subjects::find(&clients).await;
    let search = |operand: usize| {
        let operand = searches::organization_operands(&subjects)[operand].clone();
        crate::harness::members::query(pb::SearchOperator::And, &[operand])
    };
    for (index, method, query) in [
        ("organization_oauth_tenants_tenant_idx", "DiscoveryService/ExplainDiscovery", None),
        ("organizations_search_idx", "", search(6)),
        ("member_email_addresses_search_idx", "", search(10)),
        ("member_email_addresses_email_address_idx", "", search(3)),
        ("organization_domains_search_idx", "", search(11)),
        // Each serves in place of the other.
        ("organization_domains_domain_idx, organization_domains_allowed_idx", "", search(4)),
        ("organization_names_organization_id_idx", "OrganizationService/DeleteOrganization", None),
        ("sessions_member_id_idx", "MemberService/ReactivateMember", None),
        ("member_email_addresses_member_id_idx", "MemberService/GetMember", None),
        ("members_organization_id_idx", "OrganizationService/GetOrganizationMetrics", None),
    ] {
        watched.t.execute(&format!("DROP INDEX {index}")).await;
        watched.explained().await;
        if method.is_empty() {
            searches::organizations(&clients, query.as_ref()).await;
        } else {
            calls::call(&clients, &subjects, method).await;
        }
        assert!(!watched.faults(method).await.is_empty(), "nothing is missed without {index}");
    }
}
