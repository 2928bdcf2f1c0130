import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../scripts/clone';
import { ticks, waitFor } from '../../scripts/waiting';
import { sampled } from '../support/kills';
import { has, needs } from '../support/needs';
import { SmallDisk } from '../support/small-disk';
import { TargetServer } from '../support/target-server';
import { Trial } from '../support/trial';

const MEGABYTES = 320;
const LIVES = 4;
const PATIENCE_MS = 60_000;
/** For how long there is no room, at least. */
const FULL_MS = 3_000;
const REFUSALS = 3;

const { chosen, words } = sampled(['its tables', 'its log'] as const, 1);

describe.runIf(has('mount'))(`the disk of the database (${words})${needs('mount')}`, () => {
  let disk: SmallDisk;
  let server: TargetServer;
  let trial: Trial;
  beforeAll(async () => {
    disk = SmallDisk.mount(MEGABYTES);
    // No segment of the log is used again: each needs its room.
    const settings = {
      log_statement: 'none',
      max_wal_size: '2GB',
      checkpoint_timeout: '1h',
      restart_after_crash: 'off',
    };
    server = await TargetServer.start(undefined, { parent: disk.folder, settings });
    await server.sql('postgres', 'CREATE DATABASE curfew');
    const who = `${server.superuser}:${server.superuserPassword}`;
    trial = await Trial.begin(['ada', 'ben'], {
      DATABASE_URL: `postgres://${who}@${server.host}:${server.port}/curfew`,
      CURFEW_DEMO: '1',
    });
  }, 180_000);
  afterAll(async () => {
    await trial?.end();
    await server?.stop();
    disk?.unmount();
  });

  /** One thing is asked for. @returns its id, or what the api says instead */
  const ask = async (): Promise<{ id: string } | { status: number; code: string }> => {
    const order = { entitlements: ['orders-db/read'], durationSeconds: 600, reason: 'INC-4711 '.repeat(100) };
    const { status, body } = await trial.send<{ id: string; code: string }>('ada', '/v1/requests', { body: order });
    return status === 201 ? { id: body.id } : { status, code: body.code };
  };
  const isUp = () =>
    server.sql('postgres', 'SELECT').then(
      () => true,
      () => false,
    );
  const FULL_FOR = {
    /** Nothing grows any more; what fits where something was goes on for a while. */
    'its tables': async () => undefined,
    /** The server gives itself up rather than promise what it cannot write down. */
    'its log': async () => {
      const down = await waitFor(async () => {
        disk.fill();
        const log = `SELECT pg_logical_emit_message(false, 'much', repeat('x', 1000000)) FROM generate_series(1, 50)`;
        await server.sql('postgres', log).catch(() => undefined);
        return (await isUp()) ? undefined : true;
      }, PATIENCE_MS);
      expect(down).toBe(true);
    },
  };

  it.each([...chosen])(
    'is full, for %s: nothing is lost that was acknowledged, nothing is half done, and all goes on when there is room',
    async (what) => {
      const { id } = await trial.use(5);
      const lives = Promise.allSettled(Array.from({ length: LIVES }, () => trial.wholeLife()));
      const pids = APPS.map((name) => trial.service.run.processes[name]?.pid);
      disk.fill();
      await FULL_FOR[what]();
      const from = ticks();
      const acknowledged: string[] = [];
      const refusals = new Set<string>();
      let refused = 0;
      while (refused < REFUSALS || ticks() - from < FULL_MS) {
        if (ticks() - from > PATIENCE_MS) throw new Error(`the disk is full, and ${acknowledged.length} were taken`);
        const answer = await ask();
        if ('id' in answer) acknowledged.push(answer.id);
        else {
          refused += 1;
          refusals.add(`${answer.status} ${answer.code}`);
        }
        disk.fill();
      }
      expect([...refusals]).toEqual(['503 platform.database_away']);
      disk.makeRoom();
      if (!(await isUp())) await server.restart({ standby: false });

      await trial.reach(id, 'ended', PATIENCE_MS);
      // Who gave up asking when there was no room left something pending, or in use: no more than that.
      await lives;
      const { rowCount } = await trial.database.query('SELECT FROM requests WHERE id = ANY($1)', [acknowledged]);
      expect(rowCount).toBe(acknowledged.length);
      await trial.wholeLife();
      expect(await trial.broken()).toEqual([]);
      expect(
        APPS.filter((name, index) => name !== 'timekeeper' && trial.service.run.processes[name]?.pid !== pids[index]),
      ).toEqual([]);
    },
    240_000,
  );
});
