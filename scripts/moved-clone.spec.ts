import { chmodSync, chownSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClone, type Running } from '../test/support/fake-clone';
import { has, needs } from '../test/support/needs';
import { SUPERUSER } from './embedded-postgres';

interface Secrets {
  readonly serverFolder: string;
  readonly superuserPassword: string;
}

// Each starts and stops several clones.
describe('the data of a clone', { timeout: 90_000 }, () => {
  const clones: FakeClone[] = [];
  afterEach(async () => {
    for (const clone of clones.splice(0)) {
      if (clone.has('.curfew')) await clone.run('reset.ts').ended;
      await clone.remove();
    }
  });
  const kept = (clone: FakeClone): FakeClone => (clones.push(clone), clone);
  const aClone = (): FakeClone => kept(new FakeClone());
  const secrets = (clone: FakeClone): Secrets =>
    JSON.parse(readFileSync(join(clone.home, 'database.json'), 'utf8')) as Secrets;
  const asked = async (clone: FakeClone, sql: string): Promise<unknown[]> => {
    const { host = '', port = 0 } = clone.runFile.database ?? {};
    const at = { host, port, user: SUPERUSER, password: secrets(clone).superuserPassword, database: 'curfew' };
    const client = new pg.Client(at);
    await client.connect();
    try {
      return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.flat();
    } finally {
      await client.end();
    }
  };
  const stopped = async (running: Running): Promise<void> => {
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(0);
  };
  /** A stopped clone whose database says who it is. */
  const named = async (clone: FakeClone): Promise<FakeClone> => {
    const running = await clone.started();
    await asked(clone, `CREATE TABLE whose AS SELECT 'the first' AS name`);
    await stopped(running);
    return clone;
  };
  const NAME = 'SELECT name FROM whose';

  it('are copied with it: both run, each on its own, and a reset of the copy leaves the original alone', async () => {
    const original = await named(aClone());
    const copy = kept(original.copy());
    const [, running] = await Promise.all([original.started(), copy.started()]);
    expect(await asked(copy, NAME)).toEqual(['the first']);
    await asked(copy, `UPDATE whose SET name = 'the copy'`);
    expect(await asked(original, NAME)).toEqual(['the first']);
    await stopped(running);
    const reset = copy.run('reset.ts');
    expect(await reset.ended).toBe(0);
    expect(existsSync(join(copy.home, 'postgres'))).toBe(false);
    expect(await asked(original, NAME)).toEqual(['the first']);
  });

  it('are moved with it', async () => {
    const original = await named(aClone());
    const moved = kept(original.move());
    await moved.started();
    expect(await asked(moved, NAME)).toEqual(['the first']);
    expect(existsSync(original.root)).toBe(false);
  });

  it('are found where they are, whatever a note says of where they were', async () => {
    const original = await named(aClone());
    const noted = { ...secrets(original), serverFolder: join(original.home, 'postgres') };
    const copy = kept(original.copy());
    copy.write('.curfew/database.json', JSON.stringify(noted));
    await copy.started();
    await asked(copy, 'DROP TABLE whose');
    await original.started();
    expect(await asked(original, NAME)).toEqual(['the first']);
  });

  describe.runIf(has('root'))(`outside, for root in a home that is closed to others${needs('root')}`, () => {
    const closed = (): FakeClone => {
      const clone = aClone();
      chmodSync(clone.root, 0o700);
      chownSync(clone.root, 0, 0);
      return clone;
    };

    it('belong to the original: a copy says so, and its reset deletes nothing of them', async () => {
      const original = await named(closed());
      const { serverFolder } = secrets(original);
      const running = await original.started();
      const copy = kept(original.copy());
      copy.unlink('.curfew/run.json');
      const refused = copy.run('start.ts');
      expect(await refused.ended).toBe(1);
      expect(refused.output).toContain(`${copy.home} is a copy of ${original.home}`);
      expect(refused.output).toContain('npm run reset');
      const reset = copy.run('reset.ts');
      expect(await reset.ended).toBe(0);
      expect(reset.output).toContain(`The database in ${serverFolder} is not this clone's: it stays.`);
      expect(await asked(original, NAME)).toEqual(['the first']);
      const anew = await copy.started();
      expect(secrets(copy).serverFolder).not.toBe(serverFolder);
      await expect(asked(copy, NAME)).rejects.toThrow('does not exist');
      await Promise.all([stopped(running), stopped(anew)]);
    });

    it('are found by a clone that was moved, and deleted by its reset', async () => {
      const original = await named(closed());
      const moved = kept(original.move());
      const running = await moved.started();
      expect(await asked(moved, NAME)).toEqual(['the first']);
      await stopped(running);
      const { serverFolder } = secrets(moved);
      expect(await moved.run('reset.ts').ended).toBe(0);
      expect(existsSync(serverFolder)).toBe(false);
    });

    it('are not replaced by empty ones when they are gone', async () => {
      const clone = await named(closed());
      const { serverFolder } = secrets(clone);
      rmSync(serverFolder, { recursive: true });
      const refused = clone.run('start.ts');
      expect(await refused.ended).toBe(1);
      expect(refused.output).toContain(`there is no ${serverFolder}`);
      expect(existsSync(serverFolder)).toBe(false);
    });
  });
});
