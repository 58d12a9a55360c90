-- no-transaction
-- Which sessions have expired long enough ago to be swept? Safe while the version before runs, which does
-- not ask. Built without blocking writers, so it may wait for them: no lock timeout.
-- squawk-ignore require-lock-timeout
CREATE INDEX CONCURRENTLY IF NOT EXISTS sessions_expires_at_idx ON sessions (expires_at);
