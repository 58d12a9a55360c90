//! The callers file: one JSON object a line, each a credential of a caller or an issuer of JWTs. Empty lines
//! and lines that begin with `#` say nothing.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::directory::{Directory, Grant, San};
use super::issuer::IssuerSettings;
use super::jwks::Source;
use crate::domain::call::Caller;
use crate::domain::ids::{ApiKeyId, Environment};
use crate::domain::permission::{Permission, Permissions};
use crate::tokens::api_key::{ApiKey, SecretHash};

/// The longest name of a caller, in bytes.
const MAX_NAME: usize = 128;

/// What is wrong with the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A line.
    #[error("line {line}: {fault}")]
    Line {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// Nobody could call.
    #[error("it names no caller")]
    NoCaller,
}

#[derive(Deserialize)]
struct Probe {
    caller: Option<IgnoredAny>,
    issuer: Option<IgnoredAny>,
}

/// A credential of a caller. Exactly one of the last three is there.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CallerLine {
    caller: String,
    permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls_per_second: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<ApiKeyMember>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<JwtMember>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateMember>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "an object with id and secret_sha256")]
struct ApiKeyMember {
    id: String,
    secret_sha256: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "an object with issuer and subject")]
struct JwtMember {
    issuer: String,
    subject: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "an object with dns or uri")]
struct CertificateMember {
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
}

/// An issuer whose JWTs say who calls. Either the file or the URL is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerLine {
    issuer: String,
    audience: String,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    ca_file: Option<PathBuf>,
    bearer_token_file: Option<PathBuf>,
}

/// The callers file, read and checked. The files that it names have not been looked at.
#[derive(Debug)]
pub struct CallersFile {
    pub(super) directory: Directory,
    pub(super) issuers: Vec<IssuerSettings>,
}

impl CallersFile {
    /// Reads the text.
    ///
    /// # Errors
    /// [`FileError`], which quotes nothing of the text.
    pub fn parse(text: &str, environment: Environment) -> Result<Self, FileError> {
        let mut reader = Reader {
            environment,
            directory: Directory::default(),
            issuers: Vec::new(),
            rates: HashMap::new(),
        };
        let mut subjects = Vec::new();
        for (index, text) in text.lines().map(str::trim).enumerate() {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = index + 1;
            let read = reader.line(text).map_err(|fault| FileError::Line { line, fault })?;
            subjects.extend(read.map(|issuer| (line, issuer)));
        }
        let Reader { directory, issuers, .. } = reader;
        if let Some((line, _)) =
            subjects.into_iter().find(|(_, issuer)| !issuers.iter().any(|known| known.issuer == *issuer))
        {
            let fault = "no line names the issuer".to_owned();
            return Err(FileError::Line { line, fault });
        }
        let Directory { keys, subjects, certificates } = &directory;
        if keys.is_empty() && subjects.is_empty() && certificates.is_empty() {
            return Err(FileError::NoCaller);
        }
        Ok(Self { directory, issuers })
    }
}

/// The line of a new API key.
///
/// # Errors
/// What is wrong with the name.
pub fn key_line(
    key: &ApiKey,
    environment: Environment,
    name: &str,
    permissions: &[Permission],
    expires_at: Option<OffsetDateTime>,
) -> Result<String, String> {
    check_name(name)?;
    let line = CallerLine {
        caller: name.to_owned(),
        permissions: permissions.iter().map(|permission| permission.as_str().to_owned()).collect(),
        calls_per_second: None,
        expires_at: expires_at
            .map(|expires_at| expires_at.format(&Rfc3339))
            .transpose()
            .map_err(|error| error.to_string())?,
        api_key: Some(ApiKeyMember { id: key.id().text(environment), secret_sha256: key.hash().text() }),
        jwt: None,
        certificate: None,
    };
    serde_json::to_string(&line).map_err(|error| error.to_string())
}

struct Reader {
    environment: Environment,
    directory: Directory,
    issuers: Vec<IssuerSettings>,
    /// What each caller's first line says of its rate.
    rates: HashMap<String, Option<u32>>,
}

impl Reader {
    /// Takes a line, and tells the issuer that it relies on.
    fn line(&mut self, text: &str) -> Result<Option<String>, String> {
        let probe: Probe = json(text)?;
        match (probe.caller, probe.issuer) {
            (Some(_), None) => self.caller(json(text)?),
            (None, Some(_)) => self.issuer(json(text)?).map(|()| None),
            _ => Err("it is neither a caller nor an issuer".to_owned()),
        }
    }

    fn caller(&mut self, line: CallerLine) -> Result<Option<String>, String> {
        check_name(&line.caller)?;
        let permissions = permissions(&line.permissions)?;
        let calls_per_second = line.calls_per_second.map(NonZeroU32::get);
        if *self.rates.entry(line.caller.clone()).or_insert(calls_per_second) != calls_per_second {
            return Err("another line gives this caller another calls_per_second".to_owned());
        }
        let expires_at = line.expires_at.map(|text| OffsetDateTime::parse(&text, &Rfc3339)).transpose();
        let expires_at = expires_at.map_err(|_| "expires_at is not a time like 2027-01-31T00:00:00Z")?;
        let grant = Grant { caller: Caller { name: line.caller, permissions, calls_per_second }, expires_at };
        let mut issuer = None;
        let other = match (line.api_key, line.jwt, line.certificate) {
            (Some(key), None, None) => {
                let id = ApiKeyId::parse(&key.id, self.environment)
                    .map_err(|_| "api_key.id is not an id of this environment")?;
                let hash = SecretHash::parse(&key.secret_sha256)
                    .ok_or("api_key.secret_sha256 is not 64 lower-case hexadecimal digits")?;
                self.directory.keys.insert(id, (hash, grant)).is_some()
            }
            (None, Some(jwt), None) => {
                if jwt.subject.is_empty() {
                    return Err("jwt.subject is empty".to_owned());
                }
                issuer = Some(jwt.issuer.clone());
                self.directory.subjects.entry(jwt.issuer).or_default().insert(jwt.subject, grant).is_some()
            }
            (None, None, Some(certificate)) => {
                self.directory.certificates.insert(san(certificate)?, grant).is_some()
            }
            _ => return Err("exactly one of api_key, jwt and certificate is needed".to_owned()),
        };
        if other { Err("another line has the same credential".to_owned()) } else { Ok(issuer) }
    }

    fn issuer(&mut self, line: IssuerLine) -> Result<(), String> {
        if line.issuer.is_empty() || line.audience.is_empty() {
            return Err("issuer and audience must not be empty".to_owned());
        }
        if self.issuers.iter().any(|known| known.issuer == line.issuer) {
            return Err("another line names the same issuer".to_owned());
        }
        let source = match (line.jwks_file, line.jwks_url) {
            (Some(_), None) if line.ca_file.is_some() || line.bearer_token_file.is_some() => {
                return Err("ca_file and bearer_token_file belong to jwks_url".to_owned());
            }
            (Some(path), None) => Source::File(path),
            (None, Some(url)) => {
                let (ca_file, bearer_token_file) = (line.ca_file, line.bearer_token_file);
                Source::Url { url: checked(&url)?, ca_file, bearer_token_file }
            }
            _ => return Err("exactly one of jwks_file and jwks_url is needed".to_owned()),
        };
        self.issuers.push(IssuerSettings { issuer: line.issuer, audience: line.audience, source });
        Ok(())
    }
}

fn json<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, String> {
    // A struct would be read from a list of its values too.
    if !text.starts_with('{') {
        return Err("it is not a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| fault(&error))
}

/// What was expected where, without what is there: it may be a key that somebody pasted.
fn fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let what = match what.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => what.to_owned(),
    };
    format!("column {}: {what}", error.column())
}

fn check_name(name: &str) -> Result<(), String> {
    let well_formed = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte));
    if !well_formed {
        return Err("the name of a caller is 1 to 128 ASCII letters, digits and -_.:/".to_owned());
    }
    if name == Caller::ANONYMOUS {
        return Err("no caller can be named anonymous".to_owned());
    }
    Ok(())
}

fn permissions(words: &[String]) -> Result<Permissions, String> {
    let read = |word: &String| Permission::ALL.into_iter().find(|permission| permission.as_str() == word);
    let permissions: Option<Permissions> = words.iter().map(read).collect();
    let permissions = permissions.filter(|permissions| !permissions.is_empty());
    permissions.ok_or_else(|| {
        let all = Permission::ALL.map(Permission::as_str).join(", ");
        format!("permissions are at least one of {all}")
    })
}

fn san(member: CertificateMember) -> Result<San, String> {
    match (member.dns, member.uri) {
        (Some(name), None) if !name.is_empty() && !name.contains('*') => {
            Ok(San::Dns(name.to_ascii_lowercase()))
        }
        (None, Some(uri)) if Url::parse(&uri).is_ok() => Ok(San::Uri(uri)),
        _ => Err("certificate has exactly one of dns, a name without *, and uri".to_owned()),
    }
}

/// Whoever could answer in place of the issuer could call as anybody.
fn checked(url: &str) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|_| "jwks_url is not a URL")?;
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err("jwks_url begins with https://, or with http:// and a loopback address".to_owned()),
    }
}

#[cfg(test)]
mod tests;
