import { escapeIdentifier } from 'pg';
import { failpoint } from '@app/kernel';
import { objectName, type Ended, type GrantRef, type Leftover } from '../provider';
import { TargetUnavailable } from '../provider.errors';
import { connectionNames, cutOffStarts, type Account } from './account';
import { dropRole } from './drop-role';
import { closeLogin } from './close-login';
import type { Ending } from './ending';
import { rolesMarked } from './marks';
import { join, revokeMemberships } from './memberships';
import { isConcurrentChange, SQLSTATE, sqlState } from './postgres.errors';
import type { Session } from './session';
import { endHiddenSessions, endSessions, tellSessions } from './sessions';
import { tidyObjects } from './tidy-objects';
import { majorOf } from './versions';

const ROUNDS = 3;
const TRIES = 5;

/**
 * Ends a grant in the order that docs/providers/postgres.md explains. Nothing that a holder could hold is waited for before
 * power is taken away; several enders of one grant may meet, and each goes on where the other has been.
 */
export async function end(account: Account, grant: GrantRef): Promise<Ended> {
  return account.with(connectionNames.end(grant), async (session) => {
    const steps: string[] = [];
    const cutOff = await cutOffStarts(session, account.budget, grant);
    if (cutOff > 0) steps.push(`cut off ${cutOff} unfinished start${cutOff === 1 ? '' : 's'}`);
    for (let tries = 1; ; tries += 1) {
      const roles = await findRoles(session, objectName(grant));
      if (roles.length === 0) return { steps, leftovers: [] };
      try {
        const endings = roles.map((found) => ({ account, session, grant, steps, cut: new Set<number>(), ...found }));
        const leftovers = await endRoles(endings);
        // What could not be tidied may have been: another ender was faster.
        if (leftovers.length === 0 || (await findRoles(session, objectName(grant))).length > 0)
          return { steps, leftovers };
      } catch (error) {
        if (tries === TRIES || !isMeeting(error)) throw error;
        await session.query('RESET ROLE');
      }
    }
  });
}

/** Another ender was at the same row, gave us the same membership, or has dropped the role: what there is now is looked at again. */
function isMeeting(error: unknown): boolean {
  const code = sqlState(error);
  return isConcurrentChange(error) || code === SQLSTATE.undefinedObject || code === SQLSTATE.uniqueViolation;
}

/** One, as a rule: by its name, or by its mark when somebody has called it something else since. */
async function findRoles(session: Session, mark: string): Promise<Pick<Ending, 'role' | 'backend'>[]> {
  const rows = await session.query<{ name: string; oid: number; version: number; backend: number }>(
    `SELECT name, oid, current_setting('server_version_num')::int AS version, pg_backend_pid() AS backend
       FROM (${rolesMarked('ARRAY[$1::text]')}) AS marked ORDER BY name <> $1`,
    [mark],
  );
  return rows.map(({ name, oid, version, backend }) => ({ role: { name, oid, major: majorOf(version) }, backend }));
}

async function endRoles(endings: readonly Ending[]): Promise<Leftover[]> {
  const leftovers: Leftover[] = [];
  for (const ending of endings) leftovers.push(...(await endRole(ending)));
  return leftovers;
}

async function endRole(ending: Ending): Promise<Leftover[]> {
  const { grant, role, steps } = ending;
  const words = `found the role under another name: ${escapeIdentifier(role.name)}`;
  if (role.name !== objectName(grant) && !steps.includes(words)) steps.push(words);
  await takePowerAway(ending);
  failpoint('postgres.login_closed');
  // A login that was under way when the door closed may show only now: the role goes when none is left in that moment.
  for (let round = 0; round < ROUNDS; round += 1) {
    await endSessions(ending);
    failpoint('postgres.sessions_ended');
    const powers = await revokeMemberships(ending);
    failpoint('postgres.memberships_revoked');
    await endHiddenSessions(ending);
    const objects = await tidyObjects(ending);
    failpoint('postgres.objects_tidied');
    const outcome = await dropRole(ending, { powers, objects });
    failpoint('postgres.role_dropped');
    if (outcome !== 'sessions') return outcome;
  }
  throw new TargetUnavailable('sessions_still_live');
}

/**
 * What can be taken away is, whatever of it does not go through: who has joined the role may end what holds its row, and the
 * door is closed without that too; somebody else may hold the row for hours, and sessions and memberships end all the same.
 * Memberships go before anybody waits for a session: one in the midst of a long computation hears nothing until it is over.
 */
async function takePowerAway(ending: Ending): Promise<void> {
  const failures: unknown[] = [];
  for (const step of [joinRole, closeLogin, tellSessions, revokeMemberships, endSessions]) {
    // Sessions are ended in their turn, round by round, where nothing else is in the way.
    if (step === endSessions && failures.length === 0) return;
    await step(ending).catch((error: unknown) => failures.push(error));
  }
  throw failures[0];
}

async function joinRole(ending: Ending): Promise<void> {
  try {
    await join(ending.session, ending.role);
  } catch (error) {
    if (sqlState(error) !== SQLSTATE.invalidGrantOperation) throw error;
    await revokeMemberships(ending); // somebody made the role a member of ours: that would be a circle
    await join(ending.session, ending.role);
  }
}
