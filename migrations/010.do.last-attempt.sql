-- What an end that is not proven yet has come to: { "at": …, "steps": …, "checks": … }, of all attempts so far what was done, and
-- of the last one what was seen. What was done goes into the evidence when the end is proven.
ALTER TABLE grants ADD COLUMN last_attempt jsonb CHECK (last_attempt IS NULL OR state IN ('ending', 'stuck'));
GRANT UPDATE (last_attempt) ON grants TO curfew_worker;
