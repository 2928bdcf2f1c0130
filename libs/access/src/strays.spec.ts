import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { objectName } from '@app/providers';
import { aHouse, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import { holding, inLine } from '../../../test/support/contention';
import type { Asker } from './facts';

const MINUTES = 60_000;

describe('a stray', () => {
  let house: House;
  let root: Asker;
  let installation: string;
  beforeEach(async () => {
    house = await aHouse();
    root = await house.person('root');
    [{ installation } = { installation: '' }] = await house.owner.query<{ installation: string }[]>(
      'SELECT left(id::text, 8) AS installation FROM installation',
    );
  });
  afterEach(async () => {
    await assertUnbroken(house.owner);
    await house.close();
  });

  const accounts = () => house.target.system().accounts;
  /** Something of a grant's name, with somebody in it. */
  const put = (grantId: string, of = installation) => {
    const name = objectName({ installation: of, grantId });
    const endsAt = new Date(house.clock.milliseconds() + 60 * MINUTES);
    house.target.system().put(name, { password: 'known', right: 'read', endsAt });
    return { name, session: house.target.system().login(name, 'known') };
  };
  const look = async () => {
    await house.owner.query('UPDATE targets SET survey_after = clock_timestamp()');
    return house.survey.run();
  };
  const strays = async () => (await house.strays.list(house.api.manager, root, 'db')).items;
  const states = async () => (await strays()).map(({ grantId, state }) => ({ grantId, state }));
  /** As if so much time had passed since it was found. */
  const later = async (milliseconds: number, by = milliseconds) => {
    const past = `interval '1 millisecond' *`;
    await house.owner.transaction(async (tx) => {
      await tx.query('SET LOCAL session_replication_role = replica');
      await tx.query(
        `UPDATE strays SET found_at = found_at - ${past} $1::float8, remove_at = remove_at - ${past} $1::float8`,
        [milliseconds],
      );
      await tx.query(`UPDATE operations SET run_after = run_after - ${past} $1::float8 WHERE kind = 'remove'`, [by]);
    });
  };
  const beginning = async () => {
    const olga = await house.person('olga');
    const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') };
    const request = await house.as(olga, (tx) => house.requests.open(tx, olga, order));
    const { grants } = await house.views.requests.get(house.api.manager, olga, request);
    return { olga, id: grants[0]!.id };
  };

  it('is reported first, with what it is called and when it will go; nothing happens to it', async () => {
    const grantId = randomUUID();
    const { name, session } = put(grantId);
    expect(await look()).toEqual([{ target: 'db', found: 1 }]);
    expect(await look()).toEqual([{ target: 'db', found: 0 }]);
    await house.work();
    const [stray] = await strays();
    expect(stray).toMatchObject({ name, grantId, state: 'found', failure: null });
    expect(stray!.removeAt.getTime() - stray!.foundAt.getTime()).toBeGreaterThanOrEqual(10 * MINUTES);
    expect([accounts().has(name), session.isAlive()]).toEqual([true, true]);
  });

  it('is removed after ten minutes, proven, with the evidence, and not before', async () => {
    const { name, session } = put(randomUUID());
    await look();
    // The work comes too early, whoever called for it.
    await later(9 * MINUTES, 11 * MINUTES);
    await house.work();
    expect([(await states())[0]?.state, accounts().has(name)]).toEqual(['found', true]);
    await later(MINUTES);
    await house.work();
    const [stray] = await strays();
    expect(stray).toMatchObject({
      state: 'removed',
      evidence: { end: { steps: expect.arrayContaining(['closed the login']) } },
    });
    expect(stray!.evidence).toMatchObject({
      proof: { checks: expect.arrayContaining([expect.objectContaining({ verdict: 'ended' })]) },
    });
    expect([accounts().has(name), session.isAlive()]).toEqual([false, false]);
    const events = await house.owner.query<{ to_state: string; actor: string }[]>(
      `SELECT to_state, actor FROM audit_events WHERE subject_kind = 'stray' ORDER BY sequence`,
    );
    expect(events).toEqual(['found', 'removing', 'removed'].map((to_state) => ({ to_state, actor: 'worker' })));
  });

  it('is removed at once when somebody who administers the target confirms it, and no other than that', async () => {
    const [one, other] = [put(randomUUID()), put(randomUUID())];
    await look();
    const { id } = (await strays()).find(({ name }) => name === one.name)!;
    await house.as(root, (tx) => house.strays.confirm(tx, root, 'db', [id]));
    // Said again, it says nothing new.
    await house.as(root, (tx) => house.strays.confirm(tx, root, 'db', [id]));
    await house.work();
    expect([accounts().has(one.name), accounts().has(other.name)]).toEqual([false, true]);
    const [event] = await house.owner.query<{ actor: string }[]>(
      `SELECT actor FROM audit_events WHERE subject_kind = 'stray' AND to_state = 'removing'`,
    );
    expect(event).toEqual({ actor: root.identityId });
  });

  it('is shown to owners and administrators, and confirmed by nobody else', async () => {
    put(randomUUID());
    await look();
    const [{ id } = { id: '' }] = await strays();
    const ben = await house.person('ben');
    expect((await house.strays.list(house.api.manager, ben, 'db')).items).toHaveLength(1);
    const [eve, zoe] = [await house.person('eve'), await house.person('zoe')];
    for (const [who, code] of [
      [eve, 'access.target_not_yours'],
      [zoe, 'access.target_not_found'],
    ] as const) {
      await expect(house.strays.list(house.api.manager, who, 'db')).rejects.toMatchObject({ code });
      await expect(house.as(who, (tx) => house.strays.confirm(tx, who, 'db', [id]))).rejects.toMatchObject({ code });
    }
    const unknown = house.as(ben, (tx) => house.strays.confirm(tx, ben, 'db', [id, randomUUID()]));
    await expect(unknown).rejects.toMatchObject({ code: 'access.stray_not_found' });
    expect(await states()).toMatchObject([{ state: 'found' }]);
    await house.as(ben, (tx) => house.strays.confirm(tx, ben, 'db', [id]));
    await house.work();
    expect(await states()).toMatchObject([{ state: 'removed' }]);
  });

  it('is nothing that a grant answers for, though that is begun while the target is asked', async () => {
    const held = house.target.system().holdNext('list');
    const looking = look();
    await held.reached;
    const { id } = await beginning();
    await house.work();
    expect(accounts().size).toBe(1);
    held.release();
    expect(await looking).toEqual([{ target: 'db', found: 0 }]);
    expect(accounts().has(objectName({ installation, grantId: id }))).toBe(true);
    await assertUnbroken(house.owner, { target: house.target.system() });
  });

  it('is nothing of another installation’s, and nothing that is only called alike', async () => {
    const [theirs, ours] = [put(randomUUID(), '0ddba115'), put(randomUUID())];
    house.target.system().put(`curfew-${installation}-somebody`, { password: 'x', right: 'read', endsAt: new Date() });
    expect(await look()).toEqual([{ target: 'db', found: 1 }]);
    await later(10 * MINUTES);
    await house.work();
    expect([accounts().has(ours.name), accounts().has(theirs.name), accounts().size]).toEqual([false, true, 2]);
    expect(theirs.session.isAlive()).toBe(true);
  });

  it('is what bears the name of a grant that has ended, unless it ended just now, or its work is not over', async () => {
    const { olga, id } = await beginning();
    await house.work();
    await house.as(olga, (tx) => house.grants.release(tx, olga, id));
    await house.work();
    const { name } = put(id);
    const ended = (ago: string) =>
      house.owner.transaction(async (tx) => {
        await tx.query('SET LOCAL session_replication_role = replica');
        await tx.query(`UPDATE grants SET ended_at = clock_timestamp() - interval '${ago}'`);
      });
    // It was there when the target was asked, and ended before the answer was looked up.
    await ended('-1 second');
    expect(await look()).toEqual([{ target: 'db', found: 0 }]);
    await ended('1 hour');
    expect(await look()).toEqual([{ target: 'db', found: 1 }]);
    await later(10 * MINUTES);
    await house.work();
    expect([await states(), accounts().has(name)]).toEqual([[{ grantId: id, state: 'removed' }], false]);
  });

  it('is not what an ended grant left behind: that has its own work', async () => {
    const { olga, id } = await beginning();
    await house.work();
    house.target.system().obstacles.push({ what: 'table t', why: 'locked' });
    await house.as(olga, (tx) => house.grants.release(tx, olga, id));
    await house.work();
    await house.owner.transaction(async (tx) => {
      await tx.query('SET LOCAL session_replication_role = replica');
      await tx.query(`UPDATE grants SET ended_at = ended_at - interval '1 hour'`);
    });
    expect(await look()).toEqual([{ target: 'db', found: 0 }]);
  });

  it('is not removed when a grant answers for it after all', async () => {
    const { id } = await beginning();
    await house.work();
    const name = objectName({ installation, grantId: id });
    await house.owner.transaction(async (tx) => {
      await tx.query(`SELECT set_config('curfew.actor', 'test', true), set_config('curfew.correlation', 'test', true)`);
      await tx.query(
        `WITH it AS (INSERT INTO strays (target_id, grant_id, found_at, remove_at)
           SELECT id, $1, clock_timestamp() - interval '10 minutes', clock_timestamp() FROM targets RETURNING id, target_id)
         INSERT INTO operations (kind, subject_id, target_id, correlation) SELECT 'remove', id, target_id, 'test' FROM it`,
        [id],
      );
    });
    await house.work();
    expect([await states(), accounts().has(name)]).toEqual([[{ grantId: id, state: 'cleared' }], true]);
  });

  it('is cleared when somebody else has removed it, and found anew when it comes back', async () => {
    const grantId = randomUUID();
    const { name } = put(grantId);
    await look();
    accounts().delete(name);
    await look();
    expect(await states()).toEqual([{ grantId, state: 'cleared' }]);
    put(grantId);
    expect(await look()).toEqual([{ target: 'db', found: 1 }]);
    expect((await states()).map(({ state }) => state)).toEqual(['found', 'cleared']);
  });

  describe('at a target that leads to another server by now', () => {
    const server = () => house.target.system();
    const elsewhere = (identity: string) => {
      server().identity = identity;
      accounts().clear();
    };

    it('stays what is to be removed, and nothing is touched there; it is removed where it was found', async () => {
      const grantId = randomUUID();
      const { name } = put(grantId);
      await look();
      const there = new Map(accounts());
      elsewhere('another');
      // Not there is not gone.
      await look();
      expect(await strays()).toMatchObject([{ grantId, state: 'found' }]);
      await later(10 * MINUTES);
      await house.work();
      expect(await strays()).toMatchObject([{ grantId, state: 'removing', failure: 'access.another_server' }]);
      // What bears the name there is another: it is reported, and has its own ten minutes.
      const { session } = put(grantId);
      expect(await look()).toEqual([{ target: 'db', found: 1 }]);
      await house.owner.query(`UPDATE operations SET run_after = clock_timestamp() WHERE subject_id = $1`, [
        (await strays()).find(({ state }) => state === 'removing')!.id,
      ]);
      await house.work();
      expect([accounts().has(name), session.isAlive(), server().calls.end]).toEqual([true, true, 0]);
      elsewhere('main');
      for (const [each, account] of there) accounts().set(each, account);
      await later(0, 60 * MINUTES);
      await house.work();
      expect((await states()).map(({ state }) => state).toSorted()).toEqual(['found', 'removed']);
      expect(accounts().size).toBe(0);
    });

    it('is not proven there, though it was led there between the look and the end', async () => {
      put(randomUUID());
      await look();
      await later(10 * MINUTES);
      const held = server().holdNext('end');
      const working = house.work();
      await held.reached;
      elsewhere('another');
      held.release();
      await working;
      expect(await strays()).toMatchObject([{ state: 'removing', failure: 'access.another_server' }]);
    });
  });

  it('is tried again while the target is away, refuses us, or holds something of it', async () => {
    const { name } = put(randomUUID());
    await look();
    house.target.system().obstacles.push({ what: 'table t', why: 'locked' });
    house.target.system().failNext('unavailable', 'end');
    await later(10 * MINUTES);
    await house.work();
    expect(await strays()).toMatchObject([{ state: 'removing', failure: 'target.no_connection' }]);
    await later(MINUTES);
    await house.work();
    expect(await strays()).toMatchObject([{ state: 'removing', failure: 'access.stray_remains' }]);
    expect(accounts().get(name)).toMatchObject({ open: false });
    // It is known already.
    expect(await look()).toEqual([{ target: 'db', found: 0 }]);
    house.target.system().obstacles.length = 0;
    await later(MINUTES);
    await house.work();
    expect([(await states())[0]?.state, accounts().size]).toEqual(['removed', 0]);
  });

  it('is found once by two that look at once, and a target that does not answer keeps nobody waiting', async () => {
    put(randomUUID());
    await house.owner.query('UPDATE targets SET survey_after = clock_timestamp()');
    const looks = await Promise.all([house.survey.run(), house.survey.run()]);
    expect(looks.flat()).toEqual([{ target: 'db', found: 1 }]);
    house.target.system().away = true;
    const { surveyedAt } = await house.strays.list(house.api.manager, root, 'db');
    expect(await look()).toEqual([]);
    expect(house.failures).toMatchObject([{ code: 'target.no_connection' }]);
    expect((await house.strays.list(house.api.manager, root, 'db')).surveyedAt).toEqual(surveyedAt);
  });

  it.each(['somebody says so', 'its time has come'])(
    'is removed once, when somebody says so and its time comes at once: first %s',
    async (first) => {
      put(randomUUID());
      await look();
      await later(10 * MINUTES);
      const [{ id } = { id: '' }] = await strays();
      const held = await holding(house.urls.owner, 'SELECT FROM strays FOR UPDATE');
      const contenders = [() => house.as(root, (tx) => house.strays.confirm(tx, root, 'db', [id])), () => house.work()];
      const outcomes = await inLine(held, first === 'somebody says so' ? contenders : contenders.toReversed());
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
      await house.work();
      expect(await states()).toMatchObject([{ state: 'removed' }]);
      expect(house.target.system().calls.end).toBe(1);
    },
  );
});
