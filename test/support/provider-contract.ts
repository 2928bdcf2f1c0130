import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, type Secret } from '@app/kernel';
import type { Credential, GrantRef, IssueOrder, Provider } from '@app/providers';
import { waitFor } from '../../scripts/waiting';
import type { ContractSubject } from './contract-subject';

const INSTALLATION = '5eedc0de';
const OTHER_INSTALLATION = '0ddba115';
const MOST_STEPS = 100;

const aGrant = (installation = INSTALLATION): GrantRef => ({ installation, grantId: randomUUID() });

/** The promises of `Provider`, in its own words, on a target of any kind. */
export function describeProviderContract(name: string, start: () => Promise<ContractSubject>): void {
  describe(`the provider contract: ${name}`, () => {
    let subject: ContractSubject;
    let provider: Provider;
    beforeAll(async () => {
      subject = await start();
      provider = subject.provider;
    });
    afterAll(() => subject?.close());

    const anOrder = async (order: Partial<IssueOrder> = {}): Promise<IssueOrder> => ({
      grant: aGrant(),
      entitlement: subject.entitlement,
      endsAt: new Date((await subject.now()).getTime() + 3_600_000),
      now: subject.clock,
      fence: async () => undefined,
      ...order,
    });
    const works = async (credential: Secret<Credential>): Promise<boolean> =>
      subject.use(credential).then(
        () => true,
        () => false,
      );
    const verdict = async (grant: GrantRef, copy?: Secret<Credential>): Promise<string> =>
      (await provider.prove(subject.target, grant, copy)).verdict;

    it('issue: called twice, it leaves one working credential', async () => {
      const order = await anOrder();
      const first = await provider.issue(subject.target, order);
      const second = await provider.issue(subject.target, order);
      expect([await works(first.credential), await works(second.credential)]).toEqual([false, true]);
      expect((await provider.list(subject.target, INSTALLATION)).grants).toContain(order.grant.grantId);
    });

    it('issue: the credential works when it returns, and the target ends it at the deadline by itself where it can', async () => {
      const endsAt = new Date((await subject.now()).getTime() + 2_000);
      const { credential } = await provider.issue(subject.target, await anOrder({ endsAt }));
      expect(await works(credential)).toBe(true);
      await subject.reach(endsAt);
      expect(await works(credential)).toBe(provider.ending.enforcedBy === 'curfew');
    });

    it('issue: called again with another deadline, only that one counts', async () => {
      const soon = new Date((await subject.now()).getTime() + 3_000);
      const [sooner, later] = [await anOrder(), await anOrder({ endsAt: soon })];
      await provider.issue(subject.target, sooner);
      await provider.issue(subject.target, later);
      const shortened = await provider.issue(subject.target, { ...sooner, endsAt: soon });
      const extended = await provider.issue(subject.target, await anOrder({ grant: later.grant }));
      await subject.reach(soon);
      expect(await works(extended.credential)).toBe(true);
      expect(await works(shortened.credential)).toBe(provider.ending.enforcedBy === 'curfew');
    });

    it("issue: the deadline is written on the target's clock", async () => {
      const hour = 3_600_000;
      const soon = (): Date => new Date(subject.clock().getTime() - hour + 2_000);
      const now = (): Date => new Date(subject.clock().getTime() - hour);
      const { credential } = await provider.issue(subject.target, await anOrder({ endsAt: soon(), now }));
      expect(await works(credential)).toBe(true);
      await subject.reach(new Date((await subject.now()).getTime() + 2_000));
      expect(await works(credential)).toBe(provider.ending.enforcedBy === 'curfew');
    });

    it('issue: an answer that was long on its way moves no deadline', async () => {
      const times = [0, 3_000];
      // The second look at the clock comes three seconds later, as on a slow line.
      const now = (): Date => new Date(subject.clock().getTime() + (times.shift() ?? 3_000));
      const endsAt = new Date(subject.clock().getTime() + 3_600_000);
      const { receipt } = await provider.issue(subject.target, await anOrder({ endsAt, now }));
      expect(Object.values(receipt)).toContain(endsAt.toISOString());
    });

    it('issue: a target that lets in whoever has a wrong password is refused as invalid', async () => {
      const { target, entitlement } = subject.trusting;
      const order = await anOrder({ entitlement });
      const refusal = { kind: 'invalid', code: 'target.asks_for_no_password' };
      await expect(provider.issue(target, order)).rejects.toMatchObject(refusal);
      await provider.end(target, order.grant);
      expect((await provider.prove(target, order.grant)).verdict).toBe('ended');
    });

    it('issue: nothing is made when the fence refuses', async () => {
      const lost = new Error('the lease is lost');
      const order = await anOrder({ fence: () => Promise.reject(lost) });
      await expect(provider.issue(subject.target, order)).rejects.toBe(lost);
      expect((await provider.list(subject.target, INSTALLATION)).grants).not.toContain(order.grant.grantId);
      expect(await verdict(order.grant)).toBe('ended');
    });

    it('issue: called again after a crash at any step, it leaves one working credential', async () => {
      const order = await anOrder();
      for (let steps = 0; steps < MOST_STEPS; steps += 1) {
        const attempt = await provider.issue(await subject.interrupted(steps), order).catch((error: unknown) => error);
        const { credential } = await provider.issue(subject.target, order);
        expect(await works(credential)).toBe(true);
        if (!(attempt instanceof AppError)) return;
        expect(attempt.kind).toBe('unavailable');
      }
      expect.unreachable('it never got through');
    }, 120_000);

    it('issue: cuts off an earlier start that sleeps after its fence, so that one working credential is left', async () => {
      const order = await anOrder();
      let credential: Secret<Credential> | undefined;
      const fence = async (): Promise<void> => {
        ({ credential } = await provider.issue(subject.target, order)); // meanwhile somebody else took the work over
      };
      await expect(provider.issue(subject.target, { ...order, fence })).rejects.toMatchObject({ kind: 'unavailable' });
      expect(credential && (await works(credential))).toBe(true);
    });

    it('end: closes the door, ends live sessions, removes what was made', async () => {
      const order = await anOrder();
      const { credential } = await provider.issue(subject.target, order);
      const use = await subject.use(credential);
      expect(await use.isAlive()).toBe(true);
      const { steps, leftovers } = await provider.end(subject.target, order.grant);
      expect({ leftovers, alive: await use.isAlive(), works: await works(credential) }).toEqual({
        leftovers: [],
        alive: false,
        works: false,
      });
      expect(steps.length).toBeGreaterThan(0);
      expect((await provider.list(subject.target, INSTALLATION)).grants).not.toContain(order.grant.grantId);
    });

    it('end: needs only the grant; nothing to end is success', async () => {
      expect(await provider.end(subject.target, aGrant())).toEqual({ steps: [], leftovers: [] });
    });

    it('end: called twice, or after a crash at any step, it still ends', async () => {
      for (let steps = 0; steps < MOST_STEPS; steps += 1) {
        const order = await anOrder();
        const { credential } = await provider.issue(subject.target, order);
        const use = await subject.use(credential);
        const attempt = await provider
          .end(await subject.interrupted(steps), order.grant)
          .catch((error: unknown) => error);
        await provider.end(subject.target, order.grant);
        expect((await provider.end(subject.target, order.grant)).steps).toEqual([]);
        expect([await verdict(order.grant, credential), await use.isAlive()]).toEqual(['ended', false]);
        if (!(attempt instanceof AppError)) return;
        expect(attempt.kind).toBe('unavailable');
      }
      expect.unreachable('it never got through');
    }, 120_000);

    it('end: several at the same time end it too', async () => {
      for (let round = 0; round < 5; round += 1) {
        const order = await anOrder();
        const { credential } = await provider.issue(subject.target, order);
        const ends = await Promise.all([1, 2, 3, 4].map(() => provider.end(subject.target, order.grant)));
        expect(ends.flatMap(({ leftovers }) => leftovers)).toEqual([]);
        expect(await verdict(order.grant, credential)).toBe('ended');
      }
    });

    it('end: cuts off a start that sleeps after its fence, so that it makes nothing any more', async () => {
      const grant = aGrant();
      const order = await anOrder({
        grant,
        fence: async () => {
          await provider.end(subject.target, grant); // the lease held a moment ago; somebody else has ended the grant since
        },
      });
      await expect(provider.issue(subject.target, order)).rejects.toMatchObject({ kind: 'unavailable' });
      expect([await verdict(grant), (await provider.list(subject.target, INSTALLATION)).grants]).toEqual([
        'ended',
        expect.not.arrayContaining([grant.grantId]),
      ]);
    });

    it("end: does not touch what bears another grant's or another installation's name", async () => {
      const ended = await anOrder();
      const sameGrantElsewhere = await anOrder({ grant: { ...ended.grant, installation: OTHER_INSTALLATION } });
      const others = [await anOrder(), sameGrantElsewhere];
      await provider.issue(subject.target, ended);
      const theirs = await Promise.all(others.map((order) => provider.issue(subject.target, order)));
      const uses = await Promise.all(theirs.map(({ credential }) => subject.use(credential)));
      await provider.end(subject.target, ended.grant);
      expect(await Promise.all(theirs.map(({ credential }) => works(credential)))).toEqual([true, true]);
      expect(await Promise.all(uses.map((use) => use.isAlive()))).toEqual([true, true]);
    });

    it('prove: says ended only after the end', async () => {
      const order = await anOrder();
      const { credential } = await provider.issue(subject.target, order);
      expect([await verdict(order.grant), await verdict(order.grant, credential)]).toEqual(['alive', 'alive']);
      await provider.end(subject.target, order.grant);
      const proof = await provider.prove(subject.target, order.grant, credential);
      expect(proof.verdict).toBe('ended');
      expect(proof.checks.map((check) => check.verdict)).toEqual(proof.checks.map(() => 'ended'));
    });

    it('prove: a refusal of ourselves, a timeout or a broken connection is unknown', async () => {
      const order = await anOrder();
      const { credential } = await provider.issue(subject.target, order);
      await provider.end(subject.target, order.grant);
      for (const target of [subject.refused, subject.unreachable, await subject.interrupted(1)]) {
        expect((await provider.prove(target, order.grant, credential)).verdict).toBe('unknown');
      }
    });

    it('list: names every grant of this installation on the target, and no other', async () => {
      const [ours, theirs] = [aGrant('11111111'), aGrant('22222222')];
      const third = aGrant('11111111');
      for (const grant of [ours, theirs, third]) await provider.issue(subject.target, await anOrder({ grant }));
      expect((await provider.list(subject.target, '11111111')).grants.toSorted()).toEqual(
        [ours.grantId, third.grantId].toSorted(),
      );
      expect((await provider.list(subject.target, '22222222')).grants).toEqual([theirs.grantId]);
      expect((await provider.list(subject.target, '33333333')).grants).toEqual([]);
    });

    it('list: names the server like receipts and proofs, where the target can say which it is', async () => {
      const order = await anOrder();
      const { receipt } = await provider.issue(subject.target, order);
      const { server } = await provider.list(subject.target, INSTALLATION);
      expect([server, (await provider.prove(subject.target, order.grant)).server]).toEqual([
        receipt['server'],
        receipt['server'],
      ]);
    });

    it('check: says what is wrong instead of throwing', async () => {
      expect((await provider.check(subject.target, [subject.entitlement], await subject.now())).ok).toBe(true);
      for (const target of [subject.refused, subject.unreachable]) {
        const { ok, findings } = await provider.check(target, [subject.entitlement]);
        expect([ok, findings.some(({ kind }) => kind === 'wrong')]).toEqual([false, true]);
      }
    });

    it('errors are AppErrors of kind unavailable, forbidden or invalid; no secret is in any of them', async () => {
      const order = await anOrder();
      const secrets = [...subject.secrets];
      const failures: unknown[] = [];
      const attempt = async (work: Promise<unknown>): Promise<void> => {
        await work.catch((error: unknown) => failures.push(error));
      };
      for (const target of [subject.refused, subject.unreachable, await subject.interrupted(3)]) {
        await attempt(provider.issue(target, order));
        await attempt(provider.end(target, order.grant));
        await attempt(provider.list(target, INSTALLATION));
      }
      const { credential } = await provider.issue(subject.target, order);
      secrets.push(
        ...Object.entries(credential.reveal().fields).flatMap(([key, value]) =>
          /password|key|token/.test(key) ? [value] : [],
        ),
      );
      await attempt(provider.issue(await subject.interrupted(8), order));
      expect(failures.length).toBeGreaterThanOrEqual(7);
      for (const failure of failures) {
        expect(failure).toBeInstanceOf(AppError);
        expect(['unavailable', 'forbidden', 'invalid']).toContain((failure as AppError).kind);
        const seen = inspect(failure, { depth: 12, showHidden: true }) + JSON.stringify(failure);
        for (const secret of secrets) expect(seen).not.toContain(secret);
      }
      expect(failures).toContainEqual(expect.objectContaining({ kind: 'forbidden' }));
      expect(inspect(await provider.check(subject.refused, [subject.entitlement]), { depth: 9 })).not.toContain(
        secrets[0],
      );
    });

    it('a start and an end at the same time leave nothing, once the end is repeated', async () => {
      for (let round = 0; round < 5; round += 1) {
        const order = await anOrder();
        const outcomes = await Promise.allSettled([
          provider.issue(subject.target, order),
          provider.end(subject.target, order.grant),
          provider.end(subject.target, order.grant),
        ]);
        for (const outcome of outcomes) {
          expect(outcome.status === 'rejected' ? (outcome.reason as AppError).kind : 'unavailable').toBe('unavailable');
        }
        const ended = await waitFor(async () => {
          await provider.end(subject.target, order.grant);
          return (await verdict(order.grant)) === 'ended' || undefined;
        }, 10_000);
        expect(ended).toBe(true);
      }
    });
  });
}
