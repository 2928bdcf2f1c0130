import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import type { Asker } from './facts';

const [housePolicy] = HOUSE_POLICIES.policies;
const withRead = (approval: string) => ({
  ...HOUSE_POLICIES,
  policies: [{ ...housePolicy!, text: housePolicy!.text.replace('@approval("1 of', `@approval("${approval} of`) }],
});

describe('the approvals that a grant begins with', () => {
  let house: House;
  let ada: Asker;
  beforeEach(async () => {
    house = await aHouse();
    ada = await house.person('ada');
  });
  afterEach(() => house.close());

  const look = (id: string) => house.views.requests.get(house.api.manager, ada, id);
  const approved = async (...by: string[]) => {
    const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') };
    const id = await house.as(ada, (tx) => house.requests.open(tx, ada, order));
    const { scopeHash } = await look(id);
    for (const subject of by) {
      const person = await house.person(subject);
      const verdict = { verdict: 'approve', scopeHash } as const;
      await house.as(person, (tx) => house.decisions.decide(tx, person, id, verdict));
    }
    const { state, grants } = await look(id);
    expect(state).toBe('approved');
    return async () => house.views.grants.get(house.api.manager, ada, grants[0]!.id);
  };

  it('are counted again: what one approved does not begin when the rule asks for two by now', async () => {
    const grant = await approved('ben');
    await house.applyPolicies(withRead('2'));
    await house.work();
    expect(await grant()).toMatchObject({ endReason: 'policy', failure: 'access.no_longer_allowed' });
    expect(house.target.system().calls.issue).toBe(0);
  });

  it('are enough when as many were given as the rule asks for by now', async () => {
    await house.applyPolicies(withRead('2'));
    const grant = await approved('ben', 'bob');
    await house.applyPolicies(withRead('1'));
    await house.work();
    expect(await grant()).toMatchObject({ state: 'active' });
  });
});
