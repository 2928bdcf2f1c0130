import { AppError, failpoint, Secret } from '@app/kernel';
import { Operations, SealBroken, Sealer, type Operation, type Transaction } from '@app/platform';
import type { Credential, Ended, Proof, ProofCheck } from '@app/providers';
import { proofContext } from './credentials.service';
import { GrantCredential } from './credential.entity';
import { Evidence } from './evidence.entity';
import { Grant } from './grant.entity';
import { grantMachine } from './grant.machine';
import { digest } from './scope';
import { Work } from './work';

/** The target was looked at, and does not show that it is over. The grant stays `ending`. */
export class EndNotProven extends AppError {
  constructor(proof: Proof) {
    super({
      kind: 'unavailable',
      code: `access.end_${proof.verdict === 'alive' ? 'not_done' : 'not_proven'}`,
      message: 'the target does not show that the grant has ended',
      details: { checks: proof.checks.filter((check) => check.verdict !== 'ended') },
    });
  }
}

/** The target's connection leads to another server than the one on which the grant was made. */
export class AnotherServer extends AppError {
  constructor() {
    super({
      kind: 'unavailable',
      code: 'access.another_server',
      message: 'the target is not the server on which the grant was made',
      advice: 'Let the target point to that server again: `curfew targets add --replace --moved`.',
    });
  }
}

const COPY_BROKEN: ProofCheck = {
  check: 'the password that was handed out is refused',
  verdict: 'unknown',
  answer: 'not tried: the proof copy does not open under the key of this process',
};

/** Takes a grant away and proves it. Gated by nothing: no policy, no approver, no owner. */
export class Ending {
  constructor(
    private readonly work: Work,
    /** With the key that only the prover has. */
    private readonly proofSealer: Sealer,
  ) {}

  /** @throws AppError when the target does not answer, or shows no end: it is tried again, for ever */
  async attempt(operation: Operation, grant: Grant): Promise<void> {
    await this.#withdraw(operation, grant);
    failpoint('ending.withdrawn');
    const { name, provider, access } = await this.work.reach.target(grant);
    const ref = await this.work.reach.ref(grant.id);
    const ended = await this.work.speak(operation, { name, step: 'end' }, () => provider.end(access, ref));
    failpoint('ending.ended');
    const proofCopy = await this.#proofCopy(grant.id);
    const copy = proofCopy === 'broken' ? undefined : proofCopy;
    const asked = { name, step: 'prove', outcome: ({ verdict }: Proof) => verdict } as const;
    const proof = await this.work.speak(operation, asked, () => provider.prove(access, ref, copy));
    failpoint('ending.proven');
    if (proof.verdict !== 'ended') throw new EndNotProven(proof);
    await this.#assertSameServer(grant.id, proof);
    const checks = proofCopy === 'broken' ? [...proof.checks, COPY_BROKEN] : proof.checks;
    await this.#conclude(operation, grant, ended, { ...proof, checks });
    failpoint('ending.committed');
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
    const { name, provider, access } = await this.work.reach.target(grant);
    const ref = await this.work.reach.ref(grant.id);
    const { steps, leftovers } = await this.work.speak(operation, { name, step: 'end' }, () =>
      provider.end(access, ref),
    );
    failpoint('tidying.ended');
    if (leftovers.length > 0) throw new LeftoversRemain(leftovers.length);
    await this.work.commit(operation, async (tx) => {
      await Operations.finish(tx, operation);
      await tx.insert(Evidence, { grantId: grant.id, kind: 'tidy', body: { steps } });
      await tx.update(Grant, { id: grant.id }, { leftovers: [] });
    });
    failpoint('tidying.committed');
  }

  /** From here on nobody picks it up: what was not handed over is not readable any more. */
  #withdraw(operation: Operation, grant: Grant): Promise<void> {
    return this.work.commit(operation, async (tx) => {
      await Operations.hold(tx, operation, 'end');
      await tx.query(
        `UPDATE credentials SET state = 'withdrawn', revision = revision + 1, sealed = NULL WHERE grant_id = $1 AND state = 'ready'`,
        [grant.id],
      );
    });
  }

  /** Access ends without it too: a copy that does not open is one that is not held, and the evidence says so. */
  async #proofCopy(grantId: string): Promise<Secret<Credential> | 'broken' | undefined> {
    const newest = await this.work.database.manager.findOne(GrantCredential, {
      where: { grantId },
      order: { version: 'DESC' },
      select: { id: true, version: true, proofSealed: true },
    });
    if (!newest?.proofSealed) return undefined;
    try {
      const text = await this.proofSealer.open(newest.proofSealed, proofContext(grantId, newest.version));
      return new Secret(JSON.parse(text.reveal()) as Credential);
    } catch (error) {
      if (error instanceof SealBroken) return 'broken';
      throw error;
    }
  }

  /** What is absent on another server proves nothing about the one on which it was made. */
  async #assertSameServer(grantId: string, { server }: Proof): Promise<void> {
    const issued = await this.work.database.manager.findOne(Evidence, {
      where: { grantId, kind: 'issue' },
      order: { id: 'DESC' },
    });
    const made = issued?.body['server'];
    if (server !== undefined && made !== undefined && made !== server) throw new AnotherServer();
  }

  #conclude(operation: Operation, grant: Grant, ended: Ended, proof: Proof): Promise<void> {
    const evidence = { end: { steps: ended.steps, leftovers: ended.leftovers }, proof: { checks: proof.checks } };
    return this.work.commit(operation, async (tx) => {
      await Operations.finish(tx, operation);
      const revision = grant.state === 'stuck' ? await recover(tx, grant) : grant.revision;
      const [, affected] = await tx.query<[unknown[], number]>(
        `UPDATE grants SET state = $3, revision = revision + 1, ended_at = clock_timestamp(), evidence_digest = $4, leftovers = $5
         WHERE id = $1 AND revision = $2`,
        [grant.id, revision, grantMachine.next('ending', 'prove'), digest(evidence), JSON.stringify(ended.leftovers)],
      );
      if (affected !== 1) throw new Error('a grant moved on under its fence');
      await tx.query(
        `UPDATE credentials SET state = 'destroyed', revision = revision + 1, proof_sealed = NULL WHERE grant_id = $1 AND state <> 'destroyed'`,
        [grant.id],
      );
      await tx.insert(Evidence, { grantId: grant.id, kind: 'end', body: evidence.end });
      await tx.insert(Evidence, { grantId: grant.id, kind: 'proof', body: evidence.proof });
      if (ended.leftovers.length > 0) {
        const { id: subjectId, targetId } = grant;
        await Operations.request(tx, { kind: 'tidy', subjectId, targetId, correlation: operation.correlation });
      }
      failpoint('ending.written');
    });
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

/** The target answers again. @returns the new revision */
async function recover(tx: Transaction, grant: Grant): Promise<number> {
  await tx.query(`UPDATE grants SET state = $3, revision = revision + 1 WHERE id = $1 AND revision = $2`, [
    grant.id,
    grant.revision,
    grantMachine.next('stuck', 'recover'),
  ]);
  return grant.revision + 1;
}
