import type { Session } from './session';

/** A lock that somebody holds is not waited for longer, and one round of revoking takes no longer. */
const LOCK_MS = 100;
const ROUND_SECONDS = 5;
/** Another ender at the same things is through by then. */
const ROUNDS_WITHOUT_PROGRESS = 3;

/** What others can do with things of a role in one database. */
export interface Usable {
  readonly what: string;
  /** The statement that takes it away; without it only whoever owns the other table can. */
  readonly sql: string | null;
}

/** What could not be taken away, and the first answer of the server that kept it. */
export interface Unstripped {
  readonly usable: readonly Usable[];
  readonly code: string | undefined;
}

/**
 * Takes away all that others may do with what the role owns in the session's database. Its functions and views run with the
 * rights of their owner, and so would be a way for everybody to all that this owner gets: everybody may execute a function
 * of which nothing else is said.
 *
 * One statement each: one that fails keeps none of the others. Rounds of their own are committed, so that time that runs
 * out loses nothing.
 */
export async function stripRights(session: Session, owner: number): Promise<Unstripped> {
  let least = Infinity;
  for (let idle = 0; idle < ROUNDS_WITHOUT_PROGRESS; idle += 1) {
    const left = await countRights(session, owner);
    if (left === 0) break;
    if (left < least) [least, idle] = [left, 0];
    await session.transaction(() => session.query(round(owner)));
  }
  const { code } = await session.one<{ code: string | null }>(
    `SELECT nullif(current_setting('curfew.unstripped', true), '') AS code`,
  );
  return { usable: await usableByOthers(session, owner), code: code ?? undefined };
}

/** @returns what others can do with things of the role in the session's database, each said once */
export function usableByOthers(session: Session, owner: number): Promise<Usable[]> {
  return session.query<Usable>(`${rightsOfOthers('$1')} UNION ALL ${REACHED} ORDER BY what`, [owner]);
}

async function countRights(session: Session, owner: number): Promise<number> {
  return (
    await session.one<{ n: number }>(`SELECT count(*)::int AS n FROM (${rightsOfOthers('$1')}) AS rights`, [owner])
  ).n;
}

// Who owns a schema, and took its own rights on it from itself, would have hidden from us what is in it. In any order: what
// cannot be revoked must not be in the way of the same others each time.
const round = (owner: number): string => `
  DO $do$
  DECLARE
    statement text;
  BEGIN
    PERFORM set_config('lock_timeout', '${LOCK_MS}ms', true), set_config('curfew.unstripped', '', false);
    FOR statement IN
      SELECT sql FROM (
        SELECT 0, format('GRANT ALL ON SCHEMA %I TO %I', nspname, pg_get_userbyid(nspowner)) FROM pg_namespace
         WHERE nspowner = ${owner} AND 2 > (
                 SELECT count(*) FROM aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE grantee = ${owner})
        UNION ALL SELECT 1, sql FROM (${rightsOfOthers(String(owner))}) AS rights
      ) AS statements (step, sql) ORDER BY step, random()
    LOOP
      BEGIN
        EXECUTE statement;
      EXCEPTION WHEN OTHERS THEN
        PERFORM set_config('curfew.unstripped', SQLSTATE, false);
      END;
      EXIT WHEN clock_timestamp() > statement_timestamp() + interval '${ROUND_SECONDS} seconds';
    END LOOP;
  END
  $do$`;

/**
 * The query for all rights of others on what a role owns in a database: `what`, and the `sql` that revokes it. Whoever was
 * given one by others had it in the end from the owner: CASCADE.
 *
 * Databases and tablespaces are left out: to enter one is to use nothing of what the role made. The types of tables and
 * arrays have no rights of their own.
 *
 * @param owner an expression for its OID
 */
export const rightsOfOthers = (owner: string): string => `
  SELECT DISTINCT format('%s may use %s', replace(w.whom, 'PUBLIC', 'everybody'), pg_describe_object(o.class, o.id, 0)) AS what,
         format('REVOKE ALL ON %s %s FROM %s CASCADE', o.word, o.name, w.whom) AS sql
    FROM (
      SELECT 'pg_class'::regclass::oid AS class, c.oid AS id, k.word, i.identity AS name, a.acl
        FROM pg_class c, LATERAL pg_identify_object('pg_class'::regclass, c.oid, 0) i,
             LATERAL (SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END) k (word),
             LATERAL (SELECT coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
                      UNION ALL
                      SELECT attacl FROM pg_attribute WHERE attrelid = c.oid AND attacl IS NOT NULL) a (acl)
       WHERE c.relowner = ${owner} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      UNION ALL
      -- A procedure is found by its modes too, or it may be taken for another one of the same name.
      SELECT 'pg_proc'::regclass, p.oid, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
             CASE p.prokind WHEN 'p' THEN format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
                            ELSE (pg_identify_object('pg_proc'::regclass, p.oid, 0)).identity END,
             coalesce(p.proacl, acldefault('f', p.proowner))
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.proowner = ${owner}
      UNION ALL
      SELECT 'pg_namespace'::regclass, oid, 'SCHEMA', quote_ident(nspname), coalesce(nspacl, acldefault('n', nspowner))
        FROM pg_namespace WHERE nspowner = ${owner}
      UNION ALL
      SELECT 'pg_type'::regclass, t.oid, 'TYPE', (pg_identify_object('pg_type'::regclass, t.oid, 0)).identity,
             coalesce(t.typacl, acldefault('T', t.typowner))
        FROM pg_type t
       WHERE t.typowner = ${owner} AND t.typtype <> 'm' AND t.typsubscript <> 'array_subscript_handler'::regproc
         AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
      UNION ALL
      SELECT 'pg_largeobject'::regclass, oid, 'LARGE OBJECT', oid::text, coalesce(lomacl, acldefault('L', lomowner))
        FROM pg_largeobject_metadata WHERE lomowner = ${owner}
      UNION ALL
      SELECT 'pg_language'::regclass, oid, 'LANGUAGE', quote_ident(lanname), coalesce(lanacl, acldefault('l', lanowner))
        FROM pg_language WHERE lanowner = ${owner}
      UNION ALL
      SELECT 'pg_foreign_data_wrapper'::regclass, oid, 'FOREIGN DATA WRAPPER', quote_ident(fdwname), coalesce(fdwacl, acldefault('F', fdwowner))
        FROM pg_foreign_data_wrapper WHERE fdwowner = ${owner}
      UNION ALL
      SELECT 'pg_foreign_server'::regclass, oid, 'FOREIGN SERVER', quote_ident(srvname), coalesce(srvacl, acldefault('S', srvowner))
        FROM pg_foreign_server WHERE srvowner = ${owner}
    ) AS o, LATERAL aclexplode(o.acl) a,
    LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) w (whom)
   WHERE a.grantee <> ${owner}`;

// What no right stands before: whether a function may be executed is not asked when a trigger fires. It runs with the rights
// of whoever writes there.
const REACHED = `
  SELECT format('%s runs a function of the role', pg_describe_object('pg_trigger'::regclass, t.oid, 0)), NULL
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
   WHERE p.proowner = $1 AND c.relowner <> $1`;
