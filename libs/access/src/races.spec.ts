import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { holding, inLine } from '../../../test/support/contention';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { manyDue } from '../../../test/support/many-due';
import { assertUnbroken } from '../../../test/support/oracle';
import type { Held } from '../../../test/support/fake-system';
import { Deadlines } from './deadlines';
import type { Asker } from './facts';

describe('races', () => {
  let house: House;
  let [ada, ben, bob]: Asker[] = [];
  const who = () => ({ ada: ada!, ben: ben!, bob: bob! });
  beforeEach(async () => {
    house = await aHouse();
    [ada, ben, bob] = await Promise.all(['ada', 'ben', 'bob'].map((name) => house.person(name)));
  });
  afterEach(async () => {
    try {
      await assertUnbroken(house.owner, { target: house.target.system() });
    } finally {
      await house.close();
    }
  });

  const ask = (durationSeconds = 600, entitlement = 'db/read') =>
    house.as(who().ada, (tx) =>
      house.requests.open(tx, who().ada, { entitlements: [entitlement], durationSeconds, reason: new Secret('why') }),
    );
  const view = (id: string) => house.views.requests.get(house.api.manager, who().ada, id);
  const grantView = (id: string) => house.views.grants.get(house.api.manager, who().ada, id);
  /** Everything but the moment at which it was looked at. */
  const lifeOf = async (id: string) => ({ ...(await grantView(id)), asOf: undefined });
  const decide = (id: string, verdict: 'approve' | 'deny', by: Asker, scopeHash: string) =>
    house.as(by, (tx) => house.decisions.decide(tx, by, id, { verdict, scopeHash }));
  const withdraw = (id: string) => house.as(who().ada, (tx) => house.requests.withdraw(tx, who().ada, id));
  const revoke = (id: string) => house.as(who().ben, (tx) => house.grants.revoke(tx, who().ben, id));
  const release = (id: string) => house.as(who().ada, (tx) => house.grants.release(tx, who().ada, id));
  const pickUp = (id: string) => house.as(who().ada, (tx) => house.credentials.pickUp(tx, who().ada, id));
  const replace = (id: string) => house.as(who().ada, (tx) => house.credentials.replace(tx, who().ada, id));
  const scheduled = async (durationSeconds = 600) => {
    const id = await ask(durationSeconds);
    await decide(id, 'approve', who().ben, (await view(id)).scopeHash);
    return (await view(id)).grants[0]!.id;
  };
  const active = async (durationSeconds = 600) => {
    const id = await scheduled(durationSeconds);
    await house.work();
    expect((await grantView(id)).state).toBe('active');
    return id;
  };
  const held = (table: string, id: string, column = 'id') =>
    holding(house.urls.owner, `SELECT FROM ${table} WHERE ${column} = $1 FOR UPDATE`, [id]);
  /** An operation on the subject that somebody is just about to write: whoever wants to write one waits. */
  const heldWork = (subjectId: string) =>
    holding(
      house.urls.owner,
      `INSERT INTO operations (kind, subject_id, target_id, correlation) VALUES ('tidy', $1, gen_random_uuid(), 'held')`,
      [subjectId],
    );
  /** Until nothing is left to do at once. */
  const settled = async (done: () => Promise<boolean>) => {
    const look = async () => {
      await house.work();
      return done();
    };
    await expect.poll(look, { timeout: 15_000, interval: 20 }).toBe(true);
  };
  const isIn = (id: string, state: string) => async () => (await grantView(id)).state === state;
  const pastDeadline = async (id: string) => {
    await expect
      .poll(async () => (await grantView(id)).endsAt.getTime() < house.clock.milliseconds(), { timeout: 10_000 })
      .toBe(true);
  };
  const takeOver = async (id: string) => {
    await house.owner.query(
      `UPDATE operations SET lease_ends_at = clock_timestamp() WHERE subject_id = $1 AND finished_at IS NULL`,
      [id],
    );
  };
  /** A call that stops before its n-th message to the target, counted from 0. */
  const heldAt = async (call: 'issue' | 'end' | 'prove', step: number, start: () => Promise<void>) => {
    const system = house.target.system();
    let hold: Held = system.holdNext(call);
    const running = start();
    await hold.reached;
    for (let passed = 0; passed < step; passed += 1) {
      const next = system.holdNext(call);
      hold.release();
      hold = next;
      await hold.reached;
    }
    return { running, release: () => hold.release() };
  };
  const login = async (id: string) => {
    const picked = await pickUp(id);
    const { username = '', password = '' } = 'credential' in picked ? picked.credential.reveal().fields : {};
    return house.target.system().login(username, password);
  };

  describe('one request', () => {
    const verdicts = ['approve', 'approve too', 'deny', 'withdraw'] as const;
    it.each(verdicts.map((first) => [first]))(
      'is decided once, when %s comes first and the others at once',
      async (first) => {
        const id = await ask();
        const { scopeHash } = await view(id);
        const bea = await house.person('bea');
        const acts: Record<(typeof verdicts)[number], () => Promise<void>> = {
          approve: () => decide(id, 'approve', who().ben, scopeHash),
          'approve too': () => decide(id, 'approve', who().bob, scopeHash),
          deny: () => decide(id, 'deny', bea, scopeHash),
          withdraw: () => withdraw(id),
        };
        const order = [first, ...verdicts.filter((name) => name !== first)];
        const results = await inLine(
          await held('requests', id),
          order.map((name) => acts[name]),
        );
        const { state, decisions, grants } = await view(id);
        expect(state).toBe(
          { approve: 'approved', 'approve too': 'approved', deny: 'denied', withdraw: 'withdrawn' }[first],
        );
        expect(results[0]).toEqual({ status: 'fulfilled', value: undefined });
        for (const result of results.slice(1)) {
          const reason = { code: 'access.already_decided', details: { state, decidedAt: expect.any(String) } };
          expect(result).toMatchObject({ status: 'rejected', reason });
        }
        expect(decisions).toHaveLength(first === 'withdraw' ? 0 : 1);
        expect(grants).toHaveLength(state === 'approved' ? 1 : 0);
      },
    );

    it('is approved by the second of two who approve at once, and by no more than one set of grants', async () => {
      const id = await ask(600, 'db/write');
      const { scopeHash } = await view(id);
      const results = await inLine(await held('requests', id), [
        () => decide(id, 'approve', who().ben, scopeHash),
        () => decide(id, 'approve', who().bob, scopeHash),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
      const { state, decisions, grants } = await view(id);
      expect({ state, decisions: decisions.length, grants: grants.length }).toEqual({
        state: 'approved',
        decisions: 2,
        grants: 1,
      });
    });

    const withoutRead = () => {
      const [policy] = HOUSE_POLICIES.policies;
      const text = policy!.text.replace('Entitlement::"db/read"', 'Entitlement::"db/other"');
      return house.applyPolicies({ ...HOUSE_POLICIES, policies: [{ ...policy!, text }] });
    };

    it('is decided under the policies that a reload before it applied', async () => {
      const id = await ask();
      const { scopeHash } = await view(id);
      const results = await inLine(await held('policy_sets', 'applied', 'state'), [
        withoutRead,
        () => decide(id, 'approve', who().ben, scopeHash),
      ]);
      expect(results).toMatchObject([
        { status: 'fulfilled' },
        { status: 'rejected', reason: { code: 'access.no_longer_allowed' } },
      ]);
      expect((await view(id)).state).toBe('pending');
    });

    it('is decided under the policies before a reload that comes in the middle of it, and does not begin under the new ones', async () => {
      const id = await ask();
      const before = await view(id);
      const results = await inLine(await held('requests', id), [
        () => decide(id, 'approve', who().ben, before.scopeHash),
        withoutRead,
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
      const [{ policy_version: version }] = await house.owner.query('SELECT policy_version FROM decisions');
      expect(version).toBe(before.policyVersion);
      const grant = (await view(id)).grants[0]!.id;
      await settled(isIn(grant, 'ended'));
      expect(await grantView(grant)).toMatchObject({ endReason: 'policy' });
      expect(house.target.system().calls.issue).toBe(0);
    });
  });

  describe('an end while it is made', () => {
    it.each([0, 1, 2, 3])(
      'leaves nothing, when the start sleeps before message %i and wakes up after the end',
      async (step) => {
        const id = await scheduled();
        const { running, release: wake } = await heldAt('issue', step, () => house.work());
        await revoke(id);
        await house.work(house.anotherWorker());
        expect(await grantView(id)).toMatchObject({ state: 'ended', endReason: 'revoked' });
        wake();
        await running;
        expect(await grantView(id)).toMatchObject({ state: 'ended', credential: null });
        expect(house.target.system().accounts.size).toBe(0);
      },
    );

    it.each([0, 1, 2, 3])('leaves nothing, when the start was at message %i and goes on at once', async (step) => {
      const id = await scheduled();
      const { running, release: wake } = await heldAt('issue', step, () => house.work());
      await revoke(id);
      wake();
      await running;
      await settled(isIn(id, 'ended'));
      expect(await grantView(id)).toMatchObject({ endReason: 'revoked', credential: null });
      expect(house.target.system().accounts.size).toBe(0);
    });

    it('leaves nothing, when the start slept before it reached the target', async () => {
      const id = await scheduled();
      const asleep = house.target.system().holdNext('dial');
      const running = house.work();
      await asleep.reached;
      await revoke(id);
      await house.work(house.anotherWorker());
      expect((await grantView(id)).state).toBe('ended');
      asleep.release();
      await running;
      expect(house.target.system().accounts.size).toBe(0);
    });

    it.each([0, 1, 2, 3])('is not lost when it comes at message %i of a replacement', async (step) => {
      const id = await active();
      await pickUp(id);
      await replace(id);
      const { running, release: wake } = await heldAt('issue', step, () => house.work());
      await revoke(id);
      wake();
      await running;
      await settled(isIn(id, 'ended'));
      expect(house.target.system().accounts.size).toBe(0);
    });

    it('waits for an outcome that is being written, and is no deadlock with it', async () => {
      const id = await scheduled();
      const { running, release: wake } = await heldAt('issue', 3, () => house.work());
      const work = await held('operations', id, 'subject_id');
      const [revoked] = await inLine(work, [
        async () => {
          wake();
          await running;
        },
        async () => void (await revoke(id)),
      ]).then((results) => results.slice(1));
      expect(revoked).toEqual({ status: 'fulfilled', value: undefined });
      expect(house.failures).toEqual([]);
      await settled(isIn(id, 'ended'));
      expect(await grantView(id)).toMatchObject({ endReason: 'revoked', credential: { state: 'destroyed' } });
    });
  });

  describe('an end at the deadline', () => {
    it('is a release when the holder was first', async () => {
      const id = await active(1);
      const work = await heldWork(id);
      const releasing = release(id);
      await work.blocked(1);
      await pastDeadline(id);
      expect((await house.deadlines.endDue()).operations).toEqual([]);
      await work.release();
      expect(await releasing).toBeDefined();
      expect((await house.deadlines.endDue()).operations).toEqual([]);
      expect(await grantView(id)).toMatchObject({ state: 'ending', endReason: 'released' });
    });

    it('is an expiry when the timekeeper was first', async () => {
      const id = await active(1);
      await pastDeadline(id);
      const [expired, released] = await inLine<unknown>(await heldWork(id), [
        () => house.deadlines.endDue(),
        () => release(id),
      ]);
      expect(expired).toMatchObject({ status: 'fulfilled', value: { operations: [{}] } });
      expect(released).toEqual({ status: 'fulfilled', value: undefined });
      expect(await grantView(id)).toMatchObject({ state: 'ending', endReason: 'expired' });
    });

    it('is decided once for each of 1,000, by two timekeepers of which one is in the middle of it', async () => {
      const ids = await manyDue(house, who().ada.identityId, 1_000);
      // The first takes the 500 that are due the longest, and waits for the work of one of them.
      const work = await heldWork(ids[0]!);
      const first = new Deadlines(house.timekeeper).endDue();
      await work.blocked(1);
      const second = await house.deadlines.endDue();
      const third = await house.deadlines.endDue();
      await work.release();
      const passes = [await first, second, third, await house.deadlines.endDue()];
      expect(passes.map(({ operations }) => operations.length)).toEqual([500, 500, 0, 0]);
      const [counted] = await house.owner.query(
        `SELECT (SELECT count(*)::int FROM operations WHERE kind = 'end' AND finished_at IS NULL) AS operations,
                (SELECT count(*)::int FROM audit_events WHERE subject_kind = 'grant' AND to_state = 'ending') AS events,
                (SELECT count(DISTINCT subject_id)::int FROM audit_events WHERE subject_kind = 'grant' AND to_state = 'ending') AS subjects`,
      );
      expect(counted).toEqual({ operations: 1_000, events: 1_000, subjects: 1_000 });
    });
  });

  describe('a credential', () => {
    it('goes to one of two who come at once, and the other hears of it', async () => {
      const id = await active();
      const results = await inLine(await held('credentials', id, 'grant_id'), [() => pickUp(id), () => pickUp(id)]);
      expect(results).toMatchObject([
        { status: 'fulfilled', value: { credential: {} } },
        { status: 'fulfilled', value: { refused: { code: 'access.credential_picked_up' } } },
      ]);
    });

    it('is not handed over any more when the end was decided meanwhile', async () => {
      const id = await active();
      const credential = await held('credentials', id, 'grant_id');
      const picking = pickUp(id);
      picking.catch(() => undefined);
      await credential.blocked(1);
      await revoke(id);
      await credential.release();
      await expect(picking).rejects.toMatchObject({ code: 'access.grant_not_active' });
      await settled(isIn(id, 'ended'));
    });

    it('is the holder’s when its withdrawal comes in the middle of the pick-up, which waits for it', async () => {
      const id = await active();
      const gate = Promise.withResolvers<void>();
      const picking = house.as(who().ada, async (tx) => {
        const picked = await house.credentials.pickUp(tx, who().ada, id);
        await gate.promise;
        return picked;
      });
      const watch = await holding(house.urls.owner, 'SELECT');
      await expect.poll(async () => (await house.owner.query(HELD_CREDENTIALS)).length, { timeout: 10_000 }).toBe(1);
      await revoke(id);
      const ending = house.work();
      await watch.blocked(1);
      gate.resolve();
      expect(await picking).toHaveProperty('credential');
      await Promise.all([ending, watch.release()]);
      await settled(isIn(id, 'ended'));
      expect((await grantView(id)).credential).toMatchObject({ version: 1, pickedUpAt: expect.any(String) });
    });

    it('is replaced once when two ask at once', async () => {
      const id = await active();
      await pickUp(id);
      const results = await inLine<unknown>(await heldWork(id), [() => replace(id), () => replace(id)]);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'access.replacement_under_way' },
      });
      await settled(async () => (await grantView(id)).credential?.version === 2);
    });
  });

  describe('a piece of work', () => {
    it('is taken by one of two workers who come at once', async () => {
      const id = await scheduled();
      const [{ id: operation }] = await house.owner.query('SELECT id FROM operations WHERE subject_id = $1', [id]);
      const other = house.anotherWorker();
      await inLine(await held('operations', operation), [
        () => house.reconciler.carryOut(operation),
        () => other.carryOut(operation),
      ]);
      expect((await grantView(id)).state).toBe('active');
      expect(house.target.system().calls.issue).toBe(1);
      const [{ attempt }] = await house.owner.query('SELECT attempt FROM operations WHERE id = $1', [operation]);
      expect(attempt).toBe(1);
    });

    it.each([0, 1, 2, 3])(
      'is finished by another worker, and the one that slept at message %i changes nothing',
      async (step) => {
        const id = await scheduled();
        const { running, release: wake } = await heldAt('issue', step, () => house.work());
        await takeOver(id);
        await house.work(house.anotherWorker());
        expect((await grantView(id)).state).toBe('active');
        const before = await lifeOf(id);
        wake();
        await running;
        expect(await lifeOf(id)).toEqual(before);
        expect((await login(id)).isAlive()).toBe(true);
        expect(house.target.system().accounts.size).toBe(1);
      },
    );

    it.each([
      ['end', 0],
      ['end', 2],
      ['end', 4],
      ['prove', 0],
      ['prove', 2],
    ] as const)(
      'is finished by another worker when the first never comes back from %s, message %i',
      async (call, step) => {
        const id = await active();
        await login(id);
        await revoke(id);
        const { running, release: wake } = await heldAt(call, step, () => house.work());
        await takeOver(id);
        await house.work(house.anotherWorker());
        expect((await grantView(id)).state).toBe('ended');
        const before = await lifeOf(id);
        wake();
        await running;
        expect(await lifeOf(id)).toEqual(before);
      },
    );

    /** The outcome is about to be written; then the session is gone, and the worker never says another word that counts. */
    const dies = async (id: string, { running, release: wake }: Awaited<ReturnType<typeof heldAt>>) => {
      const grant = await held('grants', id);
      wake();
      await grant.blocked(1);
      await house.owner.query(
        `UPDATE operations SET fence = fence + 1, lease_ends_at = clock_timestamp() WHERE subject_id = $1 AND finished_at IS NULL`,
        [id],
      );
      await house.owner.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      await running;
      await grant.release();
    };

    it('is finished by another worker when the first dies between the target and the outcome', async () => {
      const id = await scheduled();
      await dies(id, await heldAt('issue', 3, () => house.work()));
      expect(house.target.system().accounts.size).toBe(1);
      expect(await grantView(id)).toMatchObject({ state: 'activating', credential: null });
      await settled(isIn(id, 'active'));
      expect((await login(id)).isAlive()).toBe(true);
      expect(house.target.system().accounts.size).toBe(1);
    });

    it('is finished by another worker when the first dies between the proof and the outcome', async () => {
      const id = await active();
      await revoke(id);
      await dies(id, await heldAt('prove', 2, () => house.work()));
      expect(house.target.system().accounts.size).toBe(0);
      expect((await grantView(id)).state).toBe('ending');
      await settled(isIn(id, 'ended'));
    });
  });
});

/** Credentials that a transaction has changed and not committed. */
const HELD_CREDENTIALS = `SELECT FROM credentials WHERE xmax <> 0 AND pg_xact_status(xmax::text::xid8) = 'in progress'`;
