import { escapeIdentifier } from 'pg';
import type { Leftover } from '../provider';
import type { Doomed, Ending } from './ending';
import { SQLSTATE, sqlState } from './postgres.errors';
import type { Session } from './session';
import { SAFE_CREATEROLE } from './versions';

interface Membership {
  readonly group: string;
  readonly member: string;
  readonly grantor: string;
}

/**
 * Takes away what the role is a member of, who is a member of it (our own account stays: it must tidy), and what the role
 * handed on to others.
 *
 * @returns those that our account may not revoke: somebody else gave them by hand
 */
export async function revokeMemberships({
  session,
  role,
  steps,
}: Pick<Ending, 'session' | 'role' | 'steps'>): Promise<Leftover[]> {
  const refused: Leftover[] = [];
  for (const membership of await membershipsOf(session, role.oid)) {
    const words = `membership of ${escapeIdentifier(membership.member)} in ${escapeIdentifier(membership.group)}`;
    try {
      await session.query(revocationOf(membership, role.major));
      steps.push(`revoked the ${words}`);
    } catch (error) {
      if (sqlState(error) !== SQLSTATE.insufficientPrivilege) throw error;
      const by = escapeIdentifier(membership.grantor);
      refused.push({ what: words, why: `granted by ${by}, and our account may not revoke it (42501)` });
    }
  }
  return refused;
}

function membershipsOf(session: Session, role: number): Promise<Membership[]> {
  return session.query<Membership>(
    `SELECT pg_get_userbyid(roleid) AS "group", pg_get_userbyid(member) AS member, pg_get_userbyid(grantor) AS grantor
       FROM pg_auth_members
      WHERE member = $1 OR grantor = $1
         OR roleid = $1 AND member <> (SELECT oid FROM pg_roles WHERE rolname = current_user)`,
    [role],
  );
}

// From 16 on each grantor's membership is one of its own, and only who has the grantor's rights may revoke it. What a
// member with ADMIN OPTION handed on goes with it.
function revocationOf({ group, member, grantor }: Membership, major: number): string {
  const by = major >= SAFE_CREATEROLE ? ` GRANTED BY ${escapeIdentifier(grantor)}` : '';
  return `REVOKE ${escapeIdentifier(group)} FROM ${escapeIdentifier(member)}${by} CASCADE`;
}

/** Makes our account a member. Only who has the rights of a role may end its sessions and give away its objects. */
export async function join(session: Session, role: Doomed): Promise<void> {
  const { member } = await session.one<{ member: boolean }>(
    `SELECT pg_has_role(current_user, $1::oid, 'USAGE') AND pg_has_role(current_user, $1::oid, $2) AS member`,
    [role.oid, role.major >= SAFE_CREATEROLE ? 'SET' : 'MEMBER'],
  );
  if (member) return;
  const options = role.major >= SAFE_CREATEROLE ? ' WITH INHERIT TRUE, SET TRUE' : '';
  await session.query(`GRANT ${escapeIdentifier(role.name)} TO CURRENT_USER${options}`);
}
