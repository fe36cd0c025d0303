-- The digest of what was granted when it was done; null in entries that are older than this column. Where it is not null,
-- the mac of its entry covers it, after `intention`.
ALTER TABLE audit ADD COLUMN grants BLOB;
