-- no-transaction
-- Whose external id is this in the organization? Without regard to case, so that no two differ by case
-- alone; a deleted member's is free. Built without blocking writers, so it may wait for them:
-- no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS members_external_id_key
ON members (organization_id, lower(external_id)) WHERE external_id IS NOT NULL AND status <> 'deleted';
