-- Where the owner has logged in from, in the words of `failures`: guesses from elsewhere do not slow these.
CREATE TABLE places (
    address TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
