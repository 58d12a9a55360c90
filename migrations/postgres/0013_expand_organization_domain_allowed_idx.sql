-- no-transaction
-- Which organizations let people of this domain join, the oldest first? Safe while the version before
-- runs, which does not ask. Built without blocking writers, so it may wait for them: no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE INDEX CONCURRENTLY IF NOT EXISTS organization_domains_allowed_idx
ON organization_domains (domain, organization_id) WHERE kind = 'allowed';
