-- The foundation: the deployment and its keys, organizations, members, sessions, what spent tokens
-- bought, what repeated calls are answered with, and events. Safe at any time: nothing stood before.
-- Constraint names are part of the program: src/store/constraint.rs reads them.

SET lock_timeout = '2s';

-- One row: the deployment. Its id is the audience of every JWT; its environment, `test` or `live`,
-- is in every id, so a database never changes it.
CREATE TABLE project (
    singleton boolean NOT NULL DEFAULT true,
    id uuid NOT NULL,
    environment text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT project_pkey PRIMARY KEY (singleton),
    CONSTRAINT project_singleton_check CHECK (singleton)
);

-- The private part is sealed under a key from the configuration. Generations make replicas that
-- start together agree on one key.
CREATE TABLE signing_keys (
    id uuid NOT NULL,
    algorithm text NOT NULL,
    generation bigint NOT NULL,
    sealed_private_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT signing_keys_pkey PRIMARY KEY (id),
    CONSTRAINT signing_keys_generation_key UNIQUE (algorithm, generation)
);

CREATE TABLE organizations (
    id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    external_id text,
    logo_url text NOT NULL,
    trusted_metadata jsonb NOT NULL,
    sso_jit_provisioning text NOT NULL,
    email_jit_provisioning text NOT NULL,
    email_invites text NOT NULL,
    auth_methods text NOT NULL,
    allowed_auth_methods jsonb NOT NULL,
    mfa_policy text NOT NULL,
    mfa_methods text NOT NULL,
    allowed_mfa_methods jsonb NOT NULL,
    rbac_email_implicit_role_assignments jsonb NOT NULL,
    oauth_tenant_jit_provisioning text NOT NULL,
    first_party_connected_apps_allowed_type text NOT NULL,
    allowed_first_party_connected_apps jsonb NOT NULL,
    third_party_connected_apps_allowed_type text NOT NULL,
    allowed_third_party_connected_apps jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT organizations_pkey PRIMARY KEY (id)
);

-- Slugs and external ids, both in lower case, in one name space: which organization does this name
-- mean? An organization whose slug and external id are the same name has one row.
CREATE TABLE organization_names (
    name text NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT organization_names_pkey PRIMARY KEY (name),
    CONSTRAINT organization_names_organization_id_fkey
    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX organization_names_organization_id_idx ON organization_names (organization_id);

-- E-mail domains by kind, as A-labels in the order they were given.
CREATE TABLE organization_domains (
    organization_id uuid NOT NULL,
    kind text NOT NULL,
    domain text NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT organization_domains_pkey PRIMARY KEY (organization_id, kind, domain),
    CONSTRAINT organization_domains_kind_check CHECK (kind IN ('allowed', 'claimed')),
    CONSTRAINT organization_domains_organization_id_fkey
    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
-- Which organization claimed this domain? At most one.
CREATE UNIQUE INDEX organization_domains_claimed_key ON organization_domains (domain) WHERE kind = 'claimed';
-- Which organizations let people of this domain join?
CREATE INDEX organization_domains_domain_idx ON organization_domains (domain, kind);

-- Which organizations let people of this provider's tenant join?
CREATE TABLE organization_oauth_tenants (
    organization_id uuid NOT NULL,
    provider text NOT NULL,
    tenant_id text NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT organization_oauth_tenants_pkey PRIMARY KEY (organization_id, provider, tenant_id),
    CONSTRAINT organization_oauth_tenants_organization_id_fkey
    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX organization_oauth_tenants_tenant_idx ON organization_oauth_tenants (provider, tenant_id);

CREATE TABLE members (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    status text NOT NULL,
    name text NOT NULL,
    is_breakglass boolean NOT NULL,
    assigned_roles jsonb NOT NULL,
    mfa_enrolled boolean NOT NULL,
    oauth_registrations jsonb NOT NULL,
    trusted_metadata jsonb NOT NULL,
    untrusted_metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT members_pkey PRIMARY KEY (id),
    CONSTRAINT members_organization_id_fkey
    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX members_organization_id_idx ON members (organization_id, id);

-- The addresses that members have and had. An address is reserved in its organization while `live`:
-- until it is unlinked or its member is deleted.
CREATE TABLE member_email_addresses (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    member_id uuid NOT NULL,
    email_address text NOT NULL,
    domain text NOT NULL,
    status text NOT NULL,
    verified boolean NOT NULL,
    live boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT member_email_addresses_pkey PRIMARY KEY (id),
    CONSTRAINT member_email_addresses_status_check CHECK (status IN ('current', 'retired')),
    CONSTRAINT member_email_addresses_member_id_fkey
    FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
);
-- Whose address is this in the organization?
CREATE UNIQUE INDEX member_email_addresses_live_key
ON member_email_addresses (organization_id, email_address) WHERE live;
-- In which organizations does this address have a member?
CREATE INDEX member_email_addresses_email_address_idx ON member_email_addresses (email_address);
-- Which addresses does the member have?
CREATE INDEX member_email_addresses_member_id_idx ON member_email_addresses (member_id);
-- Has the organization a member who proved an address on this domain?
CREATE INDEX member_email_addresses_domain_idx
ON member_email_addresses (organization_id, domain) WHERE verified AND live AND status = 'current';

CREATE TABLE sessions (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    member_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    started_at timestamptz NOT NULL,
    last_accessed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    authentication_factors jsonb NOT NULL,
    custom_claims jsonb NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_token_hash_key UNIQUE (token_hash),
    CONSTRAINT sessions_member_id_fkey
    FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
);
-- Which sessions does the member have?
CREATE INDEX sessions_member_id_idx ON sessions (member_id);

-- What an intermediate session token bought: the truth about whether it can still buy. Refers to
-- what may be deleted without it; kept for a day.
CREATE TABLE intermediate_session_receipts (
    token_hash bytea NOT NULL,
    token_expires_at timestamptz NOT NULL,
    organization_id uuid,
    member_id uuid,
    session_id uuid,
    session_token_nonce bytea,
    revoked boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT intermediate_session_receipts_pkey PRIMARY KEY (token_hash)
);
-- Which receipts are old enough to be swept?
CREATE INDEX intermediate_session_receipts_created_at_idx ON intermediate_session_receipts (created_at);

-- What a repeated call is answered with. Written first in the transaction of the call itself.
CREATE TABLE idempotency_records (
    caller text NOT NULL,
    key_hash bytea NOT NULL,
    method text NOT NULL,
    request_hash bytea NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_records_pkey PRIMARY KEY (caller, key_hash)
);
-- Which records are old enough to be swept?
CREATE INDEX idempotency_records_created_at_idx ON idempotency_records (created_at);

-- What happened, written in the transaction that made it happen. A reader walks
-- (transaction_id, position) and stops before pg_snapshot_xmin(pg_current_snapshot()): rows that
-- commit late are then never behind it.
CREATE TABLE events (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL,
    type text NOT NULL,
    organization_id uuid NOT NULL,
    member_id uuid,
    session_id uuid,
    caller text NOT NULL,
    request_id text NOT NULL,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (transaction_id, position)
);
-- What happened in this organization?
CREATE INDEX events_organization_id_idx ON events (organization_id, transaction_id, position);
