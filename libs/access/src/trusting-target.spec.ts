import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, type House } from '../../../test/support/house';

describe('a target that asks for no password', () => {
  let house: House;
  beforeEach(async () => {
    house = await aHouse();
  });
  afterEach(() => house.close());

  it('gets no grant: it fails with that reason, hands nothing over, and what was made is removed', async () => {
    house.target.system().takesAnyPassword = true;
    const olga = await house.person('olga');
    const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') };
    const request = await house.as(olga, (tx) => house.requests.open(tx, olga, order));
    await house.work();
    const { grants } = await house.views.requests.get(house.api.manager, olga, request);
    const look = () => house.views.grants.get(house.api.manager, olga, grants[0]!.id);
    expect(await look()).toMatchObject({
      state: 'ending',
      endReason: 'failed',
      failure: 'target.asks_for_no_password',
      credential: null,
    });
    await house.work();
    expect(await look()).toMatchObject({ state: 'ended', failure: 'target.asks_for_no_password' });
    expect(house.target.system().accounts.size).toBe(0);
  });
});
