-- What was done, and by whom. Times are milliseconds since 1970. A text that there is none of is empty.
CREATE TABLE audit (
    -- 1, 2, 3 and so on, without a gap.
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    principal TEXT NOT NULL,
    tool TEXT NOT NULL,
    backend TEXT NOT NULL,
    session TEXT NOT NULL,
    -- HMAC of the arguments as JSON.
    arguments BLOB NOT NULL,
    outcome TEXT NOT NULL,
    duration INTEGER,
    -- US dollars.
    cost REAL,
    text TEXT NOT NULL,
    -- HMAC of the mac before it and of all the columns above.
    mac BLOB NOT NULL
) STRICT;
