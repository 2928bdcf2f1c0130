import { setTimeout } from 'node:timers/promises';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { TargetUnavailable } from '../provider.errors';
import { connectionNames } from './account';
import type { Ending } from './ending';
import { isConcurrentChange, SQLSTATE, sqlState } from './postgres.errors';
import type { Session } from './session';
import { endVisible } from './sessions';

/** A door that nobody holds closes well within this. */
const PATIENCE_MS = 150;
const LOOK_MS = 50;
/** Of two at the same row one has to come again. */
const MEETINGS = 4;
const WAITS = 2;

/**
 * Nobody logs in any more. The role itself may be in the way: one of its sessions, or a transaction that it has prepared,
 * has changed its row and does not let go. We queue up behind that, and end it from a second connection.
 *
 * @throws TargetUnavailable `role_locked` when somebody else holds the row
 */
export async function closeLogin(ending: Ending): Promise<void> {
  const closing = close(ending);
  const over = closing.then(
    () => true,
    () => true,
  );
  const isOver = (within: number): Promise<boolean> => Promise.race([over, setTimeout(within, false)]);
  if (!(await isOver(PATIENCE_MS))) {
    const clear = async (helper: Session): Promise<void> => {
      while (!(await isOver(LOOK_MS))) await clearTheWay(ending, helper);
    };
    // When there is no second connection to be had, the first one does it between its tries.
    await ending.account.with(connectionNames.end(ending.grant), clear).catch(() => undefined);
  }
  await closing;
  ending.steps.push('closed the login');
}

async function close(ending: Ending): Promise<void> {
  const { session, role } = ending;
  for (let meetings = 0, waits = 0; ;) {
    try {
      await session.query(`ALTER ROLE ${escapeIdentifier(role.name)} NOLOGIN PASSWORD NULL`);
      return;
    } catch (error) {
      if (sqlState(error) === SQLSTATE.lockNotAvailable) waits += 1;
      else if (isConcurrentChange(error)) meetings += 1;
      else throw error;
      if (waits === WAITS || meetings === MEETINGS) throw new TargetUnavailable('role_locked', error);
      await endVisible(ending);
    }
  }
}

async function clearTheWay(ending: Ending, helper: Session): Promise<void> {
  await endVisible({ ...ending, session: helper });
  await rollBackPrepared(ending, helper);
}

/**
 * A prepared transaction has no session that could be ended, and keeps its locks across restarts. It is rolled back only
 * when it is the role's and what we wait for; its owner may do that, so it is done in the owner's name.
 */
async function rollBackPrepared({ account, grant, role, backend, steps }: Ending, helper: Session): Promise<void> {
  const inTheWay = await helper.query<{ gid: string; database: string }>(
    `SELECT x.gid, x.database FROM pg_locks w JOIN pg_prepared_xacts x ON x.transaction = w.transactionid
      WHERE w.pid = $1 AND w.locktype = 'transactionid' AND NOT w.granted AND x.owner = $2`,
    [backend, role.name],
  );
  for (const { gid, database } of inTheWay) {
    const rollBack = async (session: Session): Promise<void> => {
      await session.query(`SET ROLE ${escapeIdentifier(role.name)}`);
      await session.query(`ROLLBACK PREPARED ${escapeLiteral(gid)}`);
    };
    await account.with(connectionNames.end(grant), rollBack, database);
    steps.push(`rolled back the prepared transaction ${escapeLiteral(gid)}, which kept the login open`);
  }
}
