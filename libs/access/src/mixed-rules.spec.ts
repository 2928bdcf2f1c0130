import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import type { Asker } from './facts';

const policies = (text: string) => ({
  policies: [{ file: 'house.cedar', text }],
  groups: { file: 'groups.yaml', text: `${HOUSE_POLICIES.groups.text}  readers-only: [test/ben]\n` },
});

describe('a request for two entitlements under different rules', () => {
  let house: House;
  beforeEach(async () => {
    house = await aHouse();
  });
  afterEach(async () => {
    await assertUnbroken(house.owner, { target: house.target.system() });
    await house.close();
  });

  const ask = (asker: Asker) =>
    house.as(asker, (tx) =>
      house.requests.open(tx, asker, {
        entitlements: ['db/read', 'db/write'],
        durationSeconds: 60,
        reason: new Secret('why'),
      }),
    );
  const approve = async (asker: Asker, by: Asker, id: string) => {
    const { scopeHash } = await house.views.requests.get(house.api.manager, asker, id);
    await house.as(by, (tx) => house.decisions.decide(tx, by, id, { verdict: 'approve', scopeHash }));
    return house.views.requests.get(house.api.manager, asker, id);
  };

  it('begins whole when one of them needs nobody and the other was approved', async () => {
    await house.applyPolicies(
      policies(`
        @id("free") @approval("none") @maxDuration("1h")
        permit (principal in Group::"on-call", action == Action::"request", resource == Entitlement::"db/read");
        @id("asked") @approval("1 of Group::\\"owners\\"") @maxDuration("1h")
        permit (principal in Group::"on-call", action == Action::"request", resource == Entitlement::"db/write");`),
    );
    const [olga, ben] = [await house.person('olga'), await house.person('ben')];
    const id = await ask(olga);
    expect((await approve(olga, ben, id)).state).toBe('approved');
    await house.work();
    const { grants } = await house.views.requests.get(house.api.manager, olga, id);
    expect(Object.fromEntries(grants.map(({ entitlement, state }) => [entitlement, state]))).toEqual({
      'db/read': 'active',
      'db/write': 'active',
    });
  });

  it('takes a verdict for nothing that a rule keeps from the approver, though the same rule lets them decide about another', async () => {
    await house.applyPolicies(
      policies(`
        @id("asked") @approval("2 of Group::\\"owners\\"") @maxDuration("1h")
        permit (principal in Group::"engineers", action == Action::"request", resource in Target::"db");
        @id("not-writing")
        forbid (principal in Group::"readers-only", action == Action::"approve", resource == Entitlement::"db/write");`),
    );
    const [ada, ben, bob] = [await house.person('ada'), await house.person('ben'), await house.person('bob')];
    const id = await ask(ada);
    expect((await approve(ada, ben, id)).state).toBe('pending');
    expect((await approve(ada, bob, id)).state).toBe('pending');
    expect((await approve(ada, await house.person('bea'), id)).state).toBe('approved');
    await house.work();
    const { grants } = await house.views.requests.get(house.api.manager, ada, id);
    expect(grants.map(({ state }) => state)).toEqual(['active', 'active']);
  });

  it('is decided as a whole: one of them that is not allowed any more keeps the other', async () => {
    const rules = `
      @id("asked") @approval("1 of Group::\\"owners\\"") @maxDuration("1h")
      permit (principal in Group::"on-call", action == Action::"request", resource in Target::"db");`;
    await house.applyPolicies(policies(rules));
    const [olga, ben] = [await house.person('olga'), await house.person('ben')];
    const id = await ask(olga);
    const freeze = `@id("freeze") forbid (principal, action == Action::"request", resource == Entitlement::"db/write");`;
    await house.applyPolicies(policies(`${rules}\n${freeze}`));
    await expect(approve(olga, ben, id)).rejects.toMatchObject({
      code: 'access.no_longer_allowed',
      details: { entitlements: ['db/write'] },
    });
    expect((await house.views.requests.get(house.api.manager, olga, id)).grants).toEqual([]);
  });
});
