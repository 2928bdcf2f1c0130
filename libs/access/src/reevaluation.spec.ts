import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { Operations } from '@app/platform';
import type { PolicyFiles } from '@app/policy';
import { aHouse, HOUSE_POLICIES as HOUSE, type House } from '../../../test/support/house';
import { assertUnbroken } from '../../../test/support/oracle';
import { People } from '../../../test/support/people';
import type { Asker } from './facts';

const [SOURCE] = HOUSE.policies;

const READ = { entitlements: ['db/read'], durationSeconds: 600, reason: new Secret('INC-4711') };
const AGE = `SELECT clock_timestamp() - signed_in_at > interval '901 s' AS old FROM requests`;

/** The policies of the house with something else in them. */
const withPolicies = (change: (text: string) => string): PolicyFiles => ({
  ...HOUSE,
  policies: [{ file: SOURCE!.file, text: change(SOURCE!.text) }],
});
const withGroups = (change: (text: string) => string): PolicyFiles => ({
  ...HOUSE,
  groups: { file: HOUSE.groups.file, text: change(HOUSE.groups.text) },
});
/** Engineers are whom the provider calls so. */
const CLAIMED = withGroups((text) =>
  text.replace('[test/ada, test/ben, test/eve]', '{ source: claim, connection: test, value: engineers }'),
);

describe('live grants are judged again', () => {
  let house: House;
  let people: People;
  let ada: Asker;
  let ben: Asker;
  let eve: Asker;
  const setUp = async (policies = HOUSE) => {
    house = await aHouse(policies);
    people = await People.of(house);
    [ada, ben, eve] = await Promise.all([house.person('ada'), house.person('ben'), house.person('eve')]);
  };
  beforeEach(() => setUp());
  afterEach(async () => {
    await assertUnbroken(house.owner, { target: house.target.system() });
    await house.close();
  });

  const approved = (by = ada, entitlement = 'db/read') => people.granted({ by, entitlements: [entitlement] });
  const active = async (...asked: Parameters<typeof approved>) => {
    const id = await approved(...asked);
    await house.work();
    expect(await look(id)).toMatchObject({ state: 'active' });
    return id;
  };
  const look = async (id: string) => {
    const [row] = await house.owner.query(
      'SELECT state, end_reason AS "endReason", failure, activated_at IS NOT NULL AS begun FROM grants WHERE id = $1',
      [id],
    );
    return row;
  };
  /** Until nothing is due; what failed, or waits for a later time, may go on waiting. */
  const settled = async () => {
    const due = async () => {
      await house.work();
      return house.owner.query(
        `SELECT kind FROM operations WHERE finished_at IS NULL AND last_error IS NULL AND run_after <= clock_timestamp() + interval '10 ms'`,
      );
    };
    await expect.poll(due, { timeout: 10_000, interval: 5 }).toEqual([]);
  };
  it('ends those that a changed policy does not allow any more, proven, and leaves the others alone', async () => {
    const read = await active();
    const write = await active(ada, 'db/write');
    await house.applyPolicies(
      withPolicies((text) => text.replace('Entitlement::"db/read"', 'Entitlement::"db/other"')),
    );
    await settled();
    expect(await look(read)).toMatchObject({
      state: 'ended',
      endReason: 'policy',
      failure: 'access.no_longer_allowed',
    });
    expect(await look(write)).toMatchObject({ state: 'active', endReason: null });
    expect(house.failures).toEqual([]);
  });

  it.each([
    [
      'that is forbidden now',
      withPolicies(
        (text) => `${text}\n@id("freeze") forbid (principal, action == Action::"request", resource in Target::"db");`,
      ),
    ],
    ['whose rule asks for more approvals now', withPolicies((text) => text.replace('1 of Group', '3 of Group'))],
    ['that lasts longer than its rule allows now', withPolicies((text) => text.replace('"4h"', '"5m"'))],
    ['of somebody who has left the group', withGroups((text) => text.replace('test/ada, ', ''))],
  ])('ends one %s', async (_, policies) => {
    const id = await active();
    await house.applyPolicies(policies);
    await settled();
    expect(await look(id)).toMatchObject({ state: 'ended', endReason: 'policy' });
  });

  it('ends one that has not begun yet, and never begins it', async () => {
    const id = await approved();
    await house.applyPolicies(withGroups((text) => text.replace('test/ada, ', '')));
    await settled();
    expect(await look(id)).toMatchObject({ state: 'ended', endReason: 'policy', begun: false });
    expect([...house.target.system().accounts.keys()]).toEqual([]);
  });

  it('goes by the facts of when it was asked where they are facts of that moment', async () => {
    const fresh = (text: string) =>
      text.replace('resource == Entitlement::"db/read")', '$& when { context.signInAgeSeconds <= 900 }');
    await house.applyPolicies(withPolicies(fresh));
    const id = await active({ ...ada, signedInAt: new Date(house.clock.milliseconds() - 899_000) });
    const stale = async () =>
      house.as(ada, (tx) =>
        house.requests.open(tx, { ...ada, signedInAt: new Date(house.clock.milliseconds() - 901_000) }, READ),
      );
    await expect(stale()).rejects.toMatchObject({ code: 'access.request_refused' });
    await expect.poll(() => house.owner.query(AGE), { timeout: 10_000 }).toEqual([{ old: true }]);
    await house.applyPolicies(withPolicies((text) => `${fresh(text)}\n// another version`));
    await settled();
    expect(await look(id)).toMatchObject({ state: 'active' });
  });

  it('ends those on a target whose owner has changed, where a rule goes by the owner', async () => {
    await house.applyPolicies(
      withPolicies((text) =>
        text.replace('resource == Entitlement::"db/read")', '$& unless { resource.owner == Group::"auditors" }'),
      ),
    );
    const id = await active();
    const password = new Secret(house.target.system().adminPassword);
    const file = {
      name: 'db',
      kind: 'fake',
      owner: 'auditors',
      connection: { system: 'main' },
      entitlements: { read: { right: 'read' }, write: { right: 'write' } },
    };
    await house.as(ben, (tx) => house.targets.replace(tx, 'demo', { name: 'db', file, password }));
    await settled();
    expect(await look(id)).toMatchObject({ state: 'ended', endReason: 'policy' });
  });

  describe('where groups are claims', () => {
    beforeEach(async () => {
      await house.close();
      await setUp(CLAIMED);
      await people.claim(ada, ['engineers']);
      await people.claim(eve, ['engineers']);
    });

    const reevaluate = (asker: Asker) =>
      house.as(asker, (tx) =>
        Operations.request(tx, { kind: 'reevaluate', subjectId: asker.identityId, correlation: 'test' }),
      );

    it('ends those of the person who has lost one, and nobody else’s', async () => {
      const mine = await active({ ...ada, claims: ['engineers'] });
      const hers = await active({ ...eve, claims: ['engineers'] });
      await people.claim(ada, ['visitors']);
      await people.claim(eve, ['visitors']);
      await reevaluate(ada);
      await settled();
      expect(await look(mine)).toMatchObject({ state: 'ended', endReason: 'policy' });
      expect(await look(hers)).toMatchObject({ state: 'active' });
    });

    it('ends them when the claim does not count any more', async () => {
      const id = await active({ ...ada, claims: ['engineers'] });
      await people.claim(ada, ['engineers'], 2);
      await reevaluate(ada);
      await settled();
      expect(await look(id)).toMatchObject({ state: 'active' });
      await expect
        .poll(async () => (await house.work(), (await look(id)).state), { timeout: 10_000, interval: 50 })
        .toBe('ended');
      expect(await look(id)).toMatchObject({ endReason: 'policy' });
      const open = await house.owner.query('SELECT kind FROM operations WHERE finished_at IS NULL');
      expect(open).toEqual([]);
    });
  });

  it('is tried again when it cannot be judged, which keeps nobody else waiting', async () => {
    const mine = await active();
    const hers = await active(eve);
    // What was committed to does not open any more under the key of this process.
    await house.owner.query(
      `UPDATE audit_values SET sealed = set_byte(sealed, length(sealed) - 1, get_byte(sealed, length(sealed) - 1) # 1)
       WHERE commitment = (SELECT r.address_commitment FROM grants g JOIN requests r ON r.id = g.request_id WHERE g.id = $1)`,
      [mine],
    );
    await house.applyPolicies(withGroups((text) => text.replace('test/ada, test/ben, test/eve', 'test/ben')));
    await settled();
    expect(await look(hers)).toMatchObject({ state: 'ended', endReason: 'policy' });
    expect(await look(mine)).toMatchObject({ state: 'active' });
    expect(house.failures).toMatchObject([{ code: 'sealing.broken' }]);
    const open = await house.owner.query(
      'SELECT kind, last_error AS "lastError" FROM operations WHERE finished_at IS NULL',
    );
    expect(open).toEqual([{ kind: 'reevaluate', lastError: 'sealing.broken' }]);
  });

  it('ends what would have gone on with another worker whose lease is lost', async () => {
    const id = await active();
    await house.applyPolicies(withGroups((text) => text.replace('test/ada, ', '')));
    const [due] = await house.operations.due(1);
    const sleeper = await house.operations.claim(due!.id);
    await house.owner.query('UPDATE operations SET lease_ends_at = clock_timestamp() WHERE id = $1', [due!.id]);
    await house.work(house.anotherWorker());
    await house.work();
    expect(await look(id)).toMatchObject({ state: 'ended', endReason: 'policy' });
    await expect(house.operations.renew(sleeper!)).rejects.toMatchObject({ code: 'operation.lease_lost' });
  });
});
