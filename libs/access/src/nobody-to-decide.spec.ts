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

  describe('by k different people, where two accounts are one person', () => {
    const asTwo = { entitlements: ['db/write'] };
    const one = async () => {
      await house.person('bob', { email: 'Bob@example.com' });
      await house.person('bob2', { email: 'bob@example.com' });
    };
    const checked = (by: string, owners: string) =>
      house.person(by).then((asker) => house.views.policies.check(house.api.manager, asker, withOwners(owners)));

    it('is refused when asked, until there is somebody else', async () => {
      await house.applyPolicies(withOwners('[test/bob, test/bob2]'));
      expect(await people.request(await people.ask(asTwo))).toMatchObject({ state: 'pending' });
      await one();
      await expect(people.ask(asTwo)).rejects.toMatchObject(REFUSED);
      expect(await people.request(await people.ask())).toMatchObject({ state: 'pending' });
      await house.applyPolicies(withOwners('[test/bob, test/bob2, test/bea]'));
      const id = await people.ask(asTwo);
      await people.decide(id, 'approve', await house.person('bob'));
      await expect(people.decide(id, 'approve', await house.person('bob2'))).rejects.toMatchObject({
        code: 'access.decided_before',
      });
      await people.decide(id, 'approve', await house.person('bea'));
      expect(await people.request(id)).toMatchObject({ state: 'approved' });
    });

    it('is refused where sign-ins have shown no others in the group of the provider', async () => {
      await house.applyPolicies(withOwners('{ source: claim, connection: test, value: Owners }'));
      await one();
      for (const each of ['bob', 'bob2']) await people.claim(await house.person(each), ['Owners']);
      await expect(people.ask(asTwo)).rejects.toMatchObject(REFUSED);
      await people.claim(people.ben, ['Owners']);
      expect(await people.request(await people.ask(asTwo))).toMatchObject({ state: 'pending' });
    });

    it('is refused when policies are loaded, and those in force go on, also where they say so themselves', async () => {
      await one();
      await expect(house.applyPolicies(withOwners('[test/bob, test/bob2]'))).rejects.toMatchObject({
        code: 'policy.invalid',
        problems: [{ message: expect.stringContaining('whose 2 accounts are 1 person'), line: 4 }],
      });
      expect(await checked('root', '[test/bob, test/bob2]')).toMatchObject({ ok: false });
      expect(await checked('root', '[test/bob, test/bea]')).toMatchObject({ ok: true });
      await house.applyPolicies(withOwners('[test/bea, test/bea2]'));
      for (const subject of ['bea', 'bea2']) await house.person(subject, { email: 'bea@example.com' });
      await house.applyPolicies(withOwners('[test/bea, test/bea2]'));
    });

    it('keeps no other rule from being changed where that came out while it was in force', async () => {
      await house.applyPolicies(withOwners('[test/bea, test/bea2]'));
      for (const subject of ['bea', 'bea2']) await house.person(subject, { email: 'bea@example.com' });
      const files = withOwners('[test/bea, test/bea2]');
      const [first] = files.policies;
      const closed = `${first!.text}\n@id("stolen")\nforbid (principal in Group::"engineers", action == Action::"request", resource);\n`;
      await house.applyPolicies({ ...files, policies: [{ ...first!, text: closed }] });
      await expect(people.ask()).rejects.toMatchObject({ kind: 'forbidden' });
    });

    it('is not refused because a third account has had the addresses of two others', async () => {
      await house.applyPolicies(withOwners('[test/bob, test/bea]'));
      const [bob, bea] = [
        await house.person('bob', { email: 'bob@example.com' }),
        await house.person('bea', { email: 'bea@example.com' }),
      ];
      const ann = await house.person('ann', { email: 'bob@example.com' });
      await house.owner.query(`UPDATE identities SET email = 'bea@example.com' WHERE id = $1`, [ann.identityId]);
      await house.applyPolicies(withOwners('[test/ann, test/bob, test/bea]'));
      const id = await people.ask(asTwo);
      for (const each of [bob, bea]) await people.decide(id, 'approve', each);
      await house.work();
      expect(await people.request(id)).toMatchObject({ state: 'approved' });
      expect((await house.owner.query(`SELECT state FROM grants`))[0]).toEqual({ state: 'active' });
    });

    it('is told of other people’s accounts to those alone who oversee', async () => {
      await one();
      expect(await checked('ada', '[test/bob, test/bob2]')).toMatchObject({ ok: true });
    });
  });
});
