-- Messages that wait for their session. `began`: when typing it was begun; it is removed when what came of that is known.
-- `fate`: why it is not sent any more; its texts are gone then.
CREATE TABLE message (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    meaning TEXT NOT NULL,
    principal TEXT NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    began INTEGER,
    fate TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE attachment (
    message TEXT NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (message, place)
) STRICT, WITHOUT ROWID;
