-- The life of signing keys: when each begins to sign, and when it was revoked. Safe while the version before runs: it
-- neither reads nor writes these columns, and both may be null, so what it inserts stands. It takes the newest
-- generation for the one that signs: started again meanwhile it may sign with the next key, which is published by then.
-- It knows nothing of revoked keys: revoke none before its last replica is gone. And it publishes what it read at its
-- start: where the key is older than the new settings let it sign, the next one signs 15 minutes after the first new
-- replica starts, and by then no old one should be asked for the keys.
SET LOCAL lock_timeout = '2s';

-- `signs_from`: null for the first keys, which began to sign when they were made.
ALTER TABLE signing_keys
ADD COLUMN signs_from timestamptz,
ADD COLUMN revoked_at timestamptz;
