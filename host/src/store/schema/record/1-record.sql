-- What was done, and by whom. Times are milliseconds since 1970. A text that there is none of is empty.
CREATE TABLE audit (
    -- Without a gap. The first is 1, or the number of the last entry that was pruned, in whose place it stands.
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    principal TEXT NOT NULL,
    tool TEXT NOT NULL,
    backend TEXT NOT NULL,
    session TEXT NOT NULL,
    -- HMAC of the arguments as JSON. In the entry of a pruning, the mac of the last entry that was pruned.
    arguments BLOB NOT NULL,
    outcome TEXT NOT NULL,
    duration INTEGER,
    -- US dollars.
    cost REAL,
    text TEXT NOT NULL,
    -- In the entry of an outcome, the number of the entry by which the call was begun.
    intention INTEGER,
    -- HMAC of the mac before it and of all the columns above.
    mac BLOB NOT NULL
) STRICT;

CREATE INDEX audit_outcomes ON audit (intention) WHERE intention IS NOT NULL;

-- Calls that were begun and have no outcome yet, to find them without reading the whole record.
CREATE TABLE begun (
    seq INTEGER PRIMARY KEY
) STRICT;
