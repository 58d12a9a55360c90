-- no-transaction
-- Which organizations have a member whose domain begins like this? What stands behind the @ of a text that
-- is looked for: far fewer addresses than the trigrams of the text are in. Built without blocking writers,
-- so it may wait for them: no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE INDEX CONCURRENTLY IF NOT EXISTS member_email_addresses_domain_search_idx
ON member_email_addresses (domain text_pattern_ops) WHERE live AND status = 'current';
