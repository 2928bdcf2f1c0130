import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, HOUSE_POLICIES, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import type { Asker } from './facts';

const FILE = {
  name: 'db',
  kind: 'fake',
  owner: 'owners',
  connection: { system: 'main' },
  entitlements: { read: { right: 'read' }, write: { right: 'write' } },
};

describe('what runs is what was approved', () => {
  let house: House;
  let ada: Asker;
  let ben: Asker;
  beforeEach(async () => {
    house = await aHouse();
    [ada, ben] = await Promise.all([house.person('ada'), house.person('ben')]);
  });
  afterEach(async () => {
    await assertUnbroken(house.owner, { target: house.target.system() });
    await house.close();
  });

  const ask = (entitlements: string[]) =>
    house.as(ada, (tx) =>
      house.requests.open(tx, ada, { entitlements, durationSeconds: 600, reason: new Secret('INC-4711') }),
    );
  const approve = async (id: string, by = ben) => {
    const { scopeHash } = await house.views.requests.get(house.api.manager, ada, id);
    await house.as(by, (tx) => house.decisions.decide(tx, by, id, { verdict: 'approve', scopeHash }));
  };
  const grants = async (id: string) => (await house.views.requests.get(house.api.manager, ada, id)).grants;
  const change = (file: typeof FILE) =>
    house.as(ben, (tx) =>
      house.targets.replace(tx, 'demo', {
        name: 'db',
        file,
        password: new Secret(house.target.system().adminPassword),
      }),
    );

  it('is not approved any more when the target was changed after it was asked', async () => {
    const id = await ask(['db/read']);
    await change({ ...FILE, entitlements: { read: { right: 'write' }, write: { right: 'write' } } });
    await expect(approve(id)).rejects.toMatchObject({ code: 'access.scope_changed' });
    expect(await grants(id)).toEqual([]);
  });

  it('is not replaced by what the target was changed to since', async () => {
    const id = await ask(['db/read']);
    await approve(id);
    await house.work();
    const grant = (await grants(id))[0]!.id;
    await house.as(ada, (tx) => house.credentials.pickUp(tx, ada, grant));
    const replace = () => house.as(ada, (tx) => house.credentials.replace(tx, ada, grant));
    // Asked for before the change, and carried out after it.
    await replace();
    await change({ ...FILE, entitlements: { read: { right: 'write' }, write: { right: 'write' } } });
    await house.work();
    await expect(replace()).rejects.toMatchObject({ code: 'access.replacement_target_changed' });
    expect(house.target.system().calls.issue).toBe(1);
    expect(await house.views.grants.get(house.api.manager, ada, grant)).toMatchObject({
      state: 'active',
      credential: { version: 1, state: 'picked_up' },
    });
  });

  it('is decided as a whole: one entitlement that is not allowed any more keeps the others', async () => {
    const both = {
      ...HOUSE_POLICIES,
      policies: HOUSE_POLICIES.policies.map(({ file, text }) => ({ file, text: text.replace('"2 of', '"1 of') })),
    };
    await house.applyPolicies(both);
    const id = await ask(['db/read', 'db/write']);
    await house.applyPolicies({
      ...both,
      policies: both.policies.map(({ file, text }) => ({
        file,
        text: `${text}\n@id("freeze") forbid (principal, action == Action::"request", resource == Entitlement::"db/write");`,
      })),
    });
    await expect(approve(id)).rejects.toMatchObject({
      code: 'access.no_longer_allowed',
      details: { entitlements: ['db/write'] },
    });
    expect(await grants(id)).toEqual([]);
  });
});

describe('ending access', () => {
  let house: House;
  let ada: Asker;
  let ben: Asker;
  beforeEach(async () => {
    house = await aHouse();
    [ada, ben] = await Promise.all([house.person('ada'), house.person('ben')]);
  });
  afterEach(() => house.close());

  const active = async (durationSeconds = 600) => {
    const order = { entitlements: ['db/read'], durationSeconds, reason: new Secret('INC-4711') };
    const id = await house.as(ada, (tx) => house.requests.open(tx, ada, order));
    const { scopeHash } = await house.views.requests.get(house.api.manager, ada, id);
    await house.as(ben, (tx) => house.decisions.decide(tx, ben, id, { verdict: 'approve', scopeHash }));
    await house.work();
    return (await house.views.requests.get(house.api.manager, ada, id)).grants[0]!.id;
  };

  it('is gated by no policy for those who own the target', async () => {
    const id = await active();
    const [policy] = HOUSE_POLICIES.policies;
    await house.applyPolicies({
      ...HOUSE_POLICIES,
      policies: [{ ...policy!, text: policy!.text.replace(/@id\("owners-revoke"\)[^;]*;/, '') }],
    });
    await expect(house.as(ada, (tx) => house.grants.revoke(tx, ada, id))).rejects.toMatchObject({
      code: 'access.revocation_forbidden',
    });
    await house.as(ben, (tx) => house.grants.revoke(tx, ben, id));
    expect(await house.views.grants.get(house.api.manager, ada, id)).toMatchObject({ endReason: 'revoked' });
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
    await house.as(ben, (tx) => house.grants.revoke(tx, ben, id));
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
