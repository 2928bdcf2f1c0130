import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { People } from '../../../test/support/people';

/** Owners, who approve, are these. */
const withOwners = (owners: string) => ({
  ...HOUSE_POLICIES,
  groups: { ...HOUSE_POLICIES.groups, text: HOUSE_POLICIES.groups.text.replace(/owners: .*/, `owners: ${owners}`) },
});
const REFUSAL = { code: 'policy.nobody_can_decide' };
const REFUSED = {
  code: 'access.request_refused',
  advice: expect.stringContaining('signed in'),
  details: { why: REFUSAL.code },
};

describe('what nobody else could decide', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse();
    people = await People.of(house);
  });
  afterEach(() => house.close());

  const explained = async () => {
    const { manager } = house.api;
    const question = { entitlement: 'db/read', durationSeconds: 600 };
    return (await house.views.policies.explain(manager, people.ada, question)).verdict;
  };

  it('is refused until a sign-in has shown somebody in the group, and no more, also when that was long ago', async () => {
    await house.applyPolicies(withOwners('{ source: claim, connection: test, value: Owners }'));
    await people.claim(people.ada, ['Owners']);
    await people.claim(people.ben, ['owners', 'Visitors']);
    await expect(people.ask()).rejects.toMatchObject(REFUSED);
    expect(await explained()).toMatchObject({ allowed: false, refusal: REFUSAL });
    await people.claim(people.ben, ['Owners'], -86_400);
    expect(await explained()).toMatchObject({ allowed: true });
    expect(await people.request(await people.ask())).toMatchObject({ state: 'pending' });
  });

  it('is refused where the only approver is the requester’s other account', async () => {
    await house.applyPolicies(withOwners('[test/eve2, test/carl]'));
    const eve = await house.person('eve', { email: 'Eve@example.com' });
    const asks = (entitlement: string) => people.ask({ by: eve, entitlements: [entitlement] });
    await asks('db/write');
    await house.person('eve2', { email: 'eve@example.com' });
    await expect(asks('db/write')).rejects.toMatchObject(REFUSED);
    expect(await people.request(await asks('db/read'), eve)).toMatchObject({ state: 'pending' });
  });
});
