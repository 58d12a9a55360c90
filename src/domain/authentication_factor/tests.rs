use time::macros::datetime;

use super::*;

fn factor(kind: FactorKind) -> VerifiedFactor {
    VerifiedFactor {
        kind,
        email_verified: false,
        hosted_domain: None,
        provider_subject: None,
        provider_tenant_ids: Vec::new(),
        full_name: None,
        phone_number: None,
        verified_at: datetime!(2026-01-01 0:00 UTC),
        only_in: None,
        carried_from: None,
    }
}

#[test]
fn what_verifies_an_address() {
    let work = EmailAddress::parse("ada@acme.com").unwrap();
    let gmail = EmailAddress::parse("ada@gmail.com").unwrap();
    let says = |kind| VerifiedFactor { email_verified: true, ..factor(kind) };
    let hosted = |kind| VerifiedFactor { hosted_domain: Some("acme.com".into()), ..says(kind) };
    let rows = [
        (factor(FactorKind::MagicLink), &work, true),
        (factor(FactorKind::EmailOtp), &work, true),
        (factor(FactorKind::Password), &work, false),
        (says(FactorKind::Password), &work, true),
        (factor(FactorKind::GoogleOauth), &gmail, false),
        (says(FactorKind::GoogleOauth), &work, false),
        (says(FactorKind::GoogleOauth), &gmail, true),
        (hosted(FactorKind::GoogleOauth), &work, true),
        (factor(FactorKind::MicrosoftOauth), &work, false),
        (says(FactorKind::MicrosoftOauth), &work, true),
        (says(FactorKind::GithubOauth), &work, false),
        (says(FactorKind::SlackOauth), &work, false),
        (says(FactorKind::HubspotOauth), &work, false),
        (factor(FactorKind::SmsOtp), &work, false),
        (factor(FactorKind::Totp), &work, false),
        (factor(FactorKind::RecoveryCode), &work, false),
    ];
    for (factor, address, verifies) in rows {
        assert_eq!(factor.verifies(address), verifies, "{factor:?}");
    }
}

#[test]
fn published_pairs_name_every_kind() {
    for kind in FactorKind::ALL {
        assert_eq!(FactorKind::from_published(kind.published_type(), kind.delivery_method()), Some(*kind));
    }
    assert_eq!(FactorKind::from_published("magic_link", "sms"), None);
    assert_eq!(FactorKind::from_published("sso", "sso_saml"), None);
}
