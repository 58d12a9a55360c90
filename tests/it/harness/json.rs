//! JSON as `google.protobuf.Struct`.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::Value;

/// An object.
pub(crate) fn object(json: Value) -> Struct {
    match value(json).kind {
        Some(Kind::StructValue(object)) => object,
        other => panic!("not an object: {other:?}"),
    }
}

/// Any value.
pub(crate) fn value(json: Value) -> ProtoValue {
    kind(match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(boolean) => Kind::BoolValue(boolean),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(list) => Kind::ListValue(ListValue { values: list.into_iter().map(value).collect() }),
        Value::Object(object) => {
            let fields = object.into_iter().map(|(key, field)| (key, value(field)));
            Kind::StructValue(Struct { fields: fields.collect() })
        }
    })
}

/// A value of a kind that JSON may not have.
pub(crate) fn kind(kind: Kind) -> ProtoValue {
    ProtoValue { kind: Some(kind) }
}

/// An object with one field.
pub(crate) fn field(key: &str, value: ProtoValue) -> Struct {
    Struct { fields: [(key.to_owned(), value)].into() }
}
