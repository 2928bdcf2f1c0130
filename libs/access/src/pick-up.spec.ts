import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { everyRow } from '../../../test/support/everything';
import { aHouse, type House } from '../../../test/support/house';
import type { Asker } from './facts';

describe('where a credential was picked up', () => {
  const address = '192.0.2.77';
  let house: House;
  let olga: Asker;
  beforeEach(async () => {
    house = await aHouse();
    olga = { ...(await house.person('olga')), address };
  });
  afterEach(() => house.close());

  const pickedUp = async (): Promise<string> => {
    const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') };
    const request = await house.as(olga, (tx) => house.requests.open(tx, olga, order));
    await house.work();
    const { grants } = await house.views.requests.get(house.api.manager, olga, request);
    const { id } = grants[0]!;
    await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
    return id;
  };
  const seen = async (id: string): Promise<unknown> =>
    (await house.views.grants.get(house.api.manager, olga, id)).credential?.pickedUpFrom;

  it('is in no row, and is told to those who see the grant and to whoever comes second', async () => {
    const id = await pickedUp();
    const dump = await everyRow(house.urls.owner);
    expect([dump.includes(id), dump.includes(address)]).toEqual([true, false]);
    expect(await seen(id)).toBe(address);
    const { items } = await house.views.grants.list(house.api.manager, olga, { limit: 5 });
    expect(items.map(({ credential }) => credential?.pickedUpFrom)).toEqual([address]);
    const again = await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
    expect(again).toMatchObject({ refused: { details: { pickedUpFrom: address } } });
  });

  it('is told to nobody any more when it was erased; when it was stays', async () => {
    const id = await pickedUp();
    await house.owner.query('DELETE FROM audit_values');
    expect(await seen(id)).toBeNull();
    const again = await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
    expect(again).toMatchObject({
      refused: { details: { pickedUpFrom: null, pickedUpAt: expect.stringMatching(/Z$/) } },
    });
  });
});
