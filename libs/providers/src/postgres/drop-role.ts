import { escapeIdentifier, escapeLiteral } from 'pg';
import { failpoint } from '@app/kernel';
import type { Leftover } from '../provider';
import type { Ending } from './ending';
import { mayPass, SQLSTATE, sqlState } from './postgres.errors';

/** Rolls the drop back: the role's number is what its sessions are known by. */
class SessionsLeft extends Error {}

/**
 * Drops the role when nothing depends on it any more.
 *
 * @param powers the memberships that could not be revoked: they go with the role
 * @param objects what could not be tidied
 * @returns what keeps the role; `sessions` when one of its sessions turned up in the very moment
 */
export async function dropRole(
  ending: Ending,
  { powers, objects }: { powers: readonly Leftover[]; objects: readonly Leftover[] },
): Promise<Leftover[] | 'sessions'> {
  const { session, role, steps } = ending;
  const prepared = await preparedTransactions(ending);
  // The server would refuse, and write a line into its log for each object.
  if (prepared.length > 0 || objects.length > 0) return [...powers, ...objects, ...prepared];
  try {
    await session.transaction(() => drop(ending));
    steps.push(`dropped the role ${escapeIdentifier(role.name)}`);
    return [];
  } catch (error) {
    if (error instanceof SessionsLeft) return 'sessions';
    if (powers.length > 0 && sqlState(error) !== undefined) return [...powers];
    const why = whyKept(error);
    if (why === undefined) throw error;
    return [{ what: `role ${escapeIdentifier(role.name)}`, why }];
  }
}

async function drop({ session, role }: Ending): Promise<void> {
  await session.query(`DROP ROLE ${escapeIdentifier(role.name)}`);
  const live = await session.query('SELECT pid FROM pg_stat_activity WHERE usesysid = $1', [role.oid]);
  if (live.length > 0) throw new SessionsLeft();
  failpoint('postgres.role_dropping');
}

/**
 * Only their owner or a superuser may decide about these, and whether to commit is known to another system. They have no
 * power, but they hold locks: the role stays, so that they keep their owner's name.
 */
async function preparedTransactions({ session, role }: Ending): Promise<Leftover[]> {
  const rows = await session.query<{ gid: string; database: string }>(
    'SELECT gid, database FROM pg_prepared_xacts WHERE owner = $1 ORDER BY prepared',
    [role.name],
  );
  return rows.map(({ gid, database }) => ({
    what: `prepared transaction ${escapeLiteral(gid)} in database ${escapeIdentifier(database)}`,
    why: 'a superuser must decide about it: COMMIT PREPARED or ROLLBACK PREPARED',
  }));
}

function whyKept(error: unknown): string | undefined {
  const code = sqlState(error);
  if (code === SQLSTATE.lockNotAvailable) return 'somebody holds a lock on it (55P03)';
  if (code === undefined || code === SQLSTATE.undefinedObject || mayPass(error)) return undefined;
  if (code === SQLSTATE.insufficientPrivilege) return 'our account may no longer drop it (42501)';
  return `the server refused to drop it (${code})`;
}
