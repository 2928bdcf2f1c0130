-- The functions that write the events are made for their table, column by column. One for all of them took 100 µs a row,
-- most of it for taking each row to pieces as JSON and putting it together again.

-- A column as the JSON string that stands in the event; null when there is none.
CREATE FUNCTION audit_string(audited regclass, named text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format(CASE WHEN atttypid IN ('text'::regtype, 'uuid'::regtype, 'bytea'::regtype, 'timestamptz'::regtype)
    THEN 'to_json(after.%1$I)::text' ELSE $sql$to_json(to_jsonb(after.%1$I) #>> '{}')::text$sql$ END, attname)
  FROM pg_attribute WHERE attrelid = audited AND attname = named AND NOT attisdropped
$$;

-- The event of a row `after`, as an expression that gives its RFC 8785 bytes: keys in code point order, JSON string escaping,
-- and what is null left out. `members` are keys and expressions.
CREATE FUNCTION audit_bytes(members jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format($sql$convert_to('{' || substr(concat(%s), 2) || '}', 'UTF8')$sql$,
    string_agg(format('%L || %s', ',' || to_json(key) || ':', value), ', ' ORDER BY key COLLATE "C"))
  FROM jsonb_each_text(members)
$$;

-- One line per table with a state: attaches the two triggers, per statement. `listed` is what the event shows of the row:
-- 'key', 'column', 'key', 'column', …; a column nobody listed cannot get in. The table has id uuid, state text, revision
-- integer. revision is the subject's sequence number: a statement that changes the state or a listed column must add exactly
-- one to it, and does not pass otherwise.
CREATE OR REPLACE PROCEDURE audit_table(audited regclass, kind text, VARIADIC listed text[])
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  name text := (SELECT relname FROM pg_class WHERE oid = audited);
  shown jsonb := (SELECT coalesce(jsonb_object_agg(listed[i], audit_string(audited, listed[i + 1])), '{}')
    FROM generate_series(1, coalesce(array_length(listed, 1), 0), 2) AS i);
  common jsonb := jsonb_build_object('actor', 'to_json(it.actor)::text', 'address', 'it.address', 'at', 'it.moment',
    'channel', 'it.channel', 'correlation', 'to_json(it.correlation)::text', 'sequence', $sql$'"' || after.revision || '"'$sql$,
    'subject', format($sql$%L || after.id || '"'$sql$, left(to_json(kind || ':')::text, -1)), 'to', 'to_json(after.state)::text');
  columns text := (SELECT string_agg(format('after.%1$I IS DISTINCT FROM before.%1$I', listed[i]), ' OR ')
    FROM generate_series(2, coalesce(array_length(listed, 1), 0), 2) AS i);
  head text := $sql$LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp SET timezone = 'UTC' AS $body$
    <<it>>
    DECLARE
      unfit boolean;
      any_event boolean;
      actor text;
      correlation text;
      address text := to_json(nullif(current_setting('curfew.address', true), ''))::text;
      channel text := to_json(nullif(current_setting('curfew.channel', true), ''))::text;
      happened timestamptz(3) := clock_timestamp();
      moment text := to_json(to_char(happened, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text;
    BEGIN
  $sql$;
BEGIN
  IF EXISTS (SELECT FROM jsonb_object_keys(shown) AS key WHERE common ? key OR key = 'from' OR key !~ '^[A-Za-z]+$') THEN
    RAISE EXCEPTION '%: an event has members of its own, and keys of letters', audited;
  END IF;
  IF EXISTS (SELECT FROM jsonb_each_text(shown) WHERE value IS NULL) THEN
    RAISE EXCEPTION '%: it has no column to show of that name', audited;
  END IF;
  EXECUTE format($sql$CREATE OR REPLACE FUNCTION public.%I() RETURNS trigger $sql$ || head || $sql$
      SELECT bool_or(after.revision <> 1), count(*) > 0 INTO it.unfit, it.any_event FROM after;
      IF it.unfit THEN RAISE EXCEPTION '%%: a new row has revision 1', TG_TABLE_NAME; END IF;
      IF NOT it.any_event THEN RETURN NULL; END IF;
      it.actor := audit_setting('actor');
      it.correlation := audit_setting('correlation');
      INSERT INTO audit_events (subject_kind, subject_id, sequence, from_state, to_state, at, actor, correlation, canonical)
      SELECT %L, after.id, 1, NULL, after.state, it.happened, it.actor, it.correlation, %s FROM after;
      RETURN NULL;
    END $body$ $sql$, 'audit_inserted_' || name, kind, audit_bytes(common || shown));
  EXECUTE format($sql$CREATE OR REPLACE FUNCTION public.%I() RETURNS trigger $sql$ || head || $sql$
      SELECT bool_or(before.revision IS NULL OR after.revision IS NULL OR (after.revision <> before.revision + 1
          AND (after.revision <> before.revision OR after.state <> before.state OR %s))),
        bool_or(after.revision <> before.revision)
      INTO it.unfit, it.any_event FROM after FULL JOIN before USING (id);
      IF it.unfit THEN RAISE EXCEPTION '%%: a state change adds one to the revision', TG_TABLE_NAME; END IF;
      IF it.any_event IS NOT TRUE THEN RETURN NULL; END IF;
      it.actor := audit_setting('actor');
      it.correlation := audit_setting('correlation');
      INSERT INTO audit_events (subject_kind, subject_id, sequence, from_state, to_state, at, actor, correlation, canonical)
      SELECT %L, after.id, after.revision, before.state, after.state, it.happened, it.actor, it.correlation, %s
      FROM after JOIN before USING (id) WHERE after.revision <> before.revision;
      RETURN NULL;
    END $body$ $sql$, 'audit_updated_' || name, coalesce(columns, 'false'), kind,
    audit_bytes(common || shown || jsonb_build_object('from', 'to_json(before.state)::text')));
  EXECUTE format('CREATE OR REPLACE TRIGGER audit_inserted AFTER INSERT ON %s REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION public.%I()', audited, 'audit_inserted_' || name);
  EXECUTE format('CREATE OR REPLACE TRIGGER audit_updated AFTER UPDATE ON %s REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION public.%I()', audited, 'audit_updated_' || name);
END
$$;

-- The tables that are there already, with what each of them shows.
DO $$
DECLARE
  made record;
BEGIN
  FOR made IN SELECT tgrelid::regclass AS audited, string_to_array(encode(tgargs, 'escape'), '\000') AS arguments
    FROM pg_trigger WHERE tgname = 'audit_inserted'
  LOOP
    -- Each argument ends with a zero: behind the last one there is nothing.
    CALL audit_table(made.audited, made.arguments[1], VARIADIC made.arguments[2:cardinality(made.arguments) - 1]);
  END LOOP;
END
$$;

DROP FUNCTION audit_inserted(), audit_updated(), audit_canonical(jsonb), audit_members(jsonb, text[]);

-- A grant that has ended stands in other indexes than one that has not, and no longer in both: each end of a grant writes
-- into all indexes that it stands in, for whether it stands there hangs on its state. A list of all of them is made of two.
DROP INDEX grants_newest, grants_of_identity, grants_of_target;
CREATE INDEX grants_ended ON grants (created_at DESC, id DESC) WHERE state = 'ended';
CREATE INDEX grants_ended_of_identity ON grants (identity_id, created_at DESC, id DESC) WHERE state = 'ended';
CREATE INDEX grants_ended_on_target ON grants (target_id, created_at DESC, id DESC) WHERE state = 'ended';

-- A subject's events are few: one index finds them in the order of their numbers and keeps these unique.
DROP INDEX audit_events_subject;
ALTER TABLE audit_events DROP CONSTRAINT audit_events_subject_kind_subject_id_sequence_key,
  ADD CONSTRAINT audit_events_of_subject UNIQUE (subject_id, subject_kind, sequence);
