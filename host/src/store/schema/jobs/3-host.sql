-- Where a job runs, or ran: a name of `[hosts]`, or nothing for this machine. Its backend may be moved to another one.
ALTER TABLE job ADD COLUMN host TEXT NOT NULL DEFAULT '';
