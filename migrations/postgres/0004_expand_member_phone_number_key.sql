-- no-transaction
-- Whose phone number is this in the organization? A deleted member's is free. Built without blocking
-- writers, so it may wait for them:
-- no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS members_mfa_phone_number_key
ON members (organization_id, mfa_phone_number) WHERE mfa_phone_number <> '' AND status <> 'deleted';
