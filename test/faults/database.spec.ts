import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../scripts/clone';
import { waitFor } from '../../scripts/waiting';
import { Trial } from '../support/trial';

const LIVES = 8;
/** The processes' own, and the one at the target. */
const OURS = ['curfew_api', 'curfew_worker', 'curfew_timekeeper', 'curfew_orders_admin'];

describe('the database', () => {
  let trial: Trial;
  beforeAll(async () => {
    trial = await Trial.begin(['ada', 'ben']);
  });
  afterAll(() => trial?.end());

  const many = (): Promise<string[]> => Promise.all(Array.from({ length: LIVES }, () => trial.wholeLife()));
  /** What was acknowledged is there, and each of it ended. */
  const allEnded = async (ids: string[]): Promise<void> => {
    const { rows } = await trial.database.query<{ state: string }>('SELECT state FROM grants WHERE id = ANY($1)', [
      ids,
    ]);
    expect(rows.map(({ state }) => state)).toEqual(Array.from({ length: LIVES }, () => 'ended'));
  };

  it('cuts connections in the midst of whatever they do: all of it is finished, once', async () => {
    const { id } = await trial.use(5);
    const lives = many();
    let cut = 0;
    const living = new AbortController();
    const ended = lives.finally(() => living.abort());
    for (let round = 0; round < 40 && !living.signal.aborted; round += 1) {
      // Every third of ours, whatever it is at; those at the target too.
      const { rows } = await trial.database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY($2) AND (pid + $1) % 3 = 0`,
        [round, OURS],
      );
      cut += rows.length;
      await pause(100);
    }
    expect(cut).toBeGreaterThan(10);
    await allEnded(await ended);
    await trial.reach(id, 'ended');
    expect(await trial.broken()).toEqual([]);
  }, 120_000);

  it('is restarted in immediate mode under load, twice: what was acknowledged is there, and is finished', async () => {
    const lives = many();
    for (let time = 0; time < 2; time += 1) {
      await pause(400);
      const pid = trial.service.run.database!.pid!;
      process.kill(pid, 'SIGQUIT');
      const again = () => {
        const now = trial.service.run.database?.pid;
        return now !== undefined && now !== pid ? true : undefined;
      };
      expect(await waitFor(again, 30_000, 50)).toBe(true);
    }
    await allEnded(await lives);
    expect(await trial.broken()).toEqual([]);
    const ready = () => APPS.every((name) => trial.service.run.processes[name]?.state === 'ready') || undefined;
    expect(await waitFor(ready, 10_000)).toBe(true);
  }, 120_000);
});
