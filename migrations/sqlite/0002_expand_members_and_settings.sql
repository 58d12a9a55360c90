-- What updates need: versions for etags, the remaining fields of members and settings, and the mark of
-- deleted organizations. Every column has a default that a constant gives.

-- `version` counts the changes of the row; the etag is made of it. `deleted_at` marks an organization
-- that is gone for every caller, and whose rows are removed in batches.
ALTER TABLE organizations ADD COLUMN sso_default_connection_id text;
ALTER TABLE organizations ADD COLUMN sso_jit_provisioning_allowed_connections text NOT NULL DEFAULT '[]';
ALTER TABLE organizations ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE organizations ADD COLUMN deleted_at text;

-- Empty text: no phone number, no default method.
ALTER TABLE members ADD COLUMN external_id text;
ALTER TABLE members ADD COLUMN mfa_phone_number text NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN mfa_phone_number_verified boolean NOT NULL DEFAULT false;
ALTER TABLE members ADD COLUMN default_mfa_method text NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN version bigint NOT NULL DEFAULT 1;
