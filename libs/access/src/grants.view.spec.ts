import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, type House } from '../../../test/support/house';
import type { Asker } from './facts';

describe('the life of a grant, while something does not go through', () => {
  let house: House;
  let ada: Asker;
  let id: string;
  beforeEach(async () => {
    house = await aHouse();
    ada = await house.person('ada');
    const ben = await house.person('ben');
    const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('INC-4711') };
    const request = await house.as(ada, (tx) => house.requests.open(tx, ada, order));
    const { scopeHash } = await house.views.requests.get(house.api.manager, ada, request);
    await house.as(ben, (tx) => house.decisions.decide(tx, ben, request, { verdict: 'approve', scopeHash }));
    id = (await house.views.requests.get(house.api.manager, ada, request)).grants[0]!.id;
  });
  afterEach(() => house.close());

  const look = () => house.views.grants.get(house.api.manager, ada, id);

  it('says why its beginning is tried again, how often it was, and when it will be', async () => {
    expect((await look()).retry).toBeNull();
    house.target.system().away = true;
    await house.work();
    const { retry, asOf } = await look();
    expect(retry).toMatchObject({ kind: 'begin', attempts: 1, failure: 'target.no_connection' });
    const [row] = await house.owner.query<{ run_after: Date }[]>(
      'SELECT run_after FROM operations WHERE subject_id = $1',
      [id],
    );
    expect(retry!.nextAt).toEqual(row!.run_after);
    expect(Math.abs(asOf.getTime() - house.clock.milliseconds())).toBeLessThan(1_000);
  });

  it('says why its end is tried again, and nothing any more when it went through', async () => {
    await house.work();
    house.target.system().away = true;
    await house.as(ada, (tx) => house.grants.release(tx, ada, id));
    await house.work();
    expect((await look()).retry).toMatchObject({ kind: 'end', attempts: 1, failure: 'target.no_connection' });
    const open = 'WHERE finished_at IS NULL';
    await house.owner.query(
      `UPDATE operations SET attempt = 2, lease_owner = gen_random_uuid(), lease_ends_at = clock_timestamp() + interval '5 s' ${open}`,
    );
    expect((await look()).retry).toMatchObject({ attempts: 2, nextAt: null });
    await house.owner.query(`UPDATE operations SET lease_owner = NULL, lease_ends_at = NULL ${open}`);
    house.target.system().away = false;
    await expect
      .poll(() => house.work().then(async () => (await look()).state), { timeout: 10_000, interval: 20 })
      .toBe('ended');
    expect((await look()).retry).toBeNull();
  });

  it('says how late its end was decided, though that was a year', async () => {
    const [written] = await house.owner.transaction(async (tx) => {
      await tx.query('SET LOCAL session_replication_role = replica');
      return tx.query<[{ ends_at: Date }[], number]>(
        `UPDATE grants SET state = 'ending', end_reason = 'expired', ends_at = clock_timestamp() - interval '366 days',
           ending_at = clock_timestamp() WHERE id = $1 RETURNING ends_at`,
        [id],
      );
    });
    expect(written).toHaveLength(1);
    const { lateMs, endsAt, endingAt } = await look();
    expect(lateMs).toBe(endingAt!.getTime() - endsAt.getTime());
    expect(lateMs).toBeGreaterThan(2 ** 31);
    const { items } = await house.views.grants.list(house.api.manager, ada, { limit: 1 });
    expect(items).toMatchObject([{ id, lateMs }]);
  });

  it('shows nothing but codes of our own', async () => {
    house.target.system().away = true;
    await house.work();
    await house.owner.query(`UPDATE operations SET last_error = 'connect ECONNREFUSED 10.0.0.7:5432'`);
    expect((await look()).retry).toMatchObject({ failure: 'internal' });
  });
});
