-- no-transaction
-- Which deleted organizations still have rows to be removed? Built without blocking writers, so it may wait for them:
-- no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE INDEX CONCURRENTLY IF NOT EXISTS organizations_deleted_at_idx
ON organizations (deleted_at) WHERE deleted_at IS NOT NULL;
