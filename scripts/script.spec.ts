import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClone } from '../test/support/fake-clone';

describe('a command of package.json', () => {
  let clone: FakeClone;
  beforeEach(() => {
    clone = new FakeClone();
  });
  afterEach(() => clone.remove());

  it.each(['start.ts', 'reset.ts', 'demo.ts', 'build-only.ts', 'docs.ts'])(
    '%s says what there is to type, asked or mistaken, and does nothing',
    async (script) => {
      for (const [words, code, said] of [
        [['--help'], 0, /^npm (?:start|run [a-z]+) /],
        [['--bogus'], 2, /^✗ Unknown option '--bogus'\n +npm (?:start|run [a-z]+) /],
        [['bogus'], 2, /^✗ Unexpected argument 'bogus'\n +npm (?:start|run [a-z]+) /],
      ] as const) {
        const running = clone.run(script, { flags: [...words] });
        expect(await running.ended).toBe(code);
        expect(running.output.trimStart()).toMatch(said);
        expect(running.output).not.toContain('should not have happened');
      }
      expect([clone.has('.curfew'), clone.trace]).toEqual([false, []]);
    },
  );
});
