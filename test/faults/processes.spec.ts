import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../scripts/clone';
import { tryToLogIn } from '../../scripts/demo/database-session';
import { signal } from '../../scripts/processes';
import { ticks, waitFor } from '../../scripts/waiting';
import { sampled } from '../support/kills';
import { Trial } from '../support/trial';

const FINISHED_MS = 10_000;
/** Longer than a lease of 6 s. */
const ASLEEP_MS = 8_000;
const BLOCKED_MS = 5_000;
const HUNGRY = new URL('../support/hungry.mjs', import.meta.url).href;

/** Where a worker falls asleep: with nothing done, with something made or ended that it has not written down, and in the midst of writing it down. */
const ASLEEP_AT = sampled(
  [
    { at: 'activation.begun', during: 'a beginning' },
    { at: 'postgres.role_made', during: 'a beginning' },
    { at: 'activation.issued', during: 'a beginning' },
    { at: 'activation.written', during: 'a beginning' },
    { at: 'ending.withdrawn', during: 'an end' },
    { at: 'postgres.login_closed', during: 'an end' },
    { at: 'postgres.objects_given_away', during: 'an end' },
    { at: 'postgres.role_dropping', during: 'an end' },
    { at: 'ending.proven', during: 'an end' },
    { at: 'ending.written', during: 'an end' },
  ] as const,
  1,
);

const BLOCKED = sampled(['timekeeper', 'worker', 'api'] as const, 1);

describe('processes', () => {
  let trial: Trial;
  const stopped = new Set<number>();
  beforeAll(async () => {
    trial = await Trial.begin(['ada', 'ben']);
  });
  afterAll(() => trial?.end());
  afterEach(() => {
    for (const pid of stopped) signal(pid, 'SIGCONT');
    stopped.clear();
  });

  const hit = (name: string) => waitFor(() => trial.failpoints.wasHit(name) || undefined, 20_000);
  const allReady = () =>
    waitFor(() => APPS.every((name) => trial.service.run.processes[name]?.state === 'ready') || undefined, 30_000);
  const restarts = () => APPS.map((name) => trial.service.run.processes[name]?.restarts);

  it('are all killed at once, with a grant at each stage: each is finished within 10 s', async () => {
    const expiring = await trial.use(5);
    const ending = await trial.use();
    const waiting = await trial.ask();
    trial.failpoints.arm('activation.issued', 'stop');
    const beginning = await trial.approve(await trial.ask());
    expect(await hit('activation.issued')).toBe(true);
    await trial.insist('ada', `/v1/grants/${ending.id}/release`);
    const pids = APPS.map((name) => trial.service.pid(name));
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    const killedAt = ticks();
    const rest = (): number => FINISHED_MS - (ticks() - killedAt);
    await Promise.all([
      trial.reach(beginning, 'active', rest()),
      trial.reach(ending.id, 'ended', rest()),
      trial.reach(expiring.id, 'ended', rest()),
      trial.approve(waiting),
    ]);
    expect(await allReady()).toBe(true);
    expect(await trial.broken()).toEqual([]);
  }, 60_000);

  it.each([...BLOCKED.chosen])(
    `are blocked for five seconds, the %s: nothing is done twice, and all of it afterwards (${BLOCKED.words})`,
    async (name) => {
      const point = { timekeeper: 'deadlines.expired', worker: 'ending.ended', api: 'write.committed' }[name];
      const { id, session } = await trial.use(name === 'timekeeper' ? 3 : 600);
      const { id: other } = await trial.use(name === 'timekeeper' ? 5 : 600);
      const before = restarts();
      trial.failpoints.arm(point, `block ${BLOCKED_MS}`);
      const release = (grant: string) => trial.insist('ada', `/v1/grants/${grant}/release`);
      if (name !== 'timekeeper') await Promise.all([release(id), release(other)]);
      expect(await hit(point)).toBe(true);
      const from = ticks();
      const rows = await Promise.all([trial.reach(id, 'ended'), trial.reach(other, 'ended')]);
      expect(ticks() - from).toBeLessThan(FINISHED_MS);
      // No later than it was blocked, and what its own turn takes.
      for (const { lateMs } of rows) expect(lateMs).toBeLessThan(BLOCKED_MS + 1_000);
      await session.cut;
      expect(await trial.broken()).toEqual([]);
      // It lives on: a process that got no time is not one whose database hangs.
      expect(restarts()).toEqual(before);
    },
    60_000,
  );

  it('are watched by the others: api and worker say since when deadlines are over that no timekeeper acts upon', async () => {
    const { id } = await trial.use(4);
    const pid = trial.service.pid('timekeeper');
    stopped.add(pid);
    process.kill(pid, 'SIGSTOP');
    const { rows } = await trial.database.query<{ since: Date }>(`SELECT ends_at AS since FROM grants WHERE id = $1`, [
      id,
    ]);
    const since = rows[0]!.since.toISOString();
    const says = (name: 'api' | 'worker') =>
      waitFor(async () => {
        const reply = await fetch(new URL('/readyz', trial.service.run.processes[name]?.address));
        const { checks } = (await reply.json()) as { checks: Record<string, { warning?: boolean; since?: string }> };
        return checks['deadlines']?.warning ? [reply.status, checks['deadlines'].since] : undefined;
      }, 20_000);
    expect(await says('api')).toEqual([200, since]);
    expect(await says('worker')).toEqual([200, since]);
    const overdue = async () => {
      const numbers = await fetch(new URL('/metrics', trial.service.run.processes.worker?.address));
      return Number(/^curfew_overdue_seconds(?:\{.*\})? (\S+)/m.exec(await numbers.text())?.[1]);
    };
    expect(await overdue()).toBeGreaterThan(2);
    process.kill(pid, 'SIGCONT');
    await trial.reach(id, 'ended');
    expect(await overdue()).toBe(0);
    expect(await trial.broken()).toEqual([]);
  }, 60_000);

  it('run out of memory, a worker with something made that it has not written down: another one finishes within 10 s', async () => {
    const kept = trial.service.pid('worker');
    process.kill(kept, 'SIGSTOP');
    stopped.add(kept);
    const hungry = await trial.anotherOf('worker', { NODE_OPTIONS: `--max-old-space-size=96 --import=${HUNGRY}` });
    trial.failpoints.arm('activation.issued', 'block 2000');
    const id = await trial.approve(await trial.ask());
    expect(await hit('activation.issued')).toBe(true);
    process.kill(hungry.pid, 'SIGUSR2');
    process.kill(kept, 'SIGCONT');
    // As Node ends itself when the heap is full.
    expect(await hungry.ended).toBe('SIGABRT');
    await trial.reach(id, 'active', FINISHED_MS);
    expect(await tryToLogIn(await trial.pickUp(id))).toBe('logged in');
    await trial.insist('ada', `/v1/grants/${id}/release`);
    await trial.reach(id, 'ended');
    expect(await trial.broken()).toEqual([]);
  }, 60_000);

  describe(`with a second worker (${ASLEEP_AT.words})`, () => {
    let pids: number[];
    beforeAll(async () => {
      pids = [await trial.another('worker'), trial.service.pid('worker')];
    });
    const sleeper = () => waitFor(() => pids.find((pid) => isStopped(pid)), 20_000);

    it.each([...ASLEEP_AT.chosen])(
      'one sleeps for longer than its lease at $at: the other finishes $during, and the sleeper’s word does not count',
      async ({ at, during }) => {
        const isEnd = during === 'an end';
        const begun = isEnd ? await trial.use() : undefined;
        trial.failpoints.arm(at, 'stop');
        if (begun) await trial.insist('ada', `/v1/grants/${begun.id}/release`);
        const id = begun?.id ?? (await trial.approve(await trial.ask()));
        const pid = (await sleeper())!;
        stopped.add(pid);
        const asleepAt = ticks();
        await trial.reach(id, isEnd ? 'ended' : 'active', FINISHED_MS);
        const revision = await revisionOf(trial, id);
        await waitFor(() => (ticks() - asleepAt > ASLEEP_MS ? true : undefined), ASLEEP_MS);
        process.kill(pid, 'SIGCONT');
        stopped.delete(pid);
        // It is awake when it does something again.
        await expect.poll(() => trial.broken(), { timeout: 10_000 }).toEqual([]);
        expect(await revisionOf(trial, id)).toBe(revision);
        // What was made last is what is handed over, and opens.
        expect(isEnd ? 'logged in' : await tryToLogIn(await trial.pickUp(id))).toBe('logged in');
        await trial.insist('ada', `/v1/grants/${id}/release`);
        await trial.reach(id, 'ended');
        expect(await trial.broken()).toEqual([]);
      },
      60_000,
    );
  });
});

async function revisionOf(trial: Trial, id: string): Promise<number> {
  const { rows } = await trial.database.query<{ revision: number }>('SELECT revision FROM grants WHERE id = $1', [id]);
  return rows[0]!.revision;
}

/** As the system says it: T. */
function isStopped(pid: number): boolean {
  return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}
