import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aHouse, type House } from '../../../test/support/house';
import { People } from '../../../test/support/people';

describe('whoever decides', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse();
    people = await People.of(house);
  });
  afterEach(() => house.close());

  /** Their sign-ins have shown one and the same e-mail address since. */
  const isOnePerson = async (...subjects: string[]) => {
    for (const subject of subjects) await house.person(subject);
    await house.owner.query(`UPDATE identities SET email = 'one@example.com' WHERE subject = ANY ($1)`, [subjects]);
  };

  it('counts once in all of their accounts, where the rule says two', async () => {
    const id = await people.ask({ entitlements: ['db/write'] });
    await isOnePerson('ben', 'bob');
    await people.decide(id);
    await expect(people.decide(id, 'approve', await house.person('bob'))).rejects.toMatchObject({
      code: 'access.decided_before',
    });
    expect(await people.request(id)).toMatchObject({ state: 'pending' });
  });

  it('is not who owns the workload that asks, in any of their accounts', async () => {
    const id = await people.ask();
    await house.owner.query(`UPDATE identities SET kind = 'workload', owner_group = 'billing' WHERE id = $1`, [
      people.ada.identityId,
    ]);
    await house.owner.query(
      `INSERT INTO group_members (group_name, source, connection, subject) VALUES ('billing', 'file', 'test', 'carl')`,
    );
    await isOnePerson('carl', 'ben');
    await expect(people.decide(id)).rejects.toMatchObject({ code: 'access.self_approval' });
    expect(await people.request(id, people.ben)).toMatchObject({ state: 'pending' });
    await people.decide(id, 'approve', await house.person('bob'));
    expect(await people.request(id, people.ben)).toMatchObject({ state: 'approved' });
  });
});
