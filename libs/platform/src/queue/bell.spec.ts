import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Client } from 'pg';
import { Secret } from '@app/kernel';
import { waitFor } from '../../../../scripts/waiting';
import { sampled } from '../../../../test/support/kills';
import { aDatabase, type TestDatabase } from '../../../../test/support/postgres';
import { aRedis, type RedisServer } from '../../../../test/support/redis';
import { queueBackend, type WorkerHandle } from './backend';
import { BullBell } from './bell';

/** Six of them are longer than an idle worker sleeps at a time. */
const CANARY_MS = 1_200;
const DEAF_MS = 6 * CANARY_MS;

/** A worker's end of the bell, whose BullMQ worker can be stopped by hand. */
interface Ear {
  readonly bell: BullBell;
  readonly rung: string[];
  deaf: number;
  /** It goes on living, and asks for nothing any more: as after a reconnection that went wrong. */
  stop(): Promise<void>;
}

const { chosen, words } = sampled(['PostgreSQL', 'Redis'], 1);

describe.each([...chosen])(`the bell on %s (${words})`, (backend) => {
  let redis: RedisServer | undefined;
  let database: TestDatabase;
  let ears: Ear[];
  beforeAll(async () => {
    redis = backend === 'Redis' ? await aRedis() : undefined;
  });
  afterAll(() => redis?.stop());
  beforeEach(async () => {
    database = await aDatabase();
    ears = [];
  });
  afterEach(async () => {
    redis?.resume();
    await Promise.all(ears.map(({ bell }) => bell.close()));
    await database.drop();
  });

  const anEar = (answer: () => Promise<void> = () => Promise.resolve()): Ear => {
    const connection = {
      databaseUrl: new Secret(database.urls.worker),
      redisUrl: redis && new Secret(redis.url),
      canaryMs: CANARY_MS,
      onError: () => undefined,
    };
    const real = queueBackend(connection);
    let worker: WorkerHandle | undefined;
    const bell = new BullBell(connection, { ...real, worker: (...words) => (worker = real.worker(...words)) });
    const ear: Ear = { bell, rung: [], deaf: 0, stop: async () => worker?.pause(true) };
    bell.listen(4, {
      answer: (id) => {
        ear.rung.push(id);
        return answer();
      },
      onDeaf: () => void (ear.deaf += 1),
    });
    ears.push(ear);
    return ear;
  };
  /** It keeps its connections, and answers nobody. @returns what ends that */
  const away = async (): Promise<() => Promise<unknown>> => {
    if (redis) {
      redis.hang();
      return async () => redis?.resume();
    }
    const holder = new Client({ connectionString: database.urls.owner });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE bullmq.job');
    return () => holder.end();
  };
  const until = (milliseconds: number) => waitFor(() => undefined, milliseconds);
  const comesThrough = (ear: Ear) =>
    waitFor(() => (ear.bell.silentSeconds() < CANARY_MS / 1_000 ? true : undefined), 10_000);

  it('is deaf once when its worker has stopped, and only then: another one hears what there is', async () => {
    const [stopped, well] = [anEar(), anEar()];
    await Promise.all([comesThrough(stopped), comesThrough(well)]);
    await stopped.stop();
    expect(await waitFor(() => stopped.deaf > 0 || undefined, 4 * DEAF_MS)).toBe(true);
    // It took none, and yet its own canaries came through.
    expect(stopped.bell.silentSeconds()).toBeLessThan(DEAF_MS / 1_000);
    await stopped.bell.ring([{ id: 'somewhere', fence: '1' }]);
    expect(await waitFor(() => well.rung.includes('somewhere') || undefined, 10_000)).toBe(true);
    await until(DEAF_MS);
    expect([stopped.deaf, well.deaf]).toEqual([1, 0]);
  }, 90_000);

  it('is deaf when the only worker has stopped', async () => {
    const ear = anEar();
    await comesThrough(ear);
    await ear.stop();
    expect(await waitFor(() => ear.deaf > 0 || undefined, 4 * DEAF_MS)).toBe(true);
    expect(ear.bell.silentSeconds()).toBeGreaterThan(DEAF_MS / 2_000);
  }, 90_000);

  it('is not deaf while the queue is away, while it has its hands full, nor among many', async () => {
    const held = Promise.withResolvers<void>();
    const full = anEar(() => held.promise);
    await full.bell.ring(['a', 'b', 'c', 'd'].map((id) => ({ id, fence: '1' })));
    expect(await waitFor(() => full.rung.length === 4 || undefined, 10_000)).toBe(true);
    const crowd = [anEar(), anEar(), anEar(), anEar()];
    await until(2 * DEAF_MS);
    held.resolve();
    expect([full, ...crowd].map(({ deaf }) => deaf)).toEqual([0, 0, 0, 0, 0]);
    expect(crowd.filter(({ bell }) => bell.silentSeconds() * 1_000 > DEAF_MS)).toEqual([]);
    const back = await away();
    await until(2 * DEAF_MS);
    await back();
    await Promise.all(crowd.map(comesThrough));
    await until(DEAF_MS);
    expect([full, ...crowd].map(({ deaf }) => deaf)).toEqual([0, 0, 0, 0, 0]);
  }, 90_000);
});
