//! The parameters of a statement that is put together.

use sea_orm::Value;

/// Values, each known by the `$n` that stands for it.
#[derive(Default)]
pub(super) struct Parameters(Vec<Value>);

impl Parameters {
    /// Adds a value and says what stands for it.
    pub(super) fn add(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }

    /// Adds the values of a list and says what stands for them between the parentheses of an `IN`. Filled
    /// up with the last one to a power of two, so that few statements serve lists of every length.
    pub(super) fn list(&mut self, values: impl IntoIterator<Item = Value>) -> String {
        let mut names: Vec<_> = values.into_iter().map(|value| self.add(value)).collect();
        let Some(last) = self.0.last().cloned().filter(|_| !names.is_empty()) else {
            return "NULL".to_owned();
        };
        while !names.len().is_power_of_two() {
            names.push(self.add(last.clone()));
        }
        names.join(", ")
    }

    /// The values, in the order of their numbers.
    pub(super) fn values(self) -> Vec<Value> {
        self.0
    }
}
