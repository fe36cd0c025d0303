-- Forms that a person has filled in or closed, by the number that is sealed in each: none counts twice.
CREATE TABLE forms (
    once BLOB PRIMARY KEY,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX forms_expire ON forms (expires);
