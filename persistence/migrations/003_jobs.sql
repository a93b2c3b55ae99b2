-- Work that outlives the request that asked for it. One row a job for ever: a kind and a key are worked off once. Whether
-- a job runs right now is told by the advisory lock (class 1785684595, job_number) of its worker's session, not by `state`.
CREATE TABLE jobs (
    job_number int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_-]{0,63}$'),
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    payload jsonb NOT NULL,
    -- RUNNING: begun and not ended; its worker may be gone, and then another takes it
    state text NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'RUNNING', 'DONE', 'FAILED')),
    attempt int NOT NULL DEFAULT 0 CHECK (attempt >= 0), -- how often it was begun
    failures int NOT NULL DEFAULT 0 CHECK (failures >= 0), -- in a row
    run_at timestamptz NOT NULL DEFAULT now(), -- not before
    step text NOT NULL DEFAULT '',
    steps_done int NOT NULL DEFAULT 0,
    steps_of int NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '', -- why it waits or has failed
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, key),
    CHECK (steps_done BETWEEN 0 AND steps_of),
    CHECK (state <> 'FAILED' OR reason <> '')
);
CREATE INDEX jobs_unfinished ON jobs (run_at) WHERE state IN ('QUEUED', 'RUNNING');
CREATE INDEX jobs_failed ON jobs (job_number) WHERE state = 'FAILED';
