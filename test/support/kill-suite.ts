import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ticks, waitFor } from '../../scripts/waiting';
import { sampled, type Kill } from './kills';
import { LIVES, type Life } from './lives';
import { Trial } from './trial';

/** What DESIGN promises: another process, or this one when it is back, has finished the work by then. */
const FINISHED_MS = 10_000;
const COMES_THERE_MS = 20_000;

/** Ends a process with `kill -9` at each failpoint in turn, and looks at everything afterwards. */
export function killSuite(what: string, kills: readonly Kill[]): void {
  const { chosen, words } = sampled(kills);
  describe(`${what}, with a process killed in the midst of it (${words})`, () => {
    let trial: Trial;
    beforeAll(async () => {
      trial = await Trial.begin(['ada', 'ben', 'root']);
    });
    afterAll(() => trial?.end());

    it.each([...chosen])(
      'is finished by another when the $who dies at $at during "$during"',
      async ({ who, at, during }) => {
        await everybodyIsThere(trial);
        const victim = trial.service.pid(who);
        const life: Life = await LIVES[during](trial);
        trial.failpoints.arm(at);
        const acted = life.act();
        acted.catch(() => undefined); // heard below
        expect(await waitFor(() => trial.failpoints.wasHit(at) || undefined, COMES_THERE_MS)).toBe(true);
        const killedAt = ticks();
        await life.mend?.();
        const finished = await waitFor(async () => (await life.isOver()) || undefined, 2 * FINISHED_MS, 50);
        const took = ticks() - killedAt;
        await acted;
        await life.leave?.();
        expect([finished, took < FINISHED_MS ? 'in time' : took]).toEqual([true, 'in time']);
        expect(await trial.broken()).toEqual([]);
        expect(await waitFor(() => trial.service.run.processes[who]?.pid !== victim || undefined, 5_000)).toBe(true);
      },
      90_000,
    );
  });
}

/** Whoever died before is started again. */
async function everybodyIsThere(trial: Trial): Promise<void> {
  const all = await waitFor(
    () => Object.values(trial.service.run.processes).every(({ state }) => state === 'ready') || undefined,
    30_000,
    50,
  );
  expect(all).toBe(true);
}
