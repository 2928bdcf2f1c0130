import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import { People } from '../../../test/support/people';

describe('a target that was changed', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse();
    people = await People.of(house);
  });
  afterEach(async () => {
    await assertUnbroken(house.owner, { target: house.target.system() });
    await house.close();
  });

  const change = async (more: { owner?: string; system?: string; right?: string }) => {
    const root = await house.person('root');
    const { owner = 'owners', system = 'main', right = 'read' } = more;
    const entitlements = { read: { right }, write: { right: 'write' } };
    const file = { name: 'db', kind: 'fake', owner, connection: { system }, entitlements };
    const password = new Secret(house.target.system(system).adminPassword);
    await house.as(root, (tx) => house.targets.replace(tx, root, { name: 'db', file, password, moved: true }));
  };

  it.each([
    ['what the right is', { right: 'write' }],
    ['where it is', { system: 'other' }],
    ['whose it is', { owner: 'administrators' }],
  ])('between asking and deciding, in %s, is not approved any more', async (_, more) => {
    const id = await people.ask();
    await change(more);
    const attempt = people.decide(id);
    await expect(attempt).rejects.toMatchObject({ kind: 'conflict', code: 'access.scope_changed' });
    expect(await people.request(id)).toMatchObject({ state: 'pending', decisions: [], grants: [] });
  });

  it('can be denied all the same, and approved once it is asked anew', async () => {
    const id = await people.ask();
    await change({ right: 'write' });
    await people.decide(id, 'deny');
    expect((await people.request(id)).state).toBe('denied');
    await people.granted();
    await house.work();
    const [account] = [...house.target.system().accounts.values()];
    expect(account?.right).toBe('write');
  });

  it('since a grant began gives no replacement: it would be something that nobody approved', async () => {
    const id = await people.granted();
    await house.work();
    await people.pickUp(id);
    const replace = () => house.as(people.ada, (tx) => house.credentials.replace(tx, people.ada, id));
    // Asked for before the change, and carried out after it.
    await replace();
    await change({ right: 'write' });
    await house.work();
    await expect(replace()).rejects.toMatchObject({ code: 'access.replacement_target_changed' });
    expect(house.target.system().calls.issue).toBe(1);
    expect(await people.grant(id)).toMatchObject({
      state: 'active',
      credential: { version: 1, state: 'picked_up' },
    });
  });
});
