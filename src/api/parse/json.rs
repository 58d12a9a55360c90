//! From `google.protobuf.Struct` to JSON.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::{Number, Value};

use crate::domain::json::JsonObject;

/// The largest integer up to which a double has every integer (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How many objects and lists may stand inside each other. An object takes three levels of messages,
/// and decoders give up after 100 of them: what is accepted must fit into every answer.
const MAX_DEPTH: usize = 30;

/// A value that JSON can't carry, or that can't be kept or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "has a value that JSON can't carry (NaN, an infinity, a value of no kind, or a NUL character), or is \
     nested deeper than {MAX_DEPTH} levels"
)]
pub(super) struct NotJson;

/// Reads an object.
pub(super) fn object(fields: Struct) -> Result<JsonObject, NotJson> {
    object_at(1, fields)
}

fn object_at(depth: usize, fields: Struct) -> Result<JsonObject, NotJson> {
    if depth > MAX_DEPTH {
        return Err(NotJson);
    }
    fields.fields.into_iter().map(|(key, field)| Ok((text(key)?, value(depth, field)?))).collect()
}

fn list_at(depth: usize, list: ListValue) -> Result<Vec<Value>, NotJson> {
    if depth > MAX_DEPTH {
        return Err(NotJson);
    }
    list.values.into_iter().map(|entry| value(depth, entry)).collect()
}

/// Reads a value that stands at this depth.
fn value(depth: usize, value: ProtoValue) -> Result<Value, NotJson> {
    Ok(match value.kind.ok_or(NotJson)? {
        Kind::NullValue(_) => Value::Null,
        Kind::NumberValue(number) => number_value(number)?,
        Kind::StringValue(string) => Value::String(text(string)?),
        Kind::BoolValue(boolean) => Value::Bool(boolean),
        Kind::StructValue(fields) => Value::Object(object_at(depth + 1, fields)?),
        Kind::ListValue(list) => Value::Array(list_at(depth + 1, list)?),
    })
}

/// Postgres keeps no NUL inside JSON.
fn text(text: String) -> Result<String, NotJson> {
    if text.contains('\0') { Err(NotJson) } else { Ok(text) }
}

/// Integers come as doubles, and leave as integers.
fn number_value(number: f64) -> Result<Value, NotJson> {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        // Below 2^53 the text of an integral double is that integer.
        return format!("{number:.0}").parse::<i64>().map(Value::from).map_err(|_| NotJson);
    }
    Number::from_f64(number).map(Value::Number).ok_or(NotJson)
}
