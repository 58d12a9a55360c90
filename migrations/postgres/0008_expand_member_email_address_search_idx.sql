-- no-transaction
-- Which organizations have a member with this text in their address? Built without blocking writers, so it may wait for them:
-- no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE INDEX CONCURRENTLY IF NOT EXISTS member_email_addresses_search_idx
ON member_email_addresses USING gin (email_address gin_trgm_ops) WHERE live AND status = 'current';
