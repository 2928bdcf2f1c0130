import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signal } from '../../scripts/processes';
import { ticks, waitFor } from '../../scripts/waiting';
import { sampled } from '../support/kills';
import { Trial } from '../support/trial';

const LIVES = 8;
/** How many versions of rows nobody may clear away. */
const DEAD_ROWS = 20_000;
/** What the horizon has no part in: DESIGN's promise 4, and what this machine takes with everything else on it. */
const LATE_MS = 1_000;
/** A transaction of ours in which nothing happens is ended after 4 s, and the server may look a moment later. */
const IDLE_MS = 4_000;
const MOMENT_MS = 2_000;
const REFUSED = '503 platform.database_away';

const OTHERS = sampled(['a writer in another database', 'a reader in ours'] as const, 1);
const SLEEPERS = sampled(
  [
    { who: 'api', at: 'write.written' },
    { who: 'worker', at: 'activation.written' },
  ] as const,
  1,
);

describe(`a transaction that is left open (${OTHERS.words}; ${SLEEPERS.words})`, () => {
  let trial: Trial;
  let held: pg.PoolClient | undefined;
  const asleep = new Set<number>();
  beforeAll(async () => {
    trial = await Trial.begin(['ada', 'ben']);
  });
  afterAll(() => trial?.end());
  afterEach(() => {
    held?.release(true);
    held = undefined;
    for (const pid of asleep) signal(pid, 'SIGCONT');
    asleep.clear();
  });

  const OPEN = {
    'a writer in another database': async () => {
      held = await trial.target.connect();
      await held.query('BEGIN');
      await held.query('CREATE TABLE left_open (n int)');
    },
    'a reader in ours': async () => {
      held = await trial.database.connect();
      await held.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await held.query('SELECT count(*) FROM grants');
    },
  };
  /** What a busy day leaves behind where the timekeeper and the workers look all the time; nobody ever saw a row of it. */
  const wear = async (): Promise<void> => {
    const client = await trial.database.connect();
    try {
      await client.query('SET session_replication_role = replica');
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO grants (id, request_id, scope_hash, identity_id, target_id, entitlement_id, state, duration_seconds, activate_by, ends_at, activated_at)
         SELECT gen_random_uuid(), gen_random_uuid(), sha256('x'), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'active', 60, at, at, at
         FROM generate_series(1, ${DEAD_ROWS}), (SELECT clock_timestamp() - interval '1 hour' AS at) worn`,
      );
      await client.query(
        `INSERT INTO operations (kind, subject_id, target_id, correlation, run_after)
         SELECT 'end', gen_random_uuid(), id, 'worn', clock_timestamp() - interval '1 hour' FROM targets, generate_series(1, ${DEAD_ROWS})`,
      );
      await client.query(
        `DELETE FROM grants WHERE duration_seconds = 60 AND ends_at < clock_timestamp() - interval '59 minutes'`,
      );
      await client.query(`DELETE FROM operations WHERE correlation = 'worn'`);
      await client.query('COMMIT');
    } finally {
      client.release(true);
    }
  };
  const one = async <T>(from: pg.Pool | pg.PoolClient, sql: string): Promise<T | undefined> =>
    (await from.query<{ it: T }>(sql)).rows[0]?.it;
  const IS_HELD = {
    /** To every snapshot of ours it is the oldest that goes on. */
    'a writer in another database': async () =>
      (await one(held!, 'SELECT pg_current_xact_id()::text AS it')) ===
      (await one(trial.database, 'SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS it')),
    /** What is dead stays, however often it is cleared away. */
    'a reader in ours': async () => {
      await trial.database.query('VACUUM grants');
      const dead = await one<number>(
        trial.database,
        `SELECT n_dead_tup::int AS it FROM pg_stat_user_tables WHERE relname = 'grants'`,
      );
      return (dead ?? 0) >= DEAD_ROWS;
    },
  };

  it.each([...OTHERS.chosen])(
    'by somebody else, %s: deadlines stay on time, and nothing hangs',
    async (who) => {
      await OPEN[who]();
      await wear();
      expect(await IS_HELD[who]()).toBe(true);
      const { id, session } = await trial.use(4);
      const from = ticks();
      await Promise.all(Array.from({ length: LIVES }, () => trial.wholeLife()));
      const { lateMs } = await trial.reach(id, 'ended');
      expect(lateMs).toBeLessThan(LATE_MS);
      await session.cut;
      expect(ticks() - from).toBeLessThan(60_000);
      // It was there all the time.
      expect(await one(held!, 'SELECT 1 AS it')).toBe(1);
      expect(await IS_HELD[who]()).toBe(true);
      expect(await trial.broken()).toEqual([]);
    },
    120_000,
  );

  const askOnce = async (): Promise<string> => {
    const order = { entitlements: ['orders-db/read'], durationSeconds: 600, reason: 'INC-4711' };
    const { status, body } = await trial.send<{ code?: string }>('ada', '/v1/requests', { body: order });
    return `${status} ${body.code}`;
  };

  it.each([...SLEEPERS.chosen])(
    'by us, the $who that sleeps at $at: is ended by the server, so that nobody waits for it longer',
    async ({ who, at }) => {
      const pid = trial.service.pid(who);
      const asked = who === 'worker' ? await trial.ask() : undefined;
      trial.failpoints.arm(at, 'stop');
      const going = asked ? trial.approve(asked) : askOnce();
      going.catch(() => undefined); // heard below
      expect(await waitFor(() => trial.failpoints.wasHit(at) || undefined, 20_000)).toBe(true);
      asleep.add(pid);
      const left = async () => {
        const { rows } = await trial.database.query<{ ms: number }>(
          `SELECT (extract(epoch FROM clock_timestamp() - state_change) * 1000)::float8 AS ms
           FROM pg_stat_activity WHERE usename = $1 AND state LIKE 'idle in transaction%'`,
          [`curfew_${who}`],
        );
        return rows.map(({ ms }) => ms);
      };
      expect(await waitFor(async () => ((await left()).length > 0 ? true : undefined), MOMENT_MS)).toBe(true);
      let longest = 0;
      const ended = await waitFor(async () => {
        const open = await left();
        longest = Math.max(longest, ...open);
        return open.length === 0 ? true : undefined;
      }, IDLE_MS + MOMENT_MS);
      expect([ended, longest < IDLE_MS + MOMENT_MS]).toEqual([true, true]);
      process.kill(pid, 'SIGCONT');
      asleep.delete(pid);
      const outcome = await going;
      // What it was asked did not happen, and that is what it says.
      expect(asked ? REFUSED : outcome).toBe(REFUSED);
      const id = asked ? outcome : await trial.approve(await trial.ask());
      await trial.reach(id, 'active');
      await trial.insist('ada', `/v1/grants/${id}/release`);
      await trial.reach(id, 'ended');
      expect(trial.service.pid(who)).toBe(pid);
      expect(await trial.broken()).toEqual([]);
    },
    60_000,
  );
});
