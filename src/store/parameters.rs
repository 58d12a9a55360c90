//! The parameters of a statement that is put together.

use sea_orm::Value;
use sea_orm::sea_query::ArrayType;
use uuid::Uuid;

use super::Engine;

/// Values, each known by the `$n` that stands for it. A list is one value, however long it is: the
/// statement stays short, and the same for every list.
pub(super) struct Parameters {
    engine: Engine,
    values: Vec<Value>,
}

impl Parameters {
    /// None yet.
    pub(super) fn of(engine: Engine) -> Self {
        Self { engine, values: Vec::new() }
    }

    /// Adds a value and says what stands for it.
    pub(super) fn add(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Adds a list of texts. What is answered stands behind a column that is to be one of them.
    pub(super) fn any_text<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> String {
        match self.engine {
            Engine::Postgres => {
                let texts = texts.into_iter().map(Value::from).collect();
                let list = self.add(Value::Array(ArrayType::String, Some(Box::new(texts))));
                format!("= ANY({list})")
            }
            Engine::Sqlite => {
                let texts: serde_json::Value = texts.into_iter().collect();
                let list = self.add(texts.to_string());
                format!("IN (SELECT value FROM json_each({list}))")
            }
        }
    }

    /// Adds a list of ids, like [`Parameters::any_text`].
    pub(super) fn any_id(&mut self, ids: impl IntoIterator<Item = Uuid>) -> String {
        match self.engine {
            Engine::Postgres => {
                let ids = ids.into_iter().map(Value::from).collect();
                let list = self.add(Value::Array(ArrayType::Uuid, Some(Box::new(ids))));
                format!("= ANY({list})")
            }
            Engine::Sqlite => {
                let ids: serde_json::Value = ids.into_iter().map(|id| id.simple().to_string()).collect();
                let list = self.add(ids.to_string());
                format!("IN (SELECT unhex(value) FROM json_each({list}))")
            }
        }
    }

    /// The values, in the order of their numbers.
    pub(super) fn values(self) -> Vec<Value> {
        self.values
    }
}
