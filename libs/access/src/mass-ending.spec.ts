import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { objectName } from '@app/providers';
import { FakeTargetOfMany } from '../../../test/support/fake-target-of-many';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import { People } from '../../../test/support/people';

const HOW_MANY = 5;

describe('grants that one cause ends', () => {
  let house: House;
  let people: People;
  let target: FakeTargetOfMany;
  beforeEach(async () => {
    house = await aHouse(HOUSE_POLICIES, (now) => (target = new FakeTargetOfMany(now)));
    people = await People.of(house);
  });
  afterEach(async () => {
    await assertUnbroken(house.owner, { target: house.target.system() });
    await house.close();
  });

  const active = async (howMany = HOW_MANY): Promise<string[]> => {
    const ids = [];
    for (let count = 0; count < howMany; count += 1) ids.push(await people.granted({ durationSeconds: 4 }));
    await house.work();
    return ids;
  };
  /** Their deadlines have passed, and one pass of the timekeeper has seen it. */
  const expired = async (ids: readonly string[]): Promise<void> => {
    await house.owner.transaction(async (tx) => {
      await tx.query('SET LOCAL session_replication_role = replica');
      await tx.query('UPDATE grants SET ends_at = clock_timestamp() WHERE id = ANY($1)', [ids]);
    });
    expect((await house.deadlines.endDue()).operations.length).toBe(ids.length);
  };
  const states = async (): Promise<Record<string, string>> => {
    const rows = await house.owner.query<{ id: string; state: string }[]>('SELECT id, state FROM grants');
    return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
  };
  const all = (ids: readonly string[], state: string): Record<string, string> =>
    Object.fromEntries(ids.map((id) => [id, state]));
  const callsOf = (step: 'end' | 'prove'): (number | undefined)[] =>
    house.calls.filter((call) => call.step === step).map((call) => call.of);
  const workUntil = (state: string, ids: readonly string[]): Promise<void> =>
    expect
      .poll(async () => (await house.work(), await states()), { timeout: 10_000, interval: 20 })
      .toEqual(all(ids, state));

  it('end together: one call ends them, one proves it, and each has its evidence', async () => {
    const ids = await active();
    await people.pickUp(ids[1]!);
    await expired(ids);
    const [first] = await house.operations.due(1);
    await house.reconciler.carryOut(first!.id);
    expect(await states()).toEqual(all(ids, 'ended'));
    expect([callsOf('end'), callsOf('prove')]).toEqual([[HOW_MANY], [HOW_MANY]]);
    const lives = await Promise.all(ids.map((id) => people.grant(id)));
    const tried = lives.map(({ evidence }) =>
      evidence.some(
        ({ kind, body }) => kind === 'proof' && JSON.stringify(body).includes('password that was handed out'),
      ),
    );
    // What nobody picked up, nobody can try.
    expect(tried).toEqual([false, true, false, false, false]);
    expect(lives.flatMap(({ evidence }) => evidence.filter(({ kind }) => kind === 'end'))).toHaveLength(HOW_MANY);
  });

  it('end alone where something stands in the way, and hold up nobody', async () => {
    const ids = await active();
    target.inTheWay.add(ids[0]!).add(ids[3]!);
    await expired(ids);
    await workUntil('ended', ids);
    expect(callsOf('end')).toEqual([HOW_MANY, undefined, undefined]);
  });

  it('are ended together once more where there was no time for all of them', async () => {
    const ids = await active();
    target.most = 2;
    await expired(ids);
    await workUntil('ended', ids);
    // Each time the first goes on alone when it was not among them.
    expect(callsOf('end')[0]).toBe(HOW_MANY);
    expect(callsOf('end').filter((of) => of !== undefined).length).toBeGreaterThan(1);
  });

  it('are not mixed with those that another cause ends', async () => {
    const [one, two] = [await active(2), await active(2)];
    await expired(one);
    await expired(two);
    await house.work();
    expect(await states()).toEqual(all([...one, ...two], 'ended'));
    expect(callsOf('end')).toEqual([2, 2]);
    const [counted] = await house.owner.query<{ causes: number }[]>(
      `SELECT count(DISTINCT correlation)::int AS causes FROM audit_events WHERE to_state = 'ended' AND subject_kind = 'grant'`,
    );
    expect(counted).toEqual({ causes: 2 });
  });

  it('are all stuck while the target is away, and all end when it is back', async () => {
    const ids = await active();
    target.system().away = true;
    await expired(ids);
    await workUntil('stuck', ids);
    const codes = await house.owner.query('SELECT DISTINCT failure FROM grants');
    expect(codes).toEqual([{ failure: 'target.no_connection' }]);
    target.system().away = false;
    await workUntil('ended', ids);
  });

  it('count for what they are: of one that another worker has taken over meanwhile, nothing is written', async () => {
    const ids = await active();
    await expired(ids);
    const held = target.system().holdNext('prove');
    const [first] = await house.operations.due(1);
    const working = house.reconciler.carryOut(first!.id);
    await held.reached;
    const [taken] = await house.owner.query<[{ id: string }[], number]>(
      `UPDATE operations SET fence = fence + 1, lease_owner = gen_random_uuid(), lease_ends_at = clock_timestamp() + interval '1 hour'
       WHERE subject_id = $1 AND finished_at IS NULL RETURNING id`,
      [ids[2]],
    );
    held.release();
    await working;
    expect(await states()).toEqual({ ...all(ids, 'ended'), [ids[2]!]: 'ending' });
    await house.owner.query('UPDATE operations SET lease_ends_at = clock_timestamp() WHERE id = $1', [taken[0]!.id]);
    await workUntil('ended', ids);
  });

  it('leave nothing readable and nothing at the target', async () => {
    const ids = await active();
    await expired(ids);
    await workUntil('ended', ids);
    const installation = (
      await house.owner.query<{ id: string }[]>('SELECT left(id::text, 8) AS id FROM installation')
    )[0]!.id;
    expect(ids.filter((grantId) => target.system().accounts.has(objectName({ installation, grantId })))).toEqual([]);
    expect(
      await house.owner.query('SELECT FROM credentials WHERE sealed IS NOT NULL OR proof_sealed IS NOT NULL'),
    ).toEqual([]);
  });
});
