import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aGrant, inSeconds } from '../../../../test/support/cli/builders';
import type { Evidence, GrantLife, Retry } from '../service/shapes';
import { failureWords } from './failure-words';
import { grantLifeWords } from './life';

const told = (changes: Partial<GrantLife>): string =>
  grantLifeWords(
    { ...aGrant(), retry: null, lastAttempt: null, asOf: inSeconds(0), ...changes },
    (_, text) => text,
    Date.parse(inSeconds(0)),
  ).join('\n');
const retry = (changes: Partial<Retry> = {}): Retry => ({
  kind: 'end',
  attempts: 4,
  failure: 'target.no_connection',
  nextAt: inSeconds(30),
  ...changes,
});

describe('the life of a grant', () => {
  it('says why its end is tried again, how often it was, and when it will be', () => {
    const text = told({ state: 'ending', endReason: 'expired', endingAt: inSeconds(-5), retry: retry() });
    expect(text).toMatch(/ending {2}it was tried 4 times: the target does not answer \(target\.no_connection\)/);
    expect(text).toMatch(/trying again at [\d-]+ [\d:.]+ \(in (29|30)s\)/);
  });

  it('counts what failed, not what goes on', () => {
    const text = told({ state: 'activating', retry: retry({ kind: 'begin', attempts: 2, nextAt: null }) });
    expect(text).toMatch(/beginning {2}it was tried once: .*\n.*trying again now/);
  });

  it('says of an end that is not proven when it was tried last, what was done, and which check does not show it', () => {
    const lastAttempt = {
      at: inSeconds(-2),
      steps: ['closed the login', 'ended 2 sessions'],
      checks: [
        { check: 'nobody is in', verdict: 'ended', answer: '0 sessions' },
        { check: 'nobody can use what the role still owns', verdict: 'alive', answer: 'was given 1 right by hand' },
        { check: 'no start is under way', verdict: 'unknown', answer: 'it does not say' },
      ],
    } as const;
    const text = told({ state: 'stuck', endingAt: inSeconds(-9), stuckAt: inSeconds(-4), lastAttempt });
    expect(text).toMatch(
      /not proven last tried [\d-]+ [\d:.]+\n {4}closed the login\n {4}ended 2 sessions\n {4}✗ nobody can use .*\n {6}was given 1 right by hand\n {4}\? no start .*\n {6}it does not say$/,
    );
    expect(text).not.toContain('nobody is in');
    const away = told({
      state: 'ending',
      endingAt: inSeconds(-9),
      lastAttempt: { ...lastAttempt, steps: [], checks: [] },
    });
    expect(away).toMatch(/\n {4}nothing was done\n {4}\? it could not be looked at$/);
    expect(told({ state: 'ending', endingAt: inSeconds(-9) })).not.toContain('last tried');
  });

  it('says what holds at the target until the end is proven, and what does not', () => {
    expect(told({ state: 'ending', endReason: 'expired', endingAt: inSeconds(-5) })).toMatch(
      /the target itself lets nobody in after [\d-]+ [\d:.]+, but what is open goes on until Curfew cuts it\./,
    );
  });

  it('says how often another pick-up was refused', () => {
    const credential = { version: 1, state: 'picked_up', pickedUpAt: inSeconds(-5), pickedUpFrom: '10.0.0.1' };
    expect(told({ credential: { ...credential, refusedPickUps: 0 } })).not.toContain('refused');
    expect(told({ credential: { ...credential, refusedPickUps: 1 } })).toMatch(/another pick-up was refused\n/);
    expect(told({ credential: { ...credential, refusedPickUps: 2 } })).toContain(
      'another pick-up was refused, 2 times',
    );
  });

  it('says what a grant did not begin for, and what it got stuck for', () => {
    const failed = told({
      state: 'ended',
      endReason: 'failed',
      activatedAt: null,
      failure: 'target.group_role_missing',
    });
    expect(failed).toContain('did not begin  because the group role is missing at the target');
    const ended = told({
      state: 'ended',
      endReason: 'policy',
      activatedAt: inSeconds(-60),
      failure: 'access.no_longer_allowed',
    });
    expect(ended).toMatch(/was ended {2}because .*\(access\.no_longer_allowed\)/);
    expect(ended).not.toContain('did not begin');
    const stuck = told({ state: 'ended', stuckAt: inSeconds(-9), failure: 'target.right_missing' });
    expect(stuck).toMatch(/got stuck {2}because Curfew's own account lacks a right .*\(target\.right_missing\)/);
  });

  it('shows what was made in words, and its times in the zone of whoever reads', () => {
    const body = { groupRole: 'orders_read', validUntil: '2026-11-21T14:01:17.583Z', made: 'new role' };
    const text = told({ evidence: [{ kind: 'issue', at: inSeconds(-3), body } satisfies Evidence] as never });
    expect(text).toMatch(/group role {3}orders_read\n/);
    expect(text).toMatch(/valid until {2}2026-11-2\d \d\d:01:17\.583\n/);
  });

  it('has words for every code that a target or an end can fail with, and shows others as they are', () => {
    const root = resolve(import.meta.dirname, '../../../..');
    const sources = ['libs/providers/src', 'libs/access/src'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
        .map((file) => readFileSync(join(root, folder, file), 'utf8')),
    );
    const codes = sources.flatMap((text) =>
      [
        ...text.matchAll(/new Target(?:Unavailable|Forbidden|Invalid)\(\s*'([a-z_]+)'|\.until\([^\n]*'([a-z_]+)'\)/g),
      ].map(([, made, waited]) => `target.${made ?? waited}`),
    );
    expect(codes.length).toBeGreaterThan(10);
    expect([...new Set(codes)].filter((code) => failureWords(code) === code)).toEqual([]);
    expect(failureWords('postgres.unavailable')).toBe('postgres.unavailable');
  });
});
