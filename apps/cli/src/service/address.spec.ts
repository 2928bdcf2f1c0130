import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readEnvironment } from '../environment';
import { UsageError } from '../failure';
import { LastService } from '../state/profile';
import { findService } from './address';

const folder = mkdtempSync(join(tmpdir(), 'curfew-address-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ELSEWHERE = 'http://curfew.example.com:7421';
const find = (variables: NodeJS.ProcessEnv, option?: string) =>
  findService(option, readEnvironment(variables), new LastService(folder, 'default')).url;

describe('plain HTTP to another machine', () => {
  it.each<[string, () => string]>([
    ['the option', () => find({ CURFEW_INSECURE_HTTP: '1' }, ELSEWHERE)],
    ['the variable', () => find({ CURFEW_INSECURE_HTTP: '1', CURFEW_URL: ELSEWHERE })],
  ])('is taken from %s by whoever wants it', (_from, address) => {
    expect(address()).toBe(ELSEWHERE);
  });

  it.each([undefined, '', '0', 'true', 'yes'])('is refused with CURFEW_INSECURE_HTTP=%j', (wanted) => {
    const variables = { CURFEW_INSECURE_HTTP: wanted };
    for (const address of [() => find(variables, ELSEWHERE), () => find({ ...variables, CURFEW_URL: ELSEWHERE })]) {
      expect(address).toThrow(UsageError);
      expect(address).toThrow(/shows your tokens/);
    }
  });

  it.each(['http://localhost.example.com', 'http://127.0.0.1.example.com', 'http://0.0.0.0', 'http://[::2]'])(
    'is what %s is',
    (address) => {
      expect(() => find({}, address)).toThrow(/shows your tokens/);
    },
  );

  it.each([
    'http://localhost:7421',
    'http://127.0.0.1:7421',
    'http://127.9.9.9',
    'http://[::1]:7421',
    'https://x.example.com',
  ])('is not what %s is', (address) => {
    expect(find({}, address)).toBe(address);
  });
});

it.each(['ftp://curfew.example.com', 'curfew.example.com', 'http://ada@127.0.0.1', 'https://x.example.com/?a=1'])(
  'refuses %s, also from whoever wants plain HTTP',
  (address) => {
    expect(() => find({ CURFEW_INSECURE_HTTP: '1' }, address)).toThrow(UsageError);
  },
);
