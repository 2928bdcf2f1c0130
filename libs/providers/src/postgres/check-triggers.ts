import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import type { Session } from './session';

const NAMED = 5;

interface Hook {
  readonly group: string;
  readonly name: string;
  readonly sql: readonly string[];
}

/**
 * Group roles whose holders may hang a function of their own on a table of others, where it goes on running for whoever writes
 * there: `TRIGGER`, and `REFERENCES` for foreign keys that change rows. Excess only where functions can be made.
 */
export async function triggerFindings(
  session: Session,
  database: string,
  groups: readonly string[],
): Promise<CheckFinding[]> {
  const hooks = await session.query<Hook>(HOOKS, [groups]);
  return [...Map.groupBy(hooks, ({ group }) => group)].map(([group, some]): CheckFinding => {
    const names = some.slice(0, NAMED).map(({ name }) => name);
    const more = some.length > NAMED ? `, … (${some.length})` : '';
    const message = `${quoted(group)} may hang triggers or foreign keys on ${names.join(', ')}${more} in ${quoted(database)}: what a holder hangs there goes on after the grant`;
    return { kind: 'excess', message, database, sql: [...new Set(some.flatMap(({ sql }) => sql))] };
  });
}

// By whom a right was given other than the owner, by them it must be revoked.
const HOOKS = `
  WITH groups AS (
    SELECT r.oid, r.rolname FROM pg_roles r
     WHERE r.rolname = ANY ($1::text[]) AND (
           has_database_privilege(r.oid, current_database(), 'CREATE')
           OR EXISTS (SELECT FROM pg_namespace n WHERE n.nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(r.oid, n.oid, 'CREATE')))),
  held AS (
    SELECT DISTINCT c.oid, c.relowner, a.grantor, a.grantee
      FROM pg_class c, LATERAL (SELECT c.relacl UNION ALL SELECT attacl FROM pg_attribute WHERE attrelid = c.oid AND attacl IS NOT NULL) l (acl),
           LATERAL aclexplode(l.acl) a
     WHERE c.relkind IN ('r', 'p', 'v', 'f') AND a.grantee <> c.relowner AND a.privilege_type IN ('TRIGGER', 'REFERENCES'))
  SELECT g.rolname::text AS group, i.identity AS name,
         array_agg(CASE WHEN h.grantor = h.relowner THEN r.statement
                        ELSE format('BEGIN; SET LOCAL ROLE %I; %s COMMIT;', pg_get_userbyid(h.grantor), r.statement) END) AS sql
    FROM held h JOIN groups g ON NOT pg_has_role(g.oid, h.relowner, 'USAGE')
                             AND CASE h.grantee WHEN 0 THEN true ELSE pg_has_role(g.oid, h.grantee, 'USAGE') END,
         LATERAL pg_identify_object('pg_class'::regclass, h.oid, 0) i,
         LATERAL (SELECT format('REVOKE TRIGGER, REFERENCES ON TABLE %s FROM %s CASCADE;', i.identity,
                                CASE h.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(h.grantee)) END)) r (statement)
   GROUP BY g.rolname, i.identity ORDER BY 1, 2`;
