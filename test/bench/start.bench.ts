import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { APPS } from '../../scripts/clone';
import { isAlive } from '../../scripts/processes';
import { readRun } from '../../scripts/run-file';
import { ticks, waitFor } from '../../scripts/waiting';
import { milliseconds, report, rounds, ROUNDS, spread } from './figures';
import { RunningService } from '../support/service';
import { pss, treeOf } from './tree';

const ROOT = resolve(import.meta.dirname, '../..');
const READY_MS = 120_000;
const SETTLED_MS = 60_000;

describe('a start', () => {
  it('is ready', async () => {
    const times = await rounds('start', async () => {
      const home = mkdtempSync(join(tmpdir(), 'curfew-bench-start-'));
      const clone = { root: ROOT, home };
      const begunAt = ticks();
      const npm = spawn('npm', ['start'], {
        cwd: ROOT,
        stdio: 'ignore',
        env: { ...process.env, CURFEW_HOME: home, XDG_STATE_HOME: join(home, 'state'), NO_COLOR: '1' },
      });
      try {
        const isReady = () => APPS.every((name) => readRun(clone)?.processes[name]?.state === 'ready') || undefined;
        expect(await waitFor(isReady, READY_MS)).toBe(true);
        return ticks() - begunAt;
      } finally {
        const starter = readRun(clone)?.pid;
        if (starter !== undefined) {
          process.kill(starter, 'SIGINT');
          await waitFor(() => !isAlive(starter) || undefined, 30_000);
        }
        npm.kill('SIGKILL');
        rmSync(home, { recursive: true, force: true });
      }
    });
    expect(times.length).toBe(ROUNDS);
    const { p50, max } = spread(times);
    report('ready', { measured: `p50 ${milliseconds(p50)}, max ${milliseconds(max)}`, numbers: { p50, max } });
  });

  it('takes so much memory', async () => {
    const service = await RunningService.start({ LOG_LEVEL: 'info' });
    try {
      const [ada, ben] = [await service.person('ada'), await service.person('ben')];
      const asked = await ada.run<{ id: string }>(
        'request',
        'orders-db/read',
        '--for',
        '30m',
        '--reason',
        'a measurement',
        '--no-wait',
      );
      await ben.run('approve', asked.id, '--yes');
      await pause(SETTLED_MS);
      const pids = treeOf(service);
      const max = pss(pids);
      report('memory', { measured: `${max.toFixed(0)} MB in ${pids.length} processes`, numbers: { max } });
      expect(max).toBeGreaterThan(50);
    } finally {
      await service.stop();
    }
  });
});
