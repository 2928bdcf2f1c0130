import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import type { Checkup } from './checkup';
import { SAFE_CREATEROLE } from './versions';

interface Group {
  readonly admin: boolean;
  readonly owns: number;
}

/** The roles that grants lend: they are the customer's, and hold exactly what a holder gets. */
export async function groupFindings(checkup: Checkup): Promise<CheckFinding[]> {
  const findings: CheckFinding[] = [];
  const { objectsOwner } = checkup.account.connection;
  // That the two are one is a finding of its own.
  const groups = checkup.entitlements.map(({ groupRole }) => groupRole).filter((role) => role !== objectsOwner);
  for (const groupRole of new Set(groups)) findings.push(...(await oneGroup(checkup, groupRole)));
  return findings;
}

async function oneGroup(
  { session, account, server, memberships, excess }: Checkup,
  groupRole: string,
): Promise<CheckFinding[]> {
  const group = quoted(groupRole);
  const isModern = server.major >= SAFE_CREATEROLE;
  const lend = isModern
    ? [`GRANT ${group} TO ${quoted(account.connection.user)} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;`]
    : [];
  const [found] = await session.query<Group>(QUERY, [groupRole, memberships.usable]);
  if (!found) {
    const sql = [`CREATE ROLE ${group} NOLOGIN;`, ...lend];
    return [{ kind: 'missing', message: `there is no group role ${group}`, sql }];
  }
  const findings = (excess.get(groupRole) ?? []).map(({ role, what }) => tooPowerful(groupRole, role, what));
  if (findings.length === 0 && isModern && !found.admin)
    findings.push({ kind: 'missing', message: `our account may not lend ${group}: no ADMIN OPTION`, sql: lend });
  if (found.owns > 0)
    findings.push({
      kind: 'notice',
      message: `${group} owns ${found.owns} objects: a holder may drop them, and give others rights that outlive the grant`,
    });
  return findings;
}

function tooPowerful(groupRole: string, role: string, what: string): CheckFinding {
  const through = role === groupRole ? '' : `, through ${quoted(role)}`;
  const message = `the group role ${quoted(groupRole)} cannot be lent: it ${what}${through}`;
  return { kind: 'wrong', message, remedy: 'Take that away from the role, or lend another one.' };
}

const QUERY = `
  SELECT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = g.oid AND m.admin_option
                    AND pg_get_userbyid(m.member) = ANY ($2::text[])) AS admin,
         (SELECT count(*)::int FROM pg_shdepend s
           WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = g.oid AND s.deptype = 'o') AS owns
    FROM pg_roles g WHERE rolname = $1`;
