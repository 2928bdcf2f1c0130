import fc from 'fast-check';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { AppError, defineMachine, formatDuration, MAX_DURATION_SECONDS, parseDuration, Secret } from './index';

describe('duration', () => {
  it('reads a number and a unit as whole seconds', () => {
    expect(['45s', '30m', '2h', '7d'].map(parseDuration)).toEqual([45, 1_800, 7_200, 604_800]);
  });

  it.each(['', '0s', '-1h', '+1h', '1.5h', '1H', '1M', '1h30m', ' 1h', '1h\n', '367d', '1e3s', 'Infinity', '٣h', '1'])(
    'refuses %j',
    (text) => {
      expect(() => parseDuration(text)).toThrow(AppError);
    },
  );

  it('writes what it reads', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MAX_DURATION_SECONDS }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds);
      }),
    );
  });
});

describe('secret', () => {
  it('shows nothing of itself in strings, JSON, inspection or an enumeration of its keys', () => {
    const secret = new Secret('hunter2');
    const seen = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { showHidden: true, depth: 9 }),
      JSON.stringify(Object.entries(secret)),
      secret.toString(),
    ].join();
    expect(seen).not.toContain('hunter2');
    expect(secret.reveal()).toBe('hunter2');
  });
});

describe('machine', () => {
  const door = defineMachine('door', 'open', {
    open: { shut: 'closed' },
    closed: { open: 'open', lock: 'locked' },
    locked: {},
  });

  it('follows the table', () => {
    expect(door.next('open', 'shut')).toBe('closed');
    expect(door.from('lock')).toEqual(['closed']);
    expect([door.isFinal('locked'), door.isFinal('open')]).toEqual([true, false]);
  });

  it('refuses an event that the state does not take, inherited names included', () => {
    expect(() => door.next('open', 'lock')).toThrow('does not take this step');
    expect(() => door.next('open', 'toString' as 'lock')).toThrow('does not take this step');
  });

  it('fails at definition for a state that cannot be reached or does not exist', () => {
    expect(() => defineMachine('m', 'a', { a: {}, b: {} })).toThrow('unreachable: b');
    expect(() => defineMachine('m', 'a', { a: { go: 'nowhere' } })).toThrow('"nowhere" is not a state');
  });
});
