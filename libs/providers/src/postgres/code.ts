import type { Session } from './session';

/** Objects of one database, by the catalogue that each is in: two lists of the same length. */
export interface Things {
  readonly classes: readonly number[];
  readonly ids: readonly number[];
}

/**
 * What among the things may run what a holder wrote, or somebody who is no superuser may rewrite: routines, rules, and what
 * things depend on or hang on them. Nobody need call it: an index computes and a materialised view asks with the power of
 * its owner, whenever the server or an administrator looks after the table; a foreign key finds its casts when it is checked.
 *
 * Data alone is a relation, a type of names or members, a large object, and what these use of the server's own and of its
 * extensions. Whatever else there is counts as code, also what later versions of the server bring.
 *
 * @returns descriptions, in their order
 */
export async function codeAmong(session: Session, { classes, ids }: Things): Promise<string[]> {
  const rows = await session.query<{ what: string }>(CODE, [classes, ids]);
  return rows.map(({ what }) => what);
}

/** @returns what the role owns in the session's database, and of the whole server */
export function thingsOf(session: Session, role: number): Promise<Things> {
  return session.one<Things>(
    `SELECT coalesce(array_agg(classid), '{}') AS classes, coalesce(array_agg(objid), '{}') AS ids
       FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1 AND deptype = 'o' AND dbid IN (0, ${HERE})`,
    [role],
  );
}

const HERE = '(SELECT oid FROM pg_database WHERE datname = current_database())';

// `part`: the things, and what belongs to them and has no owner of its own (indexes, triggers, rules, constraints, casts).
// `reach`: those, and what they use; views of others are looked through, tables are not.
const CODE = `
  WITH RECURSIVE part (class, id) AS (
    SELECT * FROM unnest($1::oid[], $2::oid[])
    UNION
    SELECT d.classid, d.objid FROM part p JOIN pg_depend d ON d.refclassid = p.class AND d.refobjid = p.id
     WHERE (d.deptype IN ('a', 'i', 'P', 'S') OR d.classid IN ('pg_cast'::regclass, 'pg_transform'::regclass))
       AND NOT EXISTS (SELECT FROM pg_shdepend s
                        WHERE s.dbid = ${HERE} AND s.classid = d.classid AND s.objid = d.objid AND s.deptype = 'o')
  ), reach (class, id) AS (
    SELECT * FROM part
    UNION
    SELECT n.class, n.id
      FROM reach r LEFT JOIN pg_class c ON r.class = 'pg_class'::regclass AND c.oid = r.id,
           LATERAL (SELECT d.refclassid, d.refobjid FROM pg_depend d WHERE d.classid = r.class AND d.objid = r.id
                    UNION ALL
                    SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type = '1') n (class, id)
     WHERE c.oid IS NULL OR c.relkind IN ('v', 'm', 'c') OR EXISTS (SELECT FROM part p WHERE p.class = r.class AND p.id = r.id)
  ), used AS (
    SELECT r.class, r.id, t.typtype, c.relkind, EXISTS (SELECT FROM part p WHERE p.class = r.class AND p.id = r.id) AS ours,
           coalesce(o.rolsuper, true) AND (r.id < 16384 OR EXISTS (
             SELECT FROM pg_depend e WHERE e.classid = r.class AND e.objid = r.id AND e.deptype = 'e')) AS supplied,
           t.typsubscript = 'array_subscript_handler'::regproc AND t.typlen = -1 AS listing
      FROM reach r LEFT JOIN pg_type t ON r.class = 'pg_type'::regclass AND t.oid = r.id
                   LEFT JOIN pg_class c ON r.class = 'pg_class'::regclass AND c.oid = r.id
                   LEFT JOIN pg_shdepend s ON s.dbid IN (0, ${HERE}) AND s.classid = r.class AND s.objid = r.id AND s.deptype = 'o'
                   LEFT JOIN pg_roles o ON o.oid = s.refobjid
  ), code (class, id) AS (
    SELECT class, id FROM used
     WHERE NOT supplied
       AND CASE WHEN class = 'pg_class'::regclass THEN ours AND relkind = 'f'
                WHEN class = 'pg_type'::regclass THEN NOT (listing OR typtype IN ('e', 'c') OR ours AND typtype = 'd')
                ELSE class NOT IN (
                  'pg_namespace'::regclass, 'pg_largeobject'::regclass, 'pg_statistic_ext'::regclass, 'pg_collation'::regclass,
                  'pg_default_acl'::regclass, 'pg_user_mapping'::regclass, 'pg_database'::regclass, 'pg_tablespace'::regclass,
                  'pg_extension'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass,
                  'pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_cast'::regclass, 'pg_transform'::regclass) END
    UNION
    SELECT 'pg_rewrite'::regclass, w.oid FROM part p JOIN pg_rewrite w ON p.class = 'pg_rewrite'::regclass AND w.oid = p.id
     WHERE w.ev_type <> '1'
    UNION
    SELECT 'pg_constraint'::regclass, k.oid
      FROM part p JOIN pg_constraint k ON p.class = 'pg_class'::regclass AND p.id IN (k.conrelid, k.confrelid)
           JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                               OR a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
           JOIN pg_type t ON t.oid = a.atttypid JOIN pg_roles o ON o.oid = t.typowner
     WHERE k.contype = 'f' AND NOT o.rolsuper
  )
  SELECT pg_describe_object(class, id, 0) AS what FROM code ORDER BY 1`;
