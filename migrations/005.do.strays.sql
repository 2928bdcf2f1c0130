-- What bears our name at a target and no grant answers for: after a restore of this database, or of the target's own.

CREATE TABLE strays (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  target_id uuid NOT NULL REFERENCES targets,
  -- The grant whose name it bears. There may be no such row: that is what makes it a stray.
  grant_id uuid NOT NULL,
  state text NOT NULL DEFAULT 'found' CHECK (state IN ('found', 'removing', 'removed', 'cleared')),
  revision integer NOT NULL DEFAULT 1,
  found_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- Somebody may look at it until then; it is removed earlier only when somebody says so.
  remove_at timestamptz(3) NOT NULL DEFAULT clock_timestamp() + interval '10 minutes' CHECK (isfinite(remove_at)),
  removing_at timestamptz(3),
  removed_at timestamptz(3),
  -- When it was seen that there is nothing to remove: it is gone by itself, or a grant answers for it.
  cleared_at timestamptz(3),
  -- { "end": …, "proof": … }: what was done and seen at the target.
  evidence jsonb,
  evidence_digest bytea CHECK (octet_length(evidence_digest) = 32),
  CHECK (remove_at >= found_at + interval '10 minutes'),
  CHECK (state NOT IN ('removing', 'removed') OR removing_at IS NOT NULL),
  CHECK ((state = 'removed') = (removed_at IS NOT NULL AND evidence IS NOT NULL AND evidence_digest IS NOT NULL)),
  CHECK ((state = 'cleared') = (cleared_at IS NOT NULL))
);
-- One at a time of each name at each target.
CREATE UNIQUE INDEX strays_open ON strays (target_id, grant_id) WHERE state IN ('found', 'removing');
CREATE INDEX strays_of_target ON strays (target_id, found_at DESC, id DESC);
CALL audit_table('strays', 'stray', 'target', 'target_id', 'grant', 'grant_id', 'removeAt', 'remove_at', 'evidence', 'evidence_digest');

-- When somebody may look next at what bears our name there, and when somebody last has.
ALTER TABLE targets
  ADD COLUMN survey_after timestamptz(3) NOT NULL DEFAULT clock_timestamp() CHECK (isfinite(survey_after)),
  ADD COLUMN surveyed_at timestamptz(3);

ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check
  CHECK (kind IN ('begin', 'end', 'tidy', 'replace', 'reevaluate', 'remove'));

GRANT SELECT ON strays TO curfew_api, curfew_worker;
GRANT UPDATE (state, revision, removing_at) ON strays TO curfew_api;
GRANT INSERT, UPDATE (state, revision, removing_at, removed_at, cleared_at, evidence, evidence_digest) ON strays TO curfew_worker;
GRANT UPDATE (survey_after, surveyed_at) ON targets TO curfew_worker;
