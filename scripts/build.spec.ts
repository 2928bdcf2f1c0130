import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClone } from '../test/support/fake-clone';
import { isBuilt } from './build';

describe('what is built', () => {
  let clone: FakeClone;
  beforeEach(() => {
    clone = new FakeClone();
  });
  afterEach(() => clone.remove());

  it('is built from these sources until one of them changes', () => {
    expect(isBuilt(clone)).toBe(true);
    clone.write('libs/kernel/src/secret.ts', '// another one');
    expect(isBuilt(clone)).toBe(false);
  });

  it('is what the lockfile says', () => {
    clone.write('package-lock.json', '{}');
    expect(isBuilt(clone)).toBe(false);
  });

  it('is not built again for a test that changes', () => {
    clone.write('libs/kernel/src/secret.spec.ts', '// another one');
    expect(isBuilt(clone)).toBe(true);
  });

  it.each(['api', 'worker', 'timekeeper', 'migrate', 'cli'])('is built again when %s was removed', (app) => {
    rmSync(join(clone.root, 'dist', 'apps', app), { recursive: true });
    expect(isBuilt(clone)).toBe(false);
  });

  it('is built again when its build was interrupted', () => {
    clone.unlink('dist/built-from');
    expect(isBuilt(clone)).toBe(false);
  });

  it('is built again by a start, which says so and why it cannot', async () => {
    clone.unlink('dist/apps/worker/main.js');
    clone.write('nest-cli.json', 'nothing that can be built');
    const running = clone.run('start.ts');
    expect(await running.ended).toBe(1);
    expect(running.output).toContain('The build failed');
    expect(isBuilt(clone)).toBe(false);
  });
});
