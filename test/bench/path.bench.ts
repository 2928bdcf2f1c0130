import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import pMap from 'p-map';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../../scripts/waiting';
import { milliseconds, report, ROUNDS, spread, words } from './figures';
import { Population } from './population';
import { BenchStage } from './stage';

const AT_ONCE = 8;
const MANY = 400;
const LISTED = 1_000_000;
const FREE = `@id("bench") @approval("none") @maxDuration("1h")
permit (principal, action == Action::"request", resource in Target::"orders-db");
`;

describe('the path', () => {
  const policies = mkdtempSync(join(tmpdir(), 'curfew-bench-policies-'));
  let stage: BenchStage;
  let token: string;
  beforeAll(async () => {
    cpSync(resolve(import.meta.dirname, '../../policies'), policies, { recursive: true });
    writeFileSync(join(policies, 'bench.cedar'), FREE);
    stage = await BenchStage.begin('PostgreSQL', { POLICY_DIR: policies });
  });
  // A token is good for ten minutes.
  beforeEach(async () => {
    await stage.service.person('ada');
    token = stage.service.accessToken('ada');
  });
  afterAll(async () => {
    await stage?.end();
    rmSync(policies, { recursive: true, force: true });
  });

  const send = async <T>(path: string, body?: object): Promise<T> => {
    const response = await fetch(stage.service.url + path, {
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    });
    if (response.status >= 400) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  const ask = async (): Promise<string> => {
    const order = { entitlements: ['orders-db/read'], durationSeconds: 3_600, reason: 'a measurement' };
    const { grants } = await send<{ grants: { id: string }[] }>('/v1/requests', order);
    return grants[0]!.id;
  };

  it('from the asking to the credential in hand', async () => {
    const took: number[] = [];
    for (let count = 0; count < ROUNDS * 100; count += 1) {
      const begunAt = performance.now();
      const id = await ask();
      const isActive = async () => (await send<{ state: string }>(`/v1/grants/${id}`)).state === 'active' || undefined;
      if (!(await waitFor(isActive, 10_000, 2))) throw new Error('it did not begin');
      await send(`/v1/grants/${id}/credential`, {});
      took.push(performance.now() - begunAt);
      await pause(20);
    }
    const numbers = spread(took);
    report({
      name: 'ask → credential in hand, policy that needs no approval',
      goal: 'p50 ≤ 30 ms, p99 ≤ 100 ms',
      measured: words(numbers),
      numbers: { ...numbers },
      met: numbers.p50 <= 30 && numbers.p99 <= 100,
    });
    expect(took.length).toBe(ROUNDS * 100);
  });

  it('grants begun per second', async () => {
    const rates: number[] = [];
    const floors: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      floors.push(await bareRoles());
      const begunAt = performance.now();
      const ids = await pMap(Array.from({ length: MANY }), ask, { concurrency: AT_ONCE });
      const isOver = async () => {
        const { rows } = await stage.database.query<{ n: number }>(
          `SELECT count(*)::int AS n FROM grants WHERE id = ANY($1) AND state = 'active'`,
          [ids],
        );
        return rows[0]?.n === MANY || undefined;
      };
      if (!(await waitFor(isOver, 120_000, 20))) throw new Error('they did not begin');
      rates.push((MANY * 1_000) / (performance.now() - begunAt));
    }
    const rate = spread(rates).p50;
    const floor = spread(floors).p50;
    report({
      name: `grants begun per second, PostgreSQL, ${AT_ONCE} at once`,
      goal: '≥ 0.8 of bare CREATE ROLE',
      measured: `${rate.toFixed(0)}/s (${(rate / floor).toFixed(2)})`,
      floor: `${floor.toFixed(0)}/s`,
      numbers: { rate, floor },
      met: rate >= 0.8 * floor,
    });
    expect(rates.length).toBe(ROUNDS);
  });

  it('the list of requests', async () => {
    await new Population(stage).asked(LISTED);
    await stage.service.person('ada');
    token = stage.service.accessToken('ada');
    const took: number[] = [];
    for (let count = 0; count < ROUNDS * 200; count += 1) {
      const begunAt = performance.now();
      const { items } = await send<{ items: unknown[] }>('/v1/requests');
      took.push(performance.now() - begunAt);
      expect(items.length).toBeGreaterThan(10);
    }
    const numbers = spread(took);
    report({
      name: `request list, first page, ${LISTED} requests`,
      goal: 'p99 ≤ 50 ms',
      measured: words(numbers),
      numbers: { ...numbers },
      met: numbers.p99 <= 50,
    });
  });

  it('state changes per second, with the record', async () => {
    const rates: number[] = [];
    const floors: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      floors.push(await changes(BARE));
      rates.push(await changes(RECORDED));
    }
    const rate = spread(rates).p50;
    const floor = spread(floors).p50;
    report({
      name: `state changes per second, with the record, ${AT_ONCE} at once`,
      goal: '≥ 0.85 of the bare update and insert',
      measured: `${rate.toFixed(0)}/s (${(rate / floor).toFixed(2)})`,
      floor: `${floor.toFixed(0)}/s`,
      numbers: { rate, floor },
      met: rate >= 0.85 * floor,
    });
    expect(rates.length).toBe(ROUNDS);
  });

  it('ready after a start', async () => {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const begunAt = performance.now();
      const another = await BenchStage.begin('PostgreSQL', {}, { commitTimes: false });
      times.push(performance.now() - begunAt);
      await another.end();
    }
    const { p50 } = spread(times);
    report({
      name: 'npm start to ready, built, with a database made anew',
      goal: '≤ 6 s',
      measured: milliseconds(p50),
      numbers: { p50 },
      met: p50 <= 6_000,
    });
    expect(times.length).toBe(ROUNDS);
  });

  /** The same roles, by our account, on connections that stay open. @returns how many in a second */
  const bareRoles = async (): Promise<number> => {
    const names = Array.from({ length: MANY }, (_, n) => `bare-${n}`);
    const clients = await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const client = await stage.target.connect();
        await client.query('SET SESSION AUTHORIZATION curfew_orders_admin');
        return client;
      }),
    );
    const { rows } = await clients[0]!.query<{ verifier: string }>(
      `SELECT 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$' || encode(sha256('a'), 'base64') || ':' || encode(sha256('b'), 'base64') AS verifier`,
    );
    const left = [...names];
    const begunAt = performance.now();
    await Promise.all(
      clients.map(async (client) => {
        for (let name = left.pop(); name !== undefined; name = left.pop())
          await client.query(
            `BEGIN; CREATE ROLE "${name}" LOGIN CONNECTION LIMIT 5 PASSWORD '${rows[0]!.verifier}' VALID UNTIL '2100-01-01';
             GRANT orders_read TO "${name}" WITH INHERIT TRUE, SET FALSE; COMMIT`,
          );
      }),
    );
    const rate = (MANY * 1_000) / (performance.now() - begunAt);
    await clients[0]!.query(names.map((name) => `DROP ROLE "${name}"`).join('; '));
    for (const client of clients) client.release(true);
    return rate;
  };

  /** So many rows that nobody else touches, each changed once. @returns how many in a second */
  const changes = async ({ prepare, change }: Changes): Promise<number> => {
    const ids = await stage.database.query<{ id: string }>(prepare).then(({ rows }) => rows.map(({ id }) => id));
    const pool = new pg.Pool({ connectionString: stage.service.databaseUrl, max: AT_ONCE });
    const begunAt = performance.now();
    await pMap(ids, (id) => pool.query(change(id)), { concurrency: AT_ONCE });
    const rate = (ids.length * 1_000) / (performance.now() - begunAt);
    await pool.end();
    return rate;
  };
});

interface Changes {
  /** @returns the ids of the rows */
  readonly prepare: string;
  readonly change: (id: string) => string;
}

const MADE = `INSERT INTO requests (identity_id, state, duration_seconds, reason_commitment, scope_hash, policy_version, signed_in_at, lapses_at)
  SELECT (SELECT id FROM identities LIMIT 1), 'pending', 600, sha256('bench'), sha256('bench'), 'bench', clock_timestamp(), clock_timestamp() + interval '1 hour'
  FROM generate_series(1, 4000)`;
const WITHDRAWN = `SET state = 'withdrawn', revision = revision + 1, decided_at = clock_timestamp()`;
const SETTINGS = `set_config('curfew.actor', 'bench', true), set_config('curfew.correlation', 'bench', true)`;

const RECORDED: Changes = {
  prepare: `WITH said AS MATERIALIZED (SELECT ${SETTINGS}), made AS (${MADE}, said RETURNING id) SELECT id FROM made`,
  change: (id) => `BEGIN; SELECT ${SETTINGS}; UPDATE requests ${WITHDRAWN} WHERE id = '${id}'; COMMIT`,
};
const BARE: Changes = {
  prepare: `CREATE TABLE IF NOT EXISTS bare (LIKE requests INCLUDING ALL);
    CREATE TABLE IF NOT EXISTS bare_events (LIKE audit_events INCLUDING ALL);
    ${MADE.replace('INTO requests', 'INTO bare')} RETURNING id`,
  change: (id) => `BEGIN; SELECT ${SETTINGS}; UPDATE bare ${WITHDRAWN} WHERE id = '${id}';
    INSERT INTO bare_events (subject_kind, subject_id, sequence, from_state, to_state, at, actor, correlation, canonical)
    VALUES ('request', '${id}', 2, 'pending', 'withdrawn', clock_timestamp(), 'bench', 'bench', convert_to(repeat('x', 400), 'UTF8')); COMMIT`,
};
