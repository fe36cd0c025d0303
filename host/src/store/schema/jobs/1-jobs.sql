-- The jobs of one backend. Their order is that of submission and never that of a clock. Times are milliseconds since 1970.
CREATE TABLE job (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- never given again
    id TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL UNIQUE,
    content BLOB NOT NULL, -- SHA-256 of what was submitted
    queue TEXT NOT NULL,
    note TEXT NOT NULL,
    label TEXT NOT NULL DEFAULT '',
    interactive INTEGER NOT NULL,
    watch INTEGER NOT NULL,
    phase TEXT NOT NULL DEFAULT 'queued',
    reason TEXT,
    status INTEGER,
    signal INTEGER,
    input INTEGER NOT NULL, -- bytes; while it runs, its directory knows
    output INTEGER NOT NULL DEFAULT 0,
    errors INTEGER NOT NULL DEFAULT 0,
    kept INTEGER NOT NULL DEFAULT 0, -- bytes of its directory, once it has ended
    queued_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER
) STRICT;

CREATE INDEX job_by_label ON job (label, number);
CREATE INDEX job_by_label_phase ON job (label, phase, number);
CREATE INDEX job_by_phase ON job (phase, number);
CREATE INDEX job_by_queue ON job (queue, number);
CREATE INDEX job_by_queue_label ON job (queue, label, number);
CREATE INDEX job_by_queue_phase ON job (queue, phase, number);

-- One job of a queue runs at a time.
CREATE UNIQUE INDEX job_runs ON job (queue) WHERE phase = 'running';

-- What is needed until a supervisor has a job. From then on its directory has all but the values of variables.
CREATE TABLE waiting (
    number INTEGER PRIMARY KEY REFERENCES job (number) ON DELETE CASCADE,
    command TEXT NOT NULL,
    input BLOB NOT NULL,
    whole INTEGER NOT NULL, -- nothing is added to the input any more
    made INTEGER NOT NULL DEFAULT 0 -- its directory has the input now
) STRICT;
