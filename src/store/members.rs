//! Members and their addresses.

use super::chain::{Chain, Column};
use super::json_value;
use crate::domain::member::Member;

const MEMBER: &[Column] = &[
    ("id", "uuid"),
    ("organization_id", "uuid"),
    ("status", "text"),
    ("name", "text"),
    ("is_breakglass", "boolean"),
    ("assigned_roles", "jsonb"),
    ("mfa_enrolled", "boolean"),
    ("oauth_registrations", "jsonb"),
    ("trusted_metadata", "jsonb"),
    ("untrusted_metadata", "jsonb"),
    ("created_at", "timestamptz"),
    ("updated_at", "timestamptz"),
];
const EMAIL_ADDRESS: &[Column] = &[
    ("id", "uuid"),
    ("organization_id", "uuid"),
    ("member_id", "uuid"),
    ("email_address", "text"),
    ("domain", "text"),
    ("status", "text"),
    ("verified", "boolean"),
    ("live", "boolean"),
    ("created_at", "timestamptz"),
];

impl Chain {
    /// Adds a member with the current address.
    pub(super) fn member(&mut self, member: &Member) {
        let Member {
            id,
            organization_id,
            email_id,
            email_address,
            email_address_verified,
            status,
            name,
            is_breakglass,
            assigned_roles,
            mfa_enrolled,
            oauth_registrations,
            trusted_metadata,
            untrusted_metadata,
            created_at,
            updated_at,
        } = member;
        self.row(
            "members",
            MEMBER,
            vec![
                id.uuid().into(),
                organization_id.uuid().into(),
                status.as_str().into(),
                name.as_str().into(),
                (*is_breakglass).into(),
                json_value(assigned_roles),
                (*mfa_enrolled).into(),
                json_value(oauth_registrations),
                json_value(trusted_metadata),
                json_value(untrusted_metadata),
                (*created_at).into(),
                (*updated_at).into(),
            ],
        );
        self.row(
            "member_email_addresses",
            EMAIL_ADDRESS,
            vec![
                email_id.uuid().into(),
                organization_id.uuid().into(),
                id.uuid().into(),
                email_address.as_str().into(),
                email_address.domain().as_str().into(),
                "current".into(),
                (*email_address_verified).into(),
                true.into(),
                (*created_at).into(),
            ],
        );
    }
}
