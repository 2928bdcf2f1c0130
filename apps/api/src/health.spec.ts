import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anApiApp, type ApiApp } from '../../../test/support/api-app';

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

  it('says since when work waits for a worker, and stops to say so when it is done', async () => {
    await api.owner.query(
      `INSERT INTO operations (kind, subject_id, target_id, correlation, run_after) VALUES ('begin', gen_random_uuid(), gen_random_uuid(), 'c', clock_timestamp() - interval '1 minute')`,
    );
    const waiting = { ok: true, warning: true, since: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/) };
    const first = await get('/readyz');
    expect(first).toMatchObject({ status: 200, body: { checks: { operations: waiting, database: { ok: true } } } });
    const { checks } = first.body as { checks: Record<string, { since?: string }> };
    const again = await get('/readyz');
    expect(again.body).toMatchObject({ checks: { operations: { since: checks['operations']?.since } } });
    expect(checks['database']).toEqual({ ok: true });
    await api.owner.query(`UPDATE operations SET finished_at = clock_timestamp()`);
    expect((await get('/readyz')).body).toMatchObject({ checks: { operations: { ok: true } } });
    expect(JSON.stringify((await get('/readyz')).body)).not.toContain('since');
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
