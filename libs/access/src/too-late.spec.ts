import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holding } from '../../../test/support/contention';
import { aHouse, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import { People } from '../../../test/support/people';

/** Every one of these comes before the timekeeper has looked: the time itself refuses, not what somebody wrote about it. */
describe('what comes after its time', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse();
    people = await People.of(house);
  });
  afterEach(async () => {
    try {
      await house.deadlines.endDue();
      await assertUnbroken(house.owner, { target: house.target.system() });
    } finally {
      await house.close();
    }
  });

  const scheduled = (durationSeconds = 600) => people.granted({ durationSeconds });
  const look = (id: string) => people.grant(id);
  const pickUp = (id: string) => people.pickUp(id);
  /** Returns when the database's own time is past this time of the grant. */
  const past = async (id: string, column: 'activate_by' | 'ends_at'): Promise<void> => {
    const isPast = async (): Promise<boolean> => {
      const [row] = await house.owner.query<{ past: boolean }[]>(
        `SELECT ${column} < clock_timestamp() AS past FROM grants WHERE id = $1`,
        [id],
      );
      return row!.past;
    };
    await expect.poll(isPast, { timeout: 15_000, interval: 20 }).toBe(true);
  };
  /** Approved a while ago: the latest moment of its beginning is this near. */
  const mustBeginWithin = async (id: string, seconds: number): Promise<void> => {
    await house.owner.query('ALTER TABLE grants DISABLE TRIGGER USER');
    await house.owner.query(
      `UPDATE grants SET activate_by = clock_timestamp() + make_interval(secs => $2),
         ends_at = clock_timestamp() + make_interval(secs => $2 + duration_seconds) WHERE id = $1`,
      [id, seconds],
    );
    await house.owner.query('ALTER TABLE grants ENABLE TRIGGER USER');
  };
  /** The work says so and is done: it neither fails nor is tried again. */
  const isGivenUp = async (id: string): Promise<void> => {
    const work = await house.owner.query('SELECT kind FROM operations WHERE subject_id = $1', [id]);
    const open = await house.owner.query('SELECT FROM operations WHERE subject_id = $1 AND finished_at IS NULL', [id]);
    expect({ work, open, failures: house.failures }).toEqual({
      work: [{ kind: 'begin' }],
      open: [],
      failures: [],
    });
  };
  const ends = async (id: string): Promise<void> => {
    await house.deadlines.endDue();
    const isEnded = async (): Promise<string> => {
      await house.work();
      return (await look(id)).state;
    };
    await expect.poll(isEnded, { timeout: 15_000, interval: 20 }).toBe('ended');
    expect(house.target.system().accounts.size).toBe(0);
  };

  it('a beginning does not touch the target', async () => {
    const id = await scheduled();
    await mustBeginWithin(id, 0);
    await past(id, 'activate_by');
    await house.work();
    expect(await look(id)).toMatchObject({ state: 'scheduled', credential: null });
    expect(house.target.system().calls.issue).toBe(0);
    await isGivenUp(id);
    await ends(id);
    expect(await look(id)).toMatchObject({ endReason: 'failed', activatedAt: null });
  });

  it('another attempt at a beginning does not touch the target either', async () => {
    const id = await scheduled();
    house.target.system().failNext('applied-then-timeout', 'issue');
    await house.work();
    expect(await look(id)).toMatchObject({ state: 'activating' });
    await mustBeginWithin(id, 0);
    await past(id, 'activate_by');
    await house.owner.query('UPDATE operations SET run_after = clock_timestamp() WHERE subject_id = $1', [id]);
    await house.work();
    expect(await look(id)).toMatchObject({ state: 'activating', credential: null });
    expect(house.target.system().calls.issue).toBe(1);
    await ends(id);
  });

  it('a beginning that waited for its turn beyond that moment does not touch the target', async () => {
    const id = await scheduled();
    await mustBeginWithin(id, 2);
    const grant = await holding(house.urls.owner, 'SELECT FROM grants WHERE id = $1 FOR UPDATE', [id]);
    const working = house.work();
    await grant.blocked(1);
    await past(id, 'activate_by');
    await grant.release();
    await working;
    expect(await look(id)).toMatchObject({ state: 'scheduled' });
    expect(house.target.system().calls.issue).toBe(0);
    await isGivenUp(id);
    await ends(id);
  });

  it('a grant does not become active, however long its beginning took', async () => {
    const id = await scheduled(3);
    const system = house.target.system();
    let hold = system.holdNext('issue');
    const working = house.work();
    await hold.reached;
    // Up to the last message: everything at the target happens in time.
    for (let message = 1; message < 5; message += 1) {
      const next = system.holdNext('issue');
      hold.release();
      hold = next;
      await hold.reached;
    }
    const grant = await holding(house.urls.owner, 'SELECT FROM grants WHERE id = $1 FOR UPDATE', [id]);
    hold.release();
    await grant.blocked(1);
    expect(system.accounts.size).toBe(1);
    await past(id, 'ends_at');
    await grant.release();
    await working;
    expect(await look(id)).toMatchObject({ state: 'activating', activatedAt: null, credential: null });
    await ends(id);
  });

  it('a credential is not handed over', async () => {
    const id = await scheduled(3);
    await house.work();
    expect((await look(id)).state).toBe('active');
    await past(id, 'ends_at');
    await expect(pickUp(id)).rejects.toMatchObject({ kind: 'conflict', code: 'access.grant_not_active' });
    expect(await look(id)).toMatchObject({ state: 'active', credential: { pickedUpAt: null } });
    await ends(id);
  });

  it('a credential is not handed over to somebody who waited for their turn beyond the end', async () => {
    const id = await scheduled(3);
    await house.work();
    expect((await look(id)).state).toBe('active');
    const credential = await holding(house.urls.owner, 'SELECT FROM credentials WHERE grant_id = $1 FOR UPDATE', [id]);
    const picking = pickUp(id);
    picking.catch(() => undefined);
    await credential.blocked(1);
    await past(id, 'ends_at');
    await credential.release();
    await expect(picking).rejects.toMatchObject({ code: 'access.grant_not_active' });
    await ends(id);
  });
});
