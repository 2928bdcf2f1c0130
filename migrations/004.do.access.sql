-- Targets, requests, decisions, grants.

CREATE TABLE targets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  kind text NOT NULL,
  owner_group text NOT NULL,
  state text NOT NULL DEFAULT 'connected' CHECK (state IN ('connected')),
  revision integer NOT NULL DEFAULT 1,
  connection jsonb NOT NULL,
  password_sealed bytea NOT NULL,
  -- SHA-256 of kind, owner, connection and entitlements: part of every scope hash.
  config_hash bytea NOT NULL CHECK (octet_length(config_hash) = 32),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CALL audit_table('targets', 'target', 'name', 'name', 'kind', 'kind', 'owner', 'owner_group', 'config', 'config_hash');

CREATE TABLE entitlements (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  target_id uuid NOT NULL REFERENCES targets,
  name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  config jsonb NOT NULL,
  -- No longer offered; grants that live go on until their end.
  retired_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (target_id, name)
);

CREATE TABLE requests (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  identity_id uuid NOT NULL REFERENCES identities,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'denied', 'withdrawn', 'lapsed')),
  revision integer NOT NULL DEFAULT 1,
  duration_seconds integer NOT NULL CHECK (duration_seconds BETWEEN 1 AND 31622400),
  reason_commitment bytea NOT NULL,
  address_commitment bytea,
  scope_hash bytea NOT NULL CHECK (octet_length(scope_hash) = 32),
  policy_version text NOT NULL,
  -- Facts of the kind "asked": recorded with the request and reused.
  signed_in_at timestamptz(3) NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  lapses_at timestamptz(3) NOT NULL CHECK (isfinite(lapses_at)),
  decided_at timestamptz(3),
  CHECK ((state = 'pending') = (decided_at IS NULL)),
  UNIQUE (id, scope_hash),
  UNIQUE (id, created_at)
);
CREATE INDEX requests_lapsing ON requests (lapses_at) WHERE state = 'pending';
-- The lists, newest first: of everything, and of one person's, each with and without a state.
CREATE INDEX requests_newest ON requests (created_at DESC, id DESC);
CREATE INDEX requests_newest_in_state ON requests (state, created_at DESC, id DESC);
CREATE INDEX requests_of_identity ON requests (identity_id, created_at DESC, id DESC);
CALL audit_table('requests', 'request', 'identity', 'identity_id', 'durationSeconds', 'duration_seconds', 'reason', 'reason_commitment',
  'scope', 'scope_hash', 'policy', 'policy_version', 'lapsesAt', 'lapses_at');

-- The request's `created_at` lies beside each reference to it, and cannot be another: so that the newest of an owner or of a
-- group are found in order, and a list reads no more than it shows.
CREATE TABLE request_entitlements (
  request_id uuid NOT NULL,
  created_at timestamptz(3) NOT NULL,
  entitlement_id uuid NOT NULL REFERENCES entitlements,
  position smallint NOT NULL CHECK (position BETWEEN 0 AND 9),
  PRIMARY KEY (request_id, entitlement_id),
  UNIQUE (request_id, position),
  FOREIGN KEY (request_id, created_at) REFERENCES requests (id, created_at)
);
CREATE INDEX request_entitlements_newest ON request_entitlements (entitlement_id, created_at DESC, request_id DESC);

-- The ways in which a request may be approved, as they were when it was asked. 0 approvals: nobody is needed.
CREATE TABLE request_paths (
  request_id uuid NOT NULL,
  created_at timestamptz(3) NOT NULL,
  entitlement_id uuid NOT NULL REFERENCES entitlements,
  policy text NOT NULL,
  approvals_needed smallint NOT NULL CHECK (approvals_needed BETWEEN 0 AND 10),
  approver_group text,
  PRIMARY KEY (request_id, entitlement_id, policy),
  CHECK ((approvals_needed = 0) = (approver_group IS NULL)),
  FOREIGN KEY (request_id, created_at) REFERENCES requests (id, created_at)
);
CREATE INDEX request_paths_newest ON request_paths (approver_group, created_at DESC, request_id DESC);

-- One approver's verdict on one exact scope.
CREATE TABLE decisions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  request_id uuid NOT NULL,
  scope_hash bytea NOT NULL,
  -- Nobody when a path needs nobody.
  identity_id uuid REFERENCES identities,
  state text NOT NULL CHECK (state IN ('approve', 'deny')),
  revision integer NOT NULL DEFAULT 1,
  policy_version text NOT NULL,
  -- The rules this verdict counts for, and beside each the entitlement: who decides about one need not about another.
  policies text[] NOT NULL,
  entitlement_ids uuid[] NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  UNIQUE NULLS NOT DISTINCT (request_id, identity_id),
  CHECK (cardinality(policies) = cardinality(entitlement_ids)),
  -- A decision names the scope that was asked for, and no other.
  FOREIGN KEY (request_id, scope_hash) REFERENCES requests (id, scope_hash)
);
CALL audit_table('decisions', 'decision', 'request', 'request_id', 'identity', 'identity_id', 'scope', 'scope_hash',
  'policy', 'policy_version', 'policies', 'policies', 'entitlements', 'entitlement_ids');

CREATE TABLE grants (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  request_id uuid NOT NULL,
  scope_hash bytea NOT NULL,
  identity_id uuid NOT NULL REFERENCES identities,
  target_id uuid NOT NULL REFERENCES targets,
  entitlement_id uuid NOT NULL REFERENCES entitlements,
  state text NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'activating', 'active', 'ending', 'stuck', 'ended')),
  revision integer NOT NULL DEFAULT 1,
  duration_seconds integer NOT NULL CHECK (duration_seconds BETWEEN 1 AND 31622400),
  -- The latest instant at which it may begin, and the latest at which it may exist: there is always one, and it is finite.
  activate_by timestamptz(3) NOT NULL CHECK (isfinite(activate_by)),
  ends_at timestamptz(3) NOT NULL CHECK (isfinite(ends_at)),
  activated_at timestamptz(3),
  -- When its end was decided, for which reason, and when it was proven.
  ending_at timestamptz(3),
  end_reason text CHECK (end_reason IN ('expired', 'released', 'revoked', 'policy', 'owner', 'target', 'failed')),
  stuck_at timestamptz(3),
  ended_at timestamptz(3),
  -- Why it was not made, or why its end does not get on: an error code.
  failure text,
  evidence_digest bytea,
  -- Objects that could not be tidied away: powerless, tried again.
  leftovers jsonb NOT NULL DEFAULT '[]',
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (request_id, entitlement_id),
  FOREIGN KEY (request_id, scope_hash) REFERENCES requests (id, scope_hash),
  CHECK (ends_at <= activate_by + make_interval(secs => duration_seconds)),
  CHECK ((state IN ('ending', 'stuck', 'ended')) = (ending_at IS NOT NULL AND end_reason IS NOT NULL)),
  CHECK ((state = 'ended') = (ended_at IS NOT NULL AND evidence_digest IS NOT NULL)),
  CHECK (state <> 'active' OR activated_at IS NOT NULL)
);
-- The timekeeper's two questions.
CREATE INDEX grants_due ON grants (ends_at) WHERE state IN ('scheduled', 'activating', 'active');
CREATE INDEX grants_unbegun ON grants (activate_by) WHERE state IN ('scheduled', 'activating');
-- The lists, newest first: all, one person's, those on one target; and of each those that have not ended.
CREATE INDEX grants_newest ON grants (created_at DESC, id DESC);
CREATE INDEX grants_of_identity ON grants (identity_id, created_at DESC, id DESC);
CREATE INDEX grants_of_target ON grants (target_id, created_at DESC, id DESC);
CREATE INDEX grants_live ON grants (created_at DESC, id DESC) WHERE state <> 'ended';
CREATE INDEX grants_live_of_identity ON grants (identity_id, created_at DESC, id DESC) WHERE state <> 'ended';
CREATE INDEX grants_live_on_target ON grants (target_id, created_at DESC, id DESC) WHERE state <> 'ended';
CALL audit_table('grants', 'grant', 'request', 'request_id', 'identity', 'identity_id', 'target', 'target_id', 'entitlement', 'entitlement_id',
  'scope', 'scope_hash', 'activateBy', 'activate_by', 'endsAt', 'ends_at', 'endReason', 'end_reason', 'failure', 'failure',
  'evidence', 'evidence_digest');

-- Whose rules a grant was asked under: those who decided, or could have, see it. Written with the grant, from its row.
CREATE TABLE grant_groups (
  grant_id uuid NOT NULL REFERENCES grants,
  created_at timestamptz(3) NOT NULL,
  approver_group text NOT NULL,
  PRIMARY KEY (grant_id, approver_group)
);
CREATE INDEX grant_groups_newest ON grant_groups (approver_group, created_at DESC, grant_id DESC);

-- What a grant handed over. `sealed` is readable once, by its holder; `proof_sealed` only by the prover, until the end is proven.
CREATE TABLE credentials (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  grant_id uuid NOT NULL REFERENCES grants,
  version smallint NOT NULL CHECK (version BETWEEN 1 AND 4),
  state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'picked_up', 'replaced', 'withdrawn', 'destroyed')),
  revision integer NOT NULL DEFAULT 1,
  sealed bytea,
  proof_sealed bytea,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  picked_up_at timestamptz(3),
  -- The client's address, as the record holds it: a commitment.
  picked_up_from_commitment bytea,
  -- How often somebody came too late for it.
  refused_pick_ups integer NOT NULL DEFAULT 0,
  UNIQUE (grant_id, version),
  CHECK ((state = 'ready') = (sealed IS NOT NULL)),
  CHECK ((state = 'destroyed') = (proof_sealed IS NULL)),
  CHECK (state <> 'picked_up' OR picked_up_at IS NOT NULL)
);
CREATE UNIQUE INDEX credentials_current ON credentials (grant_id) WHERE state IN ('ready', 'picked_up');
CALL audit_table('credentials', 'credential', 'grant', 'grant_id', 'version', 'version', 'refusedPickUps', 'refused_pick_ups');

-- What was tried and seen, kept for as long as the grant is remembered. Appended, never changed.
CREATE TABLE evidence (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  grant_id uuid NOT NULL REFERENCES grants,
  kind text NOT NULL CHECK (kind IN ('issue', 'end', 'proof', 'tidy')),
  body jsonb NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX evidence_of_grant ON evidence (grant_id, id);

GRANT SELECT ON targets, entitlements, requests, request_entitlements, request_paths, decisions, grants TO curfew_api, curfew_worker;
GRANT SELECT, INSERT ON grant_groups TO curfew_api;
GRANT SELECT ON evidence TO curfew_api, curfew_worker;
GRANT INSERT, UPDATE (kind, owner_group, revision, connection, password_sealed, config_hash) ON targets TO curfew_api;
GRANT INSERT, UPDATE (config, retired_at) ON entitlements TO curfew_api;
GRANT INSERT, UPDATE (state, revision, decided_at) ON requests TO curfew_api;
GRANT INSERT ON request_entitlements, request_paths, decisions TO curfew_api;
GRANT INSERT, UPDATE (state, revision, ending_at, end_reason, failure) ON grants TO curfew_api;
GRANT UPDATE (state, revision, ends_at, activated_at, ending_at, end_reason, stuck_at, ended_at, failure, evidence_digest, leftovers) ON grants TO curfew_worker;
-- The api never sees a proof copy.
GRANT SELECT (id, grant_id, version, state, revision, sealed, created_at, picked_up_at, picked_up_from_commitment, refused_pick_ups) ON credentials TO curfew_api;
GRANT UPDATE (state, revision, sealed, picked_up_at, picked_up_from_commitment, refused_pick_ups) ON credentials TO curfew_api;
GRANT SELECT, INSERT, UPDATE (state, revision, sealed, proof_sealed) ON credentials TO curfew_worker;
GRANT INSERT ON evidence TO curfew_worker;
GRANT SELECT ON grants TO curfew_timekeeper;
GRANT UPDATE (state, revision, ending_at, end_reason, failure) ON grants TO curfew_timekeeper;
GRANT SELECT (id, state, lapses_at, revision), UPDATE (state, revision, decided_at) ON requests TO curfew_timekeeper;
GRANT SELECT (id, state, lapses_at, ends_at, revision), UPDATE (state, revision, end_reason, device_code_sealed) ON sign_ins TO curfew_timekeeper;
