import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LEASE_SECONDS, openDatabase } from '@app/platform';
import { ticks } from '../../scripts/waiting';
import { aCurfewServer, type CurfewServer } from '../support/curfew-server';

const POOL = 3;
const STATEMENT_MS = 500;
/** `openDatabase` waits a second longer than the server does. */
const QUERY_MS = STATEMENT_MS + 1_000;

const TIMED_OUT = /Query read timeout/;

describe.each(['api', 'worker'] as const)('a connection of the %s that hangs', (role) => {
  let curfew: CurfewServer;
  let database: DataSource;
  const frozen: number[] = [];
  beforeAll(async () => {
    curfew = await aCurfewServer();
  });
  afterAll(() => curfew?.server.stop());
  beforeEach(async () => {
    const options = {
      url: curfew.urls[role],
      applicationName: `curfew-${role}`,
      entities: [],
      onError: () => undefined,
    };
    database = await openDatabase({ ...options, connections: POOL, statementTimeoutMs: STATEMENT_MS });
  });
  afterEach(async () => {
    for (const pid of frozen.splice(0)) process.kill(pid, 'SIGCONT');
    await database.destroy();
  });

  /** The server's process behind this connection answers nothing any more, and hangs up on nobody. */
  const freeze = (pid: number): void => {
    frozen.push(pid);
    process.kill(pid, 'SIGSTOP');
  };
  const pidOf = async (on: Pick<DataSource, 'query'>): Promise<number> => {
    const [row] = await on.query<{ pid: number }[]>('SELECT pg_backend_pid() AS pid');
    return row!.pid;
  };
  /** So many at once that every connection of the pool takes part. */
  const everyPid = async (): Promise<number[]> => {
    const slow = () => database.query<{ pid: number }[]>('SELECT pg_backend_pid() AS pid, pg_sleep(0.1)');
    return (await Promise.all(Array.from({ length: POOL }, slow))).map(([row]) => row!.pid);
  };
  const answersAgain = async (): Promise<void> => {
    const from = ticks();
    const pids = [...(await everyPid()), ...(await everyPid())];
    expect(pids.filter((pid) => frozen.includes(pid))).toEqual([]);
    expect(ticks() - from).toBeLessThan(QUERY_MS);
  };

  it('is used by nobody after its query was given up', async () => {
    freeze(await pidOf(database));
    await expect(database.query('SELECT 1')).rejects.toThrow(TIMED_OUT);
    await answersAgain();
  });

  it('does not take the pool with it, though every one of them hangs', async () => {
    const pids = await everyPid();
    expect(new Set(pids).size).toBe(POOL);
    for (const pid of pids) freeze(pid);
    const answers = await Promise.allSettled(pids.map(() => database.query('SELECT 1')));
    expect(answers.map(({ status }) => status)).toEqual(pids.map(() => 'rejected'));
    await answersAgain();
  });

  it('holds nothing for as long as a lease when its process sleeps in a transaction', async () => {
    const options = {
      url: curfew.urls[role],
      applicationName: `curfew-${role}`,
      entities: [],
      onError: () => undefined,
    };
    const usual = await openDatabase({ ...options, connections: 1 });
    try {
      const [row] = await usual.query<{ ms: number }[]>(
        `SELECT setting::int AS ms FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'`,
      );
      expect(row!.ms).toBeGreaterThan(0);
      expect(row!.ms).toBeLessThan(LEASE_SECONDS * 1_000);
    } finally {
      await usual.destroy();
    }
  });

  it.each(['a statement', 'the commit'])(
    'ends its transaction at once when it is in the middle of %s',
    async (place) => {
      const from = ticks();
      const transaction = database.transaction(async (tx) => {
        freeze(await pidOf(tx));
        if (place === 'a statement') await tx.query('SELECT 1');
      });
      await expect(transaction).rejects.toThrow(TIMED_OUT);
      // No rollback is waited for on a connection that does not answer.
      expect(ticks() - from).toBeLessThan(QUERY_MS + 1_000);
      await answersAgain();
    },
  );
});
