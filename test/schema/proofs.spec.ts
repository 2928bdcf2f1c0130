import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aHouse, type House } from '../support/house';
import { People } from '../support/people';

const CHECK = '23514';
const PROVEN = `ended_at = clock_timestamp(), evidence_digest = sha256('x')`;

/** Promise 5: ended means proven; and the copy that proves it lives exactly as long. */
describe('the database keeps the proof together with the end', () => {
  let house: House;
  let grants: Readonly<Record<'active' | 'ending' | 'ended', string>>;
  beforeAll(async () => {
    house = await aHouse();
    const people = await People.of(house);
    const [active, ending, ended] = [await people.granted(), await people.granted(), await people.granted()];
    await house.work();
    const release = (id: string) => house.as(people.ada, (tx) => house.grants.release(tx, people.ada, id));
    await people.pickUp(active);
    await release(ended);
    await house.work();
    await release(ending);
    grants = { active, ending, ended };
  });
  afterAll(() => house.close());

  /** As nobody is allowed to: a superuser, with any state. */
  const change = (table: 'grants' | 'credentials', of: keyof typeof grants, sets: string) =>
    house.owner.transaction(async (tx) => {
      await tx.query(`SELECT set_config('curfew.actor', 't', true), set_config('curfew.correlation', 't', true)`);
      const key = table === 'grants' ? 'id' : 'grant_id';
      await tx.query(`UPDATE ${table} SET ${sets}, revision = revision + 1 WHERE ${key} = $1`, [grants[of]]);
      throw new Error('was taken');
    });

  it.each([
    ['grants', 'ending', `state = 'ended'`],
    ['grants', 'ending', `state = 'ended', ended_at = clock_timestamp()`],
    ['grants', 'ending', `state = 'ended', evidence_digest = sha256('x')`],
    ['grants', 'ending', PROVEN],
    ['grants', 'active', PROVEN],
    ['grants', 'ended', 'ended_at = NULL'],
    ['grants', 'ended', 'evidence_digest = NULL'],
    ['grants', 'ended', `last_attempt = '{}'`],
    ['grants', 'active', `last_attempt = '{}'`],
    ['credentials', 'active', 'proof_sealed = NULL'],
    ['credentials', 'active', `state = 'destroyed'`],
    ['credentials', 'ended', `proof_sealed = '\\x00'`],
    ['credentials', 'ended', `state = 'picked_up', picked_up_at = clock_timestamp()`],
  ] as const)('%s, %s: %s is refused', async (table, of, sets) => {
    await expect(change(table, of, sets)).rejects.toMatchObject({ driverError: { code: CHECK } });
  });

  it.each([
    ['grants', 'ending', `state = 'ended', ${PROVEN}`],
    ['grants', 'ending', `last_attempt = '{}'`],
    ['credentials', 'active', `state = 'destroyed', proof_sealed = NULL`],
  ] as const)('%s, %s: %s is not', async (table, of, sets) => {
    await expect(change(table, of, sets)).rejects.toThrow('was taken');
  });
});
