-- The life of signing keys: when each begins to sign, and when it was revoked. Both may be null.

-- `signs_from`: null for the first keys, which began to sign when they were made.
ALTER TABLE signing_keys ADD COLUMN signs_from text;
ALTER TABLE signing_keys ADD COLUMN revoked_at text;
