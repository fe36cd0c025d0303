-- What one backend keeps. Keys are in the order of their bytes.
CREATE TABLE entry (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the newest version that was given to any entry, and how much there is.
CREATE TABLE total (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;

INSERT INTO total (one, version, entries, bytes) VALUES (1, 0, 0, 0);
