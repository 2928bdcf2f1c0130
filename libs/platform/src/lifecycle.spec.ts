import { describe, expect, it, onTestFinished } from 'vitest';
import { AppError } from '@app/kernel';
import { InvalidEnvironment } from './environment';
import { EXIT_MISCONFIGURED, starting, startFailureWords } from './lifecycle';

describe('what a failed start says', () => {
  it('names each problem by file and line, and what to do', () => {
    const error = new AppError({
      kind: 'invalid',
      code: 'policy.invalid',
      message: 'the policy files are not valid',
      advice: 'Mend each line listed.',
      details: {
        problems: [
          { file: 'policies/orders.cedar', line: 7, message: 'no such annotation: @aproval' },
          { file: 'policies/groups.yaml', line: 1, message: 'this file is missing' },
        ],
      },
    });
    expect(startFailureWords(error).split('\n')).toEqual([
      'the policy files are not valid',
      '  policies/orders.cedar:7: no such annotation: @aproval',
      '  policies/groups.yaml:1: this file is missing',
      'Mend each line listed.',
    ]);
  });

  it('names the place that cannot be read, and no foreign words', () => {
    const facts = { kind: 'unavailable', code: 'x.y', message: 'it cannot be read', details: { path: '/x' } } as const;
    expect(startFailureWords(new AppError({ ...facts, cause: new Error('secret') }))).toBe(
      'it cannot be read\n  path: /x',
    );
  });

  it('says nothing twice', () => {
    const words = startFailureWords(new InvalidEnvironment(['PORT: not a number', 'HOST: empty']));
    expect(words.match(/PORT/g)).toHaveLength(1);
  });

  it.each([
    [new Error('listen EADDRINUSE'), 'listen EADDRINUSE'],
    [new TypeError(''), 'TypeError'],
    ['x', 'failed'],
  ])('has words for %s', (error, words) => {
    expect(startFailureWords(error)).toBe(words);
  });
});

describe('the exit code of a failed start', () => {
  /** What a process would say and end with. */
  async function failing(error: unknown): Promise<{ code: number | undefined; said: string }> {
    const exit = process.exit.bind(process);
    const write = process.stderr.write.bind(process.stderr);
    onTestFinished(() => {
      process.exit = exit;
      process.stderr.write = write;
    });
    const outcome = { code: undefined as number | undefined, said: '' };
    process.exit = ((code: number) => void (outcome.code = code)) as unknown as typeof process.exit;
    process.stderr.write = (text: string) => Boolean((outcome.said += text));
    await starting('worker', async () => {
      throw error;
    });
    process.exit = exit;
    process.stderr.write = write;
    return outcome;
  }

  it('is another one where no restart would help', async () => {
    const { code, said } = await failing(new InvalidEnvironment(['PORT: not a number']));
    expect(code).toBe(EXIT_MISCONFIGURED);
    expect(said).toContain('curfew-worker does not start: the environment is not right');
  });

  it.each([
    new Error('listen EADDRINUSE'),
    new AppError({ kind: 'unavailable', code: 'x.y', message: 'the database is away' }),
  ])('asks for another attempt where one may go better: %s', async (error) => {
    expect((await failing(error)).code).toBe(1);
  });
});
