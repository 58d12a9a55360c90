-- Which sessions have expired long enough ago to be swept?
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
