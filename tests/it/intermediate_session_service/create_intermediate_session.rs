mod addresses;

use tonic::{Code, Response, Status};
use vestibule::clock::Clock as _;
use vestibule::pb;

use crate::harness::clients::Clients;
use crate::harness::fixtures::{factor, magic_link, oauth};
use crate::harness::refusal::{Refusal, refused};
use crate::harness::values::seconds;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    what_is_vouched_for_can_be_inspected,
    a_token_has_its_shape_and_its_ten_minutes,
    every_pair_of_type_and_delivery_method_is_known_or_refused,
    a_field_that_does_not_belong_is_refused,
    values_have_limits,
    an_oauth_factor_needs_a_subject,
    a_factor_is_about_the_address_of_the_session,
    a_token_holds_one_to_sixteen_factors_one_of_them_primary,
    every_violation_is_reported_at_once,
);

const BAD_FACTOR: &str = "INVALID_AUTHENTICATION_FACTOR";

/// The pairs that can be vouched for, and whether each can stand alone.
const PAIRS: [(&str, &str, bool); 11] = [
    ("magic_link", "email", true),
    ("email_otp", "email", true),
    ("password", "knowledge", true),
    ("oauth", "oauth_google", true),
    ("oauth", "oauth_microsoft", true),
    ("oauth", "oauth_github", true),
    ("oauth", "oauth_slack", true),
    ("oauth", "oauth_hubspot", true),
    ("otp", "sms", false),
    ("totp", "authenticator_app", false),
    ("recovery_codes", "recovery_code", false),
];

async fn create(
    clients: &Clients,
    email_address: &str,
    factors: Vec<pb::VouchedFactor>,
) -> Result<Response<pb::CreateIntermediateSessionResponse>, Status> {
    let request = pb::CreateIntermediateSessionRequest { email_address: email_address.to_owned(), factors };
    clients.intermediate_sessions.clone().create_intermediate_session(request).await
}

/// The refusal of a call that must fail for its factors.
async fn refused_for_factors(clients: &Clients, factors: Vec<pb::VouchedFactor>) -> Refusal {
    refused(create(clients, "ada@acme.com", factors).await, Code::InvalidArgument, BAD_FACTOR)
}

/// A factor of a kind with all that it needs.
fn of(r#type: &str, delivery_method: &str) -> pb::VouchedFactor {
    if r#type == "oauth" { oauth(delivery_method, true) } else { factor(r#type, delivery_method) }
}

async fn what_is_vouched_for_can_be_inspected(t: Harness) {
    let clients = t.clients();
    let full = vec![
        pb::VouchedFactor {
            hosted_domain: Some("acme.com".to_owned()),
            full_name: Some("Ada Lovelace".to_owned()),
            ..oauth("oauth_google", true)
        },
        pb::VouchedFactor {
            email_address: Some("ADA@acme.com".to_owned()),
            provider_tenant_ids: vec!["T1".to_owned(), "T2".to_owned()],
            ..oauth("oauth_slack", false)
        },
        pb::VouchedFactor { email_verified: Some(true), ..factor("password", "knowledge") },
        pb::VouchedFactor { phone_number: Some("+14155550123".to_owned()), ..factor("otp", "sms") },
    ];
    let token = clients.token_with("Ada@ACME.com", full.clone()).await;
    let session = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
    let verified_at = Some(seconds(t.clock.now()));
    let verified = [true, false, true, false];
    let expected = full.into_iter().zip(verified).map(|(factor, verifies_email_address)| {
        let factor = pb::VouchedFactor {
            email_address: Some("ada@acme.com".to_owned()),
            // False is the default, and is not told apart from it.
            email_verified: factor.email_verified.filter(|verified| *verified),
            ..factor
        };
        pb::VerifiedFactor { factor: Some(factor), verified_at, verifies_email_address, carried: false }
    });
    let expected = pb::IntermediateSession {
        email_address: "ada@acme.com".to_owned(),
        email_address_verified: true,
        factors: expected.collect(),
        organization_id: None,
        member_id: None,
        ..session.clone()
    };
    assert_eq!(session, expected);
}

async fn a_token_has_its_shape_and_its_ten_minutes(t: Harness) {
    let clients = t.clients();
    let mut tokens = Vec::new();
    for _ in 0..20 {
        let made = create(&clients, "ada@acme.com", vec![magic_link()]).await.unwrap().into_inner();
        assert!(made.request_id.starts_with("request-id-test-"), "{made:?}");
        let token = made.intermediate_session_token;
        let (bare, padding) = token.split_at(43);
        assert!(bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
        assert_eq!(padding, "=");
        assert!(!tokens.contains(&token), "{token} twice");
        let session = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
        let ends = session.intermediate_session_token_expires_at;
        assert_eq!(made.intermediate_session_token_expires_at, ends);
        assert_eq!(ends.unwrap().seconds - session.created_at.unwrap().seconds, 600);
        assert_eq!((ends.unwrap().nanos, session.created_at.unwrap().nanos), (0, 0));
        tokens.push(token);
    }
}

async fn every_pair_of_type_and_delivery_method_is_known_or_refused(t: Harness) {
    let clients = t.clients();
    let types =
        PAIRS.map(|pair| pair.0).into_iter().chain(["sso", "impersonated", "", "MAGIC_LINK", " oauth"]);
    let methods = PAIRS.map(|pair| pair.1).into_iter().chain(["sso_saml", "", "Email", "oauth_apple"]);
    let mut types: Vec<_> = types.collect();
    let mut methods: Vec<_> = methods.collect();
    types.dedup();
    methods.dedup();
    let mut accepted = 0;
    for r#type in &types {
        for method in &methods {
            let answer = create(&clients, "ada@acme.com", vec![magic_link(), of(r#type, method)]).await;
            if PAIRS.iter().any(|pair| (pair.0, pair.1) == (*r#type, *method)) {
                assert!(answer.is_ok(), "{type} {method}: {answer:?}");
                accepted += 1;
            } else {
                let refusal = refused(answer, Code::InvalidArgument, BAD_FACTOR);
                assert_eq!(refusal.violations(), [("factors[1].type", BAD_FACTOR)], "{type} {method}");
            }
        }
    }
    assert_eq!(accepted, PAIRS.len());
}

async fn a_field_that_does_not_belong_is_refused(t: Harness) {
    type Field = (&'static str, fn(&mut pb::VouchedFactor), &'static [&'static str]);
    const OAUTH: &[&str] =
        &["oauth_google", "oauth_microsoft", "oauth_github", "oauth_slack", "oauth_hubspot"];
    const VERIFIED: &[&str] =
        &["oauth_google", "oauth_microsoft", "oauth_github", "oauth_slack", "oauth_hubspot", "knowledge"];
    let fields: [Field; 7] = [
        ("email_verified", |f| f.email_verified = Some(false), VERIFIED),
        ("hosted_domain", |f| f.hosted_domain = Some("acme.com".to_owned()), &["oauth_google"]),
        ("provider_subject", |f| f.provider_subject = Some("1".to_owned()), OAUTH),
        (
            "provider_tenant_ids",
            |f| f.provider_tenant_ids = vec!["T1".to_owned()],
            &["oauth_github", "oauth_slack", "oauth_hubspot"],
        ),
        ("full_name", |f| f.full_name = Some("Ada".to_owned()), OAUTH),
        ("phone_number", |f| f.phone_number = Some("+14155550123".to_owned()), &["sms"]),
        ("email_address", |f| f.email_address = Some("ada@acme.com".to_owned()), PAIRS_ALL),
    ];
    let clients = t.clients();
    for (r#type, method, _) in PAIRS {
        for (field, set, belongs) in fields {
            let mut factor = of(r#type, method);
            set(&mut factor);
            let answer = create(&clients, "ada@acme.com", vec![magic_link(), factor]).await;
            if belongs.contains(&method) {
                assert!(answer.is_ok(), "{method} {field}: {answer:?}");
            } else {
                let refusal = refused(answer, Code::InvalidArgument, BAD_FACTOR);
                let path = format!("factors[1].{field}");
                assert_eq!(refusal.violations(), [(path.as_str(), BAD_FACTOR)], "{method}");
            }
        }
    }
}

const PAIRS_ALL: &[&str] = &[
    "email",
    "knowledge",
    "oauth_google",
    "oauth_microsoft",
    "oauth_github",
    "oauth_slack",
    "oauth_hubspot",
    "sms",
    "authenticator_app",
    "recovery_code",
];

async fn values_have_limits(t: Harness) {
    let clients = t.clients();
    let slack = || oauth("oauth_slack", false);
    let subject = |text: String| pb::VouchedFactor { provider_subject: Some(text), ..slack() };
    let name = |text: String| pb::VouchedFactor { full_name: Some(text), ..slack() };
    let tenants = |ids: Vec<String>| pb::VouchedFactor { provider_tenant_ids: ids, ..slack() };
    let phone =
        |text: &str| pb::VouchedFactor { phone_number: Some(text.to_owned()), ..factor("otp", "sms") };
    let hosted = |text: &str| pb::VouchedFactor {
        hosted_domain: Some(text.to_owned()),
        ..oauth("oauth_google", true)
    };
    let numbered = |count: usize| (0..count).map(|number| format!("T{number}")).collect();
    let accepted = [
        subject("ü".repeat(255)),
        name(String::new()),
        name("ü".repeat(256)),
        tenants(numbered(100)),
        tenants(vec!["T".repeat(255)]),
        phone("+12"),
        phone("+123456789012345"),
    ];
    for factor in accepted {
        let answer = create(&clients, "ada@acme.com", vec![magic_link(), factor.clone()]).await;
        assert!(answer.is_ok(), "{factor:?}: {answer:?}");
    }
    let refused = [
        ("provider_subject", subject(String::new())),
        ("provider_subject", subject("s".repeat(256))),
        ("provider_subject", subject("a\0b".to_owned())),
        ("full_name", name("n".repeat(257))),
        ("full_name", name("Ada\nLovelace".to_owned())),
        ("full_name", name("Ada\u{202e}ecalevoL".to_owned())),
        ("provider_tenant_ids", tenants(numbered(101))),
        ("provider_tenant_ids", tenants(vec![String::new()])),
        ("provider_tenant_ids", tenants(vec!["T".repeat(256)])),
        ("phone_number", phone("")),
        ("phone_number", phone("14155550123")),
        ("phone_number", phone("+1")),
        ("phone_number", phone("+04155550123")),
        ("phone_number", phone("+1234567890123456")),
        ("phone_number", phone("+1 415 555 0123")),
        ("phone_number", phone("+１４１５５５５０１２３")),
        ("hosted_domain", hosted("")),
        ("hosted_domain", hosted(&"h".repeat(256))),
    ];
    for (field, factor) in refused {
        let refusal = refused_for_factors(&clients, vec![magic_link(), factor.clone()]).await;
        let path = format!("factors[1].{field}");
        assert_eq!(refusal.violations(), [(path.as_str(), BAD_FACTOR)], "{factor:?}");
    }
}

async fn an_oauth_factor_needs_a_subject(t: Harness) {
    let clients = t.clients();
    for (r#type, method, _) in PAIRS.into_iter().filter(|pair| pair.0 == "oauth") {
        let refusal = refused_for_factors(&clients, vec![factor(r#type, method)]).await;
        assert_eq!(refusal.violations(), [("factors[0].provider_subject", BAD_FACTOR)], "{method}");
    }
}

async fn a_factor_is_about_the_address_of_the_session(t: Harness) {
    let clients = t.clients();
    let about = |address: &str| pb::VouchedFactor { email_address: Some(address.to_owned()), ..magic_link() };
    for address in ["ada@acme.com", "ADA@Acme.com.", "ada＠ａｃｍｅ．com"] {
        assert!(create(&clients, "Ada@acme.com", vec![about(address)]).await.is_ok(), "{address}");
    }
    for address in ["bob@acme.com", "ada@acme.co", "ada+x@acme.com", "ada@mail.acme.com"] {
        let refusal = refused_for_factors(&clients, vec![about("ada@acme.com"), about(address)]).await;
        assert_eq!(refusal.violations(), [("factors[1].email_address", BAD_FACTOR)], "{address}");
    }
    let answer = create(&clients, "ada@acme.com", vec![about("ada")]).await;
    let refusal = refused(answer, Code::InvalidArgument, "INVALID_EMAIL");
    assert_eq!(refusal.violations(), [("factors[0].email_address", "INVALID_EMAIL")]);
}

async fn a_token_holds_one_to_sixteen_factors_one_of_them_primary(t: Harness) {
    let clients = t.clients();
    assert!(create(&clients, "ada@acme.com", vec![magic_link(); 16]).await.is_ok());
    for (r#type, method, primary) in PAIRS {
        let answer = create(&clients, "ada@acme.com", vec![of(r#type, method)]).await;
        assert_eq!(answer.is_ok(), primary, "{type} {method}: {answer:?}");
    }
    let second = || factor("totp", "authenticator_app");
    let cases = [vec![], vec![magic_link(); 17], vec![second()], vec![factor("otp", "sms"), second()]];
    for factors in cases {
        let count = factors.len();
        let refusal = refused_for_factors(&clients, factors).await;
        assert_eq!(refusal.violations(), [("factors", BAD_FACTOR)], "{count}");
    }
}

async fn every_violation_is_reported_at_once(t: Harness) {
    let clients = t.clients();
    let factors = vec![
        factor("sso", "sso_saml"),
        pb::VouchedFactor {
            hosted_domain: Some("acme.com".to_owned()),
            phone_number: Some("+14155550123".to_owned()),
            ..factor("totp", "authenticator_app")
        },
        factor("oauth", "oauth_google"),
    ];
    let refusal = refused(create(&clients, "nobody", factors).await, Code::InvalidArgument, "INVALID_EMAIL");
    assert_eq!(
        refusal.violations(),
        [
            ("email_address", "INVALID_EMAIL"),
            ("factors[0].type", BAD_FACTOR),
            ("factors[1].hosted_domain", BAD_FACTOR),
            ("factors[1].phone_number", BAD_FACTOR),
            ("factors[2].provider_subject", BAD_FACTOR),
        ]
    );
}
