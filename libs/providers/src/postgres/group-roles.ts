import type { Session } from './session';

// What the server's own roles may lend through a group: reading and writing data, looking at statistics, maintenance.
// The others (run programs, touch files, end sessions of others, and whatever later versions bring) are not for a grant.
export const HARMLESS = [
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_monitor',
  'pg_read_all_settings',
  'pg_read_all_stats',
  'pg_stat_scan_tables',
  'pg_checkpoint',
  'pg_maintain',
];

/** One reason why a group role lends more than a grant may have: of itself or through a membership of its own. */
export interface Excess {
  readonly role: string;
  readonly what: string;
}

const ATTRIBUTES = [
  ['is a superuser', 'rolsuper'],
  ['may create roles', 'rolcreaterole'],
  ['may create databases', 'rolcreatedb'],
  ['may replicate', 'rolreplication'],
  ['bypasses row security', 'rolbypassrls'],
] as const;

const QUERY = `
  WITH RECURSIVE held AS (
    SELECT oid FROM pg_roles WHERE rolname = $1
    UNION
    SELECT m.roleid FROM pg_auth_members m JOIN held ON m.member = held.oid
  )
  SELECT r.rolname AS role, excess.what
    FROM held JOIN pg_roles r USING (oid), LATERAL (
      ${ATTRIBUTES.map(([what, column]) => `SELECT '${what}' AS what WHERE r.${column}`).join(' UNION ALL ')}
      UNION ALL SELECT 'is a role of the server that is too powerful' WHERE r.rolname LIKE 'pg\\_%' AND r.rolname <> ALL ($2)
      UNION ALL SELECT format('may grant the role %I to others', pg_get_userbyid(m.roleid))
        FROM pg_auth_members m WHERE m.member = r.oid AND m.admin_option
    ) AS excess`;

/** What a group role lends, itself or through what it is a member of, that no grant may have. */
export function excessOfGroup(session: Session, groupRole: string): Promise<Excess[]> {
  return session.query<Excess>(QUERY, [groupRole, HARMLESS]);
}
