import { describe, expect, it } from 'vitest';
import { AppError } from '@app/kernel';
import { InvalidEnvironment } from './environment';
import { startFailureWords } from './lifecycle';

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
