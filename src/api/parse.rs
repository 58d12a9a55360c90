//! From messages to the words of the domain. Every rule that a request breaks is collected; nothing
//! below this module sees a value that breaks one.

mod batch;
pub(super) mod discovery;
pub(super) mod intermediate_session;
mod json;
pub(super) mod member;
pub(super) mod organization;
mod roles;
pub(super) mod search;
mod search_filters;
mod sent;
pub(super) mod session;
mod settings;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Status;

use super::{Api, status};
use crate::domain::ids::Environment;
use crate::domain::reason::{Reason, Violation};
use crate::pb::FILE_DESCRIPTOR_SET;
use crate::tokens::opaque::IntermediateToken;

/// The numbers of the fields of every message, which is the order that violations come in.
static FIELD_NUMBERS: LazyLock<HashMap<String, HashMap<String, i32>>> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).map(|set| set.file).unwrap_or_default();
    let messages = files.into_iter().flat_map(|file| file.message_type);
    messages
        .map(|message| {
            let numbers =
                message.field.iter().map(|field| (field.name().to_owned(), field.number())).collect();
            (message.name().to_owned(), numbers)
        })
        .collect()
});

/// Collects what is wrong with one request.
#[derive(Debug)]
pub(super) struct Violations {
    message: &'static str,
    list: Vec<Violation>,
}

impl Violations {
    /// Nothing is wrong yet. `message` is the name of the request's type.
    pub(super) fn of(message: &'static str) -> Self {
        Self { message, list: Vec::new() }
    }

    /// Notes that a field breaks a rule.
    fn add(&mut self, field: impl Into<String>, reason: Reason, rule: impl Display) {
        self.list.push(Violation::new(field, reason, rule.to_string()));
    }

    /// The value, or `None` after noting why there is none.
    fn check<T, E: Display>(
        &mut self,
        field: impl Into<String>,
        reason: Reason,
        value: Result<T, E>,
    ) -> Option<T> {
        value.map_err(|rule| self.add(field, reason, rule)).ok()
    }

    /// Notes that a field has an id of the other environment.
    fn other_environment(&mut self, api: &Api, field: impl Into<String>) {
        let (reason, rule) = match api.environment {
            Environment::Test => (Reason::LiveIdUsedInTestEnvironment, "is an id of a live deployment"),
            Environment::Live => (Reason::TestIdUsedInLiveEnvironment, "is an id of a test deployment"),
        };
        self.add(field, reason, rule);
    }

    /// Whether something is wrong with the field or an entry of it.
    fn concern(&self, field: &str) -> bool {
        self.list.iter().any(|violation| root(&violation.field) == field)
    }

    /// The request as parsed, if nothing is wrong.
    ///
    /// # Errors
    /// All violations, in the order of the message's fields.
    fn finish<T>(mut self, parsed: Option<T>) -> Result<T, Status> {
        match parsed {
            Some(parsed) if self.list.is_empty() => Ok(parsed),
            _ => {
                let numbers = FIELD_NUMBERS.get(self.message);
                let number = |violation: &Violation| {
                    numbers
                        .and_then(|numbers| numbers.get(root(&violation.field)))
                        .copied()
                        .unwrap_or(i32::MAX)
                };
                self.list.sort_by_key(number);
                Err(status::invalid(&self.list))
            }
        }
    }
}

/// The field of the request that a path leads through.
fn root(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

/// Reads an intermediate session token.
fn intermediate_token(violations: &mut Violations, text: &str) -> Option<IntermediateToken> {
    violations.check(
        "intermediate_session_token",
        Reason::InvalidSessionToken,
        IntermediateToken::parse(text),
    )
}

/// Reads a request that is nothing but a token.
pub(super) fn token_only(message: &'static str, text: &str) -> Result<IntermediateToken, Status> {
    let mut violations = Violations::of(message);
    let token = intermediate_token(&mut violations, text);
    violations.finish(token)
}
