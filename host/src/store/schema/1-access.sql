-- Who may come in: the owner, apps, what was approved, and the tokens for it. Times are seconds since 1970, secrets
-- stand here as their SHA-256 only.

CREATE TABLE owner (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    passphrase TEXT NOT NULL, -- argon2id, as a PHC string
    since INTEGER NOT NULL
) STRICT;

CREATE TABLE logins (
    digest BLOB PRIMARY KEY,
    expires INTEGER NOT NULL
) STRICT;

CREATE INDEX logins_expire ON logins (expires);

-- Logins that failed, by address; the empty one stands for all addresses together.
CREATE TABLE failures (
    address TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    last INTEGER NOT NULL,
    until INTEGER NOT NULL -- no attempt before
) STRICT, WITHOUT ROWID;

CREATE INDEX failures_last ON failures (last);

-- Apps that registered themselves.
CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    redirects TEXT NOT NULL, -- a JSON list
    address TEXT NOT NULL,
    created INTEGER NOT NULL,
    approved INTEGER NOT NULL DEFAULT 0, -- whether the owner ever did
    last_used INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX clients_never_approved ON clients (created) WHERE approved = 0;

-- One approval of the owner's, with all the tokens that come of it. Its number is never given again.
CREATE TABLE families (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('app', 'token')),
    name TEXT NOT NULL,
    client_id TEXT, -- registered, fixed, or the address of a document; none for a personal token
    scope TEXT NOT NULL,
    backends TEXT NOT NULL, -- 'all' or a JSON list
    resource TEXT, -- none: whatever is ours
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    last_used INTEGER,
    last_address TEXT
) STRICT;

CREATE INDEX families_client ON families (client_id);
CREATE INDEX families_expire ON families (expires);

-- A spent code stays as long as its family, so that a second use is seen.
CREATE TABLE codes (
    digest BLOB PRIMARY KEY,
    family INTEGER NOT NULL UNIQUE REFERENCES families (id) ON DELETE CASCADE,
    redirect TEXT NOT NULL,
    challenge TEXT NOT NULL,
    expires INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0
) STRICT;

-- A spent refresh token stays until it would have expired, for the same reason.
CREATE TABLE tokens (
    digest BLOB PRIMARY KEY,
    family INTEGER NOT NULL REFERENCES families (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
    scope TEXT NOT NULL,
    expires INTEGER NOT NULL,
    spent INTEGER -- when it was exchanged for the next
) STRICT;

CREATE INDEX tokens_family ON tokens (family);
CREATE INDEX tokens_expire ON tokens (expires);
