use time::macros::datetime;

use super::*;
use crate::domain::authentication_factor::{FactorKind, VerifiedFactor};
use crate::domain::email_address::EmailAddress;
use crate::domain::evidence::Evidence;
use crate::domain::organization_settings::{MfaMethod, MfaMethods, MfaPolicy, SentSettings};

fn person(kinds: &[FactorKind]) -> Evidence {
    let at = datetime!(2026-01-01 0:00 UTC);
    Evidence {
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
                only_in: None,
                carried_from: None,
            })
            .collect(),
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
        let situation = Situation {
            door: Door::Create,
            organization: None,
            settings: &settings,
            member: None,
            retired: false,
            claimed_elsewhere: false,
            has_peer: false,
            session_of: None,
        };
        let decision = decide(Facts::of(&person(&kinds), &situation), &settings);
        assert_eq!(decision.entry, Ok(Entry::Creator));
        assert_eq!(decision.owed, Owed { primary, mfa }, "{kinds:?} {settings:?}");
    }
}

/// Every combination of what can be the case.
fn all_facts() -> Vec<Facts> {
    let mut facts = vec![Facts {
        door: Door::Create,
        claim: Claim::Unclaimed,
        standing: Standing::Stranger,
        domain: DomainPath::Off,
        tenant: TenantPath::Off,
        proof: Proof::Unproven,
        method: Method::Allowed,
        second: SecondFactor::NotAsked,
        exempt: false,
    }];
    macro_rules! each {
        ($($column:ident $values:ident),*) => {$(
            let each = |facts: Facts| $values::ALL.iter().map(move |$column| Facts { $column: *$column, ..facts });
            facts = facts.into_iter().flat_map(each).collect();
        )*};
    }
    each!(door Door, claim Claim, standing Standing, domain DomainPath, tenant TenantPath, proof Proof,
          method Method, second SecondFactor);
    facts
}

#[test]
fn exactly_one_row_of_a_rule_fits() {
    let mut used = vec![false; TABLE.len()];
    for facts in all_facts() {
        let mut entry = None;
        for rule in Rule::ALL {
            if rule.is_about_joining() && entry.is_some() {
                continue;
            }
            let fitting: Vec<_> =
                (0..TABLE.len()).filter(|row| TABLE[*row].fits(rule, entry, &facts)).collect();
            assert_eq!(fitting.len(), 1, "{rule:?} {entry:?} {facts:?}: {fitting:?}");
            used[fitting[0]] = true;
            match TABLE[fitting[0]].verdict {
                Verdict::Refuse(_) => break,
                Verdict::Enter(as_what) => entry = Some(as_what),
                _ => {}
            }
        }
    }
    let useless: Vec<_> = TABLE.iter().zip(used).filter(|(_, used)| !used).map(|(row, _)| row).collect();
    assert!(useless.is_empty(), "{useless:?}");
}

/// What must never happen, said without the table.
#[test]
fn nobody_gets_around() {
    let settings = OrganizationSettings::default();
    for facts in all_facts() {
        let Decision { entry, owed, .. } = decide(facts, &settings);
        let Ok(entry) = entry else {
            assert!(owed.nothing(), "{facts:?}");
            continue;
        };
        assert_ne!(facts.door, Door::BoundElsewhere);
        let joins = matches!(entry, Entry::ByDomain | Entry::ByTenant);
        if joins {
            assert_eq!((facts.door, facts.standing), (Door::Exchange, Standing::Stranger), "{facts:?}");
        }
        if joins || entry == Entry::Creator {
            assert_eq!(facts.claim, Claim::Unclaimed, "{facts:?}");
        }
        if facts.claim == Claim::ClaimedElsewhere {
            assert!(facts.door == Door::Finish || facts.standing == Standing::Active, "{facts:?}");
        }
        if facts.second == SecondFactor::Owed {
            assert!(owed.mfa, "{facts:?}");
        }
        if owed.nothing() {
            assert_eq!(facts.method, Method::Allowed, "{facts:?}");
            assert!(facts.proof != Proof::Unproven || entry == Entry::ByTenant, "{facts:?}");
        }
        if entry == Entry::ByDomain && facts.proof != Proof::Fresh {
            assert!(owed.primary.is_some(), "{facts:?}");
        }
    }
}
