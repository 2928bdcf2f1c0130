-- Who is asking.

CREATE TABLE installation (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  singleton boolean NOT NULL DEFAULT true UNIQUE CHECK (singleton),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO installation DEFAULT VALUES;

-- A way to sign in. Identities hang on the row, so an issuer may change its address.
CREATE TABLE connections (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  issuer text NOT NULL,
  client_id text NOT NULL,
  group_claim text,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE identities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind text NOT NULL CHECK (kind IN ('human', 'workload', 'agent')),
  connection_id uuid NOT NULL REFERENCES connections,
  subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
  -- What is not human has an owner.
  owner_group text,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  email text CHECK (length(email) BETWEEN 3 AND 320),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (connection_id, subject),
  CHECK (kind = 'human' OR owner_group IS NOT NULL)
);
-- Two accounts of one person, and the things a group owns: who counts as the requester.
CREATE INDEX identities_email ON identities (lower(email)) WHERE email IS NOT NULL;
CREATE INDEX identities_owned ON identities (owner_group) WHERE owner_group IS NOT NULL;

-- Groups are rows, with their source. A claim counts for a bounded time, a file until it is applied again.
CREATE TABLE group_members (
  group_name text NOT NULL CHECK (length(group_name) BETWEEN 1 AND 255),
  source text NOT NULL CHECK (source IN ('file', 'claim')),
  connection text NOT NULL,
  subject text NOT NULL,
  expires_at timestamptz(3),
  PRIMARY KEY (connection, subject, group_name, source),
  CHECK ((source = 'claim') = (expires_at IS NOT NULL)),
  CHECK (expires_at IS NULL OR isfinite(expires_at))
);
CREATE INDEX group_members_group ON group_members (group_name);

CREATE TABLE sign_ins (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  connection_id uuid NOT NULL REFERENCES connections,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'completed', 'refused', 'lapsed', 'ended')),
  revision integer NOT NULL DEFAULT 1,
  -- The provider's device code, sealed, while the sign-in is pending.
  device_code_sealed bytea,
  -- SHA-256 of what the client must show to collect the tokens: the id alone is not enough.
  handle_hash bytea NOT NULL CHECK (octet_length(handle_hash) = 32),
  poll_interval_seconds integer NOT NULL CHECK (poll_interval_seconds BETWEEN 1 AND 600),
  -- Nobody asks the provider before: its own interval, or as long as one answer may take while somebody is asking.
  next_poll_at timestamptz(3) NOT NULL CHECK (isfinite(next_poll_at)),
  -- How long before the sign-in began the person may have proved who they are.
  max_age_seconds integer NOT NULL CHECK (max_age_seconds BETWEEN 0 AND 31622400),
  lapses_at timestamptz(3) NOT NULL CHECK (isfinite(lapses_at)),
  identity_id uuid REFERENCES identities,
  -- When the person proved who they are, by the provider's auth_time.
  signed_in_at timestamptz(3) CHECK (isfinite(signed_in_at)),
  -- The end of the family of refresh tokens.
  ends_at timestamptz(3) CHECK (isfinite(ends_at)),
  end_reason text CHECK (end_reason IN ('signed_out', 'token_reused', 'expired')),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  CHECK ((state IN ('completed', 'ended')) = (identity_id IS NOT NULL AND signed_in_at IS NOT NULL AND ends_at IS NOT NULL)),
  CHECK ((state = 'ended') = (end_reason IS NOT NULL)),
  CHECK ((state = 'pending') = (device_code_sealed IS NOT NULL))
);
CREATE INDEX sign_ins_pending ON sign_ins (lapses_at) WHERE state = 'pending';
CREATE INDEX sign_ins_completed ON sign_ins (ends_at) WHERE state = 'completed';
CREATE INDEX sign_ins_of_identity ON sign_ins (identity_id) WHERE identity_id IS NOT NULL;
CALL audit_table('sign_ins', 'sign_in', 'connection', 'connection_id', 'identity', 'identity_id', 'endReason', 'end_reason');

CREATE TABLE refresh_tokens (
  token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
  sign_in_id uuid NOT NULL REFERENCES sign_ins,
  issued_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  used_at timestamptz(3)
);
CREATE INDEX refresh_tokens_sign_in ON refresh_tokens (sign_in_id);

-- The keys Curfew signs its own tokens with; the newest signs, all verify.
CREATE TABLE signing_keys (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  algorithm text NOT NULL CHECK (algorithm = 'EdDSA'),
  public_jwk jsonb NOT NULL,
  private_sealed bytea NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);

-- The applied policies. Decisions hold the row FOR SHARE, a new set is applied after them.
CREATE TABLE policy_sets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  state text NOT NULL DEFAULT 'applied' CHECK (state IN ('applied', 'superseded')),
  revision integer NOT NULL DEFAULT 1,
  version text NOT NULL CHECK (version ~ '^[0-9a-f]{64}$'),
  -- [{ "file": …, "text": … }]: what was compiled, to the letter.
  sources jsonb NOT NULL,
  groups_source jsonb NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX policy_sets_applied ON policy_sets (state) WHERE state = 'applied';
CALL audit_table('policy_sets', 'policy_set', 'version', 'version');

-- One answer per key and caller: the same key and body give the same answer.
CREATE TABLE idempotency_keys (
  identity_id uuid NOT NULL REFERENCES identities,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  -- SHA-256 of method, path and body.
  request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
  -- The answer, sealed: it may hold free text.
  response_sealed bytea,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (identity_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

GRANT SELECT ON installation, connections, identities, group_members, policy_sets TO curfew_api, curfew_worker;
GRANT SELECT ON installation TO curfew_timekeeper;
GRANT INSERT, UPDATE ON connections TO curfew_api;
GRANT INSERT, UPDATE (name, email) ON identities TO curfew_api;
GRANT INSERT, UPDATE, DELETE ON group_members TO curfew_api;
GRANT SELECT, INSERT, UPDATE (state, revision, device_code_sealed, poll_interval_seconds, next_poll_at, identity_id, signed_in_at, ends_at, end_reason) ON sign_ins TO curfew_api;
GRANT SELECT, INSERT, UPDATE (used_at), DELETE ON refresh_tokens TO curfew_api;
GRANT SELECT, INSERT ON signing_keys TO curfew_api;
GRANT INSERT, UPDATE (state, revision) ON policy_sets TO curfew_api;
GRANT SELECT, INSERT, UPDATE (response_sealed), DELETE ON idempotency_keys TO curfew_api;
