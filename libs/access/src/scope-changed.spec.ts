import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, type House } from '../../../test/support/house';
import type { Asker } from './facts';

describe('a target that was changed between asking and deciding', () => {
  let house: House;
  let ada: Asker;
  let ben: Asker;
  beforeEach(async () => {
    house = await aHouse();
    [ada, ben] = await Promise.all([house.person('ada'), house.person('ben')]);
  });
  afterEach(() => house.close());

  const ask = () =>
    house.as(ada, (tx) =>
      house.requests.open(tx, ada, { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') }),
    );
  const view = (id: string) => house.views.requests.get(house.api.manager, ada, id);
  /** With the hash that the approver was shown: what the request named when it was made. */
  const decide = async (id: string, verdict: 'approve' | 'deny') => {
    const { scopeHash } = await view(id);
    return house.as(ben, (tx) => house.decisions.decide(tx, ben, id, { verdict, scopeHash }));
  };
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
  ])('is not approved any more when the change is %s', async (_, more) => {
    const id = await ask();
    await change(more);
    await expect(decide(id, 'approve')).rejects.toMatchObject({ kind: 'conflict', code: 'access.scope_changed' });
    expect(await view(id)).toMatchObject({ state: 'pending', decisions: [], grants: [] });
  });

  it('can be denied all the same, and approved once it is asked anew', async () => {
    const id = await ask();
    await change({ right: 'write' });
    await decide(id, 'deny');
    expect((await view(id)).state).toBe('denied');
    const anew = await ask();
    await decide(anew, 'approve');
    await house.work();
    const [account] = [...house.target.system().accounts.values()];
    expect(account?.right).toBe('write');
  });
});
