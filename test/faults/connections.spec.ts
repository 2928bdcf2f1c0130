import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../scripts/clone';
import { ticks, waitFor } from '../../scripts/waiting';
import { sampled } from '../support/kills';
import { Trial } from '../support/trial';

const LIVES = 4;
/** For how long there are none. */
const SHORTAGE_MS = 5_000;
/** No answer takes longer, however little there is. */
const ANSWERS_MS = 12_000;
const OURS = ['curfew_api', 'curfew_worker', 'curfew_timekeeper'];

const { chosen, words } = sampled(['somebody else has them all', 'our roles may have none'] as const, 1);

describe(`connections to the database (${words})`, () => {
  let trial: Trial;
  const crowd = new Set<pg.Client>();
  beforeAll(async () => {
    trial = await Trial.begin(['ada', 'ben']);
    await trial.database.query(`CREATE ROLE crowd LOGIN PASSWORD 'crowd'`);
  });
  afterAll(async () => {
    await leave();
    await trial?.end();
  });

  afterEach(() => giveBack());

  const leave = async (): Promise<void> => {
    await Promise.allSettled([...crowd].map((client) => client.end()));
    crowd.clear();
  };
  /** @returns whether there was a place */
  const comeIn = async (): Promise<boolean> => {
    const url = new URL(trial.service.databaseUrl);
    [url.username, url.password, url.pathname] = ['crowd', 'crowd', '/orders'];
    const client = new pg.Client({ connectionString: url.href });
    client.on('error', () => undefined);
    try {
      await client.connect();
      crowd.add(client);
      return true;
    } catch (error) {
      expect((error as { code?: string }).code).toBe('53300');
      return false;
    }
  };
  const cut = async (): Promise<number> => {
    const { rowCount } = await trial.database.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY($1)',
      [OURS],
    );
    return rowCount ?? 0;
  };
  const TAKE = {
    'somebody else has them all': async () => {
      await trial.target.query('GRANT CONNECT ON DATABASE orders TO crowd');
      // Whoever of ours comes back meanwhile is cut again, until nobody is left.
      const none = await waitFor(async () => {
        while (await comeIn());
        return (await cut()) === 0 && !(await comeIn()) ? true : undefined;
      }, 30_000);
      expect(none).toBe(true);
    },
    'our roles may have none': async () => {
      for (const role of OURS) await trial.database.query(`ALTER ROLE ${role} CONNECTION LIMIT 0`);
      expect(await waitFor(async () => ((await cut()) === 0 ? true : undefined), 30_000)).toBe(true);
    },
  };
  const giveBack = async (): Promise<void> => {
    for (const role of OURS) await trial.database.query(`ALTER ROLE ${role} CONNECTION LIMIT -1`);
    await leave();
  };
  const processes = () =>
    APPS.map((name) => {
      const { pid, restarts } = trial.service.run.processes[name]!;
      return { name, pid, restarts };
    });
  /** What the api says to somebody who asks for something now. */
  const told = async () => {
    const from = ticks();
    const order = { entitlements: ['orders-db/read'], durationSeconds: 600, reason: 'INC-4711' };
    const { status, body } = await trial.send<{ code: string; detail: string }>('ada', '/v1/requests', { body: order });
    return { status, code: body.code, inTime: ticks() - from < ANSWERS_MS };
  };

  it.each([...chosen])(
    'are used up, %s: processes neither die nor hang, the api says so, and all goes on when there are some again',
    async (how) => {
      const { id, session } = await trial.use(4);
      const lives = Promise.all(Array.from({ length: LIVES }, () => trial.wholeLife()));
      lives.catch(() => undefined); // heard below
      const before = processes();
      await TAKE[how]();
      const from = ticks();
      let asked = 0;
      while (ticks() - from < SHORTAGE_MS) {
        expect(await told()).toEqual({ status: 503, code: 'platform.database_away', inTime: true });
        asked += 1;
        await pause(200);
      }
      expect(asked).toBeGreaterThan(1);
      expect((await fetch(`${trial.service.url}/healthz`)).status).toBe(200);
      expect((await fetch(`${trial.service.url}/readyz`)).status).toBe(503);
      await giveBack();
      const { lateMs } = await trial.reach(id, 'ended', ANSWERS_MS);
      expect(lateMs).toBeLessThan(ticks() - from + 1_000);
      await session.cut;
      await lives;
      expect(processes()).toEqual(before);
      expect(await trial.broken()).toEqual([]);
      const isReady = async () => (await fetch(`${trial.service.url}/readyz`)).status === 200 || undefined;
      expect(await waitFor(isReady, ANSWERS_MS, 200)).toBe(true);
    },
    120_000,
  );
});
