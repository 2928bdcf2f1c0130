import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bareGrants, pastTriggers } from '../../../test/support/bare-grant';
import { aHouse, type House } from '../../../test/support/house';
import { VitalSigns } from './vital-signs';

describe('how the grants are', () => {
  let house: House;
  let signs: VitalSigns;
  beforeAll(async () => {
    house = await aHouse();
    signs = new VitalSigns(house.worker);
  });
  afterAll(() => house.close());

  const minutesSince = (since: Date | undefined): number =>
    Math.round((house.clock.milliseconds() - (since?.getTime() ?? Number.NaN)) / 60_000);

  it('is nothing, where there are none', async () => {
    const none = { scheduled: 0, activating: 0, active: 0, ending: 0, stuck: 0 };
    expect(await signs.read()).toEqual({ grants: none, stuckSince: undefined });
    expect(await signs.leftovers()).toEqual({ count: 0, since: undefined });
    expect(await signs.strays()).toEqual({ count: 0, targets: 0, since: undefined });
  });

  it('is how many there are in each state, since when the first is stuck, and what has been left', async () => {
    for (const written of [
      bareGrants('active', 3),
      bareGrants('stuck', 2),
      bareGrants('ended', 7),
      bareGrants('ended', 4, [{ what: 'view v', why: 'no plain data' }]),
    ])
      await house.owner.query(pastTriggers(written));
    const { grants, stuckSince } = await signs.read();
    expect(grants).toEqual({ scheduled: 0, activating: 0, active: 3, ending: 0, stuck: 2 });
    expect(minutesSince(stuckSince)).toBe(2);
    const { count, since } = await signs.leftovers();
    expect([count, minutesSince(since)]).toEqual([4, 4]);
  });

  it('is how many strays there are, and at how many targets', async () => {
    await house.owner.query(
      pastTriggers(`INSERT INTO strays (target_id, grant_id, state, cleared_at)
        SELECT target, gen_random_uuid(), state, CASE state WHEN 'cleared' THEN clock_timestamp() END
        FROM (VALUES (gen_random_uuid()), (gen_random_uuid())) t (target), (VALUES ('found'), ('found'), ('cleared')) s (state)`),
    );
    const { count, targets, since } = await signs.strays();
    expect([count, targets, minutesSince(since)]).toEqual([4, 2, 0]);
  });
});
