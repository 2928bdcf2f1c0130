import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { People } from '../../../test/support/people';
import type { Asker } from './facts';

describe('ending access', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse();
    people = await People.of(house);
  });
  afterEach(() => house.close());

  const active = async (durationSeconds = 600) => {
    const id = await people.granted({ durationSeconds });
    await house.work();
    return id;
  };
  const revoke = (id: string, by: Asker) => house.as(by, (tx) => house.grants.revoke(tx, by, id));

  it('is gated by no policy for those who own the target', async () => {
    const id = await active();
    const [policy] = HOUSE_POLICIES.policies;
    await house.applyPolicies({
      ...HOUSE_POLICIES,
      policies: [{ ...policy!, text: policy!.text.replace(/@id\("owners-revoke"\)[^;]*;/, '') }],
    });
    await expect(revoke(id, people.ada)).rejects.toMatchObject({
      code: 'access.revocation_forbidden',
    });
    await revoke(id, people.ben);
    expect(await people.grant(id)).toMatchObject({ endReason: 'revoked' });
  });

  it('bears one id from the deadline to the proof, and another one in the next pass', async () => {
    const correlations = async (id: string): Promise<string[]> => {
      await expect
        .poll(async () => (await house.deadlines.endDue()).operations.length, { timeout: 10_000, interval: 20 })
        .toBe(1);
      await house.work();
      const rows = await house.owner.query<{ correlation: string }[]>(
        `SELECT DISTINCT correlation FROM audit_events WHERE subject_id = $1 AND to_state IN ('ending', 'ended')`,
        [id],
      );
      return rows.map(({ correlation }) => correlation);
    };
    const first = await correlations(await active(1));
    const second = await correlations(await active(1));
    expect([first.length, second.length]).toEqual([1, 1]);
    expect(first).not.toEqual(second);
  });

  it('is looked at again at the instant at which it is stuck, whatever the pause', async () => {
    const id = await active();
    house.target.system().away = true;
    await revoke(id, people.ben);
    // So often that the pause is the longest of this house: one second, as long as an end may take here.
    await house.owner.query('UPDATE operations SET attempt = 20 WHERE finished_at IS NULL');
    await house.work();
    const [row] = await house.owner.query<{ late: string }[]>(
      `SELECT extract(epoch FROM o.run_after - g.ending_at) AS late FROM operations o JOIN grants g ON g.id = o.subject_id
       WHERE o.finished_at IS NULL`,
    );
    expect(Number(row!.late)).toBeGreaterThan(0.9);
    expect(Number(row!.late)).toBeLessThan(1.01);
  });
});
