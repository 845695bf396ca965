-- Three parts of a task's life: `tasks` is what was asked, `live_tasks` what
-- changes until the end, `finished_tasks` how it ended. A task has exactly one
-- row in one of the last two. Rows of the three are written and moved by single
-- statements and never deleted otherwise, so there are no foreign keys between
-- them: each check of one would lock and rewrite the row of `tasks`.
--
-- A task belongs to an owner (the user of an agent task, the tenant of a
-- research task) and a group (the session, or the tenant's project).

-- Written once, at submission.
CREATE TABLE tasks (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    owner_id uuid NOT NULL,
    group_id uuid NOT NULL,
    kind smallint NOT NULL,
    mode smallint,
    project_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    deadline timestamptz,
    session text,
    query text,
    -- The context of an agent task, the parameters of a research task; `json`
    -- keeps the text as it was sent.
    payload json NOT NULL,
    CHECK ((project_id IS NULL) = (query IS NOT NULL)),
    CHECK ((project_id IS NULL) = (session IS NOT NULL)),
    CHECK ((project_id IS NULL) = (mode IS NOT NULL))
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- Lists run over these, the newest first; they hold the numbers that a deep page
-- skips. NULLS LAST, here and in the lists' ORDER BY, changes no order, but keeps
-- the planner from walking the primary key backwards through everybody's tasks.
CREATE INDEX tasks_by_owner ON tasks (owner_id, number DESC NULLS LAST);
CREATE INDEX tasks_by_group ON tasks (group_id, number DESC NULLS LAST);

-- One row for each task that has not ended. It is the only table of tasks whose
-- rows change: pages are kept half empty, so that a heartbeat, which touches no
-- indexed column, finds room beside the row it replaces, and dead rows are
-- removed early and without pause.
CREATE TABLE live_tasks (
    task_number bigint NOT NULL,
    owner_id uuid NOT NULL,
    group_id uuid NOT NULL,
    kind smallint NOT NULL,
    status smallint NOT NULL,
    -- Whether a worker may take it, the deadline apart.
    ready boolean NOT NULL,
    priority smallint NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    -- How much a claim of it ships: query and payload, in bytes.
    size integer NOT NULL,
    -- Whether the worker of this attempt has put the task back into the queue:
    -- the same report sent twice is told from one under a lost lease.
    reported boolean NOT NULL DEFAULT false,
    -- Whether the worker of this attempt has recorded its final output.
    answered boolean NOT NULL DEFAULT false,
    -- When a task that is put off becomes ready; null when it is not put off.
    run_after timestamptz,
    deadline timestamptz,
    -- The lease: who holds it, until when, and for how many microseconds each
    -- heartbeat renews it.
    worker text,
    lease_expires_at timestamptz,
    lease_micros bigint,
    -- The pause, while there is one: when, by whom and why.
    paused_at timestamptz,
    paused_by uuid,
    pause_reason text,
    progress bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL,
    -- The number of the latest event.
    last_seq bigint NOT NULL,
    started_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    unique_key text,
    -- What the attempts before this one consumed.
    prompt_tokens bigint NOT NULL DEFAULT 0,
    completion_tokens bigint NOT NULL DEFAULT 0,
    total_tokens bigint NOT NULL DEFAULT 0,
    cost_nanos bigint NOT NULL DEFAULT 0,
    models json,
    CHECK (NOT (ready AND (worker IS NOT NULL OR run_after IS NOT NULL OR paused_at IS NOT NULL)))
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);

CREATE INDEX live_tasks_ready ON live_tasks (kind, priority DESC, task_number) WHERE ready;
-- Tasks that are put off stay out of the way of claims until they are due.
CREATE INDEX live_tasks_put_off ON live_tasks (run_after)
    WHERE run_after IS NOT NULL AND paused_at IS NULL;
-- Leases in no order of expiry: an index on it would cost every heartbeat.
CREATE INDEX live_tasks_leased ON live_tasks (task_number) WHERE worker IS NOT NULL;
CREATE INDEX live_tasks_deadline ON live_tasks (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX live_tasks_by_owner ON live_tasks
    (owner_id, status, task_number DESC NULLS LAST);
CREATE INDEX live_tasks_by_group ON live_tasks
    (group_id, status, task_number DESC NULLS LAST);
CREATE UNIQUE INDEX live_tasks_unique_key ON live_tasks (group_id, unique_key)
    WHERE unique_key IS NOT NULL;
-- Last, because of indexes that seem equally good the planner takes the youngest,
-- and all do that have the number while it takes the table for empty.
ALTER TABLE live_tasks ADD PRIMARY KEY (task_number);

-- Written once, at the end. What may be large stands last, for lists to skip.
CREATE TABLE finished_tasks (
    task_number bigint PRIMARY KEY,
    owner_id uuid NOT NULL,
    group_id uuid NOT NULL,
    status smallint NOT NULL,
    attempt integer NOT NULL,
    -- Whether the worker of this attempt has ended it.
    reported boolean NOT NULL,
    progress bigint NOT NULL,
    total bigint NOT NULL,
    started_at timestamptz,
    finished_at timestamptz NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    total_tokens bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    -- Who cancelled it, and why.
    cancelled_by uuid,
    cancel_reason text,
    model text,
    provider text,
    error text,
    result text,
    response json,
    metadata json,
    models json
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX finished_tasks_by_owner ON finished_tasks
    (owner_id, status, task_number DESC NULLS LAST);
CREATE INDEX finished_tasks_by_group ON finished_tasks
    (group_id, status, task_number DESC NULLS LAST);

-- What happened to each task: 1, 2, 3 and so on. There are no gaps but for the
-- pieces of output of tasks that have ended.
CREATE TABLE task_events (
    task_number bigint NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    type text NOT NULL,
    agent text,
    message text,
    payload json,
    PRIMARY KEY (task_number, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.02);

-- The tasks that have pieces of output, to be removed after their end. NULLS LAST
-- keeps the planner from walking through everything for them, as above.
CREATE INDEX task_events_partial ON task_events (task_number DESC NULLS LAST)
    WHERE type = 'LLM_PARTIAL';

-- Where the review of a task's plan stands. Whoever changes it has locked the
-- task's row of live_tasks.
CREATE TABLE reviews (
    task_number bigint PRIMARY KEY,
    -- The claim under which a plan was proposed last.
    attempt integer NOT NULL,
    -- How many rounds it has had: plans, and remarks on them, in turn.
    rounds smallint NOT NULL,
    approved boolean NOT NULL DEFAULT false
);

CREATE TABLE review_rounds (
    task_number bigint NOT NULL,
    -- 1 is the first plan, 2 the remark on it.
    place smallint NOT NULL,
    at timestamptz NOT NULL,
    message text NOT NULL,
    -- Of a plan: what its planner made of the last remark, and an array of the
    -- smaller questions.
    intent smallint,
    questions json,
    PRIMARY KEY (task_number, place)
);

-- How many tasks an owner or a group has in each status, and what those that
-- have ended have consumed; under status 0, how many sessions an owner has.
-- Every change appends to the deltas, which nobody waits for, and they are folded
-- into the counts from time to time: a count is the sum of both.
CREATE TABLE task_counts (
    scope uuid NOT NULL,
    status smallint NOT NULL,
    tasks bigint NOT NULL,
    tokens bigint NOT NULL,
    -- A thousand of the dearest tasks cost more than a bigint holds.
    cost_nanos numeric NOT NULL,
    PRIMARY KEY (scope, status)
) WITH (fillfactor = 70);

CREATE TABLE task_count_deltas (
    scope uuid NOT NULL,
    status smallint NOT NULL,
    tasks bigint NOT NULL,
    tokens bigint NOT NULL DEFAULT 0,
    cost_nanos bigint NOT NULL DEFAULT 0
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);

CREATE INDEX task_count_deltas_by_scope ON task_count_deltas (scope, status);

-- Requests that were answered, for 24 hours.
CREATE TABLE idempotency_keys (
    key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    task_id uuid NOT NULL,
    accepted boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
