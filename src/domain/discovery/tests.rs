use time::macros::datetime;

use super::*;
use crate::domain::authentication_factor::{FactorKind, VerifiedFactor};
use crate::domain::email_address::EmailAddress;
use crate::domain::organization_settings::{MfaMethod, SentSettings};

fn person(kinds: &[FactorKind]) -> IntermediateSession {
    let at = datetime!(2026-01-01 0:00 UTC);
    IntermediateSession {
        email_address: EmailAddress::parse("ada@acme.com").unwrap(),
        factors: kinds
            .iter()
            .map(|&kind| VerifiedFactor {
                kind,
                email_verified: true,
                hosted_domain: None,
                provider_subject: kind.is_oauth().then(|| "subject".into()),
                provider_tenant_ids: Vec::new(),
                full_name: None,
                phone_number: None,
                verified_at: at,
            })
            .collect(),
        binding: None,
        created_at: at,
        expires_at: at,
    }
}

fn methods(allowed: &[AuthMethod]) -> SentSettings {
    SentSettings {
        auth_methods: Some(AuthMethods::Restricted),
        allowed_auth_methods: Some(allowed.to_vec()),
        ..Default::default()
    }
}

fn mfa(allowed: &[MfaMethod]) -> SentSettings {
    SentSettings {
        mfa_policy: Some(MfaPolicy::RequiredForAll),
        mfa_methods: (!allowed.is_empty()).then_some(MfaMethods::Restricted),
        allowed_mfa_methods: Some(allowed.to_vec()),
        ..Default::default()
    }
}

#[test]
fn what_the_creator_owes() {
    use AuthMethod as Method;
    use FactorKind::{EmailOtp, GithubOauth, MagicLink, RecoveryCode, SmsOtp, Totp};

    let verifying = VERIFYING_METHODS.to_vec();
    let both = SentSettings {
        mfa_policy: Some(MfaPolicy::RequiredForAll),
        ..methods(&[Method::GoogleOauth, Method::Sso])
    };
    let rows = [
        (vec![MagicLink], SentSettings::default(), None, false),
        (vec![GithubOauth], SentSettings::default(), Some(verifying.clone()), false),
        (vec![MagicLink], methods(&[Method::MagicLink]), None, false),
        (vec![MagicLink], methods(&[Method::Sso]), Some(vec![Method::Sso]), false),
        // One factor verifies, another is of the allowed method.
        (vec![EmailOtp, GithubOauth], methods(&[Method::GithubOauth]), None, false),
        // The method is met, the address is not verified, and no allowed method can verify it.
        (vec![GithubOauth], methods(&[Method::GithubOauth]), Some(vec![]), false),
        (vec![GithubOauth], methods(&[Method::EmailOtp, Method::Sso]), Some(vec![Method::EmailOtp]), false),
        (vec![MagicLink], mfa(&[]), None, true),
        (vec![MagicLink, Totp], mfa(&[]), None, false),
        (vec![MagicLink, SmsOtp], mfa(&[MfaMethod::Totp]), None, true),
        (vec![MagicLink, RecoveryCode], mfa(&[MfaMethod::Totp]), None, false),
        // A second factor is never a first one.
        (vec![Totp, GithubOauth], SentSettings::default(), Some(verifying), false),
        (vec![GithubOauth], both, Some(vec![Method::GoogleOauth]), true),
    ];
    for (kinds, sent, primary, mfa) in rows {
        let settings = sent.with_defaults().unwrap();
        assert_eq!(
            owed_by_creator(&person(&kinds), &settings),
            Owed { primary, mfa },
            "{kinds:?} {settings:?}"
        );
    }
}
