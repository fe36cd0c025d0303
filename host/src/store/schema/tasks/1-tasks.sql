-- Calls that were answered with a task while their work went on. `arguments`: those of the call, without what it attached.
-- `first`: what the tool answered at once, and `after`: the cursor of the session's log just before. `ended`: when the work
-- was over, and `answer`: what the tool answers then; none: the task was cancelled.
CREATE TABLE task (
    id TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    tool TEXT NOT NULL,
    arguments TEXT NOT NULL,
    backend TEXT NOT NULL,
    meaning TEXT NOT NULL,
    session TEXT NOT NULL,
    after TEXT,
    first TEXT NOT NULL,
    created INTEGER NOT NULL,
    ended INTEGER,
    answer TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX task_created ON task (created);
