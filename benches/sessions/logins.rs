//! Sessions to check: members of organizations that let their colleagues join.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use vestibule::pb;

use crate::server::Server;

const ORGANIZATIONS: usize = 50;
const MEMBERS: usize = 4;

/// A session as its holder knows it.
pub(crate) struct Login {
    pub(crate) token: String,
    pub(crate) jwt: String,
}

/// Logs the members of all organizations in.
pub(crate) async fn log_in(server: &Server) -> Vec<Login> {
    let mut logins = Vec::new();
    for organization in 0..ORGANIZATIONS {
        let domain = format!("company-{organization}.com");
        let token = vouch(server, &format!("founder@{domain}"), Some(second_factor())).await;
        let request = pb::DiscoveryServiceCreateOrganizationRequest {
            intermediate_session_token: token,
            organization_name: Some(format!("Company {organization}")),
            session_custom_claims: Some(claims(organization)),
            email_allowed_domains: vec![
                domain.clone(),
                format!("company-{organization}.org"),
                format!("company-{organization}.net"),
            ],
            email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
            ..pb::DiscoveryServiceCreateOrganizationRequest::default()
        };
        let founded = server.discovery().create_organization(request).await.unwrap().into_inner();
        let organization_id = founded.organization.unwrap().organization_id;
        logins.push(Login { token: founded.session_token, jwt: founded.session_jwt });
        for member in 1..MEMBERS {
            let token = vouch(server, &format!("colleague-{member}@{domain}"), Some(second_factor())).await;
            let request = pb::ExchangeIntermediateSessionRequest {
                intermediate_session_token: token,
                organization_id: organization_id.clone(),
                session_custom_claims: Some(claims(organization)),
                ..pb::ExchangeIntermediateSessionRequest::default()
            };
            let entered = server.discovery().exchange_intermediate_session(request).await.unwrap();
            let entered = entered.into_inner();
            assert!(entered.member_authenticated, "colleagues join by their domain");
            logins.push(Login { token: entered.session_token, jwt: entered.session_jwt });
        }
    }
    logins
}

/// An intermediate session token of a person who has proved the address.
pub(crate) async fn vouch(server: &Server, address: &str, more: Option<pb::VouchedFactor>) -> String {
    let link = pb::VouchedFactor {
        r#type: "magic_link".to_owned(),
        delivery_method: "email".to_owned(),
        ..pb::VouchedFactor::default()
    };
    let request = pb::CreateIntermediateSessionRequest {
        email_address: address.to_owned(),
        factors: std::iter::once(link).chain(more).collect(),
    };
    let response = server.intermediate_sessions().create_intermediate_session(request).await.unwrap();
    response.into_inner().intermediate_session_token
}

fn second_factor() -> pb::VouchedFactor {
    pb::VouchedFactor {
        r#type: "otp".to_owned(),
        delivery_method: "sms".to_owned(),
        phone_number: Some("+12025550123".to_owned()),
        ..pb::VouchedFactor::default()
    }
}

fn claims(number: usize) -> Struct {
    let text = |text: String| Value { kind: Some(Kind::StringValue(text)) };
    Struct {
        fields: BTreeMap::from([
            ("tier".to_owned(), text("team".to_owned())),
            ("account".to_owned(), text(format!("account-{number}"))),
        ]),
    }
}
