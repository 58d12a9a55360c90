//! Which fields of a request count.

use prost_types::FieldMask;

use super::{FIELD_NUMBERS, Violations};
use crate::domain::reason::Reason;

/// The fields of updates that say how to update, not what.
const OPTIONS: [&str; 7] = [
    "organization_id",
    "member_id",
    "update_mask",
    "etag",
    "allow_removing_last_admin",
    "preserve_existing_sessions",
    "unlink_email",
];

/// Tells what is sent from what is not: without a mask, what is present; with one, what it names.
#[derive(Debug)]
pub(super) struct Sent {
    mask: Option<Vec<String>>,
    cleared: Vec<&'static str>,
}

impl Sent {
    /// What is present counts.
    pub(super) fn present() -> Self {
        Self { mask: None, cleared: Vec::new() }
    }

    /// What the mask names counts, if it names anything.
    pub(super) fn masked(violations: &mut Violations, mask: Option<FieldMask>) -> Self {
        let Some(mask) = mask.filter(|mask| !mask.paths.is_empty()) else {
            return Self::present();
        };
        for (index, path) in mask.paths.iter().enumerate() {
            let known = FIELD_NUMBERS
                .get(violations.message)
                .is_some_and(|fields| fields.contains_key(path) && !OPTIONS.contains(&path.as_str()));
            if !known {
                let rule = "is not the name of a field that can be updated";
                violations.add(format!("update_mask.paths[{index}]"), Reason::InvalidArgument, rule);
            }
        }
        Self { mask: Some(mask.paths), cleared: Vec::new() }
    }

    /// The value of a field, if it counts.
    pub(super) fn value<T>(&mut self, field: &'static str, value: Option<T>) -> Option<T> {
        let Some(mask) = &self.mask else {
            return value;
        };
        if !mask.iter().any(|path| path == field) {
            return None;
        }
        if value.is_none() {
            self.cleared.push(field);
        }
        value
    }

    /// The number of an enum, if it counts; 0 is "not sent".
    pub(super) fn choice(&mut self, field: &'static str, number: Option<i32>) -> Option<i32> {
        self.value(field, number.filter(|number| *number != 0))
    }

    /// A list, if it counts; without a mask an empty one does not.
    pub(super) fn list<T>(&mut self, field: &'static str, list: Vec<T>) -> Option<Vec<T>> {
        match &self.mask {
            None => Some(list).filter(|list| !list.is_empty()),
            Some(mask) => mask.iter().any(|path| path == field).then_some(list),
        }
    }

    /// What becomes of a field that can be empty: `Some(None)` when the mask names it and it is not sent.
    #[expect(clippy::option_option, reason = "stays, becomes empty, or becomes this")]
    pub(super) fn clearable<T>(&self, field: &'static str, value: Option<T>) -> Option<Option<T>> {
        if self.cleared.contains(&field) { Some(None) } else { value.map(Some) }
    }

    /// Notes that a field that can't be empty is named by the mask and not sent.
    pub(super) fn refuse_cleared(&self, violations: &mut Violations, field: &'static str, reason: Reason) {
        if self.cleared.contains(&field) {
            violations.add(field, reason, "is named in update_mask and not sent");
        }
    }
}
