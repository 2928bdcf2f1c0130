import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { aHouse, HOUSE_POLICIES as HOUSE, type House } from '../../../test/support/house';
import type { Asker } from './facts';

describe('one grant, whole', () => {
  let house: House;
  let ada: Asker;
  let ben: Asker;
  beforeEach(async () => {
    house = await aHouse();
    [ada, ben] = await Promise.all([house.person('ada'), house.person('ben')]);
  });
  afterEach(() => house.close());

  const ask = (durationSeconds = 600, entitlement = 'db/read', asker = ada) =>
    house.as(asker, (tx) =>
      house.requests.open(tx, asker, { entitlements: [entitlement], durationSeconds, reason: new Secret('INC-4711') }),
    );
  const view = (id: string, asker = ada) => house.views.requests.get(house.api.manager, asker, id);
  const decide = async (id: string, verdict: 'approve' | 'deny', by = ben) => {
    const { scopeHash } = await view(id);
    return house.as(by, (tx) => house.decisions.decide(tx, by, id, { verdict, scopeHash }));
  };
  const grantOf = async (id: string) => {
    const [grant] = (await view(id)).grants;
    return house.views.grants.get(house.api.manager, ada, grant!.id);
  };
  const active = async (durationSeconds = 600) => {
    const id = await ask(durationSeconds);
    await decide(id, 'approve');
    await house.work();
    return grantOf(id);
  };
  const pickUp = (id: string, by = ada) => house.as(by, (tx) => house.credentials.pickUp(tx, by, id));
  const until = async (condition: () => Promise<boolean>) => {
    await expect.poll(condition, { timeout: 10_000, interval: 20 }).toBe(true);
  };

  it('asks, decides, begins, is used, ends on time, and proves it', async () => {
    const id = await ask(1);
    expect(await view(id)).toMatchObject({
      state: 'pending',
      reason: 'INC-4711',
      paths: [{ policy: 'read', approvalsNeeded: 1, approverGroup: 'owners' }],
    });
    await decide(id, 'approve');
    expect(await view(id)).toMatchObject({ state: 'approved', grants: [{ state: 'scheduled' }] });
    await house.work();
    const begun = await grantOf(id);
    expect(begun.state).toBe('active');
    const picked = await pickUp(begun.id);
    const { fields } = 'credential' in picked ? picked.credential.reveal() : { fields: {} as Record<string, string> };
    const session = house.target.system().login(fields['username']!, fields['password']!);
    await until(async () => (await house.deadlines.endDue()).operations.length > 0);
    await house.work();
    const ended = await grantOf(id);
    expect(ended).toMatchObject({ state: 'ended', endReason: 'expired', leftovers: [] });
    expect(session.isAlive()).toBe(false);
    expect(() => house.target.system().login(fields['username']!, fields['password']!)).toThrow('refused');
    expect(ended.evidence.map(({ kind }) => kind)).toEqual(['issue', 'end', 'proof']);
    expect(ended.lateMs).toBeGreaterThanOrEqual(0);
  });

  it('tells the target exactly the deadline that it keeps itself', async () => {
    const grant = await active();
    const [account] = [...house.target.system().accounts.values()];
    expect(account!.endsAt).toEqual(grant.endsAt);
    expect(grant.endsAt.getTime() - grant.activatedAt!.getTime()).toBeLessThanOrEqual(600_000);
  });

  it('writes one event per state change, with a gap-free sequence', async () => {
    const grant = await active();
    await house.as(ada, (tx) => house.grants.release(tx, ada, grant.id));
    await house.work();
    const rows = await house.owner.query(
      `SELECT subject_kind, array_agg(coalesce(from_state, '') || '>' || to_state ORDER BY sequence) AS steps,
              array_agg(actor ORDER BY sequence) AS actors
       FROM audit_events WHERE subject_id IN ($1, (SELECT id FROM credentials WHERE grant_id = $1)) GROUP BY 1 ORDER BY 1`,
      [grant.id],
    );
    expect(rows).toEqual([
      {
        subject_kind: 'credential',
        steps: ['>ready', 'ready>withdrawn', 'withdrawn>destroyed'],
        actors: ['worker', 'worker', 'worker'],
      },
      {
        subject_kind: 'grant',
        steps: ['>scheduled', 'scheduled>activating', 'activating>active', 'active>ending', 'ending>ended'],
        actors: [ben.identityId, 'worker', 'worker', ada.identityId, 'worker'],
      },
    ]);
  });

  describe('deciding', () => {
    it('refuses a requester who approves their own request, also in another account and as its owner', async () => {
      const asked = await ask(600, 'db/read', ben);
      const { scopeHash } = await view(asked, ben);
      const decideAs = (by: Asker) =>
        house.as(by, (tx) => house.decisions.decide(tx, by, asked, { verdict: 'approve', scopeHash }));
      await expect(decideAs(ben)).rejects.toMatchObject({ code: 'access.self_approval' });
      await house.owner.query(`UPDATE identities SET email = 'ben@example.com' WHERE id = $1`, [ben.identityId]);
      const bob = await house.person('bob', { email: 'Ben@Example.com' });
      await expect(decideAs(bob)).rejects.toMatchObject({ code: 'access.self_approval' });
      await house.owner.query(`UPDATE identities SET email = null WHERE id = $1`, [ben.identityId]);
      await expect(decideAs(bob)).rejects.toMatchObject({ code: 'access.self_approval' });
    });

    it('shows nothing to strangers, and is not theirs to decide', async () => {
      const id = await ask();
      const eve = await house.person('eve');
      await expect(view(id, eve)).rejects.toMatchObject({ code: 'access.request_not_found' });
      await expect(decide(id, 'approve', eve)).rejects.toMatchObject({ code: 'access.request_not_found' });
      const cleo = await house.person('cleo');
      await expect(decide(id, 'approve', cleo)).rejects.toMatchObject({ code: 'access.not_an_approver' });
    });

    it('names the scope that was shown', async () => {
      const id = await ask();
      const scopeHash = '0'.repeat(64);
      await expect(
        house.as(ben, (tx) => house.decisions.decide(tx, ben, id, { verdict: 'approve', scopeHash })),
      ).rejects.toMatchObject({ code: 'access.scope_changed' });
    });

    it('takes two different people where the rule says two', async () => {
      const id = await ask(600, 'db/write');
      await decide(id, 'approve');
      expect((await view(id)).state).toBe('pending');
      await expect(decide(id, 'approve')).rejects.toMatchObject({ code: 'access.decided_before' });
      await decide(id, 'approve', await house.person('bob'));
      expect(await view(id)).toMatchObject({ state: 'approved', grants: [{}] });
    });

    it('tells whoever comes second what the outcome was', async () => {
      const id = await ask();
      await decide(id, 'deny');
      await expect(decide(id, 'approve', await house.person('bob'))).rejects.toMatchObject({
        code: 'access.already_decided',
        details: { state: 'denied' },
      });
      await expect(house.as(ada, (tx) => house.requests.withdraw(tx, ada, id))).rejects.toMatchObject({
        code: 'access.already_decided',
      });
    });

    it('needs nobody where the rule says so', async () => {
      const olga = await house.person('olga');
      const id = await ask(60, 'db/read', olga);
      expect(await view(id, olga)).toMatchObject({
        state: 'approved',
        decisions: [{ by: null, policies: ['on-call'] }],
      });
    });

    it('lapses when nobody decides in time, and cannot be approved then', async () => {
      const id = await ask();
      await house.owner.query(`ALTER TABLE requests DISABLE TRIGGER USER`);
      await house.owner.query(`UPDATE requests SET lapses_at = clock_timestamp() WHERE id = $1`, [id]);
      await house.owner.query(`ALTER TABLE requests ENABLE TRIGGER USER`);
      await expect(decide(id, 'approve')).rejects.toMatchObject({ details: { state: 'lapsed' } });
      await house.deadlines.lapseDue();
      expect((await view(id)).state).toBe('lapsed');
    });
  });

  describe('asking', () => {
    const explain = (asker: Asker, entitlement: string) =>
      house.views.policies.explain(house.api.manager, asker, { entitlement, durationSeconds: 60 });

    it('does not know what no rule speaks of, as little as what does not exist', async () => {
      const nina = await house.person('nina');
      for (const name of ['db/read', 'db/nothing', 'no/thing'])
        for (const asked of [() => ask(60, name, nina), () => explain(nina, name)])
          await expect(asked()).rejects.toMatchObject({ kind: 'not_found', code: 'access.entitlement_not_found' });
    });

    it.each([
      ['its owner', 'bob'],
      ['an auditor', 'cleo'],
      ['an administrator', 'root'],
    ])('tells %s, who sees it, that no rule lets them ask for it, and what would help', async (_, subject) => {
      const person = await house.person(subject);
      const [seen] = await house.views.targets.list(house.api.manager, person);
      expect(seen?.entitlements).toEqual([
        { name: 'db/read', paths: [] },
        { name: 'db/write', paths: [] },
      ]);
      await expect(ask(60, 'db/read', person)).rejects.toMatchObject({
        kind: 'forbidden',
        code: 'access.request_refused',
        details: { entitlement: 'db/read', why: 'policy.no_rule' },
        advice: expect.stringMatching(/no rule lets members of [a-z]+ ask for db\/read\..*`curfew policy explain`/),
      });
      const { verdict, policies } = await explain(person, 'db/read');
      expect(verdict).toMatchObject({ allowed: false, refusal: { code: 'policy.no_rule' } });
      expect(policies.find(({ policy }) => policy === 'read')).toMatchObject({ outcome: 'scope' });
      for (const asked of [() => ask(60, 'db/nothing', person), () => explain(person, 'db/nothing')])
        await expect(asked()).rejects.toMatchObject({ code: 'access.entitlement_not_found' });
    });

    it('says which rule refuses, and what would help', async () => {
      await expect(ask(5 * 3_600)).rejects.toMatchObject({
        code: 'access.request_refused',
        details: { rule: ['read'] },
      });
    });
  });

  describe('the credential', () => {
    it('is picked up once; a second try hears when and from where, and is an event', async () => {
      const grant = await active();
      expect(await pickUp(grant.id)).toHaveProperty('credential');
      const second = await pickUp(grant.id);
      expect(second).toMatchObject({
        refused: { code: 'access.credential_picked_up', details: { pickedUpFrom: '192.0.2.1' } },
      });
      const [{ count }] = await house.owner.query(
        `SELECT count(*)::int AS count FROM audit_events WHERE subject_kind = 'credential' AND from_state = 'picked_up' AND to_state = 'picked_up'`,
      );
      expect(count).toBe(1);
    });

    it('is nobody else’s, and not to be had before or after', async () => {
      const grant = await active();
      await expect(pickUp(grant.id, ben)).rejects.toMatchObject({ code: 'access.grant_not_found' });
      await house.as(ada, (tx) => house.grants.release(tx, ada, grant.id));
      await expect(pickUp(grant.id)).rejects.toMatchObject({ code: 'access.grant_not_active' });
    });

    it('is replaced three times at most, each time with another password on the same account', async () => {
      const grant = await active();
      const passwords = new Set<string>();
      for (let version = 1; version <= 4; version += 1) {
        const picked = await pickUp(grant.id);
        passwords.add('credential' in picked ? picked.credential.reveal().fields['password']! : '');
        const again = house.as(ada, (tx) => house.credentials.replace(tx, ada, grant.id));
        const answer = await again.then(
          () => 'asked for',
          (error: { code: string }) => error.code,
        );
        expect(answer).toBe(version === 4 ? 'access.replacement_used_up' : 'asked for');
        await house.work();
      }
      expect(passwords.size).toBe(4);
      const [name] = [...house.target.system().accounts.keys()];
      const works = [...passwords].filter((password) => {
        try {
          house.target.system().login(name!, password);
          return true;
        } catch {
          return false;
        }
      });
      expect(works).toEqual([[...passwords].at(-1)]);
    });

    it('is readable nowhere any more when the end is proven', async () => {
      const grant = await active();
      await house.as(ada, (tx) => house.grants.release(tx, ada, grant.id));
      await house.work();
      const rows = await house.owner.query('SELECT state, sealed, proof_sealed FROM credentials');
      expect(rows).toEqual([{ state: 'destroyed', sealed: null, proof_sealed: null }]);
    });
  });

  describe('beginning', () => {
    it('is tried again while the target is away', async () => {
      const id = await ask();
      await decide(id, 'approve');
      house.target.system().away = true;
      await house.work();
      expect((await grantOf(id)).state).toBe('activating');
      house.target.system().away = false;
      await until(async () => {
        await house.work();
        return (await grantOf(id)).state === 'active';
      });
    });

    it('leaves one working account when its answer was lost', async () => {
      const id = await ask();
      await decide(id, 'approve');
      house.target.system().failNext('applied-then-timeout', 'issue');
      await house.work();
      await until(async () => {
        await house.work();
        return (await grantOf(id)).state === 'active';
      });
      expect(house.target.system().accounts.size).toBe(1);
    });

    it('does not happen when the policies no longer allow it', async () => {
      const id = await ask();
      await decide(id, 'approve');
      const [policy] = HOUSE.policies;
      await house.applyPolicies({
        ...HOUSE,
        policies: [{ ...policy!, text: policy!.text.replace('Entitlement::"db/read"', 'Entitlement::"db/other"') }],
      });
      // The beginning alone, before anybody has judged again what the reload concerns.
      const [begin] = await house.owner.query(`SELECT id FROM operations WHERE kind = 'begin'`);
      await house.reconciler.carryOut(begin.id);
      expect(await grantOf(id)).toMatchObject({
        state: 'ending',
        endReason: 'policy',
        failure: 'access.no_longer_allowed',
      });
      await house.work();
      expect(await grantOf(id)).toMatchObject({ state: 'ended' });
      expect(house.target.system().calls.issue).toBe(0);
    });

    it('does not happen when the target was changed after the approval', async () => {
      const id = await ask();
      await decide(id, 'approve');
      const root = await house.person('root');
      const file = {
        name: 'db',
        kind: 'fake',
        owner: 'owners',
        connection: { system: 'main' },
        entitlements: { read: { right: 'write' } },
      };
      await house.as(root, (tx) =>
        house.targets.replace(tx, root, {
          name: 'db',
          file,
          password: new Secret(house.target.system().adminPassword),
        }),
      );
      await house.work();
      expect(await grantOf(id)).toMatchObject({ endReason: 'failed', failure: 'access.scope_changed' });
      expect(house.target.system().calls.issue).toBe(0);
    });
  });

  describe('ending', () => {
    it('is stuck while the target does not answer, and goes on when it does', async () => {
      const grant = await active();
      house.target.system().away = true;
      await house.as(ben, (tx) => house.grants.revoke(tx, ben, grant.id));
      await until(async () => {
        await house.work();
        return (await house.views.grants.get(house.api.manager, ada, grant.id)).state === 'stuck';
      });
      house.target.system().away = false;
      await until(async () => {
        await house.work();
        return (await house.views.grants.get(house.api.manager, ada, grant.id)).state === 'ended';
      });
      expect((await house.views.grants.get(house.api.manager, ada, grant.id)).stuckAt).toBeInstanceOf(Date);
    });

    it('is not proven by another server, to which the target points by now', async () => {
      const grant = await active();
      const root = await house.person('root');
      const point = (system: string) =>
        house.as(root, (tx) =>
          house.targets.replace(tx, root, {
            name: 'db',
            file: {
              name: 'db',
              kind: 'fake',
              owner: 'owners',
              connection: { system },
              entitlements: { read: { right: 'read' } },
            },
            password: new Secret(house.target.system(system).adminPassword),
            moved: true,
          }),
        );
      await point('other');
      await house.as(ada, (tx) => house.grants.release(tx, ada, grant.id));
      await house.work();
      const state = async () => (await house.views.grants.get(house.api.manager, ada, grant.id)).state;
      expect([await state(), house.target.system().accounts.size]).toEqual(['ending', 1]);
      await point('main');
      await until(async () => {
        await house.work();
        return (await state()) === 'ended';
      });
      expect(house.target.system().accounts.size).toBe(0);
    });

    it('needs an address that is said to be the same system, while it lives; and an administrator to say so', async () => {
      await active();
      const file = {
        name: 'db',
        kind: 'fake',
        owner: 'owners',
        connection: { system: 'other' },
        entitlements: { read: { right: 'read' } },
      };
      const replace = (asker: Asker) =>
        house.as(asker, (tx) => house.targets.replace(tx, asker, { name: 'db', file, password: new Secret('x') }));
      await expect(replace(ben)).rejects.toMatchObject({ code: 'access.not_permitted' });
      await expect(replace(await house.person('root'))).rejects.toMatchObject({ code: 'access.target_in_use' });
    });

    it('is not kept by a proof key that was lost: the catalogue proves it, and the evidence says so', async () => {
      const grant = await active();
      const picked = await pickUp(grant.id);
      const { fields } = 'credential' in picked ? picked.credential.reveal() : { fields: {} as Record<string, string> };
      const session = house.target.system().login(fields['username']!, fields['password']!);
      await house.as(ada, (tx) => house.grants.release(tx, ada, grant.id));
      await house.work(house.workerWithAnotherProofKey());
      expect(session.isAlive()).toBe(false);
      const ended = await house.views.grants.get(house.api.manager, ada, grant.id);
      expect(ended.state).toBe('ended');
      expect(JSON.stringify(ended.evidence)).toContain('the proof copy does not open');
    });

    it('is not proven by a target that refuses us', async () => {
      const grant = await active();
      await house.as(ada, (tx) => house.grants.release(tx, ada, grant.id));
      house.target.system().failNext('forbidden', 'prove');
      await house.work();
      expect((await house.views.grants.get(house.api.manager, ada, grant.id)).state).toBe('ending');
    });

    it('is not for those who neither hold it, own the target, nor administer', async () => {
      const grant = await active();
      const cleo = await house.person('cleo');
      await expect(house.as(cleo, (tx) => house.grants.revoke(tx, cleo, grant.id))).rejects.toMatchObject({
        code: 'access.revocation_forbidden',
      });
      await expect(house.as(ben, (tx) => house.grants.release(tx, ben, grant.id))).rejects.toMatchObject({
        code: 'access.grant_not_found',
      });
    });

    it('keeps what cannot be tidied visible, and tidies it later', async () => {
      const grant = await active();
      house.target.system().obstacles.push({ what: 'table t', why: 'locked' });
      await house.as(ada, (tx) => house.grants.release(tx, ada, grant.id));
      await house.work();
      const ended = () => house.views.grants.get(house.api.manager, ada, grant.id);
      expect(await ended()).toMatchObject({ state: 'ended', leftovers: [{ what: 'table t' }] });
      house.target.system().obstacles.length = 0;
      await house.work();
      expect(await ended()).toMatchObject({ leftovers: [] });
      expect(house.target.system().accounts.size).toBe(0);
    });
  });
});
