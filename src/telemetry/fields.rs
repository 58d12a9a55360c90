//! How the fields of a span look in log lines.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::fmt::FormattedFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, FormatFields, JsonVisitor, Writer};

/// What is said to OpenTelemetry alone begins like this, and is in no log line.
const HIDDEN: &str = "otel.";

/// Fields for people.
#[derive(Debug, Default)]
pub(super) struct TextFields(());

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = DefaultVisitor::new(writer, true);
        fields.record(&mut Hiding(&mut visitor));
        visitor.finish()
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut added = FormattedFields::<Self>::new(String::new());
        self.format_fields(added.as_writer(), fields)?;
        if !current.fields.is_empty() && !added.fields.is_empty() {
            current.fields.push(' ');
        }
        current.fields.push_str(&added.fields);
        Ok(())
    }
}

/// Fields as one JSON object.
#[derive(Debug, Default)]
pub(super) struct ObjectFields(());

impl<'w> FormatFields<'w> for ObjectFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = JsonVisitor::new(&mut writer);
        fields.record(&mut Hiding(&mut visitor));
        visitor.finish()
    }

    /// Without reading what is there already.
    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut added = FormattedFields::<Self>::new(String::new());
        self.format_fields(added.as_writer(), fields)?;
        let known = current.fields.strip_suffix('}').unwrap_or_default().len();
        match (known, added.fields.strip_prefix('{')) {
            (_, None | Some("}")) => {}
            (0 | 1, Some(_)) => current.fields = added.fields,
            (_, Some(more)) => {
                current.fields.truncate(known);
                current.fields.push(',');
                current.fields.push_str(more);
            }
        }
        Ok(())
    }
}

/// Passes on what is not hidden.
struct Hiding<'v>(&'v mut dyn Visit);

impl Hiding<'_> {
    fn visit(&mut self, field: &Field, visit: impl FnOnce(&mut dyn Visit)) {
        if !field.name().starts_with(HIDDEN) {
            visit(self.0);
        }
    }
}

impl Visit for Hiding<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.visit(field, |visitor| visitor.record_debug(field, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.visit(field, |visitor| visitor.record_str(field, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.visit(field, |visitor| visitor.record_error(field, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.visit(field, |visitor| visitor.record_i64(field, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.visit(field, |visitor| visitor.record_u64(field, value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.visit(field, |visitor| visitor.record_f64(field, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.visit(field, |visitor| visitor.record_bool(field, value));
    }
}

#[cfg(test)]
mod tests;
