import { expect, it } from 'vitest';
import { nearest } from './suggestion';

const COMMANDS = [
  'login',
  'logout',
  'whoami',
  'request',
  'requests',
  'approve',
  'deny',
  'grants',
  'done',
  'exec',
  'tail',
];

it.each([
  ['aprove', ['approve']],
  ['reqest', ['request']],
  ['requets', ['request', 'requests']],
  ['lgoin', ['login']],
  ['logon', ['login']],
  ['dony', ['deny', 'done']],
  ['exce', ['exec']],
  ['whoam', ['whoami']],
  ['bogus', []],
  ['x', []],
  ['', []],
  ['access', []],
  ['requirements', []],
])('takes %j for %j', (typed, meant) => {
  expect(nearest(typed, COMMANDS)).toEqual(meant);
});

it('takes a long word for nothing at once', () => {
  expect(nearest('a'.repeat(100_000), COMMANDS)).toEqual([]);
});
