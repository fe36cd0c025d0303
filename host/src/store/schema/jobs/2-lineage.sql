-- Who started a job, and what is its own. Jobs from before were started by a person.
ALTER TABLE job ADD COLUMN depth INTEGER NOT NULL DEFAULT 1; -- 1 for what a person started
ALTER TABLE job ADD COLUMN ancestors TEXT NOT NULL DEFAULT ''; -- `backend/id `, with a blank after each, the first one first
ALTER TABLE job ADD COLUMN session TEXT NOT NULL DEFAULT ''; -- the session whose work it is, as far as that is known
ALTER TABLE job ADD COLUMN token BLOB; -- SHA-256 of its token; it counts while the job runs

CREATE INDEX job_by_session ON job (session);
