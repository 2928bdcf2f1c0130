import { escapeIdentifier } from 'pg';
import { objectName, type Ended, type GrantRef, type Leftover } from '../provider';
import { TargetUnavailable } from '../provider.errors';
import { connectionNames, cutOffStarts, type Account } from './account';
import { dropRole } from './drop-role';
import type { Doomed, Ending } from './ending';
import { revokeMemberships } from './memberships';
import { SQLSTATE, sqlState } from './postgres.errors';
import type { Session } from './session';
import { endHiddenSessions, endSessions } from './sessions';
import { tidyObjects } from './tidy-objects';
import { majorOf, SAFE_CREATEROLE } from './versions';

const ROUNDS = 3;
// Two enders of one grant, one after the other: a step of the one would find the role gone that the other has dropped.
const ONE_ENDER = 'SELECT pg_advisory_lock(hashtextextended($1, 0))';

/** Ends a grant in the order that docs/providers/postgres.md explains. */
export async function end(account: Account, grant: GrantRef): Promise<Ended> {
  return account.with(connectionNames.end(grant), async (session) => {
    const steps: string[] = [];
    const cutOff = await cutOffStarts(session, account.budget, grant);
    if (cutOff > 0) steps.push(`cut off ${cutOff} unfinished start${cutOff === 1 ? '' : 's'}`);
    await session.query(ONE_ENDER, [objectName(grant)]);
    const role = await findRole(session, objectName(grant));
    if (!role) return { steps, leftovers: [] };
    return { steps, leftovers: await endRole({ account, session, grant, role, steps }) };
  });
}

async function findRole(session: Session, name: string): Promise<Doomed | undefined> {
  const [found] = await session.query<{ oid: number; version: number }>(
    `SELECT oid, current_setting('server_version_num')::int AS version FROM pg_roles WHERE rolname = $1`,
    [name],
  );
  return found && { name, oid: found.oid, major: majorOf(found.version) };
}

async function endRole(ending: Ending): Promise<Leftover[]> {
  const { session, role, steps } = ending;
  await session.query(`ALTER ROLE ${escapeIdentifier(role.name)} NOLOGIN PASSWORD NULL`);
  steps.push('closed the login');
  await joinRole(ending);
  // A login that was under way when the door closed may show only now: the role goes when none is left in that moment.
  for (let round = 0; round < ROUNDS; round += 1) {
    await endSessions(ending);
    const powers = await revokeMemberships(ending);
    await endHiddenSessions(ending);
    const objects = await tidyObjects(ending);
    const outcome = await dropRole(ending, [...powers, ...objects]);
    if (outcome !== 'sessions') return outcome;
  }
  throw new TargetUnavailable('sessions_still_live');
}

/** Only who has the rights of a role may end its sessions and give away its objects. */
async function joinRole(ending: Ending): Promise<void> {
  const { session, role } = ending;
  const { member } = await session.one<{ member: boolean }>(
    `SELECT pg_has_role(current_user, $1::oid, 'USAGE') AND pg_has_role(current_user, $1::oid, $2) AS member`,
    [role.oid, role.major >= SAFE_CREATEROLE ? 'SET' : 'MEMBER'],
  );
  if (member) return;
  const options = role.major >= SAFE_CREATEROLE ? ' WITH INHERIT TRUE, SET TRUE' : '';
  const join = `GRANT ${escapeIdentifier(role.name)} TO CURRENT_USER${options}`;
  try {
    await session.query(join);
  } catch (error) {
    if (sqlState(error) !== SQLSTATE.invalidGrantOperation) throw error;
    await revokeMemberships(ending); // somebody made the role a member of ours: that would be a circle
    await session.query(join);
  }
}
