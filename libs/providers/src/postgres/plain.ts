import type { Session } from './session';

/** Objects of one database, by the catalogue that each is in: two lists of the same length. */
export interface Things {
  readonly classes: readonly number[];
  readonly ids: readonly number[];
}

/**
 * What among the things is more than plain data: what the server computes with the power of whoever owns it, though nobody
 * calls it or has a right to. A materialised view asks, an index over an expression and statistics compute, a foreign key changes rows
 * and has defaults, checks and triggers done; and much that is the server's own runs SQL that is given to it as text.
 *
 * Plain are tables with columns, constraints and indexes over columns, sequences, schemas, types without functions, and large
 * objects. Nothing else is, also not what later versions of the server bring.
 *
 * @returns descriptions, in their order
 */
export async function notPlain(session: Session, { classes, ids }: Things): Promise<string[]> {
  const rows = await session.query<{ what: string }>(NOT_PLAIN, [classes, ids]);
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

/** A type that is the server's own, or that a superuser or an extension brought: `t`. Nobody else makes casts of it. */
const SUPPLIED = `(t.oid < 16384 OR EXISTS (SELECT FROM pg_roles o WHERE o.oid = t.typowner AND o.rolsuper))`;

// `part`: the things, and what belongs to them and has no owner of its own (indexes, triggers, rules, constraints, casts).
// `typed`: the types of columns, and those that they are made of.
const NOT_PLAIN = `
  WITH RECURSIVE part (class, id) AS (
    SELECT * FROM unnest($1::oid[], $2::oid[])
    UNION
    SELECT d.classid, d.objid FROM part p JOIN pg_depend d ON d.refclassid = p.class AND d.refobjid = p.id
     WHERE (d.deptype IN ('a', 'i', 'P', 'S') OR d.classid IN ('pg_cast'::regclass, 'pg_transform'::regclass))
       AND NOT EXISTS (SELECT FROM pg_shdepend s
                        WHERE s.dbid = ${HERE} AND s.classid = d.classid AND s.objid = d.objid AND s.deptype = 'o')
  ), typed (id) AS (
    SELECT a.atttypid FROM part p JOIN pg_attribute a ON p.class = 'pg_class'::regclass AND a.attrelid = p.id AND NOT a.attisdropped
    UNION
    SELECT n.id FROM typed y JOIN pg_type t ON t.oid = y.id,
           LATERAL (SELECT t.typelem UNION ALL SELECT t.typbasetype
                    UNION ALL SELECT atttypid FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped) n (id)
     WHERE n.id <> 0
  ), judged AS (
    SELECT p.class, p.id, CASE p.class
      WHEN 'pg_class'::regclass THEN (
        SELECT CASE WHEN c.relkind IN ('r', 'p', 'S', 't', 'c') THEN NOT EXISTS (
                      SELECT FROM pg_partitioned_table x WHERE x.partrelid = c.oid AND x.partexprs IS NOT NULL)
                    WHEN c.relkind IN ('i', 'I') THEN NOT EXISTS (
                      SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) END
          FROM pg_class c WHERE c.oid = p.id)
      WHEN 'pg_type'::regclass THEN (
        SELECT t.typtype IN ('e', 'c', 'd') OR t.typsubscript = 'array_subscript_handler'::regproc FROM pg_type t WHERE t.oid = p.id)
      WHEN 'pg_constraint'::regclass THEN (
        SELECT k.contype IN ('p', 'u', 'n', 'c', 'x')
               OR k.contype = 'f' AND k.confupdtype IN ('a', 'r') AND k.confdeltype IN ('a', 'r', 'c')
          FROM pg_constraint k WHERE k.oid = p.id)
      WHEN 'pg_rewrite'::regclass THEN (SELECT w.ev_type = '1' FROM pg_rewrite w WHERE w.oid = p.id) -- of a view, which is none
      WHEN 'pg_trigger'::regclass THEN (SELECT g.tgisinternal FROM pg_trigger g WHERE g.oid = p.id)
      WHEN 'pg_statistic_ext'::regclass THEN (SELECT s.stxexprs IS NULL FROM pg_statistic_ext s WHERE s.oid = p.id)
      ELSE p.class IN ('pg_attrdef'::regclass, 'pg_namespace'::regclass, 'pg_largeobject'::regclass, 'pg_collation'::regclass,
                       'pg_default_acl'::regclass, 'pg_user_mapping'::regclass, 'pg_extension'::regclass,
                       'pg_database'::regclass, 'pg_tablespace'::regclass) END AS well
    FROM part p
  ), rest (class, id) AS (
    SELECT class, id FROM judged WHERE well IS NOT TRUE
    UNION
    SELECT 'pg_type'::regclass, t.oid FROM typed y JOIN pg_type t ON t.oid = y.id
     WHERE t.typtype IN ('r', 'm') AND NOT ${SUPPLIED}
    UNION
    SELECT 'pg_constraint'::regclass, k.oid
      FROM part p JOIN pg_constraint k ON p.class = 'pg_class'::regclass AND p.id IN (k.conrelid, k.confrelid)
           JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
                               OR a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)
           JOIN pg_type t ON t.oid = a.atttypid
     WHERE k.contype = 'f' AND NOT ${SUPPLIED}
       AND NOT EXISTS (SELECT FROM part own WHERE own.class = 'pg_type'::regclass AND own.id = t.oid)
  )
  SELECT pg_describe_object(class, id, 0) AS what FROM rest ORDER BY 1`;
