import canonicalize from 'canonicalize';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { objectName } from '@app/providers';
import { FakeTargetOfMany } from '../../../test/support/fake-target-of-many';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import { People } from '../../../test/support/people';
import type { PickUp } from './credentials.service';

const ALL_STEPS = ['closed the login', 'ended the sessions', 'removed the account'];

describe('what is written down of an end', () => {
  let house: House;
  let people: People;
  beforeEach(async () => {
    house = await aHouse(HOUSE_POLICIES, (now) => new FakeTargetOfMany(now));
    people = await People.of(house);
  });
  afterEach(async () => {
    await assertUnbroken(house.owner, { target: house.target.system() });
    await house.close();
  });

  const released = async (): Promise<string> => {
    const id = await people.granted();
    await house.work();
    await release(id);
    return id;
  };
  const release = (id: string): Promise<void> =>
    house.as(people.ada, async (tx) => void (await house.grants.release(tx, people.ada, id)));
  const workUntil = (id: string, state: string): Promise<void> =>
    expect
      .poll(async () => (await house.work(), (await people.grant(id)).state), { timeout: 10_000, interval: 20 })
      .toBe(state);
  const stepsOf = async (id: string): Promise<unknown> =>
    (await people.grant(id)).evidence.find(({ kind }) => kind === 'end')?.body['steps'];
  const nameOf = async (grantId: string): Promise<string> => {
    const rows = await house.owner.query<{ id: string }[]>('SELECT left(id::text, 8) AS id FROM installation');
    return objectName({ installation: rows[0]!.id, grantId });
  };
  const eventsOf = async (id: string): Promise<Record<string, string>[]> => {
    const rows = await house.owner.query<{ canonical: Buffer }[]>(
      'SELECT canonical FROM audit_events WHERE subject_id = $1 ORDER BY sequence',
      [id],
    );
    return rows.map(({ canonical }) => JSON.parse(canonical.toString()) as Record<string, string>);
  };
  /** One attempt, in which the account is there again, and open, when it is looked at. */
  const workWhileSomebodyOpensItAgain = async (id: string, password: string): Promise<void> => {
    const system = house.target.system();
    const held = system.holdNext('prove');
    const working = house.work();
    await held.reached;
    system.put(await nameOf(id), { password, right: 'read', endsAt: new Date(house.clock.milliseconds() + 60_000) });
    held.release();
    await working;
  };
  const passwordOf = (picked: PickUp): string =>
    'credential' in picked ? picked.credential.reveal().fields['password']! : '';

  it('is what its digest is of, and the record has the digest', async () => {
    const id = await released();
    await workUntil(id, 'ended');
    const { evidence } = await people.grant(id);
    const [end, proof] = [evidence[1]!.body, evidence[2]!.body];
    expect(evidence.map(({ kind }) => kind)).toEqual(['issue', 'end', 'proof']);
    const digest = createHash('sha256').update(canonicalize({ end, proof })!).digest('hex');
    const [row] = await house.owner.query(`SELECT encode(evidence_digest, 'hex') AS digest FROM grants`);
    expect(row).toEqual({ digest });
    expect((await eventsOf(id)).at(-1)).toMatchObject({ to: 'ended', evidence: `\\x${digest}` });
  });

  it('is in the record with what it got stuck for', async () => {
    const id = await released();
    house.target.system().away = true;
    await workUntil(id, 'stuck');
    expect((await eventsOf(id)).at(-1)).toMatchObject({ to: 'stuck', failure: 'target.no_connection' });
    house.target.system().away = false;
    await workUntil(id, 'ended');
  });

  it('is what was done in every attempt, and not in the last one alone', async () => {
    const id = await released();
    house.target.system().failNext('forbidden', 'prove');
    await house.work();
    expect(await people.grant(id)).toMatchObject({ endedAt: null, lastAttempt: { steps: ALL_STEPS } });
    await workUntil(id, 'ended');
    expect(house.target.system().calls.end).toBe(2);
    expect(await stepsOf(id)).toEqual(ALL_STEPS);
    expect((await people.grant(id)).lastAttempt).toBeNull();
  });

  it('says while it is not proven when it was tried last, and which check does not show it', async () => {
    const id = await released();
    expect((await people.grant(id)).lastAttempt).toBeNull();
    await workWhileSomebodyOpensItAgain(id, 'another');
    const { lastAttempt, asOf } = await people.grant(id);
    expect(lastAttempt).toMatchObject({
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      checks: [{ verdict: 'alive', answer: 'it works' }, { verdict: 'ended' }, { verdict: 'ended' }],
    });
    expect(Math.abs(asOf.getTime() - Date.parse(lastAttempt!.at))).toBeLessThan(60_000);
    house.target.system().away = true;
    await workUntil(id, 'stuck');
    // Not the checks of an attempt before: this one did not come to that.
    expect((await people.grant(id)).lastAttempt).toMatchObject({ steps: ALL_STEPS, checks: [] });
    house.target.system().away = false;
    await workUntil(id, 'ended');
  });

  it('is not what another server shows, to which the target leads by now', async () => {
    const id = await released();
    house.target.system().identity = 'another';
    await house.work();
    expect((await people.grant(id)).lastAttempt?.checks).toEqual([
      { check: 'the target is the server on which it was made', verdict: 'unknown', answer: expect.any(String) },
    ]);
    house.target.system().identity = undefined;
    await workUntil(id, 'ended');
  });

  it('tries the password that was handed out last', async () => {
    const id = await people.granted();
    await house.work();
    const first = passwordOf(await people.pickUp(id));
    await house.as(people.ada, (tx) => house.credentials.replace(tx, people.ada, id));
    await house.work();
    const second = passwordOf(await people.pickUp(id));
    expect(second).not.toBe(first);
    await release(id);
    await workWhileSomebodyOpensItAgain(id, second);
    expect((await people.grant(id)).lastAttempt?.checks.at(-1)).toEqual({
      check: 'the password that was handed out is refused',
      verdict: 'alive',
      answer: 'logged in',
    });
    await workUntil(id, 'ended');
  });

  it('is nothing of an attempt that another worker has taken over meanwhile', async () => {
    const id = await released();
    const system = house.target.system();
    const held = system.holdNext('prove');
    system.failNext('forbidden', 'prove');
    const working = house.work();
    await held.reached;
    const open = 'WHERE finished_at IS NULL';
    await house.owner.query(
      `UPDATE operations SET fence = fence + 1, lease_owner = gen_random_uuid(), lease_ends_at = clock_timestamp() + interval '1 hour' ${open}`,
    );
    held.release();
    await working;
    expect((await people.grant(id)).lastAttempt).toBeNull();
    await house.owner.query(`UPDATE operations SET lease_ends_at = clock_timestamp() ${open}`);
    await workUntil(id, 'ended');
  });

  it('has an end, however often it is tried', async () => {
    const id = await released();
    const done = Array.from({ length: 49 }, (_, times) => `did it ${times} times`);
    await house.owner.query('UPDATE grants SET last_attempt = $1', [{ at: '', steps: done, checks: [] }]);
    house.target.system().failNext('forbidden', 'prove');
    await house.work();
    expect((await people.grant(id)).lastAttempt?.steps).toEqual([...done, 'and more, in attempts after these']);
    await workUntil(id, 'ended');
  });

  describe('of many together', () => {
    const due = async (): Promise<string[]> => {
      const ids = [await people.granted(), await people.granted(), await people.granted()];
      await house.work();
      await house.owner.transaction(async (tx) => {
        await tx.query('SET LOCAL session_replication_role = replica');
        await tx.query('UPDATE grants SET ends_at = clock_timestamp()');
      });
      await house.deadlines.endDue();
      return ids;
    };
    const workUntilAll = async (ids: readonly string[], state: string): Promise<void> => {
      for (const id of ids) await workUntil(id, state);
    };

    it('is of each that is not proven together what was done to it together', async () => {
      const ids = await due();
      house.target.system().failNext('forbidden', 'prove');
      await workUntilAll(ids, 'ended');
      expect(house.calls.filter(({ step }) => step === 'end').map(({ of }) => of)).toEqual([3, undefined]);
      expect(await Promise.all(ids.map(stepsOf))).toEqual([ALL_STEPS, ALL_STEPS, ALL_STEPS]);
    });

    it('says of each that it was tried, when the target does not answer', async () => {
      const ids = await due();
      house.target.system().away = true;
      await house.work();
      for (const id of ids)
        expect((await people.grant(id)).lastAttempt).toMatchObject({ at: expect.any(String), steps: [], checks: [] });
      house.target.system().away = false;
      await workUntilAll(ids, 'ended');
    });
  });
});
