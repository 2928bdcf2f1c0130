import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { RecordView, VitalSigns, type Asker } from '@app/access';
import { AuditEvents } from '@app/audit';
import { Callers } from '@app/identity';
import { Secret } from '@app/kernel';
import { Operations } from '@app/platform';
import { pastTriggers } from '../support/bare-grant';
import { aCrowd } from '../support/crowd';
import { aHouse, HOUSE_POLICIES, type House } from '../support/house';
import { explain, statementsOf, type Sent } from '../support/plans';

/** Tables that stay small: a scan of them is no harm. */
const SMALL = new Set([
  'connections',
  'entitlements',
  'installation',
  'policy_sets',
  'targets',
  'group_members',
  'identity_addresses',
  'identities',
  'signing_keys',
]);
const PAGE = { limit: 50 };

const POLICIES = {
  ...HOUSE_POLICIES,
  groups: {
    file: 'groups.yaml',
    text: `${HOUSE_POLICIES.groups.text}  approvers-3: [test/bob]\n  team-4: [test/bea]\n  nobodys: [test/eve]\n`,
  },
};

describe('a statement reads no more than it needs, in a house that has been in use for a while', () => {
  let house: House;
  const people = new Map<string, Asker>();
  beforeAll(async () => {
    house = await aHouse(POLICIES);
    await aCrowd(house.owner);
    for (const name of ['ada', 'bob', 'bea', 'eve', 'cleo', 'zoe', 'crowd-7'])
      people.set(name, await house.person(name));
  }, 300_000);
  afterAll(() => house.close());
  const person = (name: string): Asker => people.get(name)!;

  /** What each of the statements that were sent reads too much of, one by one. */
  const wasteIn = async (database: DataSource, sent: readonly Sent[], rows: number) => {
    if (sent.length === 0) throw new Error('nothing was asked');
    const plans = [];
    for (const statement of sent) plans.push({ statement, plan: await explain(database, statement, SMALL) });
    return plans
      .filter(({ plan }) => plan.scanned.length > 0 || plan.rows > rows)
      .map(({ statement, plan }) => `${plan.rows} rows:\n${statement.sql}\n${plan.text}`);
  };
  const wasteOf = async (database: DataSource, work: () => Promise<unknown>, rows: number) =>
    wasteIn(database, await statementsOf(database, work), rows);
  /** Inserts are not repeated: they would meet what they have written. */
  const wasteOfReads = async (database: DataSource, work: () => Promise<unknown>, rows: number) => {
    const sent = await statementsOf(database, work);
    const repeatable = sent.filter(({ sql }) => !/^\s*INSERT/i.test(sql) && !sql.includes('set_config'));
    return wasteIn(database, repeatable, rows);
  };

  const sights = ['crowd-7', 'bob', 'bea', 'eve', 'zoe', 'cleo'];
  const asWhom: Record<string, string> = {
    'crowd-7': 'who has asked',
    bob: 'who may decide',
    bea: 'who owns targets',
    eve: 'in groups that see nothing',
    zoe: 'in no group',
    cleo: 'who sees everything',
  };
  const cases = sights.map((name) => [name, asWhom[name]!] as const);

  describe.each(cases)('as %s, %s:', (name) => {
    it.each([
      ['requests', {}],
      ['my requests', { box: 'mine' }],
      ['the inbox', { box: 'inbox' }],
      ['pending requests', { state: 'pending' }],
    ] as const)('the first page of %s', async (_, filter) => {
      expect(
        await wasteOf(
          house.api,
          () => house.views.requests.list(house.api.manager, person(name), { ...PAGE, ...filter }),
          1_500,
        ),
      ).toEqual([]);
    });

    it.each([
      ['grants', {}],
      ['my grants', { mine: true }],
      ['live grants', { state: 'live' }],
    ] as const)('the first page of %s', async (_, filter) => {
      expect(
        await wasteOf(
          house.api,
          () => house.views.grants.list(house.api.manager, person(name), { ...PAGE, ...filter }),
          1_500,
        ),
      ).toEqual([]);
    });

    it('one request and one grant', async () => {
      const [request] = await house.owner.query(
        `SELECT id FROM requests WHERE state = 'approved' ORDER BY created_at LIMIT 1`,
      );
      const [grant] = await house.owner.query('SELECT id FROM grants ORDER BY created_at LIMIT 1');
      const look = async () => {
        await house.views.requests.get(house.api.manager, person(name), request.id).catch(() => undefined);
        await house.views.grants.get(house.api.manager, person(name), grant.id).catch(() => undefined);
      };
      expect(await wasteOf(house.api, look, 100)).toEqual([]);
    });
  });

  it('a page far down', async () => {
    const { views, api } = house;
    const first = await views.requests.list(api.manager, person('cleo'), { limit: 200 });
    const cursor = Buffer.from(
      `${new Date(Date.now() - 20_000 * 180_000).toISOString()} ${first.items[0]!.id}`,
    ).toString('base64url');
    for (const name of sights) {
      expect(
        await wasteOf(api, () => views.requests.list(api.manager, person(name), { ...PAGE, cursor }), 1_500),
      ).toEqual([]);
      expect(
        await wasteOf(api, () => views.grants.list(api.manager, person(name), { ...PAGE, cursor }), 1_500),
      ).toEqual([]);
    }
  });

  it('the timekeeper’s passes', async () => {
    expect(await wasteOf(house.timekeeper, () => house.deadlines.endDue(), 50)).toEqual([]);
    expect(await wasteOf(house.timekeeper, () => house.deadlines.lapseDue(), 50)).toEqual([]);
  });

  it('looking for work, taking it, giving it back, and what waits', async () => {
    expect(await wasteOf(house.worker, () => house.operations.due(20), 200)).toEqual([]);
    expect(await wasteOf(house.worker, () => house.operations.oldestSeconds(), 200)).toEqual([]);
    expect(
      await wasteOf(
        house.worker,
        async () => {
          const [due] = await house.operations.due(1);
          const operation = await house.operations.claim(due!.id);
          await house.operations.renew(operation!);
          await house.operations.postpone(operation!, 60, 'test');
          await house.operations.sweep();
        },
        50,
      ),
    ).toEqual([]);
  });

  it('looking for work past a target whose line is long, and of which enough is under way', async () => {
    const [{ id: target }] = await house.owner.query(`SELECT id FROM targets WHERE name = 'crowd-1'`);
    await house.owner.query(
      `INSERT INTO operations (kind, subject_id, target_id, correlation)
       SELECT 'end', gen_random_uuid(), $1, 'test' FROM generate_series(1, 5000)`,
      [target],
    );
    try {
      const underWay = [{ target, ends: true, count: 3 }];
      const look = (perLine: number) => house.operations.due(32, { perLine, underWay });
      expect(await wasteOf(house.worker, () => look(4), 250)).toEqual([]);
      expect(await wasteOf(house.worker, () => house.operations.oldestSeconds(), 250)).toEqual([]);
      const lines = async (perLine: number) => (await look(perLine)).filter((each) => each.target === target).length;
      expect([await lines(3), await lines(4), await lines(5)]).toEqual([0, 1, 2]);
      const [due] = (await look(4)).filter((each) => each.target === target);
      const operation = (await house.operations.claim(due!.id))!;
      let taken = 0;
      const beside = async () => {
        taken = (await house.operations.claimEndsBeside(operation, { most: 100, except: 'alone' })).length;
      };
      expect(await wasteOf(house.worker, beside, 500)).toEqual([]); // a hundred are found, locked, found again and written
      expect(taken).toBe(100);
    } finally {
      await house.owner.query(`DELETE FROM operations WHERE correlation = 'test' AND kind = 'end'`);
    }
  });

  it('asking, deciding, beginning, picking up and ending', async () => {
    const ada = person('ada');
    const ids: string[] = [];
    const whole = async () => {
      const order = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('why') };
      const id = await house.as(ada, (tx) => house.requests.open(tx, ada, order));
      const { scopeHash } = await house.views.requests.get(house.api.manager, ada, id);
      await house.as(person('bob'), (tx) =>
        house.decisions.decide(tx, person('bob'), id, { verdict: 'approve', scopeHash }),
      );
      const [{ id: grant }] = await house.owner.query('SELECT id FROM grants WHERE request_id = $1', [id]);
      ids.push(grant);
    };
    expect(await wasteOfReads(house.api, whole, 700)).toEqual([]);
    const carryOut = async () => {
      const [{ id }] = await house.owner.query(
        'SELECT id FROM operations WHERE subject_id = $1 AND finished_at IS NULL',
        [ids[0]],
      );
      await house.reconciler.carryOut(id);
    };
    expect(await wasteOfReads(house.worker, carryOut, 700)).toEqual([]);
    expect(
      await wasteOfReads(house.api, () => house.as(ada, (tx) => house.credentials.pickUp(tx, ada, ids[0]!)), 700),
    ).toEqual([]);
    expect(
      await wasteOfReads(house.api, () => house.as(ada, (tx) => house.credentials.replace(tx, ada, ids[0]!)), 700),
    ).toEqual([]);
    expect(
      await wasteOfReads(house.api, () => house.as(ada, (tx) => house.grants.release(tx, ada, ids[0]!)), 700),
    ).toEqual([]);
    expect(await wasteOfReads(house.worker, carryOut, 700)).toEqual([]);
    const [{ state }] = await house.owner.query('SELECT state FROM grants WHERE id = $1', [ids[0]]);
    expect(state).toBe('ended');
  });

  it('judging again who is concerned by a change', async () => {
    const [{ id: target }] = await house.owner.query(`SELECT id FROM targets WHERE name <> 'db' LIMIT 1`);
    const { identityId } = person('crowd-7');
    for (const subjectId of [target, identityId]) {
      const { id } = await house.as(person('ada'), (tx) =>
        Operations.request(tx, { kind: 'reevaluate', subjectId, correlation: 'test' }),
      );
      expect(await wasteOfReads(house.worker, () => house.reconciler.carryOut(id), 2_500)).toEqual([]);
      const [{ finished }] = await house.owner.query(
        'SELECT finished_at IS NOT NULL AS finished FROM operations WHERE id = $1',
        [id],
      );
      expect(finished).toBe(true);
    }
  });

  it('who is calling', async () => {
    const [{ id, identity_id: identityId }] = await house.owner.query(
      `SELECT id, identity_id FROM sign_ins WHERE state = 'completed' LIMIT 1`,
    );
    expect(await wasteOf(house.api, () => new Callers(house.api).get({ identityId, signInId: id }), 10)).toEqual([]);
  });

  it('the record: newest, oldest, by subject, actor and correlation', async () => {
    const [event] = await house.owner.query('SELECT * FROM audit_events ORDER BY id LIMIT 1 OFFSET 30000');
    const judge = { may: () => Promise.resolve({ allowed: true }) } as never;
    const view = new RecordView(judge, new AuditEvents(house.api, { show: () => Promise.resolve(new Map()) } as never));
    for (const filter of [
      {},
      { before: event.id },
      { after: event.id },
      { subjectId: event.subject_id },
      { actor: event.actor },
      { actor: 'nobody' },
      { correlation: event.correlation },
      { correlation: 'nothing', after: '1' },
    ])
      expect(
        await wasteOf(house.api, () => view.list(house.api.manager, person('cleo'), { ...PAGE, ...filter }), 400),
      ).toEqual([]);
  });

  it('how the grants are', async () => {
    // Each live grant is counted: by an index, whatever has ended.
    expect(await wasteOf(house.worker, () => new VitalSigns(house.worker).read(), 2_500)).toEqual([]);
    expect(await wasteOf(house.worker, () => new VitalSigns(house.worker).overdue(), 10)).toEqual([]);
  });

  it('what has been left by grants that have ended', async () => {
    await house.owner.query(
      pastTriggers(
        `UPDATE grants SET leftovers = '[{"what": "view v", "why": "no plain data"}]'
         WHERE id IN (SELECT id FROM grants WHERE state = 'ended' ORDER BY created_at LIMIT 20)`,
      ),
    );
    expect((await new VitalSigns(house.worker).leftovers()).count).toBe(20);
    for (const process of [house.worker, house.api])
      expect(await wasteOf(process, () => new VitalSigns(process).leftovers(), 25)).toEqual([]);
  });

  it('shows the same as the predicate on one row', async () => {
    for (const name of sights) {
      const asker = person(name);
      const listed = await house.views.requests.list(house.api.manager, asker, { limit: 200 });
      const newest: { id: string }[] = await house.owner.query(
        'SELECT id FROM requests ORDER BY created_at DESC, id DESC LIMIT 400',
      );
      const seen: string[] = [];
      for (const { id } of newest) {
        if (seen.length === listed.items.length) break;
        const found = await house.views.requests.get(house.api.manager, asker, id).catch(() => undefined);
        if (found) seen.push(id);
      }
      expect(
        listed.items.slice(0, seen.length).map(({ id }) => id),
        name,
      ).toEqual(seen);
    }
  }, 120_000);
});
