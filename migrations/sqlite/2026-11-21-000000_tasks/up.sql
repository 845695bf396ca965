-- Ids are UUIDs of 16 bytes, times are microseconds since 1970 in UTC, money is
-- nano-dollars. Codes of statuses, kinds and modes: crates/infra/src/encode/codes.rs.
-- An index ends in the rowid, which is the task's number, without saying so.

CREATE TABLE tenants (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

INSERT INTO tenants VALUES (x'00000000000000000000000000000001', 'default');
INSERT INTO users VALUES
    (x'00000000000000000000000000000002', x'00000000000000000000000000000001', 'default');

CREATE TABLE api_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    hash BLOB NOT NULL UNIQUE,
    user_id BLOB NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    description TEXT,
    hint TEXT NOT NULL,
    scopes INTEGER NOT NULL,
    -- A JSON array of numbers; NULL is every project.
    projects TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE INDEX api_keys_of_user ON api_keys (user_id);

CREATE TABLE sessions (
    -- Grows with creation.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    user_id BLOB NOT NULL,
    -- The name that the user's client gave it; NULL when that is the id itself.
    external_id TEXT,
    title TEXT,
    -- Of its first task: how to go about it, and whether research was forced.
    first_mode INTEGER NOT NULL,
    research INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE INDEX sessions_of_user ON sessions (user_id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX sessions_by_name ON sessions (user_id, external_id)
    WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX sessions_deleted ON sessions (user_id, external_id) WHERE deleted_at IS NOT NULL;

-- What was asked: written once, never updated.
CREATE TABLE tasks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    -- A user, or a research task's tenant.
    owner_id BLOB NOT NULL,
    -- A session, or a research task's project.
    group_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    project INTEGER,
    mode INTEGER,
    session TEXT,
    created_at INTEGER NOT NULL,
    deadline INTEGER,
    -- The large ones are last, so that what stands before them is read without
    -- walking through them.
    query TEXT,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX tasks_of_owner ON tasks (owner_id);
CREATE INDEX tasks_of_group ON tasks (group_id);

-- What changes while a task is queued, running or paused.
CREATE TABLE live_tasks (
    number INTEGER PRIMARY KEY REFERENCES tasks (number),
    owner_id BLOB NOT NULL,
    group_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    status INTEGER NOT NULL CHECK (status BETWEEN 1 AND 3),
    -- Whether run_after had passed when somebody looked last: claims see no
    -- task of the future.
    ready INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    run_after INTEGER NOT NULL,
    deadline INTEGER,
    -- The latest claim, 0 before the first.
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    -- How much a claim of it ships: query and body, in bytes.
    size INTEGER NOT NULL,
    -- Whether the worker of the latest claim gave the task back.
    reported INTEGER NOT NULL,
    -- Whether that worker has recorded its final output.
    answered INTEGER NOT NULL DEFAULT 0,
    -- Who holds the task; a paused one may be held too.
    worker TEXT,
    lease_micros INTEGER,
    lease_expires_at INTEGER,
    -- Of a paused task.
    paused_at INTEGER,
    paused_by BLOB,
    pause_reason TEXT,
    progress INTEGER NOT NULL,
    total INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    started_at INTEGER,
    updated_at INTEGER NOT NULL,
    unique_key TEXT,
    -- What the attempts before this one consumed.
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    total_tokens INTEGER NOT NULL DEFAULT 0,
    cost_nanos INTEGER NOT NULL DEFAULT 0,
    models TEXT
) STRICT;

CREATE INDEX live_tasks_of_owner ON live_tasks (owner_id, status);
CREATE INDEX live_tasks_of_group ON live_tasks (group_id, status);
CREATE INDEX live_tasks_due ON live_tasks (kind, priority DESC) WHERE status = 1 AND ready = 1;
CREATE INDEX live_tasks_later ON live_tasks (run_after) WHERE status = 1 AND ready = 0;
CREATE INDEX live_tasks_by_lease ON live_tasks (lease_expires_at)
    WHERE lease_expires_at IS NOT NULL;
CREATE INDEX live_tasks_by_deadline ON live_tasks (deadline) WHERE deadline IS NOT NULL;
CREATE UNIQUE INDEX live_tasks_by_unique_key ON live_tasks (group_id, unique_key)
    WHERE unique_key IS NOT NULL;

-- What came of a task: written once, in the transaction that deletes the live row.
CREATE TABLE finished_tasks (
    number INTEGER PRIMARY KEY REFERENCES tasks (number),
    owner_id BLOB NOT NULL,
    group_id BLOB NOT NULL,
    status INTEGER NOT NULL CHECK (status BETWEEN 4 AND 7),
    progress INTEGER NOT NULL,
    total INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    -- Whether the worker of the latest claim ended the task.
    reported INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cost_nanos INTEGER NOT NULL,
    -- Of a cancelled task; the time is finished_at.
    cancelled_by BLOB,
    cancel_reason TEXT,
    model TEXT,
    provider TEXT,
    models TEXT,
    error TEXT,
    response TEXT,
    metadata TEXT,
    result TEXT
) STRICT;

CREATE INDEX finished_tasks_of_owner ON finished_tasks (owner_id, status);
CREATE INDEX finished_tasks_of_group ON finished_tasks (group_id, status);

CREATE TABLE task_events (
    task INTEGER NOT NULL REFERENCES tasks (number),
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    agent TEXT,
    message TEXT,
    payload TEXT,
    PRIMARY KEY (task, seq)
) STRICT, WITHOUT ROWID;

-- The pieces of output, which go when their task has ended.
CREATE INDEX task_events_passing ON task_events (task) WHERE type = 'LLM_PARTIAL';

-- Where the review of a task's plan stands.
CREATE TABLE reviews (
    task INTEGER PRIMARY KEY REFERENCES tasks (number),
    -- The claim under which a plan was proposed last.
    attempt INTEGER NOT NULL,
    -- How many rounds it has had: plans, and remarks on them, in turn.
    rounds INTEGER NOT NULL,
    approved INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE review_rounds (
    task INTEGER NOT NULL REFERENCES tasks (number),
    -- 1 is the first plan, 2 the remark on it.
    place INTEGER NOT NULL,
    at INTEGER NOT NULL,
    message TEXT NOT NULL,
    -- Of a plan: what its planner made of the last remark, and a JSON array of
    -- the smaller questions.
    intent INTEGER,
    questions TEXT,
    PRIMARY KEY (task, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    hash BLOB NOT NULL PRIMARY KEY,
    task INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

-- How many tasks each owner and each group has in each status, and what they
-- consumed; under status 0, how many sessions a user has. Triggers keep it, so
-- that no statement can forget to.
CREATE TABLE task_counts (
    scope BLOB NOT NULL,
    status INTEGER NOT NULL,
    n INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    cost_nanos INTEGER NOT NULL,
    PRIMARY KEY (scope, status)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER live_tasks_added AFTER INSERT ON live_tasks BEGIN
    INSERT INTO task_counts
        VALUES (NEW.owner_id, NEW.status, 1, 0, 0), (NEW.group_id, NEW.status, 1, 0, 0)
        ON CONFLICT (scope, status) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER live_tasks_moved AFTER UPDATE OF status ON live_tasks
WHEN OLD.status <> NEW.status BEGIN
    UPDATE task_counts SET n = n - 1
        WHERE scope IN (OLD.owner_id, OLD.group_id) AND status = OLD.status;
    INSERT INTO task_counts
        VALUES (NEW.owner_id, NEW.status, 1, 0, 0), (NEW.group_id, NEW.status, 1, 0, 0)
        ON CONFLICT (scope, status) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER live_tasks_removed AFTER DELETE ON live_tasks BEGIN
    UPDATE task_counts SET n = n - 1
        WHERE scope IN (OLD.owner_id, OLD.group_id) AND status = OLD.status;
END;

CREATE TRIGGER finished_tasks_added AFTER INSERT ON finished_tasks BEGIN
    INSERT INTO task_counts VALUES
        (NEW.owner_id, NEW.status, 1, NEW.total_tokens, NEW.cost_nanos),
        (NEW.group_id, NEW.status, 1, NEW.total_tokens, NEW.cost_nanos)
        ON CONFLICT (scope, status) DO UPDATE SET
            n = n + 1,
            -- A sum past the largest integer would be a float, which fits no column.
            tokens = min(tokens + excluded.tokens, 9223372036854775807),
            cost_nanos = min(cost_nanos + excluded.cost_nanos, 9223372036854775807);
END;

CREATE TRIGGER sessions_added AFTER INSERT ON sessions BEGIN
    INSERT INTO task_counts VALUES (NEW.user_id, 0, 1, 0, 0)
        ON CONFLICT (scope, status) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER sessions_removed AFTER UPDATE OF deleted_at ON sessions
WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL BEGIN
    UPDATE task_counts SET n = n - 1 WHERE scope = OLD.user_id AND status = 0;
END;
