import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../scripts/clone';
import { tryToLogIn } from '../../scripts/demo/database-session';
import { waitFor } from '../../scripts/waiting';
import type { Strays } from '../../apps/cli/src/service/shapes';
import { Dump } from '../support/dump';
import { Trial } from '../support/trial';

const PATIENCE_MS = 20_000;

describe('yesterday’s dump', () => {
  let trial: Trial;
  let dump: Dump;
  beforeAll(async () => {
    trial = await Trial.begin(['ada', 'ben', 'root'], { SURVEY_SECONDS: '1' });
  });
  afterAll(async () => {
    await dump?.forget().catch(() => undefined);
    await trial?.end();
  });

  const command = async (...words: string[]) => {
    const { code, out } = await trial.service.stranger('ben').attempt('targets', 'strays', 'orders-db', ...words);
    return { code, strays: JSON.parse(out) as Strays };
  };
  const listed = (count: number) =>
    waitFor(
      async () => {
        const seen = await command();
        return seen.strays.items.length === count ? seen : undefined;
      },
      PATIENCE_MS,
      200,
    );
  const stateOf = async (grantId: string) =>
    (await command()).strays.items.find((stray) => stray.grantId === grantId)?.state;
  const becomes = (grantId: string, state: string) =>
    waitFor(async () => ((await stateOf(grantId)) === state ? true : undefined), PATIENCE_MS, 200);
  const roles = async () => {
    const { rows } = await trial.target.query<{ name: string }>(
      `SELECT rolname AS name FROM pg_roles WHERE rolname LIKE 'curfew-%'`,
    );
    return rows.map(({ name }) => name).toSorted();
  };
  const readiness = async () => {
    const reply = await fetch(`${trial.service.url}/readyz`);
    return ((await reply.json()) as { checks: Record<string, { warning?: boolean; detail?: string }> }).checks;
  };
  const startAgain = async (): Promise<void> => {
    const before = APPS.map((name) => trial.service.pid(name));
    for (const name of APPS) trial.service.kill(name);
    const isBack = () =>
      APPS.every((name, index) => {
        const now = trial.service.run.processes[name];
        return now?.state === 'ready' && now.pid !== before[index];
      }) || undefined;
    expect(await waitFor(isBack, PATIENCE_MS)).toBe(true);
  };

  it('is restored: what no grant answers for is reported first and then removed, and nobody else’s is touched', async () => {
    await trial.wholeLife();
    const known = await trial.use();
    dump = await Dump.of(trial);
    // What the dump knows nothing of: an end, two beginnings, and another Curfew's own.
    await trial.insist('ada', `/v1/grants/${known.id}/release`);
    await trial.reach(known.id, 'ended');
    const [one, other] = [await trial.use(), await trial.use()];
    const theirs = `curfew-0ddba115-${randomUUID()}`;
    await trial.target.query(`BEGIN; SET LOCAL ROLE curfew_orders_admin; CREATE ROLE "${theirs}" LOGIN; COMMIT`);

    await dump.restore();
    await startAgain();
    const seen = await listed(2);
    expect(seen?.code).toBe(9);
    expect(seen?.strays.items.map(({ grantId, state }) => ({ grantId, state }))).toEqual(
      expect.arrayContaining([one, other].map(({ id }) => ({ grantId: id, state: 'found' }))),
    );
    expect((await readiness())['strays']).toMatchObject({
      warning: true,
      detail: expect.stringContaining('2 at one target'),
    });
    // Reported, and nothing more.
    expect([await tryToLogIn(one.login), await one.session.ask('SELECT 1 AS one')]).toEqual([
      'logged in',
      [{ one: 1 }],
    ]);
    expect(await roles()).toHaveLength(3);

    // Of one its time comes, the other is confirmed.
    await trial.past(
      `UPDATE strays SET found_at = found_at - interval '10 minutes', remove_at = remove_at - interval '10 minutes' WHERE grant_id = $1`,
      one.id,
    );
    await trial.past(
      'UPDATE operations SET run_after = clock_timestamp() WHERE subject_id = (SELECT id FROM strays WHERE grant_id = $1)',
      one.id,
    );
    expect(await becomes(one.id, 'removed')).toBe(true);
    await one.session.cut;
    expect([await stateOf(other.id), await other.session.ask('SELECT 1 AS one')]).toEqual(['found', [{ one: 1 }]]);
    expect((await command('--confirm')).code).toBe(0);
    expect(await becomes(other.id, 'removed')).toBe(true);
    await other.session.cut;
    expect(await tryToLogIn(other.login)).toContain('password authentication failed');

    // What the dump takes for active is not there any more: it ends as any other.
    expect((await trial.look(known.id)).state).toBe('active');
    await trial.insist('ada', `/v1/grants/${known.id}/release`);
    await trial.reach(known.id, 'ended');
    expect(await roles()).toEqual([theirs]);
    expect((await readiness())['strays']).toEqual({ ok: true });
    // And everything goes on.
    await trial.wholeLife();
    expect(await trial.broken()).toEqual([]);
    expect((await command()).strays.items).toHaveLength(2);
  }, 180_000);
});
