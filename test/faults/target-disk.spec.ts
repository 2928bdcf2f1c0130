import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GrantsAt } from '../support/grants-at';
import { has, needs } from '../support/needs';
import { leave } from '../support/postgres-stage';
import { TargetServer } from '../support/target-server';

const MEGABYTES = 256;
const DISK_FULL = '53100';

describe.runIf(has('root'))(`a PostgreSQL target whose disk is full${needs('root')}`, () => {
  let server: TargetServer;
  let at: GrantsAt;
  beforeAll(async () => {
    server = await TargetServer.start(undefined, { megabytes: MEGABYTES });
    at = await GrantsAt.a(server);
  });
  afterAll(async () => {
    await at?.close();
    await server?.stop();
  });

  /** Until nothing can be written any more that is about roles: what is there has some room in it. */
  const fill = async (): Promise<() => void> => {
    // The log of changes does not need room meanwhile: without any, the server would not live on.
    await server.sql('postgres', 'SELECT pg_switch_wal()', 'CHECKPOINT', 'SELECT txid_current()');
    const makeRoom = server.fillDisk();
    const client = await server.connect();
    let refusal: { code?: string } | undefined;
    for (let n = 0; n < 5_000 && refusal === undefined; n += 1) {
      try {
        await client.query(`CREATE ROLE filler_${n}`);
      } catch (error) {
        refusal = error as { code?: string };
      }
    }
    await client.end();
    expect(refusal).toMatchObject({ code: DISK_FULL });
    return makeRoom;
  };

  it('begins and ends nothing, says why, and goes on when there is room', async () => {
    const used = await at.use();
    const makeRoom = await fill();
    try {
      const waiting = await at.ask();
      await at.release(used.id);
      expect(await at.until(used.id, 'stuck')).toMatchObject({ failure: 'target.interrupted' });
      expect(await at.look(waiting)).toMatchObject({ state: 'activating', retry: { failure: 'target.interrupted' } });
      // What needs no room is taken away all the same.
      await expect(used.session.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
      makeRoom();
      await at.until(used.id, 'ended');
      await at.until(waiting, 'active');
      await expect(at.target.use(used.credential)).rejects.toThrow('password authentication failed');
      await at.release(waiting);
      await at.until(waiting, 'ended');
      expect(await at.broken()).toEqual([]);
    } finally {
      await leave(used.session);
    }
  }, 120_000);
});
