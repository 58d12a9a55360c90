//! A failed call, as a program reads it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

/// What a failed call says.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) reason: String,
    pub(crate) metadata: HashMap<String, String>,
    /// Each field violation: the field and its reason.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) request_id: String,
}

impl Refusal {
    /// Reads a status, and panics unless it has what every failure must have.
    pub(crate) fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
        assert_eq!(info.domain, "vestibule", "{status:?}");
        let request_id = details.request_info().map(|info| info.request_id.clone()).unwrap_or_default();
        assert!(!request_id.is_empty(), "no RequestInfo: {status:?}");
        let header = status.metadata().get("x-request-id").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header, Some(request_id.clone()), "{status:?}");
        assert_eq!(info.metadata.get("request_id"), Some(&request_id), "{status:?}");
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        assert!(violations.iter().all(|violation| !violation.description.is_empty()), "{status:?}");
        let fields = violations.into_iter().map(|violation| (violation.field, violation.reason)).collect();
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason: info.reason.clone(),
            metadata: info.metadata.clone(),
            fields,
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            request_id,
        }
    }

    /// The fields and reasons, to compare with a literal.
    pub(crate) fn violations(&self) -> Vec<(&str, &str)> {
        self.fields.iter().map(|(field, reason)| (field.as_str(), reason.as_str())).collect()
    }
}

/// The refusal of a call that must fail with this code and reason.
#[track_caller]
pub(crate) fn refused<T: Debug>(result: Result<Response<T>, Status>, code: Code, reason: &str) -> Refusal {
    let refusal = Refusal::of(&result.expect_err("the call is refused"));
    assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason), "{refusal:?}");
    refusal
}
