//! Member sessions, their factors, and the keys of their JWTs.

use super::{object, timestamp};
use crate::domain::authentication_factor::{AuthenticationFactor, FactorDetail, FactorKind};
use crate::domain::ids::Environment;
use crate::domain::session::MemberSession;
use crate::pb;
use crate::tokens::jwt::{PublicKey, PublicParameters};

pub(in crate::api) fn member_session(session: &MemberSession, environment: Environment) -> pb::MemberSession {
    pb::MemberSession {
        member_session_id: session.id.text(environment),
        member_id: session.member_id.text(environment),
        organization_id: session.organization_id.text(environment),
        organization_slug: session.organization_slug.as_str().to_owned(),
        started_at: Some(timestamp(session.started_at)),
        last_accessed_at: Some(timestamp(session.last_accessed_at)),
        expires_at: Some(timestamp(session.expires_at)),
        authentication_factors: session
            .authentication_factors
            .iter()
            .map(|known| factor(known, environment))
            .collect(),
        roles: session.roles.clone(),
        custom_claims: (!session.custom_claims.is_empty()).then(|| object(&session.custom_claims)),
    }
}

fn factor(factor: &AuthenticationFactor, environment: Environment) -> pb::AuthenticationFactor {
    let mut message = pb::AuthenticationFactor {
        r#type: factor.kind.published_type().to_owned(),
        delivery_method: factor.delivery_method(),
        last_authenticated_at: Some(timestamp(factor.last_authenticated_at)),
        created_at: Some(timestamp(factor.created_at)),
        updated_at: Some(timestamp(factor.updated_at)),
        sequence_order: factor.kind.sequence_order().as_str().to_owned(),
        ..pb::AuthenticationFactor::default()
    };
    match &factor.detail {
        FactorDetail::None => {}
        FactorDetail::Email { email_id, email_address } => {
            message.email_factor = Some(pb::EmailFactor {
                email_id: email_id.text(environment),
                email_address: email_address.as_str().to_owned(),
            });
        }
        FactorDetail::Phone { phone_id, phone_number } => {
            message.phone_number_factor = Some(pb::PhoneNumberFactor {
                phone_id: phone_id.text(environment),
                phone_number: phone_number.clone(),
            });
        }
        FactorDetail::OauthExchange { email_id, .. } => {
            let address = Some(pb::OauthExchangeFactor { email_id: email_id.text(environment) });
            match factor.kind {
                FactorKind::GoogleOauth => message.google_oauth_exchange_factor = address,
                FactorKind::GithubOauth => message.github_oauth_exchange_factor = address,
                FactorKind::SlackOauth => message.slack_oauth_exchange_factor = address,
                FactorKind::HubspotOauth => message.hubspot_oauth_exchange_factor = address,
                _ => {}
            }
        }
        FactorDetail::Oauth { id, provider_subject, email_id, tenant_ids, .. } => {
            let many = factor.kind == FactorKind::GithubOauth;
            let account = pb::OauthFactor {
                id: id.text(environment),
                provider_subject: provider_subject.clone(),
                email_id: email_id.map(|id| id.text(environment)),
                provider_tenant_id: tenant_ids.first().filter(|_| !many).cloned(),
                provider_tenant_ids: if many { tenant_ids.clone() } else { Vec::new() },
            };
            match factor.kind {
                FactorKind::GoogleOauth => message.google_oauth_factor = Some(account),
                FactorKind::MicrosoftOauth => message.microsoft_oauth_factor = Some(account),
                FactorKind::GithubOauth => message.github_oauth_factor = Some(account),
                FactorKind::SlackOauth => message.slack_oauth_factor = Some(account),
                FactorKind::HubspotOauth => message.hubspot_oauth_factor = Some(account),
                FactorKind::MagicLink
                | FactorKind::EmailOtp
                | FactorKind::Password
                | FactorKind::SmsOtp
                | FactorKind::Totp
                | FactorKind::RecoveryCode => {}
            }
        }
    }
    message
}

pub(in crate::api) fn jwk(key: &PublicKey) -> pb::Jwk {
    let mut message = pb::Jwk {
        r#use: "sig".to_owned(),
        key_ops: vec!["verify".to_owned()],
        alg: key.algorithm.as_str().to_owned(),
        kid: key.kid.clone(),
        ..pb::Jwk::default()
    };
    match &key.parameters {
        PublicParameters::EllipticCurve { x, y } => {
            "EC".clone_into(&mut message.kty);
            "P-256".clone_into(&mut message.crv);
            message.x.clone_from(x);
            message.y.clone_from(y);
        }
        PublicParameters::Rsa { n, e } => {
            "RSA".clone_into(&mut message.kty);
            message.n.clone_from(n);
            message.e.clone_from(e);
        }
    }
    message
}
