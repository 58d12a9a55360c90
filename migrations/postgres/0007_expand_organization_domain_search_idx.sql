-- no-transaction
-- Which organizations allow a domain with this text in it? Built without blocking writers, so it may wait for them:
-- no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE INDEX CONCURRENTLY IF NOT EXISTS organization_domains_search_idx
ON organization_domains USING gin (domain gin_trgm_ops) WHERE kind = 'allowed';
