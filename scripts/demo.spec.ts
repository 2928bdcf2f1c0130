import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allGone, FakeClone, type Running } from '../test/support/fake-clone';
import { waitFor } from './waiting';

/** A command line that says who it is and waits for a sign-in that never comes. */
const WAITS = `#!/bin/sh
echo $$ > "$XDG_STATE_HOME/$2.pid"
exec sleep 600
`;

describe('npm run demo', () => {
  let clone: FakeClone;
  let temporary: string;
  beforeEach(() => {
    clone = new FakeClone();
    temporary = join(clone.root, 'tmp');
    mkdirSync(temporary);
    clone.write('curfew', WAITS);
    chmodSync(join(clone.root, 'curfew'), 0o755);
  });
  afterEach(() => clone.remove());

  /** The numbers of the three who wait to be signed in. */
  const waiting = (): Promise<number[] | undefined> =>
    waitFor(() => {
      const [state] = readdirSync(temporary);
      const files = ['ada', 'ben', 'cleo'].map((name) => join(temporary, state ?? '', `${name}.pid`));
      const pids = files.map((file) => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0));
      return pids.every((pid) => pid > 0) ? pids : undefined;
    }, 20_000);
  const demo = (): Running => clone.run('demo.ts', { env: { TMPDIR: temporary } });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'leaves nothing on %s: no sign-ins, no command, and not the service that it started',
    async (signal) => {
      const running = demo();
      const pids = [...((await waiting()) ?? []), ...clone.pids];
      expect(pids).toHaveLength(8);
      running.child.kill(signal);
      expect(await running.ended).toBe(130);
      expect(await allGone(pids, 0)).toEqual([]);
      expect(readdirSync(temporary)).toEqual([]);
      expect(running.output).not.toContain('should not have happened');
    },
  );

  it('leaves nothing when it is ended while the service is still starting', async () => {
    clone.write('held-migrate');
    const running = demo();
    expect(await waitFor(() => clone.has('migrating') || undefined, 20_000)).toBe(true);
    const { pids } = clone;
    running.child.kill('SIGTERM');
    expect(await running.ended).toBe(130);
    expect(await allGone(pids, 0)).toEqual([]);
    expect([readdirSync(temporary), clone.has('.curfew/postgres/data/postmaster.pid')]).toEqual([[], false]);
  });

  it('leaves a service that ran before as it is', async () => {
    await clone.started();
    const running = demo();
    const people = (await waiting()) ?? [];
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(130);
    expect(await allGone(people, 0)).toEqual([]);
    expect(await allGone(clone.pids, 0)).toHaveLength(5);
  });
});
