-- no-transaction
-- Has the organization an admin besides this one? Admins are few, so the index is small. Built without
-- blocking writers, so it may wait for them:
-- no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE INDEX CONCURRENTLY IF NOT EXISTS members_admin_idx
ON members (organization_id, status) WHERE assigned_roles @> '["stytch_admin"]';
