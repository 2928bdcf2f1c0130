import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { BullBell } from '@app/platform/queue';
import { waitFor } from '../../scripts/waiting';
import { sampled } from '../support/kills';
import { aRedis, type RedisServer } from '../support/redis';
import { Trial } from '../support/trial';

const LIVES = 8;
const EVERY_MS = 20;
const AWAY_MS = 8_000;
/** Six canaries, and what comes between. */
const FOUND_MS = 60_000;
const STOPPABLE = new URL('../support/stoppable-worker.mjs', import.meta.url).href;
/** What the queue has no part in: DESIGN's promise 4, and what this machine takes with everything else on it. */
const LATE_MS = 1_000;

const { chosen, words } = sampled(['PostgreSQL', 'Redis'], 1);

describe.each([...chosen])(`the queue on %s (${words})`, (backend) => {
  let redis: RedisServer | undefined;
  let trial: Trial;
  let beside: number;
  beforeAll(async () => {
    redis = backend === 'Redis' ? await aRedis() : undefined;
    trial = await Trial.begin(['ada', 'ben'], redis ? { REDIS_URL: redis.url } : {});
    beside = await trial.another('worker', redis ? { REDIS_URL: redis.url } : {});
  });
  afterAll(async () => {
    await trial?.end();
    await redis?.stop();
  });
  afterEach(() => redis?.resume());

  /** Does something to the queue again and again while so many live. */
  const meanwhile = async (act: () => Promise<unknown>): Promise<string[]> => {
    const living = new AbortController();
    const lives = Promise.all(Array.from({ length: LIVES }, () => trial.wholeLife())).finally(() => living.abort());
    let times = 0;
    while (!living.signal.aborted) {
      await act();
      times += 1;
      await pause(EVERY_MS);
    }
    expect(times).toBeGreaterThan(5);
    return lives;
  };
  const once = async (ids: string[]): Promise<void> => {
    expect(await trial.broken()).toEqual([]);
    const { rows } = await trial.database.query<{ id: string; made: number }>(
      `SELECT grant_id AS id, count(*)::int AS made FROM evidence WHERE kind = 'issue' AND grant_id = ANY($1) GROUP BY 1`,
      [ids],
    );
    expect(rows.map(({ made }) => made)).toEqual(ids.map(() => 1));
  };
  const besideIsThere = (): boolean => process.kill(beside, 0);
  const canarySeconds = async (): Promise<number> => {
    const numbers = await (await fetch(`${trial.service.address('worker')}/metrics`)).text();
    return Number(/^curfew_queue_canary_seconds(?:\{.*\})? (\S+)/m.exec(numbers)?.[1]);
  };

  it('is asked for nothing any more by a worker that lives: that one ends itself, and nobody else does', async () => {
    const before = trial.service.run.processes.worker;
    const deaf = await trial.anotherOf('worker', {
      ...(redis && { REDIS_URL: redis.url }),
      NODE_OPTIONS: `--import=${STOPPABLE}`,
    });
    await once([await trial.wholeLife()]);
    process.kill(deaf.pid, 'SIGUSR2');
    await once([await trial.wholeLife()]);
    expect(await Promise.race([deaf.ended, pause(FOUND_MS, 'lives on')])).toBe(1);
    expect(trial.service.run.processes.worker).toEqual(before);
    expect(besideIsThere()).toBe(true);
    await once([await trial.wholeLife()]);
  }, 120_000);

  it('delivers every job twice and more: all is done once', async () => {
    const failures: unknown[] = [];
    const bell = new BullBell({
      databaseUrl: new Secret(trial.service.urlOf('api')),
      redisUrl: redis && new Secret(redis.url),
      onError: (error) => void failures.push(error),
    });
    try {
      let round = 0;
      const ids = await meanwhile(async () => {
        const { rows } = await trial.database.query<{ id: string; fence: string }>(
          'SELECT id, fence FROM operations WHERE finished_at IS NULL',
        );
        round += 1;
        // Another fence is another job: the queue takes it, though the row has one already.
        await bell.ring(
          rows.flatMap((row) => ['a', 'b'].map((by) => ({ ...row, fence: `${row.fence}-${by}${round}` }))),
        );
      });
      await once(ids);
      expect(failures).toEqual([]);
    } finally {
      await bell.close();
    }
  }, 90_000);

  it('is emptied again and again: nothing is lost, doubled or late', async () => {
    const client = redis && new Redis(redis.url);
    const empty = async (): Promise<void> => {
      if (client) return void (await client.flushall());
      const { rows } = await trial.database.query<{ name: string }>(
        `SELECT format('bullmq.%I', tablename) AS name FROM pg_tables WHERE schemaname = 'bullmq' AND tablename LIKE '%job%'`,
      );
      await trial.database.query(`TRUNCATE ${rows.map(({ name }) => name).join(', ')} CASCADE`);
    };
    try {
      const { id } = await trial.use(4);
      await once(await meanwhile(empty));
      expect((await trial.reach(id, 'ended')).lateMs).toBeLessThan(LATE_MS);
    } finally {
      client?.disconnect();
    }
  }, 90_000);

  it('is away for a while: nothing waits for it, and it is heard again afterwards', async () => {
    const away = async (isAway: boolean): Promise<void> => {
      if (redis) return isAway ? redis.hang() : redis.resume();
      await trial.database.query(`ALTER SCHEMA ${isAway ? 'bullmq RENAME TO gone' : 'gone RENAME TO bullmq'}`);
    };
    const { id } = await trial.use(4);
    await away(true);
    try {
      const lives = Promise.all(Array.from({ length: LIVES }, () => trial.wholeLife()));
      const [ids] = await Promise.all([lives, pause(AWAY_MS)]);
      await once(ids);
      expect((await trial.reach(id, 'ended')).lateMs).toBeLessThan(LATE_MS);
    } finally {
      await away(false);
    }
    const heard = await waitFor(
      async () => ((await canarySeconds()) < AWAY_MS / 1_000 ? true : undefined),
      30_000,
      500,
    );
    expect(heard).toBe(true);
    await once([await trial.wholeLife()]);
  }, 120_000);
});
