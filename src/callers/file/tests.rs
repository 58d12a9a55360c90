use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::callers::Refusal;

fn parse(text: &str, environment: Environment) -> Result<(Directory, Vec<IssuerSettings>), FileError> {
    CallersFile::parse(text, environment).map(|file| (file.directory, file.issuers))
}

const ID: &str = "api-key-test-01890a5d-ac96-774b-bcce-b302099a8057";

/// What somebody pasted where it does not belong.
const SECRET: &str = "api-key-test-01890a5d-ac96-774b-bcce-b302099a8057.c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0";

fn hash() -> String {
    "0f".repeat(32)
}

/// A caller with an API key, and other members.
fn caller(others: &Value) -> Value {
    let mut line = json!({
        "caller": "billing",
        "permissions": ["read", "verify"],
        "api_key": {"id": ID, "secret_sha256": hash()},
    });
    merge(&mut line, others);
    line
}

/// The same with another credential.
fn by(credential: &Value) -> Value {
    let mut line = caller(credential);
    line.as_object_mut().unwrap().remove("api_key");
    line
}

fn issuer(others: &Value) -> Value {
    let mut line = json!({
        "issuer": "https://id.acme.com",
        "audience": "vestibule",
        "jwks_url": "https://id.acme.com/jwks",
    });
    merge(&mut line, others);
    line
}

/// Members with the value null go.
fn merge(line: &mut Value, others: &Value) {
    let line = line.as_object_mut().unwrap();
    line.extend(others.as_object().unwrap().clone());
    line.retain(|_, value| !value.is_null());
}

fn read(lines: &[Value]) -> Result<(Directory, Vec<IssuerSettings>), FileError> {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    parse(&lines.join("\n"), Environment::Test)
}

/// The line and the fault of a file that is refused.
#[track_caller]
fn fault(text: &str) -> (usize, String) {
    match parse(text, Environment::Test) {
        Err(FileError::Line { line, fault }) => (line, fault),
        Err(FileError::NoCaller) => panic!("no caller in {text}"),
        Ok(_) => panic!("no fault in {text}"),
    }
}

#[test]
fn every_kind_of_line() {
    let jwt = json!({"jwt": {"issuer": "https://id.acme.com", "subject": "billing"}});
    let text = [
        "# who calls".to_owned(),
        caller(&json!({"calls_per_second": 50, "expires_at": "2027-01-31T00:00:00Z"})).to_string(),
        String::new(),
        // A caller may stand before its issuer.
        format!("  {}\t", by(&jwt).to_string().replace("\"billing\"", "\"https://x/y_z.1:2-3\"")),
        by(&json!({"certificate": {"dns": "Web.Acme.com"}, "calls_per_second": 50})).to_string(),
        by(&json!({"certificate": {"uri": "spiffe://acme.com/Web"}, "calls_per_second": 50})).to_string(),
        issuer(&json!({"ca_file": "/ca.pem", "bearer_token_file": "/token"})).to_string(),
        issuer(&json!({"issuer": "second", "jwks_url": null, "jwks_file": "/jwks.json"})).to_string(),
        "   # the end".to_owned(),
    ];
    for ending in ["\n", "\r\n"] {
        let (directory, issuers) = parse(&text.join(ending), Environment::Test).unwrap();
        let (_, grant) = &directory.keys[&ApiKeyId::parse(ID, Environment::Test).unwrap()];
        assert_eq!(grant.expires_at, Some(datetime!(2027-01-31 00:00 UTC)));
        let Caller { name, permissions, calls_per_second } = &grant.caller;
        assert_eq!((name.as_str(), *calls_per_second), ("billing", Some(50)));
        let held = Permission::ALL.map(|permission| permissions.allow(permission));
        assert_eq!(held, [true, false, true, false, false, false], "{permissions:?}");
        let by_subject = directory.by_subject("https://id.acme.com", "https://x/y_z.1:2-3").unwrap();
        assert_eq!((by_subject.caller.name.as_str(), by_subject.expires_at), ("https://x/y_z.1:2-3", None));
        let names = [San::Dns("web.acme.com".into()), San::Uri("spiffe://acme.com/Web".into())];
        assert!(names.iter().all(|name| directory.certificates.contains_key(name)));
        let url = Url::parse("https://id.acme.com/jwks").unwrap();
        let (ca_file, bearer_token_file) = (Some("/ca.pem".into()), Some("/token".into()));
        assert_eq!(issuers[0].source, Source::Url { url, ca_file, bearer_token_file });
        assert_eq!(issuers[1].source, Source::File("/jwks.json".into()));
        assert_eq!((issuers[0].audience.as_str(), issuers.len()), ("vestibule", 2));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a row for each fault")]
fn every_fault_of_a_line_is_told_with_its_number() {
    let hash = hash();
    let api_key = |id: &str, hash: &str| caller(&json!({"api_key": {"id": id, "secret_sha256": hash}}));
    let jwt = |issuer: &str, subject: &str| by(&json!({"jwt": {"issuer": issuer, "subject": subject}}));
    let long = "x".repeat(129);
    let (id_fault, hash_fault) = ("api_key.id is not", "api_key.secret_sha256 is not");
    let (name_fault, permission_fault) = ("the name of a caller is", "permissions are at least one of");
    let (one_credential, one_source) = ("exactly one of api_key, jwt and", "exactly one of jwks_file and");
    let (san_fault, url_fault) = ("certificate has exactly one of", "jwks_url begins with https://");
    let empty = "issuer and audience must not be empty";
    let cases = [
        (json!({}), "it is neither a caller nor an issuer"),
        (json!({"name": "billing"}), "it is neither"),
        (json!({"caller": null}), "it is neither"),
        (json!({"caller": "a", "issuer": "b"}), "it is neither"),
        (json!([]), "it is not a JSON object"),
        (json!(["billing", ["read"]]), "it is not a JSON object"),
        (json!("billing"), "it is not a JSON object"),
        (caller(&json!({"caller": ""})), name_fault),
        (caller(&json!({"caller": long})), name_fault),
        (caller(&json!({"caller": "bill ing"})), name_fault),
        (caller(&json!({"caller": "büro"})), name_fault),
        (caller(&json!({"caller": "a\nb"})), name_fault),
        (caller(&json!({"caller": "anonymous"})), "no caller can be named anonymous"),
        (caller(&json!({"caller": 7})), "expected a string"),
        (caller(&json!({"permissions": null})), "missing field `permissions`"),
        (caller(&json!({"permissions": []})), permission_fault),
        (caller(&json!({"permissions": ["Read"]})), permission_fault),
        (caller(&json!({"permissions": ["read", "everything"]})), permission_fault),
        (caller(&json!({"permissions": "read"})), "expected a sequence"),
        (caller(&json!({"calls_per_second": 0})), "expected a nonzero u32"),
        (caller(&json!({"calls_per_second": -1})), "expected a nonzero u32"),
        (caller(&json!({"calls_per_second": 1.5})), "expected a nonzero u32"),
        (caller(&json!({"calls_per_second": 4_294_967_296_u64})), "expected a nonzero u32"),
        (caller(&json!({"expires_at": "2027-01-31"})), "expires_at is not a time like"),
        (caller(&json!({"expires_at": "tomorrow"})), "expires_at is not"),
        (caller(&json!({"expires_at": "2027-02-31T00:00:00Z"})), "expires_at is not"),
        (caller(&json!({"expires_at": 1_800_000_000})), "expected a string"),
        (caller(&json!({"expire_at": "2027-01-31T00:00:00Z"})), "one of `caller`, `permissions`"),
        (api_key("api-key-live-01890a5d-ac96-774b-bcce-b302099a8057", &hash), id_fault),
        (api_key("member-test-01890a5d-ac96-774b-bcce-b302099a8057", &hash), id_fault),
        (api_key(&ID.to_uppercase(), &hash), id_fault),
        (api_key("", &hash), id_fault),
        (api_key(ID, ""), hash_fault),
        (api_key(ID, &hash.to_uppercase()), hash_fault),
        (api_key(ID, &hash[2..]), hash_fault),
        (caller(&json!({"api_key": {"id": ID}})), "missing field `secret_sha256`"),
        (caller(&json!({"api_key": {"id": ID, "secret_sha256": hash, "secret": 1}})), "`id`"),
        (caller(&json!({"api_key": null})), one_credential),
        (caller(&json!({"certificate": {"dns": "a.com"}})), one_credential),
        (caller(&json!({"jwt": {"issuer": "i", "subject": "s"}})), one_credential),
        (jwt("https://id.acme.com", ""), "jwt.subject is empty"),
        (jwt("https://nobody.com", "billing"), "no line names the issuer"),
        (jwt("https://id.acme.com/", "billing"), "no line names the issuer"),
        (by(&json!({"certificate": {}})), san_fault),
        (by(&json!({"certificate": {"dns": ""}})), san_fault),
        (by(&json!({"certificate": {"dns": "*.acme.com"}})), san_fault),
        (by(&json!({"certificate": {"uri": "acme"}})), san_fault),
        (by(&json!({"certificate": {"dns": "a.com", "uri": "spiffe://a/b"}})), san_fault),
        (by(&json!({"certificate": {"email": "a@a.com"}})), "`dns`"),
        (issuer(&json!({"issuer": ""})), empty),
        (issuer(&json!({"issuer": "new", "audience": ""})), empty),
        (issuer(&json!({"issuer": "new", "audience": null})), "missing field `audience`"),
        (issuer(&json!({"issuer": "new", "audience": ["vestibule"]})), "expected a string"),
        (issuer(&json!({"issuer": "new", "jwks_url": null})), one_source),
        (issuer(&json!({"issuer": "new", "jwks_file": "/jwks"})), one_source),
        (issuer(&json!({"issuer": "new", "jwks_url": "jwks"})), "jwks_url is not a URL"),
        (issuer(&json!({"issuer": "new", "jwks_url": "http://id.acme.com/jwks"})), url_fault),
        (issuer(&json!({"issuer": "new", "jwks_url": "http://localhost/jwks"})), url_fault),
        (issuer(&json!({"issuer": "new", "jwks_url": "http://192.0.2.1/jwks"})), url_fault),
        (issuer(&json!({"issuer": "new", "jwks_url": "http://[::2]/jwks"})), url_fault),
        (issuer(&json!({"issuer": "new", "jwks_url": "file:///jwks"})), url_fault),
        (issuer(&json!({"issuer": "new", "algorithm": "RS256"})), "`issuer`"),
        (issuer(&json!({})), "another line names the same issuer"),
    ];
    for (line, expected) in cases {
        let before = [caller(&json!({"caller": "first", "api_key": null, "certificate": {"dns": "first"}}))];
        let text = format!("{}\n\n# issuers\n{}\n{line}\n# end", before[0], issuer(&json!({})));
        let (number, fault) = fault(&text);
        assert_eq!(number, 5, "{line}: {fault}");
        assert!(fault.contains(expected), "{line} should say {expected:?}: {fault}");
    }
    let around = json!({"issuer": "new", "jwks_url": null, "jwks_file": "/jwks"});
    for file in ["ca_file", "bearer_token_file"] {
        let mut line = issuer(&around);
        line[file] = "/file".into();
        assert_eq!(fault(&line.to_string()), (1, "ca_file and bearer_token_file belong to jwks_url".into()));
    }
}

#[test]
fn what_is_not_json_is_told_by_its_place() {
    for (line, expected) in [
        (r#"{"caller": "a", }"#, "column 17: trailing comma"),
        (r#"{"caller" "a"}"#, "column 11: expected `:`"),
        (r#"{"caller": "a"} {}"#, "column 17: trailing characters"),
        (r#"{"caller": "a""#, "column 14: EOF while parsing an object"),
        (r#"{"caller": "a", "caller": "b"}"#, "column 24: duplicate field `caller`"),
    ] {
        assert_eq!(fault(line), (1, expected.to_owned()), "{line}");
    }
    assert_eq!(fault("\u{feff}{}").1, "it is not a JSON object");
}

#[test]
fn a_credential_stands_once() {
    let other = |credential: &Value| {
        let mut line = by(credential);
        line["caller"] = "another".into();
        line
    };
    let same = "another line has the same credential";
    let key = json!({"api_key": {"id": ID, "secret_sha256": "ab".repeat(32)}});
    let certificate = json!({"certificate": {"dns": "web.acme.com"}});
    let upper = json!({"certificate": {"dns": "WEB.acme.com"}});
    let uri = json!({"certificate": {"uri": "spiffe://acme.com/web"}});
    let jwt = json!({"jwt": {"issuer": "https://id.acme.com", "subject": "billing"}});
    let mut keyed = other(&json!({}));
    merge(&mut keyed, &key);
    for (first, second) in [
        (caller(&key), keyed),
        (by(&certificate), other(&upper)),
        (by(&uri), other(&uri)),
        (by(&jwt), other(&jwt)),
        (by(&jwt), by(&jwt)),
    ] {
        let error = read(&[issuer(&json!({})), first, second]).unwrap_err();
        assert_eq!(error, FileError::Line { line: 3, fault: same.to_owned() });
    }
    let rate = |rate: Value| caller(&json!({"calls_per_second": rate}));
    let mut second = by(&certificate);
    let error = read(&[rate(json!(5)), second.clone()]).unwrap_err();
    assert!(error.to_string().contains("another calls_per_second"), "{error}");
    second["calls_per_second"] = 5.into();
    read(&[rate(json!(5)), second]).unwrap();
}

#[test]
fn a_file_without_a_caller() {
    for text in ["", "\n\n", "# nobody", &issuer(&json!({})).to_string()] {
        assert_eq!(parse(text, Environment::Test).unwrap_err(), FileError::NoCaller, "{text}");
    }
}

#[test]
fn http_is_for_loopback() {
    for url in ["http://127.0.0.1:8080/jwks", "http://127.1.2.3", "http://[::1]/jwks", "https://10.0.0.1"] {
        read(&[caller(&json!({})), issuer(&json!({"jwks_url": url}))]).unwrap();
    }
}

/// In every place of every line.
#[test]
fn nothing_that_was_pasted_is_quoted() {
    let jwt = json!({"jwt": {"issuer": "i", "subject": "s"}});
    let lines = [
        caller(&json!({"calls_per_second": 5, "expires_at": "2027-01-31T00:00:00Z"})),
        by(&jwt),
        by(&json!({"certificate": {"dns": "a.com"}})),
        by(&json!({"certificate": {"uri": "spiffe://a/b"}})),
        issuer(&json!({"ca_file": "/ca.pem", "bearer_token_file": "/token"})),
    ];
    let mut refused = 0;
    for line in &lines {
        for wrong in pasted(line) {
            if let Err(error) = parse(&wrong, Environment::Test) {
                refused += 1;
                let (id, secret) = SECRET.split_once('.').unwrap();
                let told = format!("{error} {error:?}");
                assert!(!told.contains(id) && !told.contains(secret), "{wrong}: {told}");
            }
        }
    }
    assert!(refused > 50, "{refused}");
    // As they are pasted by hand.
    for text in [SECRET.to_owned(), format!("\"{SECRET}\""), format!("{{{SECRET}}}"), format!("{{\"{SECRET}")]
    {
        assert!(!fault(&text).1.contains("c2Vj"), "{text}");
    }
}

/// The line with the secret as each of its values, as each name, and at the end.
fn pasted(line: &Value) -> Vec<String> {
    let text = line.to_string();
    let mut wrong = vec![format!("{text}{SECRET}"), format!("{text} \"{SECRET}\"")];
    let object = line.as_object().unwrap();
    for (name, value) in object {
        for pasted in [json!(SECRET), json!([SECRET]), json!({"id": SECRET}), json!({ SECRET: 1 })] {
            let mut changed = object.clone();
            changed.insert(name.clone(), pasted);
            wrong.push(Value::Object(changed).to_string());
        }
        wrong.push(text.replacen(&format!("\"{name}\":"), &format!("\"{SECRET}\":"), 1));
        for (inner, _) in value.as_object().into_iter().flatten() {
            for pasted in [json!(SECRET), json!([SECRET]), json!({ SECRET: SECRET })] {
                let mut changed = object.clone();
                changed[name][inner] = pasted;
                wrong.push(Value::Object(changed).to_string());
            }
            wrong.push(text.replacen(&format!("\"{inner}\":"), &format!("\"{SECRET}\":"), 1));
        }
    }
    let mut more = object.clone();
    more.insert(SECRET.to_owned(), SECRET.into());
    wrong.push(Value::Object(more).to_string());
    wrong
}

/// A key whose secret is this byte again and again.
fn key(secret: u8) -> ApiKey {
    let id = ID.replace("01890a5d", &format!("01890a{secret:02x}"));
    let secret = URL_SAFE_NO_PAD.encode([secret; 32]);
    ApiKey::parse(&format!("{id}.{secret}"), Environment::Test).unwrap()
}

#[test]
fn the_line_of_a_new_key_is_read_back() {
    for environment in [Environment::Test, Environment::Live] {
        for expires_at in [None, Some(datetime!(9999-12-31 23:59:59 UTC))] {
            let key = key(1);
            let line = key_line(&key, environment, "billing", &Permission::ALL, expires_at).unwrap();
            let (directory, _) = parse(&line, environment).unwrap();
            let grant = directory.by_key(&key).unwrap();
            assert_eq!((grant.caller.name.as_str(), grant.expires_at), ("billing", expires_at));
            assert_eq!(grant.caller.permissions, Permissions::all());
            let secret = key.reveal(environment);
            assert!(!line.contains(secret.split_once('.').unwrap().1), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }
    key_line(&key(1), Environment::Test, "anonymous", &[Permission::Read], None).unwrap_err();
}

#[test]
fn a_key_is_its_id_and_its_secret() {
    let (ada, bob) = (key(1), key(2));
    let line =
        |key: &ApiKey, name: &str| key_line(key, Environment::Test, name, &[Permission::Read], None).unwrap();
    let text = format!("{}\n{}", line(&ada, "ada"), line(&bob, "bob"));
    let (directory, _) = parse(&text, Environment::Test).unwrap();
    assert_eq!(directory.by_key(&ada).unwrap().caller.name, "ada");
    assert_eq!(directory.by_key(&bob).unwrap().caller.name, "bob");
    let (ada, bob) = (ada.reveal(Environment::Test), bob.reveal(Environment::Test));
    let crossed = format!("{}.{}", ada.split_once('.').unwrap().0, bob.split_once('.').unwrap().1);
    for wrong in [ApiKey::parse(&crossed, Environment::Test).unwrap(), key(3)] {
        assert_eq!(directory.by_key(&wrong).unwrap_err(), Refusal::UnknownKey);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\x00-\\x7f\u{e9}]{0,200}", bytes in any::<Vec<u8>>()) {
        drop(parse(&text, Environment::Test));
        drop(parse(&String::from_utf8_lossy(&bytes), Environment::Test));
        drop(parse(&format!("{{\"caller\": {text}"), Environment::Test));
        let mut line = caller(&json!({})).to_string();
        let place = text.len().min(line.len());
        line.insert_str(place, &text);
        drop(parse(&line, Environment::Test));
    }

    #[test]
    fn every_name_that_is_written_is_read(name in "[ -~]{0,20}", seconds in 0_i64..253_402_300_799) {
        let (key, expires_at) = (key(1), OffsetDateTime::from_unix_timestamp(seconds).unwrap());
        if let Ok(line) = key_line(&key, Environment::Test, &name, &[Permission::Vouch], Some(expires_at)) {
            let (directory, _) = parse(&line, Environment::Test).unwrap();
            let grant = directory.by_key(&key).unwrap();
            prop_assert_eq!(&grant.caller.name, &name);
            prop_assert_eq!(grant.expires_at, Some(expires_at));
        }
    }
}
