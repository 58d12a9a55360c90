use time::macros::datetime;

use super::*;
use crate::domain::permission::{Permission, Permissions};

fn grant(name: &str) -> Grant {
    let permissions: Permissions = [Permission::Read].into_iter().collect();
    Grant { caller: Caller { name: name.to_owned(), permissions, calls_per_second: None }, expires_at: None }
}

/// Two names of `web`, one of `billing`.
fn directory() -> Directory {
    let certificates = [
        (San::Dns("web.acme.com".to_owned()), grant("web")),
        (San::Uri("spiffe://acme.com/Web".to_owned()), grant("web")),
        (San::Dns("billing.acme.com".to_owned()), grant("billing")),
    ];
    Directory { certificates: certificates.into(), ..Directory::default() }
}

fn who(dns_names: &[&str], uris: &[&str]) -> Result<String, Refusal> {
    who_of(&directory(), dns_names, uris)
}

fn who_of(directory: &Directory, dns_names: &[&str], uris: &[&str]) -> Result<String, Refusal> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let grant = directory.by_certificate(&owned(dns_names), &owned(uris));
    grant.map(|grant| grant.caller.name.clone())
}

#[test]
fn a_certificate_is_known_by_any_of_its_names() {
    let web = Ok("web".to_owned());
    assert_eq!(who(&["web.acme.com"], &[]), web);
    assert_eq!(who(&["WEB.acme.COM"], &[]), web, "DNS names have no case");
    assert_eq!(who(&[], &["spiffe://acme.com/Web"]), web);
    assert_eq!(who(&["web.acme.com"], &["spiffe://acme.com/Web"]), web, "both are its own");
    assert_eq!(who(&["localhost", "web.acme.com", "web"], &["urn:x:y"]), web, "others say nothing");
    assert_eq!(who(&["billing.acme.com", "billing.acme.com"], &[]), Ok("billing".to_owned()));
}

#[test]
fn names_that_say_nothing() {
    assert_eq!(who(&[], &[]), Err(Refusal::Missing));
    for (dns_names, uris) in [
        (&["acme.com"][..], &[][..]),
        (&["*.acme.com"], &[]),
        (&["*"], &[]),
        (&["web.acme.com."], &[]),
        (&["web.acme.com "], &[]),
        (&["x.web.acme.com"], &[]),
        (&[""], &[]),
        // A name of one kind is none of the other.
        (&["spiffe://acme.com/Web"], &[]),
        (&[], &["web.acme.com"]),
        // Paths have a case, and nothing is below or beside another.
        (&[], &["spiffe://acme.com/web"]),
        (&[], &["spiffe://acme.com/Web/"]),
        (&[], &["spiffe://acme.com/"]),
    ] {
        assert_eq!(who(dns_names, uris), Err(Refusal::UnknownCertificate), "{dns_names:?} {uris:?}");
    }
}

#[test]
fn names_of_several_callers_name_nobody() {
    let unknown = Err(Refusal::UnknownCertificate);
    assert_eq!(who(&["web.acme.com", "billing.acme.com"], &[]), unknown);
    assert_eq!(who(&["billing.acme.com", "other", "web.acme.com"], &[]), unknown);
    assert_eq!(who(&["billing.acme.com"], &["spiffe://acme.com/Web"]), unknown);
}

/// Which of them would count is nobody's guess.
#[test]
fn names_of_one_caller_that_allow_different_things_name_nobody() {
    let uri = San::Uri("spiffe://acme.com/Web".to_owned());
    let both = (&["web.acme.com"][..], &["spiffe://acme.com/Web"][..]);
    let mut more = directory();
    more.certificates.get_mut(&uri).unwrap().caller.permissions = Permissions::all();
    assert_eq!(who_of(&more, both.0, both.1), Err(Refusal::UnknownCertificate));
    assert_eq!(who_of(&more, both.0, &[]), Ok("web".to_owned()));
    let mut ends = directory();
    ends.certificates.get_mut(&uri).unwrap().expires_at = Some(datetime!(2027-01-31 00:00 UTC));
    assert_eq!(who_of(&ends, both.0, both.1), Err(Refusal::UnknownCertificate));
}
