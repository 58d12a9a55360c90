-- What updates need: versions for etags, the remaining fields of members and settings, and the mark of
-- deleted organizations. Safe while the version before runs: it neither reads nor writes these columns,
-- and every one of them has a default that a constant gives. It does not know the mark of deleted
-- organizations either: until its last replica is gone, it still finds a deleted organization by its id.
-- pg_trgm ships with Postgres (contrib) and is trusted: whoever owns the database may create it.
SET LOCAL lock_timeout = '2s';

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- `version` counts the changes of the row; the etag is made of it. `deleted_at` marks an organization
-- that is gone for every caller, and whose rows are removed in batches.
ALTER TABLE organizations
ADD COLUMN sso_default_connection_id text,
ADD COLUMN sso_jit_provisioning_allowed_connections jsonb NOT NULL DEFAULT '[]',
ADD COLUMN version bigint NOT NULL DEFAULT 1,
ADD COLUMN deleted_at timestamptz;

-- Empty text: no phone number, no default method.
ALTER TABLE members
ADD COLUMN external_id text,
ADD COLUMN mfa_phone_number text NOT NULL DEFAULT '',
ADD COLUMN mfa_phone_number_verified boolean NOT NULL DEFAULT false,
ADD COLUMN default_mfa_method text NOT NULL DEFAULT '',
ADD COLUMN version bigint NOT NULL DEFAULT 1;
