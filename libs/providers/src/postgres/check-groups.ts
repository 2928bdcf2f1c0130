import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import type { Checkup } from './checkup';
import { excessOfGroup } from './group-roles';
import { SAFE_CREATEROLE } from './versions';

interface Group {
  readonly admin: boolean;
  readonly inherited: boolean;
  readonly owns: number;
}

/** The roles that grants lend: they are the customer's, and hold exactly what a holder gets. */
export async function groupFindings(checkup: Checkup): Promise<CheckFinding[]> {
  const findings: CheckFinding[] = [];
  for (const groupRole of new Set(checkup.entitlements.map((entitlement) => entitlement.groupRole)))
    findings.push(...(await oneGroup(checkup, groupRole)));
  return findings;
}

async function oneGroup({ session, account, server }: Checkup, groupRole: string): Promise<CheckFinding[]> {
  const [group, me] = [quoted(groupRole), quoted(account.connection.user)];
  const modern = server.major >= SAFE_CREATEROLE;
  const lend = modern ? `GRANT ${group} TO ${me} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;` : '';
  const [found] = await session.query<Group>(QUERY, [groupRole]);
  if (!found) {
    const remedy = `CREATE ROLE ${group} NOLOGIN; ${lend}`.trim();
    return [{ kind: 'missing', message: `there is no group role ${group}`, remedy }];
  }
  const findings: CheckFinding[] = [];
  if (modern && !found.admin)
    findings.push({ kind: 'missing', message: `our account may not lend ${group}: no ADMIN OPTION`, remedy: lend });
  if (found.inherited && !server.attributes.includes('SUPERUSER'))
    findings.push({
      kind: 'notice',
      message: `our account has the rights of ${group} itself, and needs none of them`,
      remedy: modern ? lend : `REVOKE ${group} FROM ${me};`,
    });
  if (found.owns > 0)
    findings.push({
      kind: 'notice',
      message: `${group} owns ${found.owns} objects: a holder may drop them, and give others rights that outlive the grant`,
    });
  const excess = await excessOfGroup(session, groupRole);
  return [...findings, ...excess.map(({ role, what }): CheckFinding => tooPowerful(groupRole, role, what))];
}

function tooPowerful(groupRole: string, role: string, what: string): CheckFinding {
  const through = role === groupRole ? '' : `, through ${quoted(role)}`;
  const message = `the group role ${quoted(groupRole)} cannot be lent: it ${what}${through}`;
  return { kind: 'wrong', message, remedy: 'Take that away from the role, or lend another one.' };
}

const QUERY = `
  SELECT pg_has_role(current_user, oid, 'MEMBER WITH ADMIN OPTION') AS admin,
         pg_has_role(current_user, oid, 'USAGE') AS inherited,
         (SELECT count(*)::int FROM pg_shdepend s
           WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = g.oid AND s.deptype = 'o') AS owns
    FROM pg_roles g WHERE rolname = $1`;
