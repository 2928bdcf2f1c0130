import { describe, expect, it } from 'vitest';
import { ProviderRegistry } from '@app/providers';
import { FakeTarget } from '../../../test/support/fake-target';
import { parseTargetFile } from './target-file';

const providers = new ProviderRegistry([new FakeTarget(() => new Date())]);
const parse = (name: string, entitlement: string) =>
  parseTargetFile(providers, {
    name,
    kind: 'fake',
    owner: 'owners',
    connection: {},
    // As JSON has it: a member of its own, whatever it is called.
    entitlements: JSON.parse(
      `{${JSON.stringify(entitlement)}: {"right": "read"}, "read": {"right": "read"}}`,
    ) as object,
  });
const GRAMMAR = expect.stringContaining('lower-case letters, digits, and . _ - in between; 63 at most');

describe('the names in the file of a target', () => {
  it.each(['a', '0', 'orders-db', 'a.b_c-d', 'constructors', 'a'.repeat(63)])('may be %s', (name) => {
    const parsed = parse(name, name);
    expect([parsed.name, Object.keys(parsed.entitlements).toSorted()]).toEqual([name, [name, 'read'].toSorted()]);
  });

  it.each(['', '-a', 'a-', 'a.', 'A', 'a b', 'ä', 'a/b', 'a'.repeat(64), 'constructor', '__proto__', 'toString'])(
    'may not be %j, of neither a target nor an entitlement',
    (name) => {
      const refusal = (path: string) => ({
        code: 'access.invalid_target_file',
        details: { problems: [{ path, problem: GRAMMAR }] },
      });
      expect(() => parse(name, 'read')).toThrow(expect.objectContaining(refusal('name')));
      expect(() => parse('db', name)).toThrow(expect.objectContaining(refusal(`entitlements.${name}`)));
    },
  );

  it.each([[null], [undefined], [5], ['read'], [[]], [{}]])(
    'are none where the entitlements are %j',
    (entitlements) => {
      const file = { name: 'db', kind: 'fake', owner: 'owners', connection: {}, entitlements };
      const problems = [{ path: 'entitlements', problem: expect.any(String) }];
      expect(() => parseTargetFile(providers, file)).toThrow(expect.objectContaining({ details: { problems } }));
    },
  );
});
