import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APPS } from '../../scripts/clone';
import { ticks, waitFor } from '../../scripts/waiting';
import { Relay } from '../support/relay';
import { TargetServer } from '../support/target-server';
import { Trial } from '../support/trial';

const LIVES = 8;
const PATIENCE_MS = 20_000;
/** How long the standby gets nothing of what the primary writes, before that dies. */
const BEHIND_MS = 700;
/** How long the address leads to it before it is promoted. */
const READ_ONLY_MS = 1_500;

describe('a standby that is promoted', () => {
  let primary: TargetServer;
  let standby: TargetServer;
  let relay: Relay;
  /** Between the two. */
  let line: Relay;
  let trial: Trial;
  beforeAll(async () => {
    primary = await TargetServer.start(undefined, { settings: { log_statement: 'none', wal_level: 'replica' } });
    await primary.sql('postgres', 'CREATE DATABASE curfew');
    line = await Relay.before(primary);
    standby = await TargetServer.following(primary, line.port);
    await primary.sql('postgres', `ALTER SYSTEM SET synchronous_standby_names = 'standby'`, 'SELECT pg_reload_conf()');
    const follows = async () =>
      (await primary.sql('postgres', `SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`)).length > 0 ||
      undefined;
    if (!(await waitFor(follows, PATIENCE_MS))) throw new Error('the standby does not follow');
    relay = await Relay.before(primary);
    const who = `${primary.superuser}:${primary.superuserPassword}`;
    trial = await Trial.begin(['ada', 'ben'], {
      DATABASE_URL: `postgres://${who}@127.0.0.1:${relay.port}/curfew`,
      CURFEW_DEMO: '1',
    });
  }, 180_000);
  afterAll(async () => {
    await trial?.end();
    await relay?.close();
    await primary?.stop();
    await standby?.stop();
  });

  /** What the api says to somebody who asks for something now. */
  const told = async (): Promise<string> => {
    const order = { entitlements: ['orders-db/read'], durationSeconds: 600, reason: 'INC-4711' };
    const { status, body } = await trial.send<{ code?: string }>('ada', '/v1/requests', { body: order });
    return `${status} ${body.code}`;
  };

  it('goes on where its primary was killed under load: nothing is lost that was acknowledged, with synchronous replication', async () => {
    const { id, session } = await trial.use(4);
    const before = await trial.wholeLife();
    const acknowledged: string[] = [];
    const lives = Promise.all(Array.from({ length: LIVES }, () => trial.wholeLife()));
    lives.catch(() => undefined); // heard below
    const asking = new AbortController();
    const asks = (async () => {
      while (!asking.signal.aborted) acknowledged.push((await trial.ask()).id);
    })();
    asks.catch(() => undefined);
    expect(await waitFor(() => (acknowledged.length > 5 ? true : undefined), PATIENCE_MS)).toBe(true);

    // What is written from here on comes to nobody but the primary: it is not acknowledged, or lost.
    await line.close();
    await pause(BEHIND_MS);
    await primary.kill();
    // The address may lead there before it is promoted: it answers then, and takes no change.
    relay.leadTo(standby);
    const readOnly = new Set<string>();
    const from = ticks();
    while (ticks() - from < READ_ONLY_MS) readOnly.add(await told());
    expect([...readOnly]).toEqual(['503 platform.database_away']);
    expect((await fetch(`${trial.service.url}/readyz`)).status).toBe(503);
    await standby.sql('postgres', 'SELECT pg_promote()');

    const ids = await lives;
    asking.abort();
    await asks;
    const there = async (table: string, all: readonly string[]) => {
      const found = await trial.database.query(`SELECT FROM ${table} WHERE id = ANY($1)`, [all]);
      return found.rowCount;
    };
    expect(await there('requests', acknowledged)).toBe(acknowledged.length);
    expect(await there('grants', [...ids, before])).toBe(LIVES + 1);
    await trial.reach(id, 'ended');
    await session.cut;
    expect(await trial.broken()).toEqual([]);
    const ready = () => APPS.every((name) => trial.service.run.processes[name]?.state === 'ready') || undefined;
    expect(await waitFor(ready, PATIENCE_MS)).toBe(true);
  }, 180_000);
});
