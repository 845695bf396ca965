-- Who calls: tenants, their users, API keys, and the sessions of users.

CREATE TABLE tenants (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenants,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);

-- The tenant and user of every key that names none.
INSERT INTO tenants (id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'default');
INSERT INTO users (id, tenant_id, name)
VALUES ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', 'default');

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    -- SHA-256 of the secret, which itself is not kept.
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    hint text NOT NULL,
    name text NOT NULL,
    description text,
    user_id uuid NOT NULL REFERENCES users,
    -- A set of bits, one for each scope.
    scopes smallint NOT NULL,
    -- Null: every project of the tenant.
    projects bigint[],
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

CREATE INDEX api_keys_by_user ON api_keys (user_id);

-- A session is known by its own id or by the name that its user's client gave it.
-- A deleted one is kept for its tasks, and its name is free again.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    external_id text,
    title text,
    -- Of its first task: the mode, and whether it forced research.
    first_mode smallint NOT NULL,
    research boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

-- Each is for one kind of look, which says all of its condition and no other's:
-- the planner has no choice that statistics could spoil.
CREATE UNIQUE INDEX sessions_by_name ON sessions (user_id, external_id)
    WHERE deleted_at IS NULL AND external_id IS NOT NULL;
CREATE INDEX sessions_deleted_by_name ON sessions (user_id, external_id)
    WHERE deleted_at IS NOT NULL;
CREATE INDEX sessions_newest ON sessions (user_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL AND created_at > '-infinity';
