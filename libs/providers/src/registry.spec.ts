import { describe, expect, it } from 'vitest';
import { FakeTarget } from '../../../test/support/fake-target';
import { grantOfObject, objectName, PostgresProvider, ProviderRegistry, TargetNetworks } from './index';

const grantId = '0f9c2c3e-5f0e-4b57-9d52-0a1b2c3d4e5f';

describe('the registry of providers', () => {
  it('knows the built-in kinds', () => {
    const registry = ProviderRegistry.builtIn(new TargetNetworks());
    expect(registry.kinds).toEqual(['postgres']);
    expect(registry.get('postgres')).toBeInstanceOf(PostgresProvider);
  });

  it.each(['oracle', '', 'Postgres', 'constructor'])('names the known kinds to who writes %j', (kind) => {
    expect(() => ProviderRegistry.builtIn(new TargetNetworks()).get(kind)).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'provider.unknown_kind', advice: 'Write one of: postgres.' }),
    );
  });

  it('takes others, and no two of a kind', () => {
    const fake = new FakeTarget(() => new Date(0));
    expect(new ProviderRegistry([fake]).get('fake')).toBe(fake);
    expect(() => new ProviderRegistry([fake, fake])).toThrow('two providers claim the same kind');
  });
});

describe('the name of what a grant makes', () => {
  it('says whose grant it is, fits into 63 bytes and is read back', () => {
    const name = objectName({ installation: '5eedc0de', grantId });
    expect([name, name.length]).toEqual([`curfew-5eedc0de-${grantId}`, 52]);
    expect(grantOfObject(name)).toEqual({ installation: '5eedc0de', grantId });
    expect(grantOfObject(`${name}-end`)).toBeUndefined();
  });

  it.each([
    { installation: '5EEDC0DE', grantId },
    { installation: '5eedc0d', grantId },
    { installation: '5eedc0de', grantId: grantId.toUpperCase() },
    { installation: '5eedc0de', grantId: `${grantId}\n` },
    { installation: '5eedc0de', grantId: `${grantId}"; DROP ROLE postgres; --` },
  ])('is not made of %j, which nobody would find again', (grant) => {
    expect(() => objectName(grant)).toThrow(expect.objectContaining({ code: 'provider.malformed_grant' }));
  });
});
