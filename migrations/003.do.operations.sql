-- The durable work list and outbox. A job in the queue only says "look at row X".

CREATE TABLE operations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind text NOT NULL CHECK (kind IN ('begin', 'end', 'tidy', 'replace', 'reevaluate')),
  subject_id uuid NOT NULL,
  -- Grows with every claim and with every change of purpose: the outcome of a sleeper is refused.
  fence bigint NOT NULL DEFAULT 0,
  attempt integer NOT NULL DEFAULT 0,
  step text,
  run_after timestamptz(3) NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(run_after)),
  lease_owner uuid,
  lease_ends_at timestamptz(3) CHECK (isfinite(lease_ends_at)),
  -- The code of the last error, for people. Never a message of the target.
  last_error text,
  -- Who asked for it, through which request: carried on into the events of the outcome.
  correlation text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz(3),
  CHECK ((lease_owner IS NULL) = (lease_ends_at IS NULL)),
  CHECK (finished_at IS NULL OR lease_owner IS NULL)
);
-- One piece of work per subject at a time.
CREATE UNIQUE INDEX operations_open ON operations (subject_id) WHERE finished_at IS NULL;
-- What nobody has taken.
CREATE INDEX operations_due ON operations (greatest(run_after, lease_ends_at)) WHERE finished_at IS NULL;
CREATE INDEX operations_subject ON operations (subject_id, created_at);
CREATE INDEX operations_finished ON operations (finished_at) WHERE finished_at IS NOT NULL;

-- Whoever asks for work gives it a purpose; that it is done says only who did it.
GRANT SELECT, INSERT, UPDATE (kind, fence, attempt, step, run_after, lease_owner, lease_ends_at, last_error, correlation) ON operations
  TO curfew_api, curfew_worker, curfew_timekeeper;
GRANT UPDATE (finished_at), DELETE ON operations TO curfew_worker;
