import { escapeIdentifier } from 'pg';
import type { Ending } from './ending';
import { SQLSTATE, sqlState } from './postgres.errors';
import type { Session } from './session';

const GONE_MS = 10_000;

/** Ends the sessions of the role that the server shows, and returns when none is left. */
export function endSessions(ending: Ending): Promise<void> {
  return untilNoneLeft(ending, () => endVisible(ending));
}

/** Tells them to end, and waits for none: one in the midst of a long computation hears it when that is over. */
export async function tellSessions(ending: Ending): Promise<void> {
  await endVisible(ending);
}

/**
 * Ends those too that do not show yet. A login passes its last check before it appears in `pg_stat_activity`, and whoever
 * logs in can make the time between as long as they like (`options=-c post_auth_delay=2000`): such a session was let in
 * before the door closed, and would wake up after the end. It does hold a lock on its database meanwhile.
 *
 * To be called when the role has no membership any more: then it has power over its own sessions only.
 */
export async function endHiddenSessions(ending: Ending): Promise<void> {
  await untilNoneLeft(ending, async () => {
    // In this order: what stops hiding between the two looks is seen by the second.
    const starting = await startingLogins(ending.session);
    const visible = await endVisible(ending);
    const hidden = await endHidden(ending, starting);
    for (const pid of hidden) ending.cut.add(pid);
    return visible && hidden.length === 0;
  });
}

async function untilNoneLeft({ account, cut, steps }: Ending, look: () => Promise<boolean>): Promise<void> {
  await account.budget.until(look, GONE_MS, 'sessions_still_live');
  if (cut.size > 0) steps.push(`ended ${cut.size} session${cut.size === 1 ? '' : 's'}`);
  cut.clear();
}

/** @returns whether there was none */
export async function endVisible({ session, role, cut }: Ending): Promise<boolean> {
  const rows = await session.query<{ pid: number }>(
    'SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = $1',
    [role.oid],
  );
  for (const { pid } of rows) cut.add(pid);
  return rows.length === 0;
}

/** Processes that are on their way into a database. */
export async function startingLogins(session: Session): Promise<number[]> {
  const rows = await session.query<{ pid: number }>(
    `SELECT DISTINCT pid FROM pg_locks
      WHERE locktype = 'object' AND database = 0 AND classid = 'pg_database'::regclass AND mode = 'RowExclusiveLock'
        AND pid <> pg_backend_pid()`,
  );
  return rows.map(({ pid }) => pid);
}

/** Those that do not show yet as whom they are. */
export async function hiddenAmong(session: Session, starting: readonly number[]): Promise<number[]> {
  const rows = await session.query<{ pid: number }>(
    `SELECT pid FROM unnest($1::int[]) AS pid
      WHERE NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = pid.pid AND a.usesysid IS NOT NULL)`,
    [starting],
  );
  return rows.map(({ pid }) => pid);
}

/**
 * Whose they are is not shown. But the server ends a session only for who has the rights of its role: asked by the role
 * itself, it ends the role's own and refuses all others.
 *
 * @returns those that were the role's
 */
async function endHidden({ session, role }: Ending, starting: readonly number[]): Promise<number[]> {
  const hidden = await hiddenAmong(session, starting);
  if (hidden.length === 0) return [];
  await session.query(`SET ROLE ${escapeIdentifier(role.name)}`);
  const ended: number[] = [];
  for (const pid of hidden) if (await endOwn(session, pid)) ended.push(pid);
  await session.query('RESET ROLE');
  return ended;
}

async function endOwn(session: Session, pid: number): Promise<boolean> {
  try {
    const { signalled } = await session.one<{ signalled: boolean }>('SELECT pg_terminate_backend($1) AS signalled', [
      pid,
    ]);
    return signalled;
  } catch (error) {
    if (sqlState(error) === SQLSTATE.insufficientPrivilege) return false;
    throw error;
  }
}
