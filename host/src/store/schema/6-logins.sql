-- From here on a login lasts as long as it is used, and the owner can see and end each one. Those of before, of 12 hours at
-- most, end now.
DROP TABLE logins;

CREATE TABLE logins (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given again
    digest BLOB NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    address TEXT NOT NULL -- from where it was last used
) STRICT;

CREATE INDEX logins_used ON logins (used);
