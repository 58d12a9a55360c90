//! Errors as callers see them: the one place that makes a status.

use std::any::Any;
use std::time::Duration;

use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::callers::Refusal;
use crate::domain::permission::Permission;
use crate::domain::reason::{Reason, Violation};
use crate::service::error::Error;
use crate::telemetry::chain;

/// The most bytes of field violations that an answer carries. Details travel in a header, encoded,
/// and clients take headers of 8 KiB and more.
const MAX_VIOLATION_BYTES: usize = 3_000;

/// When the keys of an issuer that could not be read are asked for again.
const ISSUER_BACK: Duration = Duration::from_secs(10);

/// When a call that this server does not finish may be made at another.
const OTHERS_THERE: Duration = Duration::from_millis(250);

/// The domain of every reason.
const DOMAIN: &str = "vestibule";

/// The status of a use case's error. Faults are logged here, once, with their causes; callers'
/// mistakes at debug level.
pub(super) fn from_error(error: Error) -> Status {
    match error {
        Error::Invalid(violations) => invalid(&violations),
        Error::NotFound { reason, message } => plain(Code::NotFound, reason, message),
        Error::AlreadyExists(violations) => with_violations(Code::AlreadyExists, &violations),
        Error::Unfit(violations) => with_violations(Code::FailedPrecondition, &violations),
        Error::Denied { reason, message } => plain(Code::PermissionDenied, reason, message),
        Error::Stale => {
            let message = "the etag is not that of the current version: read it again";
            plain(Code::Aborted, Reason::EtagMismatch, message)
        }
        Error::SearchTimeout => {
            let message = "the search took too long: search for something more specific";
            plain(Code::DeadlineExceeded, Reason::SearchTimeout, message)
        }
        Error::Precondition { reason, message } => plain(Code::FailedPrecondition, reason, message),
        Error::Busy { reason, message, retry_after } => retry(Code::Aborted, reason, message, retry_after),
        Error::Limited { message, retry_after } => {
            retry(Code::ResourceExhausted, Reason::TooManyRequests, message, retry_after)
        }
        Error::Unavailable { retry_after, source } => {
            tracing::warn!(error = chain(&*source), "something that the call needs is away");
            let message = "the service is not available at the moment";
            retry(Code::Unavailable, Reason::ServerUnavailable, message, retry_after)
        }
        Error::Internal(source) => {
            tracing::error!(error = chain(&*source), "the call failed");
            plain(Code::Internal, Reason::InternalServerError, "the service failed")
        }
    }
}

/// The status of a request that breaks rules.
pub(super) fn invalid(violations: &[Violation]) -> Status {
    with_violations(Code::InvalidArgument, violations)
}

/// The status of a call whose deadline has passed.
pub(super) fn deadline_exceeded() -> Status {
    plain(Code::DeadlineExceeded, Reason::DeadlineExceeded, "the deadline of the call has passed")
}

/// The status of a call to what does not exist, or in an encoding that is not understood.
pub(super) fn route_not_found() -> Status {
    plain(Code::Unimplemented, Reason::RouteNotFound, "there is no such service, method or encoding")
}

/// The status of a call whose caller is not known. What is wrong with a credential is told as far as its
/// holder knows it anyway.
pub(super) fn not_authenticated(refusal: Refusal) -> Status {
    let reason = match refusal {
        Refusal::Malformed => Reason::InvalidAuthorizationHeader,
        Refusal::IssuerAway => {
            return retry(Code::Unavailable, Reason::ServerUnavailable, &refusal.to_string(), ISSUER_BACK);
        }
        _ => Reason::UnauthorizedCredentials,
    };
    plain(Code::Unauthenticated, reason, &refusal.to_string())
}

/// The status of a call that its caller may not make; one of the permissions would be enough.
pub(super) fn not_permitted(permissions: &[Permission]) -> Status {
    let words = permissions.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(",");
    let details = info(Reason::CallerNotPermitted, Code::PermissionDenied, &[("permissions", words)]);
    let message = "the caller's credential has not the permission that the call needs";
    Status::with_error_details(Code::PermissionDenied, message, details)
}

/// The status of a call that was sent away because too much is being worked on.
pub(super) fn shed(retry_after: Duration) -> Status {
    let message = "the service is working on as much as it can";
    retry(Code::Unavailable, Reason::ServerUnavailable, message, retry_after)
}

/// The status of a call that is not waited for any more: the server ends. What it was for may be done all the same.
pub(super) fn cut() -> Status {
    let message = "the server ends: another one may be there";
    retry(Code::Unavailable, Reason::ServerUnavailable, message, OTHERS_THERE)
}

/// The status of a message of more bytes than are accepted.
pub(super) fn message_too_large(most: u32) -> Status {
    too_large("the message is", most)
}

/// The status of a message that can't be read.
pub(super) fn broken_message() -> Status {
    plain(Code::InvalidArgument, Reason::BadRequest, "the message can't be decoded")
}

/// The status of a call that carries metadata of another kind of call.
pub(super) fn member_session_not_supported(header: &'static str) -> Status {
    let metadata = [("header", header.to_owned())];
    let details = info(Reason::MemberSessionNotSupported, Code::Unimplemented, &metadata);
    Status::with_error_details(Code::Unimplemented, "calls made as a member are not supported", details)
}

/// The answer of a handler that panicked.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the layer calls")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> http::Response<Body> {
    let message = panic
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = message, "a handler panicked");
    plain(Code::Internal, Reason::InternalServerError, "the service failed").into_http()
}

/// The status of a call with more metadata than is accepted.
pub(super) fn metadata_too_large(most: u32) -> Status {
    too_large("the metadata of the call is", most)
}

/// The proper form of a status that came from below the handlers: an undecodable or oversized
/// message, an unknown method. Statuses that have a reason stay as they are. `max_message`: the most bytes
/// of a message.
pub(super) fn normalized(status: Status, max_message: u32) -> Status {
    if status.code() == Code::Ok || status.get_details_error_info().is_some() {
        return status;
    }
    let mut proper = match status.code() {
        // The transport reports what it can't decode as internal.
        Code::Internal | Code::InvalidArgument => broken_message(),
        Code::OutOfRange | Code::ResourceExhausted => message_too_large(max_message),
        Code::Unimplemented => route_not_found(),
        Code::Cancelled | Code::DeadlineExceeded => deadline_exceeded(),
        // Health checks and reflection answer for themselves.
        _ => return status,
    };
    // The encodings that would have been accepted.
    *proper.metadata_mut() = status.metadata().clone();
    proper
}

/// The status with the id of the call it answers.
pub(super) fn with_request_id(status: &Status, request_id: &str) -> Status {
    let mut details = status.get_error_details();
    details.set_request_info(request_id, "");
    if let Some(mut info) = details.error_info().cloned() {
        info.metadata.insert("request_id".to_owned(), request_id.to_owned());
        details.set_error_info(info.reason, info.domain, info.metadata);
    }
    Status::with_error_details_and_metadata(
        status.code(),
        status.message(),
        details,
        status.metadata().clone(),
    )
}

fn too_large(what: &str, most: u32) -> Status {
    let metadata = [("max_bytes", most.to_string())];
    let details = info(Reason::RequestTooLarge, Code::ResourceExhausted, &metadata);
    let message = format!("{what} larger than {most} bytes");
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn plain(code: Code, reason: Reason, message: &str) -> Status {
    Status::with_error_details(code, message, info(reason, code, &[]))
}

fn retry(code: Code, reason: Reason, message: &str, after: Duration) -> Status {
    let mut details = info(reason, code, &[]);
    details.set_retry_info(Some(after));
    Status::with_error_details(code, message, details)
}

fn with_violations(code: Code, violations: &[Violation]) -> Status {
    let (reason, metadata) = violations
        .first()
        .map_or((Reason::BadRequest, [].as_slice()), |first| (first.reason, &first.metadata));
    let mut details = info(reason, code, metadata);
    let mut room = MAX_VIOLATION_BYTES;
    let fields: Vec<_> = violations
        .iter()
        .take_while(|violation| {
            let size = violation.field.len() + violation.description.len() + violation.reason.as_str().len();
            let fits = room >= size;
            room = room.saturating_sub(size);
            fits
        })
        .map(|violation| FieldViolation {
            field: violation.field.clone(),
            description: violation.description.clone(),
            reason: violation.reason.as_str().to_owned(),
            localized_message: None,
        })
        .collect();
    let told = fields.len();
    details.set_bad_request(fields);
    let message = match violations {
        [violation] => format!("{}: {}", violation.field, violation.description),
        _ if told < violations.len() => {
            format!("the request breaks {} rules; the first {told} are told", violations.len())
        }
        _ => format!("the request breaks {} rules; see the field violations", violations.len()),
    };
    Status::with_error_details(code, message, details)
}

fn info(reason: Reason, code: Code, metadata: &[(&'static str, String)]) -> ErrorDetails {
    let mut all: std::collections::HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    all.insert("http_status".to_owned(), http_status(code).to_string());
    ErrorDetails::with_error_info(reason.as_str(), DOMAIN, all)
}

/// The HTTP status that the published API gives such an error.
fn http_status(code: Code) -> u16 {
    match code {
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound | Code::Unimplemented => 404,
        Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Cancelled => 499,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => 500,
    }
}
