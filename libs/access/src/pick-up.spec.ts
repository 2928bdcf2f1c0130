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

  it('is told with how often somebody came second', async () => {
    const id = await pickedUp();
    const counted = async (): Promise<unknown> =>
      (await house.views.grants.get(house.api.manager, olga, id)).credential?.refusedPickUps;
    expect(await counted()).toBe(0);
    for (const times of [1, 2]) {
      await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
      expect(await counted()).toBe(times);
    }
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

  it('is in the record with who came second, and with who asked for another one, and from where', async () => {
    const id = await pickedUp();
    await house.as(olga, (tx) => house.credentials.pickUp(tx, olga, id));
    await house.as(olga, (tx) => house.credentials.replace(tx, olga, id));
    const events = await house.owner.query<{ told: object }[]>(
      `SELECT convert_from(canonical, 'UTF8')::jsonb AS told FROM audit_events
       WHERE subject_id = (SELECT id FROM credentials WHERE grant_id = $1) ORDER BY sequence OFFSET 2`,
      [id],
    );
    const from = { address: expect.stringMatching(/^[0-9a-f]{64}$/), channel: 'test' };
    const common = { ...from, actor: olga.identityId, from: 'picked_up', to: 'picked_up', grant: id };
    expect(events.map(({ told }) => told)).toMatchObject([
      { ...common, refusedPickUps: '1', replacementsAsked: '0' },
      { ...common, refusedPickUps: '1', replacementsAsked: '1' },
    ]);
  });

  it('is no event when there is nothing to ask for', async () => {
    const id = await pickedUp();
    const ask = () => house.as(olga, (tx) => house.credentials.replace(tx, olga, id));
    await ask();
    await expect(ask()).rejects.toMatchObject({ code: 'access.replacement_under_way' });
    const rows = await house.owner.query('SELECT replacements_asked AS asked FROM credentials');
    expect(rows).toEqual([{ asked: 1 }]);
  });
});
