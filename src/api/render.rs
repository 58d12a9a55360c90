//! From the words of the domain to messages. Total functions; nothing here can fail.

mod discovery;
mod intermediate_session;
mod member;
mod organization;
mod search;
mod session;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value as ProtoValue};
use serde_json::Value;
use time::OffsetDateTime;

pub(super) use discovery::{discovered_organization, explained_rule, mfa_required, primary_required};
pub(super) use intermediate_session::intermediate_session;
pub(super) use member::member;
pub(super) use organization::organization;
pub(super) use search::{fitting, results_metadata};
pub(super) use session::{jwk, member_session};

use crate::domain::json::JsonObject;

/// A time, to the second.
pub(super) fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanos: 0 }
}

fn object(object: &JsonObject) -> Struct {
    Struct { fields: object.iter().map(|(key, value)| (key.clone(), proto_value(value))).collect() }
}

fn proto_value(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(boolean) => Kind::BoolValue(*boolean),
        // Every number came in as a double.
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(list) => Kind::ListValue(ListValue { values: list.iter().map(proto_value).collect() }),
        Value::Object(fields) => Kind::StructValue(object(fields)),
    };
    ProtoValue { kind: Some(kind) }
}
