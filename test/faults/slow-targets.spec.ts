import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Demo } from '../../scripts/demo-target';
import { ticks, waitFor } from '../../scripts/waiting';
import { SlowLine } from '../support/slow-line';
import { Trial, type AskedFor } from '../support/trial';

const PER_LINE = 2;
/** What two targets may take, and so many more. */
const HANDS = 2 * (2 * PER_LINE) + 2;
/** On each of the two: more than there are hands. */
const MANY = HANDS + 2;
const SLOW_MS = 30_000;
/** What a beginning or an end takes with everything else on this machine; an attempt at the dead takes longer. */
const USUAL_MS = 4_000;
const LIVES = 6;

const POLICY = `
@id("bad-read")
@approval("none")
@maxDuration("4h")
permit (principal in Group::"engineers", action == Action::"request", resource)
when { resource in Target::"slow-db" || resource in Target::"dead-db" };
`;

interface Lease {
  readonly name: string;
  readonly ends: boolean;
  readonly count: number;
}

describe('a slow target and a dead one', () => {
  let trial: Trial;
  const lines: Record<'slow-db' | 'dead-db', SlowLine> = {} as never;
  beforeAll(async () => {
    trial = await Trial.begin(['ada', 'ben', 'root'], {
      WORKER_CONCURRENCY: String(HANDS),
      WORK_PER_TARGET: String(PER_LINE),
    });
    const { host, port } = trial.service.run.database!;
    for (const name of ['slow-db', 'dead-db'] as const) lines[name] = await SlowLine.to({ host, port });
    const demo = JSON.parse(readFileSync(join(trial.service.clone.home, 'demo.json'), 'utf8')) as Demo;
    const [{ file, password }] = demo.targets as [{ file: { connection: object }; password: string }];
    for (const [name, line] of Object.entries(lines)) {
      const moved = { ...file, name, connection: { ...file.connection, port: line.port } };
      await trial.insist('root', '/v1/targets', { file: moved, password });
    }
    writeFileSync(join(trial.policies, 'bad.cedar'), POLICY);
    await trial.insist('root', '/v1/policies/reload');
  });
  afterAll(async () => {
    await trial?.end();
    await Promise.all(Object.values(lines).map((line) => line.close()));
  });

  const begun = async (target: string): Promise<string[]> => {
    const order = { entitlements: [`${target}/read`], durationSeconds: 600, reason: 'INC-4711' };
    const ask = () => trial.insist<AskedFor>('ada', '/v1/requests', order);
    return (await Promise.all(Array.from({ length: MANY }, ask))).map(({ grants }) => grants[0]!.id);
  };
  const all = (ids: readonly string[], state: string) => Promise.all(ids.map((id) => trial.reach(id, state, 90_000)));
  /** What workers have in hand at each target right now. */
  const leases = async (): Promise<Lease[]> => {
    const { rows } = await trial.database.query<Lease>(
      `SELECT t.name, o.kind = 'end' AS ends, count(*)::int AS count FROM operations o JOIN targets t ON t.id = o.target_id
       WHERE o.finished_at IS NULL AND o.lease_ends_at > clock_timestamp() GROUP BY 1, 2`,
    );
    return rows;
  };
  const bad = async () => (await leases()).filter(({ name }) => name in lines);

  it('delay no other: it begins and ends as ever while their work piles up, and theirs is done when they are well', async () => {
    const early = (await Promise.all(Object.keys(lines).map(begun))).flat();
    await all(early, 'active');
    lines['slow-db'].delayMs = SLOW_MS;
    lines['dead-db'].dead = true;
    const late = (await Promise.all(Object.keys(lines).map(begun))).flat();
    await Promise.all(early.map((id) => trial.insist('ada', `/v1/grants/${id}/release`)));
    const full = () => bad().then((found) => found.length === 4 && found.every(({ count }) => count === PER_LINE));
    expect(await waitFor(async () => (await full()) || undefined, 20_000, 20)).toBe(true);

    const expiring = await trial.use(5);
    const took: number[] = [];
    const seen: Lease[] = [];
    for (let life = 0; life < LIVES; life += 1) {
      const id = await trial.approve(await trial.ask());
      for (const [state, act] of [['active'], ['ended', 'release']] as const) {
        if (act) await trial.insist('ada', `/v1/grants/${id}/${act}`);
        const from = ticks();
        await trial.reach(id, state);
        took.push(ticks() - from);
        seen.push(...(await bad()));
      }
    }
    const { lateMs, endedMs } = await trial.reach(expiring.id, 'ended');
    expect(took.filter((ms) => ms > USUAL_MS)).toEqual([]);
    expect([lateMs! < 1_000, endedMs! < USUAL_MS]).toEqual([true, true]);
    // Theirs was waiting all the time, and never had more than its share.
    expect(seen.filter(({ count }) => count > PER_LINE)).toEqual([]);
    expect(new Set(seen.map(({ name, ends }) => `${name} ${ends}`)).size).toBe(4);

    for (const line of Object.values(lines)) line.mend();
    await Promise.all([all(late, 'active'), all(early, 'ended')]);
    await Promise.all(late.map((id) => trial.insist('ada', `/v1/grants/${id}/release`)));
    await all(late, 'ended');
    expect(await trial.broken()).toEqual([]);
  }, 240_000);
});
