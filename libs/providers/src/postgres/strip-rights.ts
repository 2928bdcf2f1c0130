import { revocations, rightsOfOthers } from './rights-of-others';
import type { Session } from './session';

/** A lock that somebody holds is not waited for longer, and one round of revoking takes no longer. */
const LOCK_MS = 100;
const ROUND_SECONDS = 5;
/** So many at once are named and revoked. There may be hundreds of thousands: naming them all would take all the time there is. */
const ROUND_RIGHTS = 10_000;
const NAMED = 100;
/** Another ender at the same things is through by then. */
const ROUNDS_WITHOUT_PROGRESS = 3;

/** The owner `o` of the other table is a grant that is over. */
const TOMBSTONE = `(starts_with(o.rolname, 'curfew-') AND NOT o.rolcanlogin)`;

/** The key `k` changes rows of its own table when those that it refers to are changed. */
const CHANGES_ROWS = `(k.contype = 'f' AND (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('c', 'n', 'd')))`;

/** Something is computed when a row of the table `mine` is changed: a default, a check, an expression, a condition. */
const COMPUTES = `(
  EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = mine.oid)
  OR EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = mine.oid AND c.contype = 'c')
  OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = mine.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
  OR EXISTS (SELECT FROM pg_partitioned_table x WHERE x.partrelid = mine.oid AND x.partexprs IS NOT NULL)
  OR EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid AND t.typtype = 'd' WHERE a.attrelid = mine.oid))`;

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

/** @returns what others can do with things of the role in the session's database, each said once, and no more than a hundred of them */
export function usableByOthers(session: Session, owner: number): Promise<Usable[]> {
  return session.query<Usable>(
    `SELECT DISTINCT what, sql FROM (${revocations('$1', `${rightsOfOthers('$1')} LIMIT ${NAMED}`)} UNION ALL ${REACHED}) AS usable
      ORDER BY what LIMIT ${NAMED}`,
    [owner],
  );
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
      SELECT format('GRANT ALL ON SCHEMA %I TO %I', nspname, pg_get_userbyid(nspowner)) FROM pg_namespace
       WHERE nspowner = ${owner} AND 2 > (
               SELECT count(*) FROM aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE grantee = ${owner})
      UNION ALL
      SELECT sql FROM (${revocations(String(owner), `SELECT * FROM (${rightsOfOthers(String(owner))}) AS every ORDER BY random() LIMIT ${ROUND_RIGHTS}`)}) AS named
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

// What no right stands before. Whether a function may be executed is not asked when a trigger fires, and it runs with the
// rights of whoever writes there. A foreign key changes rows when others change theirs, from table to table, and what hangs on
// them is done; it looks for casts when it is checked. What belongs to another grant that is over is nobody's to change.
const REACHED = `
  SELECT format('%s runs a function of the role', pg_describe_object('pg_trigger'::regclass, t.oid, 0)), NULL
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_roles o ON o.oid = c.relowner
   WHERE p.proowner = $1 AND c.relowner <> $1 AND NOT ${TOMBSTONE}
  UNION ALL
  SELECT format('%s has the server run what hangs on a table of the role when %s changes',
                pg_describe_object('pg_constraint'::regclass, up.key, 0), up.above::regclass), NULL
    FROM (
      WITH RECURSIVE up (key, above) AS (
        SELECT k.oid, k.confrelid FROM pg_constraint k JOIN pg_class mine ON mine.oid = k.conrelid
         WHERE mine.relowner = $1 AND ${CHANGES_ROWS} AND (
               mine.relhasrules OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = mine.oid AND NOT t.tgisinternal)
               OR (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('n', 'd')) AND ${COMPUTES})
        UNION
        SELECT up.key, k.confrelid FROM up JOIN pg_constraint k ON k.conrelid = up.above AND ${CHANGES_ROWS}
      )
      SELECT * FROM up
      UNION
      SELECT k.oid, k.confrelid
        FROM pg_constraint k JOIN pg_class mine ON mine.oid = k.conrelid
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                                 OR a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
             JOIN pg_type t ON t.oid = a.atttypid
       WHERE k.contype = 'f' AND mine.relowner = $1 AND t.typowner = $1
    ) AS up JOIN pg_class other ON other.oid = up.above JOIN pg_roles o ON o.oid = other.relowner
   WHERE other.relowner <> $1 AND NOT ${TOMBSTONE}`;
