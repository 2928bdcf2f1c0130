import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { APPS, paths } from '../../scripts/clone';
import { readRun, type RunFile } from '../../scripts/run-file';
import { allGone, type Running } from '../support/fake-clone';
import { RealClone } from '../support/real-clone';

// One life of a clone, in order: each test goes on where the one before it left off.
describe('npm start, with the real processes', () => {
  let clone: RealClone;
  let service: Running;
  beforeAll(async () => {
    clone = await RealClone.make();
    service = await clone.start();
  });
  afterAll(() => clone?.remove());

  const run = (): RunFile => readRun(clone)!;
  const asked = async (): Promise<string[]> => {
    const { code, output } = await clone.types('./curfew requests --json');
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
    return (JSON.parse(output) as { items: { id: string }[] }).items.map(({ id }) => id);
  };
  const kept = (): string[] =>
    [paths.database, paths.sealingKey, paths.proofKey, paths.ports].map((file) => readFileSync(file(clone), 'utf8'));
  let made: string[];
  let requests: string[];

  it('is ready, and says where its demo accounts are', async () => {
    const { processes, url } = run();
    expect(APPS.map((name) => processes[name])).toEqual(
      APPS.map(() => expect.objectContaining({ state: 'ready', restarts: 0 })),
    );
    expect(service.output).toContain(`Curfew runs at  ${url}`);
    expect(service.output).toContain(`Demo accounts are in ${paths.demo(clone)}`);
    expect((await fetch(new URL('/readyz', url))).status).toBe(200);
  });

  it('prints three commands that work as they are printed', async () => {
    const lines = service.output.split('\n').filter((line) => line.includes('./curfew '));
    const [login, request, decide] = lines.map((line) => line.trim());
    expect(lines).toHaveLength(3);
    expect(await clone.types(login!, 'ada')).toMatchObject({ code: 0 });
    const waiting = clone.types(request!);
    const inbox = await clone.types(decide!, 'ben');
    expect(inbox.code).toBe(0);
    requests = await asked();
    expect(requests).toHaveLength(1);
    expect(inbox.output).toContain(requests[0]!.slice(0, 8));
    expect((await clone.types(`./curfew approve ${requests[0]} --yes --profile ben`)).code).toBe(0);
    expect((await waiting).code).toBe(0);
  }, 60_000);

  it('started again, says where it runs; --status says what runs', async () => {
    const [again, status] = [clone.npm('start'), clone.npm('start', '--', '--status')];
    expect([await again.ended, await status.ended]).toEqual([0, 0]);
    expect(again.output).toContain(`Curfew runs here already, at ${run().url} (process ${run().pid}, `);
    for (const name of APPS)
      expect(status.output).toMatch(new RegExp(`${name} +ready +process ${run().processes[name]?.pid}`));
  });

  it('ends on Ctrl-C, and leaves no process', async () => {
    const { pids } = clone;
    expect(pids.length).toBeGreaterThanOrEqual(5);
    made = kept();
    process.kill(-service.child.pid!, 'SIGINT');
    await service.ended;
    expect(service.output).toMatch(/Stopped in [\d.]+ s$/m);
    expect([await allGone(pids, 0), clone.pids]).toEqual([[], []]);
    const status = clone.npm('start', '--', '--status');
    expect(await status.ended).toBe(3);
  });

  it('goes on with what was there, and killed with -9 leaves no process within two seconds', async () => {
    service = await clone.start();
    expect(kept()).toEqual(made);
    expect(await asked()).toEqual(requests);
    const { pids } = clone;
    process.kill(run().pid, 'SIGKILL');
    expect([await allGone(pids, 2_000), clone.pids]).toEqual([[], []]);
  }, 120_000);

  it('goes on after that too, until a reset deletes it', async () => {
    service = await clone.start();
    expect(await asked()).toEqual(requests);
    process.kill(-service.child.pid!, 'SIGINT');
    await service.ended;
    const reset = clone.npm('run', 'reset');
    expect(await reset.ended).toBe(0);
    expect(reset.output).toContain(`Deleting this clone's data in ${clone.home}`);
    expect(readdirSync(clone.home)).toEqual([]);
  }, 120_000);
});
