//! JSON written down as a literal, and what the API makes of it.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value};
use serde_json::Value as Json;
use time::OffsetDateTime;

/// A JSON object as the message that carries it. Panics for anything but an object.
pub(crate) fn object(json: &Json) -> Struct {
    let fields = json.as_object().expect("an object");
    Struct { fields: fields.iter().map(|(key, json)| (key.clone(), value(json))).collect() }
}

/// A JSON value as the message that carries it.
pub(crate) fn value(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(boolean) => Kind::BoolValue(*boolean),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Json::String(string) => Kind::StringValue(string.clone()),
        Json::Array(list) => Kind::ListValue(ListValue { values: list.iter().map(value).collect() }),
        Json::Object(_) => Kind::StructValue(object(json)),
    };
    Value { kind: Some(kind) }
}

/// A number as the message that carries it, also one that JSON has not.
pub(crate) fn number(number: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(number)) }
}

/// A time as answers show it: whole seconds.
pub(crate) fn seconds(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanos: 0 }
}
