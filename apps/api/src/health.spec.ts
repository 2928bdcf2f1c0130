import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anApiApp, type ApiApp } from '../../../test/support/api-app';
import { bareGrant, bareGrants, pastTriggers } from '../../../test/support/bare-grant';
import { superuserUrl } from '../../../test/support/postgres';
import { aRedis } from '../../../test/support/redis';

type Checks = Record<string, { ok: boolean; warning?: boolean; since?: string; detail?: string }>;

describe('the health of the api', () => {
  let api: ApiApp;
  beforeAll(async () => {
    api = await anApiApp();
  });
  afterAll(() => api?.close());

  const get = async (path: string) => {
    const { status, text } = await api.send({ method: 'GET', path });
    return { status, body: JSON.parse(text) as Record<string, unknown> };
  };

  const checks = async () => (await get('/readyz')).body['checks'] as Checks;

  it('says since when work waits for a worker, and stops to say so when it is done', async () => {
    await api.owner.query(
      `INSERT INTO operations (kind, subject_id, target_id, correlation, run_after) VALUES ('begin', gen_random_uuid(), gen_random_uuid(), 'c', clock_timestamp() - interval '1 minute')`,
    );
    const waiting = { ok: true, warning: true, since: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/) };
    const first = await get('/readyz');
    expect(first).toMatchObject({ status: 200, body: { checks: { operations: waiting, database: { ok: true } } } });
    const { operations, database } = first.body['checks'] as Checks;
    expect((await checks())['operations']).toMatchObject({ since: operations?.since });
    expect(database).toEqual({ ok: true });
    await api.owner.query(`UPDATE operations SET finished_at = clock_timestamp()`);
    expect((await checks())['operations']).toEqual({ ok: true });
  });

  it('says since when a deadline is over that nobody acts upon', async () => {
    const client = await api.owner.connect();
    try {
      const write = async (seconds: number, beganSecondsAgo: number): Promise<{ id: string; endsAt: Date }> => {
        const [past, insert] = bareGrant(seconds, beganSecondsAgo);
        await client.query(past);
        return (await client.query(insert)).rows[0];
      };
      await write(600, 0);
      expect((await checks())['deadlines']).toEqual({ ok: true });
      const { id, endsAt } = await write(60, 65);
      expect((await checks())['deadlines']).toEqual({
        ok: true,
        warning: true,
        detail: expect.stringContaining('nobody ends it'),
        since: endsAt.toISOString(),
      });
      await client.query(
        `UPDATE grants SET state = 'ending', end_reason = 'expired', ending_at = clock_timestamp() WHERE id = $1`,
        [id],
      );
      expect((await checks())['deadlines']).toEqual({ ok: true });
    } finally {
      client.release(true);
    }
  });

  it('says how many grants are stuck, have left something, and what strays, and since when; and names nothing', async () => {
    const leftovers = [{ what: 'view "of ada"', why: 'no plain data' }];
    const warning = (detail: string, minutes: number) => ({
      ok: true,
      warning: true,
      detail,
      since: expect.toSatisfy((since: string) => Math.round((Date.now() - Date.parse(since)) / 60_000) === minutes),
    });
    for (const written of [bareGrants('ended', 2), bareGrants('stuck', 3), bareGrants('ended', 4, leftovers)])
      await api.owner.query(pastTriggers(written));
    await api.owner.query(
      pastTriggers(
        `INSERT INTO targets (name, kind, owner_group, connection, password_sealed, config_hash) VALUES ('orders', 'postgres', 'o', '{}', '\\x00', sha256('x'));
         INSERT INTO strays (target_id, grant_id) SELECT id, gen_random_uuid() FROM targets, generate_series(1, 2)`,
      ),
    );
    expect(await checks()).toMatchObject({
      grants: warning('3 stuck: docs/runbook.md', 3),
      leftovers: warning('of 4 grants, for somebody to look through: docs/runbook.md', 4),
      strays: warning('2 at one target: docs/runbook.md', 0),
    });
    const { text } = await api.send({ method: 'GET', path: '/readyz' });
    expect(text).not.toMatch(/orders|ada/);
    await api.owner.query(pastTriggers(`DELETE FROM grants; DELETE FROM strays; DELETE FROM targets`));
    const fine = { ok: true };
    expect(await checks()).toMatchObject({ grants: fine, leftovers: fine, strays: fine });
  });

  it('warns when nobody can sign in, and goes on serving those who have', async () => {
    const first = await get('/readyz');
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({
      checks: { identity_provider: { ok: true, warning: true, detail: expect.stringContaining('nobody can sign in') } },
    });
  });

  it('documents what it says', async () => {
    const { body } = await get('/openapi.json');
    const schema = { $ref: '#/components/schemas/Readiness' };
    const content = { 'application/json': { schema } };
    expect(body).toMatchObject({
      paths: { '/readyz': { get: { responses: { 200: { content }, 503: { content } } } } },
    });
    expect(JSON.stringify(body['components'])).toContain('Since when it is so');
  });
});

describe('the queue, to the api,', () => {
  const queueOf = async (api: ApiApp) => {
    const { status, text } = await api.send({ method: 'GET', path: '/readyz' });
    expect(status).toBe(200);
    return (JSON.parse(text) as { checks: Checks }).checks['queue'];
  };
  const silent = { ok: true, warning: true, detail: 'the queue does not answer', since: expect.any(String) };

  it('is silent where nobody answers', async () => {
    const api = await anApiApp({ REDIS_URL: 'redis://127.0.0.1:1' });
    try {
      expect(await queueOf(api)).toEqual(silent);
    } finally {
      await api.close();
    }
  });

  it('is silent while its server hangs, and is heard when it goes on', async () => {
    const redis = await aRedis();
    const api = await anApiApp({ REDIS_URL: redis.url });
    try {
      await expect.poll(() => queueOf(api), { timeout: 10_000 }).toEqual({ ok: true });
      redis.hang();
      expect(await queueOf(api)).toEqual(silent);
      expect(await queueOf(api)).toEqual(silent);
      redis.resume();
      await expect.poll(() => queueOf(api), { timeout: 10_000 }).toEqual({ ok: true });
    } finally {
      redis.resume();
      await api.close();
      await redis.stop();
    }
  });

  it('is the database, where no other is named', async () => {
    const api = await anApiApp();
    try {
      expect(await queueOf(api)).toEqual({ ok: true });
    } finally {
      await api.close();
    }
  });
});

describe('a database that lets nobody in,', () => {
  let api: ApiApp;
  beforeAll(async () => {
    api = await anApiApp();
  });
  afterAll(() => api?.close());

  /** Open connections are ended: each is made anew. */
  const change = async (sql: string) => {
    const superuser = new pg.Client({ connectionString: superuserUrl() });
    await superuser.connect();
    await superuser.query(sql.replace('…', `DATABASE ${api.test.name}`));
    const ours = `datname = '${api.test.name}' AND usename = 'curfew_api'`;
    await superuser.query(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE ${ours}`);
    await superuser.end();
  };

  it.each([
    ['closed to all', 'ALTER … ALLOW_CONNECTIONS false', 'ALTER … ALLOW_CONNECTIONS true'],
    ['closed to us', 'REVOKE CONNECT ON … FROM curfew_api', 'GRANT CONNECT ON … TO curfew_api'],
  ])('%s, is one that is away: nobody is told that it is a fault', async (_, close, open) => {
    const token = await api.tokenOf('ada');
    const look = async () => {
      const { status, text } = await api.send({
        method: 'GET',
        path: '/v1/grants',
        headers: { authorization: `Bearer ${token}` },
      });
      return [status, (JSON.parse(text) as { code?: string }).code];
    };
    expect(await look()).toEqual([200, undefined]);
    await change(close);
    try {
      await expect.poll(look, { timeout: 10_000 }).toEqual([503, 'platform.database_away']);
      expect(await look()).toEqual([503, 'platform.database_away']);
    } finally {
      await change(open);
    }
    await expect.poll(look, { timeout: 10_000 }).toEqual([200, undefined]);
  });
});
