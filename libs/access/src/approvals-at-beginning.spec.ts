import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { People } from '../../../test/support/people';

const [housePolicy] = HOUSE_POLICIES.policies;
const withRead = (approval: string) => ({
  ...HOUSE_POLICIES,
  policies: [{ ...housePolicy!, text: housePolicy!.text.replace('@approval("1 of', `@approval("${approval} of`) }],
});

describe('the approvals that a grant begins with', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse();
    people = await People.of(house);
  });
  afterEach(() => house.close());

  it('are counted again: what one approved does not begin when the rule asks for two by now', async () => {
    const id = await people.granted();
    await house.applyPolicies(withRead('2'));
    await house.work();
    expect(await people.grant(id)).toMatchObject({ endReason: 'policy', failure: 'access.no_longer_allowed' });
    expect(house.target.system().calls.issue).toBe(0);
  });

  it('are enough when as many were given as the rule asks for by now', async () => {
    await house.applyPolicies(withRead('2'));
    const id = await people.granted();
    expect((await house.owner.query('SELECT FROM decisions')).length).toBe(2);
    await house.applyPolicies(withRead('1'));
    await house.work();
    expect(await people.grant(id)).toMatchObject({ state: 'active' });
  });

  it('are those of different people still: two accounts that turn out to be one person’s are one', async () => {
    await house.applyPolicies(withRead('2'));
    const id = await people.granted();
    const by = await house.owner.query<{ identity_id: string }[]>('SELECT identity_id FROM decisions');
    for (const { identity_id: one } of by)
      await house.owner.query(`UPDATE identities SET email = 'one@example.com' WHERE id = $1`, [one]);
    await house.work();
    expect(await people.grant(id)).toMatchObject({ endReason: 'policy', failure: 'access.no_longer_allowed' });
  });

  it('are never the requester’s: one that turns out to be theirs does not count', async () => {
    const id = await people.granted();
    await house.owner.query(`UPDATE identities SET email = 'one@example.com'`);
    await house.work();
    expect(await people.grant(id)).toMatchObject({ endReason: 'policy', failure: 'access.no_longer_allowed' });
  });
});
