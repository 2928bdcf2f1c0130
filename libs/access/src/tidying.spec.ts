import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { waitFor } from '../../../scripts/waiting';
import { aHouse, type House } from '../../../test/support/house';

describe('tidying', () => {
  let house: House;
  beforeEach(async () => {
    house = await aHouse();
  });
  afterEach(() => house.close());

  it('is tried again after pauses that double, up to the longest pause and no further', async () => {
    const olga = await house.person('olga');
    const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') };
    const request = await house.as(olga, (tx) => house.requests.open(tx, olga, order));
    await house.work();
    const { grants } = await house.views.requests.get(house.api.manager, olga, request);
    house.target.system().obstacles.push({ what: 'table t', why: 'locked' });
    await house.as(olga, (tx) => house.grants.release(tx, olga, grants[0]!.id));
    await house.work();
    const pauses: number[] = [];
    while (pauses.length < 5) {
      await waitFor(async () => (await house.operations.due(1)).length > 0 || undefined, 5_000, 10);
      // The time that an operation was given back is not kept: the database's time just before is nearly that.
      const [before] = await house.owner.query<{ at: Date }[]>('SELECT clock_timestamp() AS at');
      await house.work();
      const [open] = await house.owner.query<{ at: Date }[]>(
        'SELECT run_after AS at FROM operations WHERE finished_at IS NULL',
      );
      pauses.push((open!.at.getTime() - before!.at.getTime()) / 1_000);
    }
    // A quarter of a second, a half, and then the longest pause of this house for tidying, two seconds; and what the work itself took.
    for (const [index, atLeast] of [0.25, 0.5, 1, 2, 2].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(atLeast);
      expect(pauses[index]).toBeLessThan(atLeast + 2);
    }
  });
});
