import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signal } from '../../scripts/processes';
import { ticks, waitFor } from '../../scripts/waiting';
import { sampled } from '../support/kills';
import { Trial } from '../support/trial';

const LIVES = 4;
/** A lease has 6 s. */
const ASLEEP_MS = process.env['CURFEW_FAULTS'] === 'all' ? 60_000 : 8_000;
/** DESIGN's promise 4, and what this machine takes with everything else on it. */
const LATE_MS = 1_000;
/** The longest that the database waits for somebody who has begun a transaction and says nothing. */
const OPEN_MS = 4_000;

const { chosen, words } = sampled(['timekeeper', 'worker'] as const, 1);

/** Where a process sleeps in the midst of its own work is tried in `processes`; here it is anywhere, or holds what another one needs. */
describe('a process that sleeps', () => {
  let trial: Trial;
  const others: Record<string, number> = {};
  const asleep = new Set<number>();
  beforeAll(async () => {
    trial = await Trial.begin(['ada', 'ben']);
    for (const name of chosen) others[name] = await trial.another(name);
  });
  afterAll(() => trial?.end());
  afterEach(() => asleep.forEach(wake));

  const lull = (pid: number): void => {
    process.kill(pid, 'SIGSTOP');
    asleep.add(pid);
  };
  const wake = (pid: number): void => {
    signal(pid, 'SIGCONT');
    asleep.delete(pid);
  };
  const lives = () => Promise.all(Array.from({ length: LIVES }, () => trial.wholeLife()));

  it.each([...chosen])(
    `is a %s, for ${ASLEEP_MS / 1_000} s: another one does it all, and it goes on when it wakes (${words})`,
    async (name) => {
      const before = trial.service.run.processes[name];
      const pid = trial.service.pid(name);
      const short = await trial.use(5);
      const long = await trial.use(Math.ceil(ASLEEP_MS / 1_000) + 8);
      const begun = lives();
      lull(pid);
      const from = ticks();
      await begun;
      expect((await trial.reach(short.id, 'ended')).lateMs).toBeLessThan(LATE_MS);
      await waitFor(() => (ticks() - from > ASLEEP_MS ? true : undefined), ASLEEP_MS + 1_000);
      wake(pid);
      await lives();
      expect(await trial.broken()).toEqual([]);
      // It is the same one, and does all of it when it is the only one.
      expect(trial.service.run.processes[name]).toEqual(before);
      lull(others[name]!);
      await lives();
      expect((await trial.reach(long.id, 'ended')).lateMs).toBeLessThan(LATE_MS);
      wake(others[name]!);
      expect(await trial.broken()).toEqual([]);
    },
    180_000,
  );

  it('is an api, in the midst of a write: what it holds is let go, the end is no later than that, and the answer comes when it wakes', async () => {
    const { id, session } = await trial.use(4);
    const { id: other } = await trial.use();
    trial.failpoints.arm('write.written', 'stop');
    // It has the row of the grant, and has not committed.
    const answer = trial.send('ada', `/v1/grants/${id}/release`, { key: 'asleep' });
    expect(await waitFor(() => trial.failpoints.wasHit('write.written') || undefined, 20_000)).toBe(true);
    const pid = trial.service.pid('api');
    asleep.add(pid);
    const { endReason, lateMs } = await trial.reach(id, 'ended');
    expect(endReason).toBe('expired');
    expect(lateMs).toBeLessThan(OPEN_MS + LATE_MS);
    await session.cut;
    wake(pid);
    // Nothing of it was done, and it says so.
    expect((await answer).status).toBeGreaterThanOrEqual(500);
    await trial.insist('ada', `/v1/grants/${other}/release`);
    await trial.reach(other, 'ended');
    expect(await trial.broken()).toEqual([]);
  }, 60_000);
});
