-- no-transaction
-- Which organizations have this text in their name, or in their slug? GIN over trigrams is the one
-- index that finds a substring wherever it stands; each column serves alone. Built without blocking
-- writers, so it may wait for them:
-- no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE INDEX CONCURRENTLY IF NOT EXISTS organizations_search_idx
ON organizations USING gin (name gin_trgm_ops, slug gin_trgm_ops);
