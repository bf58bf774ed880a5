-- Format version 5: clusters of near-duplicates.

PRAGMA user_version = 5;

-- 16 hex digits, named after the environment, or task, that founded the cluster; empty in rows of older versions until
-- `terrarium stats --rebuild` or `terrarium merge` finds clusters again.
ALTER TABLE environments ADD COLUMN cluster TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN cluster TEXT NOT NULL DEFAULT '';
