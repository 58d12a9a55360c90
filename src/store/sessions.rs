//! Member sessions.

use super::chain::{Chain, Column};
use super::{Purchase, json_value};

const SESSION: &[Column] = &[
    ("id", "uuid"),
    ("organization_id", "uuid"),
    ("member_id", "uuid"),
    ("token_hash", "bytea"),
    ("started_at", "timestamptz"),
    ("last_accessed_at", "timestamptz"),
    ("expires_at", "timestamptz"),
    ("authentication_factors", "jsonb"),
    ("custom_claims", "jsonb"),
];

impl Chain {
    /// Adds a session.
    pub(super) fn session(&mut self, purchase: &Purchase<'_>) {
        let session = purchase.session;
        self.row(
            "sessions",
            SESSION,
            vec![
                session.id.uuid().into(),
                session.organization_id.uuid().into(),
                session.member_id.uuid().into(),
                purchase.token_hash.to_vec().into(),
                session.started_at.into(),
                session.last_accessed_at.into(),
                session.expires_at.into(),
                json_value(&session.authentication_factors),
                json_value(&session.custom_claims),
            ],
        );
    }
}
