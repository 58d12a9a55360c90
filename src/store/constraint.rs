//! Which rule of the database a write broke, whatever the engine calls it.

/// A rule that a caller can run into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// A slug or an external id is taken.
    OrganizationName,
    /// Another organization has claimed the domain.
    ClaimedDomain,
    /// The address belongs to another member of the organization.
    MemberEmailAddress,
    /// The external id belongs to another member of the organization.
    MemberExternalId,
    /// The phone number belongs to another member of the organization.
    MemberPhoneNumber,
    /// The intermediate session token has bought something already.
    Receipt,
    /// The idempotency key has been used.
    IdempotencyKey,
}

/// Each rule with the name of its Postgres constraint or index, and the columns by which SQLite
/// names it.
pub const CONSTRAINTS: &[(Constraint, &str, &str)] = &[
    (Constraint::OrganizationName, "organization_names_pkey", "organization_names.name"),
    (Constraint::ClaimedDomain, "organization_domains_claimed_key", "organization_domains.domain"),
    (
        Constraint::MemberEmailAddress,
        "member_email_addresses_live_key",
        "member_email_addresses.organization_id, member_email_addresses.email_address",
    ),
    (Constraint::MemberExternalId, "members_external_id_key", "index 'members_external_id_key'"),
    (
        Constraint::MemberPhoneNumber,
        "members_mfa_phone_number_key",
        "members.organization_id, members.mfa_phone_number",
    ),
    (Constraint::Receipt, "intermediate_session_receipts_pkey", "intermediate_session_receipts.token_hash"),
    (
        Constraint::IdempotencyKey,
        "idempotency_records_pkey",
        "idempotency_records.caller, idempotency_records.key_hash",
    ),
];

impl Constraint {
    pub(super) fn from_postgres(name: &str) -> Option<Self> {
        CONSTRAINTS.iter().find(|(_, postgres, _)| *postgres == name).map(|(constraint, ..)| *constraint)
    }

    pub(super) fn from_sqlite(message: &str) -> Option<Self> {
        let columns = message.strip_prefix("UNIQUE constraint failed: ")?;
        CONSTRAINTS.iter().find(|(.., sqlite)| *sqlite == columns).map(|(constraint, ..)| *constraint)
    }
}
