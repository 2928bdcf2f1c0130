import { escapeIdentifier, escapeLiteral } from 'pg';
import { failpoint } from '@app/kernel';
import type { EndedMany } from '../ends-many';
import { objectName, type Ended, type GrantRef } from '../provider';
import { TargetUnavailable } from '../provider.errors';
import { connectionNames, type Account } from './account';
import type { Doomed } from './ending';
import { rolesMarked } from './marks';
import { join, revokeMemberships } from './memberships';
import { sqlState } from './postgres.errors';
import type { Session } from './session';
import { hiddenAmong, startingLogins } from './sessions';
import { majorOf } from './versions';

/** Nobody holds up the others: who is in the way of one is dealt with when that one is ended by itself. */
const LOCK_MS = 50;
const QUIET_MS = 1_500;

/** What is dropped takes the longer, the more roles our account has made: others are to have their turn. */
const WORK_MS = 3_000;

interface Role extends Doomed {
  readonly grantId: string;
}

/**
 * Ends the grants that nothing stands in the way of: the same steps as `end`, in the same order, each for all of them. Who
 * holds a lock, owns something, hides or is still being made is left to `end`, with the login closed where that went through.
 */
export async function endMany(account: Account, grants: readonly GrantRef[]): Promise<EndedMany> {
  return account.with(connectionNames.endMany(grants), async (session) => {
    const ended = new Map<string, Ended>();
    const settled = await notBeingMade(session, grants);
    const { roles, absent } = await rolesOf(session, settled);
    for (const { grantId } of absent) ended.set(grantId, { steps: [], leftovers: [] });

    await session.query(`SELECT set_config('lock_timeout', $1, false)`, [`${LOCK_MS}ms`]);
    // Also where `VALID UNTIL` is over: it is looked at when a login begins, and that may dawdle on for a minute.
    const closing = await forEach(session, roles, 'ALTER ROLE %I NOLOGIN PASSWORD NULL');
    failpoint('postgres.many_closed');
    const { cut: sessions, quiet } = await endAllSessions(account, session, closing.done);
    failpoint('postgres.many_sessions_ended');
    const dropping = await dropAll(session, quiet);
    failpoint('postgres.many_dropped');
    for (const { grantId, name, oid } of dropping.done) {
      const cut = sessions.get(oid)?.size ?? 0;
      const steps = [`one of ${grants.length} that ended together`, 'closed the login'];
      if (cut > 0) steps.push(`ended ${cut} session${cut === 1 ? '' : 's'}`);
      ended.set(grantId, { steps: [...steps, `dropped the role ${escapeIdentifier(name)}`], leftovers: [] });
    }
    return { ended, later: [...closing.later, ...dropping.later].map(({ grantId }) => grantId) };
  });
}

/** Without those for which a worker of ours is connected: it may be about to make the role. */
async function notBeingMade(session: Session, grants: readonly GrantRef[]): Promise<GrantRef[]> {
  const rows = await session.query<{ name: string }>(
    `SELECT application_name AS name FROM pg_stat_activity WHERE usename = current_user AND application_name = ANY($1)`,
    [grants.map(connectionNames.start)],
  );
  const making = new Set(rows.map(({ name }) => name));
  return grants.filter((grant) => !making.has(connectionNames.start(grant)));
}

/**
 * Those of which there is one role, under the name that it was given; who has another one by now is left to `end`.
 *
 * In the order of their names: of two that end the same ones, the second waits for the first and for nothing else.
 */
async function rolesOf(session: Session, grants: readonly GrantRef[]): Promise<{ roles: Role[]; absent: GrantRef[] }> {
  const rows = await session.query<Pick<Role, 'name' | 'oid'> & { mark: string; version: number }>(
    `SELECT mark, name, oid, current_setting('server_version_num')::int AS version
       FROM (${rolesMarked('$1::text[]')}) AS marked ORDER BY name`,
    [grants.map(objectName)],
  );
  const byMark = Map.groupBy(rows, ({ mark }) => mark);
  const grantIds = new Map(grants.map((grant) => [objectName(grant), grant.grantId]));
  const plain = rows.filter(({ mark, name }) => mark === name && byMark.get(mark)?.length === 1);
  return {
    roles: plain.map(({ name, oid, version }) => ({
      name,
      oid,
      major: majorOf(version),
      grantId: grantIds.get(name) ?? '',
    })),
    absent: grants.filter((grant) => !byMark.has(objectName(grant))),
  };
}

interface Gone {
  /** For which it went through. */
  readonly done: Role[];
  /** For which there was no time. */
  readonly later: Role[];
}

/** One statement for each role, in one round trip, for as long as it may take. Where it fails, it fails for that role alone. */
async function forEach(session: Session, roles: readonly Role[], statement: string): Promise<Gone> {
  if (roles.length === 0) return { done: [], later: [] };
  await session.query(`SELECT set_config('curfew.names', $1, false)`, [roles.map(({ name }) => name).join()]);
  await session.query(`
    DO $do$
    DECLARE
      until timestamptz := clock_timestamp() + interval '${WORK_MS} ms';
      name text;
      tried int := 0;
      done text[] := '{}';
    BEGIN
      FOREACH name IN ARRAY string_to_array(current_setting('curfew.names'), ',') LOOP
        EXIT WHEN clock_timestamp() > until;
        tried := tried + 1;
        BEGIN
          EXECUTE format(${escapeLiteral(statement)}, name);
          done := done || name;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
      END LOOP;
      PERFORM set_config('curfew.done', array_to_string(done, ','), false), set_config('curfew.tried', tried::text, false);
    END
    $do$`);
  const { done, tried } = await session.one<{ done: string[]; tried: number }>(
    `SELECT string_to_array(current_setting('curfew.done'), ',') AS done, current_setting('curfew.tried')::int AS tried`,
  );
  const names = new Set(done);
  return { done: roles.filter(({ name }) => names.has(name)), later: roles.slice(tried) };
}

interface Quiet {
  /** By role, the processes that were told to end. */
  readonly cut: ReadonlyMap<number, ReadonlySet<number>>;
  /** The roles that have no session. None of them while somebody hides: whose such a session is does not show. */
  readonly quiet: Role[];
}

/** Ends the sessions of roles that nobody can log in as any more, and waits a little until none is left and nobody hides. */
async function endAllSessions(account: Account, session: Session, roles: readonly Role[]): Promise<Quiet> {
  const cut = new Map<number, Set<number>>();
  let quiet: Role[] = [];
  const isQuiet = async (): Promise<boolean> => {
    quiet = [];
    // In this order: what stops hiding between the two looks is seen by the second.
    const starting = await startingLogins(session);
    const busy = await endVisibleOf(session, roles, cut);
    const hidden = await hiddenAmong(session, starting);
    if (hidden.length === 0) quiet = roles.filter(({ oid }) => !busy.has(oid));
    return quiet.length === roles.length;
  };
  await account.budget.until(isQuiet, QUIET_MS, 'sessions_still_live').catch((error: unknown) => {
    if (!(error instanceof TargetUnavailable)) throw error;
  });
  return { cut, quiet };
}

/** @param cut gets the processes that were told to end. @returns the roles that had a session */
async function endVisibleOf(
  session: Session,
  roles: readonly Role[],
  cut: Map<number, Set<number>>,
): Promise<ReadonlySet<number>> {
  const live = await session.query<{ pid: number; role: number }>(
    'SELECT pid, usesysid AS role FROM pg_stat_activity WHERE usesysid = ANY($1)',
    [roles.map(({ oid }) => oid)],
  );
  for (const role of roles) {
    const pids = live.filter((each) => each.role === role.oid).map(({ pid }) => pid);
    if (pids.length === 0) continue;
    await tellThem(session, role, pids);
    cut.set(role.oid, new Set([...(cut.get(role.oid) ?? []), ...pids]));
  }
  return new Set(live.map(({ role }) => role));
}

/**
 * Only a member may; where we cannot become one, this role is left out. Its power goes at once: a session in the midst of a
 * long computation hears nothing until that is over.
 */
async function tellThem(session: Session, role: Role, pids: readonly number[]): Promise<void> {
  try {
    await join(session, role);
    await session.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
    await revokeMemberships({ session, role, steps: [] });
  } catch (error) {
    if (sqlState(error) === undefined) throw error;
  }
}

/** All in one transaction, which is undone when one of their sessions turns up in that very moment. */
async function dropAll(session: Session, roles: readonly Role[]): Promise<Gone> {
  const prepared = await session.query<{ owner: string }>(
    'SELECT owner FROM pg_prepared_xacts WHERE owner = ANY($1::name[])',
    [roles.map(({ name }) => name)],
  );
  const owners = new Set(prepared.map(({ owner }) => owner));
  const droppable = roles.filter(({ name }) => !owners.has(name));
  await session.query('BEGIN');
  const { done, later } = await forEach(session, droppable, 'DROP ROLE %I');
  const live = await session.query('SELECT FROM pg_stat_activity WHERE usesysid = ANY($1)', [
    done.map(({ oid }) => oid),
  ]);
  await session.query(live.length === 0 ? 'COMMIT' : 'ROLLBACK');
  return { done: live.length === 0 ? done : [], later };
}
