import { AppError, failpoint } from '@app/kernel';
import { Operations, type Operation } from '@app/platform';
import type { Ended, Proof } from '@app/providers';
import { conclude, withdrawCredentials } from './end-outcome';
import { Evidence } from './evidence.entity';
import { Grant } from './grant.entity';
import { grantMachine } from './grant.machine';
import { noteAttempts, type Attempted } from './last-attempt';
import { objectionTo, onRecord, seenOf, tried, type Ground, type ProofGrounds } from './proof-grounds';
import { Work } from './work';

/** Takes a grant away and proves it. Gated by nothing: no policy, no approver, no owner. */
export class Ending {
  constructor(
    private readonly work: Work,
    private readonly grounds: ProofGrounds,
  ) {}

  /** @throws AppError when the target does not answer, or shows no end: it is tried again, for ever */
  async attempt(operation: Operation, grant: Grant): Promise<void> {
    await this.work.commit(operation, async (tx) => {
      await Operations.hold(tx, operation, 'end');
      await withdrawCredentials(tx, [grant.id]);
    });
    failpoint('ending.withdrawn');
    const { ended, proof } = await this.#proven(operation, grant);
    await this.work.commit(operation, async (tx) => {
      await Operations.finish(tx, operation);
      await conclude(tx, [{ operation, grant, ended, proof }]);
    });
    failpoint('ending.committed');
  }

  /** @throws AppError when it is not: then it is written down how far it came */
  async #proven(operation: Operation, grant: Grant): Promise<{ ended: Ended; proof: Proof }> {
    let came: Attempted = { steps: [], checks: [] };
    try {
      const { name, provider, access } = await this.work.reach.connected(grant.targetId);
      const ref = await this.work.reach.ref(grant.id);
      const ended = await this.work.speak(operation, { name, step: 'end' }, () => provider.end(access, ref));
      came = { ...came, steps: ended.steps };
      failpoint('ending.ended');
      const ground = await this.#ground(grant.id);
      const asked = { name, step: 'prove', outcome: ({ verdict }: Proof) => verdict } as const;
      const seen = await this.work.speak(operation, asked, () => provider.prove(access, ref, tried(ground).proofCopy));
      failpoint('ending.proven');
      came = { ...came, checks: seenOf(seen, ground) };
      const objection = objectionTo(seen, ground);
      if (objection) throw objection;
      return { ended, proof: onRecord(seen, ground) };
    } catch (error) {
      await this.work.commit(operation, async (tx) => {
        await Operations.hold(tx, operation, 'end');
        await noteAttempts(tx, new Map([[grant.id, came]]));
      });
      throw error;
    }
  }

  /** An end that does not get on is stuck: visible, and tried for ever. */
  async stall(operation: Operation, grant: Grant, failure: string): Promise<void> {
    await this.work.commit(operation, async (tx) => {
      await tx.query(
        `UPDATE grants SET state = $3, revision = revision + 1, stuck_at = clock_timestamp(), failure = $4
         WHERE id = $1 AND revision = $2`,
        [grant.id, grant.revision, grantMachine.next('ending', 'stall'), failure],
      );
    });
    failpoint('ending.stalled');
  }

  /** Removes what could not be removed when the grant ended: powerless, but there. */
  async tidy(operation: Operation, grant: Grant): Promise<void> {
    const { name, provider, access } = await this.work.reach.connected(grant.targetId);
    const ref = await this.work.reach.ref(grant.id);
    const { steps, leftovers } = await this.work.speak(operation, { name, step: 'end' }, () =>
      provider.end(access, ref),
    );
    failpoint('tidying.ended');
    if (leftovers.length > 0) throw new LeftoversRemain(leftovers.length);
    // Nothing is left: there, or where the target leads to by now?
    const proof = await this.work.speak(operation, { name, step: 'prove', outcome: ({ verdict }) => verdict }, () =>
      provider.prove(access, ref),
    );
    const objection = objectionTo(proof, await this.#ground(grant.id));
    if (objection) throw objection;
    await this.work.commit(operation, async (tx) => {
      await Operations.finish(tx, operation);
      await tx.insert(Evidence, { grantId: grant.id, kind: 'tidy', body: { steps } });
      await tx.update(Grant, { id: grant.id }, { leftovers: [] });
    });
    failpoint('tidying.committed');
  }

  async #ground(grantId: string): Promise<Ground> {
    const ground = (await this.grounds.of([grantId], 'held')).get(grantId);
    if (!ground) throw new Error(`nothing is known of grant ${grantId}`);
    return ground;
  }
}

class LeftoversRemain extends AppError {
  constructor(count: number) {
    super({
      kind: 'unavailable',
      code: 'access.leftovers_remain',
      message: 'something of an ended grant still cannot be tidied away',
      details: { count },
    });
  }
}
