-- The record: immutable events, written by triggers in the transaction that changes a state (DESIGN §11).

-- A function is nobody's to call unless a migration grants it. Triggers run without.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;

CREATE TABLE audit_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_kind text NOT NULL,
  subject_id uuid NOT NULL,
  -- The subject's own, gap-free numbering: meaning is checked along it.
  sequence integer NOT NULL CHECK (sequence > 0),
  from_state text,
  to_state text NOT NULL,
  at timestamptz(3) NOT NULL,
  actor text NOT NULL,
  correlation text NOT NULL,
  -- RFC 8785 bytes of a flat object with ASCII keys and string values.
  canonical bytea NOT NULL CHECK (octet_length(canonical) <= 65535),
  -- RFC 6962 leaf hash.
  leaf_hash bytea NOT NULL GENERATED ALWAYS AS (sha256('\x00'::bytea || canonical)) STORED,
  UNIQUE (subject_kind, subject_id, sequence)
);
-- What the list filters by; the subject's own events are found by the key above.
CREATE INDEX audit_events_correlation ON audit_events (correlation, id);
CREATE INDEX audit_events_actor ON audit_events (actor, id);
CREATE INDEX audit_events_subject ON audit_events (subject_id, id);

-- What a commitment in a leaf stands for: salt and value, sealed. Erasing the row erases the value, the proof stays.
CREATE TABLE audit_values (
  commitment bytea PRIMARY KEY CHECK (octet_length(commitment) = 32),
  sealed bytea NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);

-- A flat object with ASCII keys and string values in RFC 8785 form: keys in code point order, JSON string escaping.
CREATE FUNCTION audit_canonical(members jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT convert_to(
    '{' || coalesce(string_agg(to_json(key)::text || ':' || to_json(value)::text, ',' ORDER BY key COLLATE "C"), '') || '}',
    'UTF8')
  FROM jsonb_each_text(members)
  WHERE value IS NOT NULL
$$;

-- The members of a row that its trigger lists: 'key', 'column', 'key', 'column', … A column nobody listed cannot get in.
CREATE FUNCTION audit_members(record jsonb, listed text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(jsonb_object_agg(listed[i], record ->> listed[i + 1]), '{}'::jsonb)
  FROM generate_series(1, coalesce(array_length(listed, 1), 0), 2) AS i
  WHERE record ->> listed[i + 1] IS NOT NULL
$$;

-- The actor and the correlation of the transaction; a state change without them is refused.
CREATE FUNCTION audit_setting(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  value text := nullif(current_setting('curfew.' || name, true), '');
BEGIN
  IF value IS NULL THEN
    RAISE EXCEPTION 'a state change needs curfew.%', name USING ERRCODE = 'raise_exception',
      HINT = 'set_config(''curfew.actor'', …, true) and set_config(''curfew.correlation'', …, true) in the same transaction';
  END IF;
  RETURN value;
END
$$;

-- Attached AFTER INSERT and AFTER UPDATE, per statement, to every table with a state:
--   EXECUTE FUNCTION audit_inserted|audit_updated('<subject kind>', 'key', 'column', …)
-- The table has id uuid, state text, revision integer. revision is the subject's sequence number: a statement that
-- changes the state or a listed column must add exactly one to it, and does not pass otherwise.
CREATE FUNCTION audit_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
  actor text;
  correlation text;
  happened timestamptz(3) := clock_timestamp();
BEGIN
  IF NOT EXISTS (SELECT FROM after) THEN RETURN NULL; END IF;
  actor := audit_setting('actor');
  correlation := audit_setting('correlation');
  IF EXISTS (SELECT FROM after WHERE revision <> 1) THEN
    RAISE EXCEPTION '%: a new row has revision 1', TG_TABLE_NAME;
  END IF;
  INSERT INTO audit_events (subject_kind, subject_id, sequence, from_state, to_state, at, actor, correlation, canonical)
  SELECT TG_ARGV[0], made.id, 1, NULL, made.state, happened, actor, correlation,
    audit_canonical(audit_members(to_jsonb(made), TG_ARGV[1:]) || jsonb_build_object(
      'actor', actor, 'address', nullif(current_setting('curfew.address', true), ''),
      'at', to_char(happened, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'channel', nullif(current_setting('curfew.channel', true), ''),
      'correlation', correlation, 'sequence', '1', 'subject', TG_ARGV[0] || ':' || made.id, 'to', made.state))
  FROM after AS made;
  RETURN NULL;
END
$$;

CREATE FUNCTION audit_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
  actor text;
  correlation text;
  happened timestamptz(3) := clock_timestamp();
BEGIN
  IF NOT EXISTS (SELECT FROM after) THEN RETURN NULL; END IF;
  IF EXISTS (
    SELECT FROM after FULL JOIN before USING (id)
    WHERE before.revision IS NULL OR after.revision IS NULL
      OR (after.revision <> before.revision + 1 AND (after.revision <> before.revision OR after.state <> before.state
        OR audit_members(to_jsonb(after), TG_ARGV[1:]) <> audit_members(to_jsonb(before), TG_ARGV[1:])))
  ) THEN
    RAISE EXCEPTION '%: a state change adds one to the revision', TG_TABLE_NAME;
  END IF;
  IF NOT EXISTS (SELECT FROM after JOIN before USING (id) WHERE after.revision <> before.revision) THEN RETURN NULL; END IF;
  actor := audit_setting('actor');
  correlation := audit_setting('correlation');
  INSERT INTO audit_events (subject_kind, subject_id, sequence, from_state, to_state, at, actor, correlation, canonical)
  SELECT TG_ARGV[0], after.id, after.revision, before.state, after.state, happened, actor, correlation,
    audit_canonical(audit_members(to_jsonb(after), TG_ARGV[1:]) || jsonb_build_object(
      'actor', actor, 'address', nullif(current_setting('curfew.address', true), ''),
      'at', to_char(happened, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'channel', nullif(current_setting('curfew.channel', true), ''),
      'correlation', correlation, 'from', before.state, 'sequence', after.revision::text,
      'subject', TG_ARGV[0] || ':' || after.id, 'to', after.state))
  FROM after JOIN before USING (id)
  WHERE after.revision <> before.revision;
  RETURN NULL;
END
$$;

-- One line per table with a state; `listed` is what the event shows of the row.
CREATE PROCEDURE audit_table(audited regclass, kind text, VARIADIC listed text[])
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  arguments text := (SELECT string_agg(quote_literal(argument), ', ') FROM unnest(kind || listed) AS argument);
BEGIN
  EXECUTE format('CREATE TRIGGER audit_inserted AFTER INSERT ON %s REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION audit_inserted(%s)', audited, arguments);
  EXECUTE format('CREATE TRIGGER audit_updated AFTER UPDATE ON %s REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION audit_updated(%s)', audited, arguments);
END
$$;

GRANT SELECT ON audit_events, audit_values TO curfew_api;
-- The worker judges policies again, with the facts as they were asked.
GRANT SELECT ON audit_values TO curfew_worker;
GRANT INSERT ON audit_values TO curfew_api;
