import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError, type Secret } from '@app/kernel';
import type { Credential, EndsMany, GrantRef, Provider } from '@app/providers';
import type { ContractSubject } from './contract-subject';

const INSTALLATION = '5eedc0de';
const MOST_STEPS = 100;

const aGrant = (installation = INSTALLATION): GrantRef => ({ installation, grantId: randomUUID() });

export type ManySubject = ContractSubject & { readonly provider: Provider & EndsMany };

/** The promises of `EndsMany`, in its own words, on a target of any kind. */
export function describeEndsManyContract(name: string, start: () => Promise<ManySubject>): void {
  describe(`the contract of those that end many: ${name}`, () => {
    let subject: ManySubject;
    let provider: ManySubject['provider'];
    beforeAll(async () => {
      subject = await start();
      provider = subject.provider;
    });
    afterAll(() => subject?.close());

    const issue = async (grant = aGrant(), fence = async (): Promise<void> => undefined) => {
      const endsAt = new Date((await subject.now()).getTime() + 3_600_000);
      const issued = await provider.issue(subject.target, {
        grant,
        entitlement: subject.entitlement,
        endsAt,
        now: subject.clock,
        fence,
      });
      return { grant, ...issued };
    };
    const works = (credential: Secret<Credential>): Promise<boolean> =>
      subject.use(credential).then(
        () => true,
        () => false,
      );
    const idsOf = (grants: readonly { grant: GrantRef }[]): string[] =>
      grants.map(({ grant }) => grant.grantId).toSorted();

    it('endMany: closes the doors, ends live sessions, removes what was made', async () => {
      const begun = [await issue(), await issue(), await issue()];
      const use = await subject.use(begun[1]!.credential);
      const never = { grant: aGrant() };
      const { ended } = await provider.endMany(
        subject.target,
        [...begun, never].map(({ grant }) => grant),
      );
      expect([...ended.keys()].toSorted()).toEqual(idsOf([...begun, never]));
      expect(ended.get(never.grant.grantId)).toEqual({ steps: [], leftovers: [] });
      for (const { grant, credential } of begun) {
        expect(ended.get(grant.grantId)?.leftovers).toEqual([]);
        expect(ended.get(grant.grantId)?.steps.length).toBeGreaterThan(0);
        expect(await works(credential)).toBe(false);
      }
      expect(await use.isAlive()).toBe(false);
      const left = (await provider.list(subject.target, INSTALLATION)).grants;
      expect(left.filter((id) => ended.has(id))).toEqual([]);
    });

    it('endMany: leaves out what something stands in the way of, and that can be ended by itself afterwards', async () => {
      const free = await issue();
      const making = aGrant();
      let ended: ReadonlyMap<string, unknown> = new Map();
      // A start that sleeps after its fence would make the role after we looked.
      const fence = async (): Promise<void> => {
        ({ ended } = await provider.endMany(subject.target, [free.grant, making]));
      };
      await issue(making, fence);
      expect([...ended.keys()]).toEqual([free.grant.grantId]);
      await provider.end(subject.target, making);
      expect((await provider.prove(subject.target, making)).verdict).toBe('ended');
    });

    it('endMany: called twice, or after a crash at any step, it still ends', async () => {
      for (let steps = 0; steps < MOST_STEPS; steps += 1) {
        const begun = [await issue(), await issue()];
        const grants = begun.map(({ grant }) => grant);
        const use = await subject.use(begun[0]!.credential);
        const attempt = await provider
          .endMany(await subject.interrupted(steps), grants)
          .catch((error: unknown) => error);
        expect((await provider.endMany(subject.target, grants)).ended.size).toBe(2);
        const { ended: again } = await provider.endMany(subject.target, grants);
        expect([...again.values()].flatMap((each) => each.steps)).toEqual([]);
        const proofs = await provider.proveMany(
          subject.target,
          begun.map(({ grant, credential }) => ({ grant, proofCopy: credential })),
        );
        expect([...proofs.values()].map(({ verdict }) => verdict)).toEqual(['ended', 'ended']);
        expect(await use.isAlive()).toBe(false);
        if (!(attempt instanceof AppError)) return;
        expect(attempt.kind).toBe('unavailable');
      }
      expect.unreachable('it never got through');
    }, 120_000);

    it("endMany: does not touch what bears another grant's or another installation's name", async () => {
      const [mine, another] = [await issue(), await issue()];
      const elsewhere = await issue({ ...mine.grant, installation: '0ddba115' });
      await provider.endMany(subject.target, [mine.grant]);
      expect(await Promise.all([mine, another, elsewhere].map(({ credential }) => works(credential)))).toEqual([
        false,
        true,
        true,
      ]);
    });

    it('proveMany: says of each what prove says', async () => {
      const [alive, ended, never] = [await issue(), await issue(), { grant: aGrant(), credential: undefined }];
      await provider.end(subject.target, ended.grant);
      const asked = [alive, ended, never].map(({ grant, credential }) => ({
        grant,
        ...(credential && { proofCopy: credential }),
      }));
      for (const target of [subject.target, subject.refused, subject.unreachable]) {
        const proofs = await provider.proveMany(target, asked);
        expect([...proofs.keys()].toSorted()).toEqual(idsOf(asked));
        for (const { grant, proofCopy } of asked)
          expect(proofs.get(grant.grantId)).toEqual(await provider.prove(target, grant, proofCopy));
      }
      const verdicts = await provider.proveMany(subject.target, asked);
      expect(asked.map(({ grant }) => verdicts.get(grant.grantId)?.verdict)).toEqual(['alive', 'ended', 'ended']);
    });
  });
}
