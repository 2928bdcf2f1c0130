import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ticks } from '../../scripts/waiting';
import { allGone } from './fake-clone';
import { TargetServer } from './target-server';

describe('a server that a test lets hang', () => {
  let server: TargetServer;
  beforeEach(async () => {
    server = await TargetServer.start();
  });
  afterEach(() => server.stop());

  const childrenOf = (pid: number): number[] => {
    const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
    return stdout.split('\n').filter(Boolean).map(Number);
  };
  const all = async (): Promise<number[]> => {
    const [row] = await server.sql<{ pid: number }>(
      'postgres',
      `SELECT substring(pg_read_file('postmaster.pid') FROM '^\\d+')::int AS pid`,
    );
    return [row!.pid, ...childrenOf(row!.pid)];
  };

  it('hangs and goes on, while its connections come and go', async () => {
    for (let round = 0; round < 10; round += 1) {
      const clients = await Promise.all(Array.from({ length: 10 }, () => server.connect()));
      // Their processes end while the list of them is read.
      for (const client of clients) void client.end();
      server.hang();
      server.resume();
      expect(await server.sql('postgres', 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    }
  });

  it('is stopped all the same, and leaves no process', async () => {
    const pids = await all();
    expect(pids.length).toBeGreaterThan(3);
    server.hang();
    const from = ticks();
    await server.stop();
    expect(ticks() - from).toBeLessThan(10_000);
    expect(await allGone(pids, 5_000)).toEqual([]);
  });
});
