import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildMissing } from '../../scripts/build';
import { paths } from '../../scripts/clone';
import { Terminal } from '../../scripts/terminal';
import { waitFor } from '../../scripts/waiting';
import { bareGrant } from '../support/bare-grant';
import { aCurfewServer, type CurfewServer } from '../support/curfew-server';

const clone = { root: resolve(import.meta.dirname, '../..'), home: '' };
/** Its queries are given up after 3 s, and a pass of 4 s ends it. */
const GIVEN_UP_MS = 3_000;

interface Running {
  readonly address: string;
  readonly process: ChildProcess;
  readonly log: () => string;
}

describe('a timekeeper whose database hangs', () => {
  let curfew: CurfewServer;
  const running: ChildProcess[] = [];
  const frozen: number[] = [];
  beforeAll(async () => {
    await buildMissing(clone, new Terminal({ NO_COLOR: '1' }), new AbortController().signal);
    curfew = await aCurfewServer();
  }, 300_000);
  afterAll(() => curfew?.server.stop());
  afterEach(() => {
    curfew.server.resume();
    for (const pid of frozen.splice(0)) process.kill(pid, 'SIGCONT');
    for (const child of running.splice(0)) child.kill('SIGKILL');
  });

  const start = async (): Promise<Running> => {
    const child = fork(paths.app(clone, 'timekeeper'), {
      cwd: clone.root,
      env: { PATH: process.env['PATH'], DATABASE_URL: curfew.urls.timekeeper.reveal(), PORT: '0' },
      silent: true,
    });
    running.push(child);
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (log += text));
    const [{ address }] = (await once(child, 'message')) as [{ address: string }];
    return { address, process: child, log: () => log };
  };
  const sql = <Row extends object>(text: string) => curfew.server.sql<Row>(curfew.database, text);
  const aGrant = async (seconds: number): Promise<string> => {
    const [row] = await curfew.server.sql<{ id: string }>(curfew.database, ...bareGrant(seconds));
    return row!.id;
  };
  const decided = async (id: string, withinMs: number): Promise<number | undefined> =>
    waitFor(async () => {
      const [row] = await sql<{ late: number | null }>(
        `SELECT extract(epoch FROM ending_at - ends_at)::float8 AS late FROM grants WHERE id = '${id}'`,
      );
      return row?.late ?? undefined;
    }, withinMs);
  const notReady = async ({ address }: Running) => {
    const reply = await fetch(`${address}/readyz`);
    const { checks } = (await reply.json()) as { checks: Record<string, { since?: string }> };
    return reply.status === 503 ? checks['deadlines'] : undefined;
  };
  const ends = ({ process: child }: Running, withinMs: number) => waitFor(() => child.exitCode ?? undefined, withinMs);

  it('gets on with new connections when all of its own hang, and is late by the time it waited', async () => {
    const timekeeper = await start();
    const id = await aGrant(1);
    const pids = await sql<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE usename = 'curfew_timekeeper' AND application_name = 'curfew-timekeeper'`,
    );
    expect(pids.length).toBeGreaterThan(0);
    for (const { pid } of pids) {
      frozen.push(pid);
      process.kill(pid, 'SIGSTOP');
    }
    const late = await decided(id, 15_000);
    expect(late).toBeLessThan(GIVEN_UP_MS / 1_000 + 1);
    expect(timekeeper.process.exitCode).toBeNull();
  });

  it('ends itself when nothing answers any more; started again, it ends what fell due', async () => {
    const timekeeper = await start();
    const id = await aGrant(1);
    curfew.server.hang();
    const hungAt = Date.now();
    const unready = await waitFor(() => notReady(timekeeper), 10_000);
    const since = Date.parse(unready?.since ?? '') - hungAt;
    expect(since).toBeGreaterThan(0);
    expect(since).toBeLessThan(GIVEN_UP_MS + 1_000);
    expect(await ends(timekeeper, 20_000)).toBe(1);
    expect(timekeeper.log()).toContain('the database connection hangs');
    curfew.server.resume();
    await start();
    expect(await decided(id, 5_000)).toBeGreaterThan(0);
  });
});
