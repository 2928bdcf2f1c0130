import { AppError, failpoint, Secret } from '@app/kernel';
import { LeaseLost, Operations, Sealer, type Operation, type Transaction } from '@app/platform';
import type { Credential, Issued } from '@app/providers';
import { isScopeChanged } from './asked';
import { proofContext, sealedContext } from './credentials.service';
import { GrantCredential } from './credential.entity';
import { Evidence } from './evidence.entity';
import { Grant } from './grant.entity';
import { grantMachine } from './grant.machine';
import { endGrant } from './grants.service';
import { NO_LONGER_ALLOWED } from './reevaluation';
import { AnotherServer } from './proof-grounds';
import { Target } from './target.entity';
import { Warrants } from './warrants';
import { Work } from './work';

/** The target is being changed at this moment: it is looked at again. */
class ScopeMoved extends AppError {
  constructor() {
    super({ kind: 'conflict', code: 'access.scope_moved', message: 'the target was changed while it was read' });
  }
}

/** The two keys a credential is sealed with: one that the api has too, and one that only the prover has. */
export interface CredentialSealers {
  readonly readable: Sealer;
  readonly proof: Sealer;
}

/** Makes what a grant grants, and nothing else: what was approved, until when it was approved, while it still may. */
export class Activation {
  constructor(
    private readonly work: Work,
    private readonly warrants: Warrants,
    private readonly sealers: CredentialSealers,
    /** The database's time. */
    private readonly now: () => Date,
  ) {}

  async attempt(operation: Operation, grant: Grant): Promise<void> {
    const refusal = await this.#refusal(grant);
    if (refusal) return this.#give(operation, grant, refusal.reason, refusal.failure);
    const begun = await this.#begin(operation, grant);
    // Its time is over, or its end was decided: the row has the next step.
    if (!begun) return this.work.commit(operation, (tx) => Operations.finish(tx, operation));
    failpoint('activation.begun');
    try {
      const issued = await this.#issue(operation, begun);
      failpoint('activation.issued');
      await this.#activate(operation, begun, issued);
      failpoint('activation.committed');
    } catch (error) {
      // A configuration that is wrong stays wrong; anything else is tried again until `activate_by`.
      if (!(error instanceof AppError) || error.kind !== 'invalid') throw error;
      await this.#give(operation, grant, 'failed', error.code);
    }
  }

  /** A replacement of a credential whose reply was lost: a new password on the same role, the same deadline. */
  async replace(operation: Operation, grant: Grant): Promise<void> {
    // The target was changed since: what a replacement would make is not what was approved.
    if (await this.#isChanged(grant)) return this.work.commit(operation, (tx) => Operations.finish(tx, operation));
    const issued = await this.#issue(operation, grant);
    failpoint('replacement.issued');
    await this.work.commit(operation, async (tx) => {
      await Operations.finish(tx, operation);
      const [rows] = await tx.query<[{ version: number }[], number]>(
        `UPDATE credentials SET state = 'replaced', revision = revision + 1
         WHERE grant_id = $1 AND state = 'picked_up' RETURNING version`,
        [grant.id],
      );
      const replaced = rows[0];
      if (replaced) await this.#store(tx, grant.id, replaced.version + 1, issued);
      failpoint('replacement.written');
    });
    failpoint('replacement.committed');
  }

  /** What runs is what was approved, and is allowed still. */
  async #refusal(grant: Grant): Promise<{ reason: 'policy' | 'failed'; failure: string } | undefined> {
    if (await this.#isChanged(grant)) return { reason: 'failed', failure: 'access.scope_changed' };
    const lapsed = await this.warrants.lapsed(this.work.database.manager, [grant]);
    return lapsed.length > 0 ? { reason: 'policy', failure: NO_LONGER_ALLOWED } : undefined;
  }

  #isChanged(grant: Grant): Promise<boolean> {
    return isScopeChanged(this.work.database.manager, grant);
  }

  /** The end is armed before the beginning: this deadline is committed before the target is touched, and is told to it. */
  #begin(operation: Operation, grant: Grant): Promise<Grant | undefined> {
    return this.work.commit(operation, async (tx) => {
      await Operations.hold(tx, operation, 'issue');
      const [, affected] = await tx.query<[unknown[], number]>(
        `UPDATE grants SET state = $3, revision = revision + 1, ends_at = clock_timestamp() + make_interval(secs => duration_seconds)
         WHERE id = $1 AND revision = $2 AND activate_by > clock_timestamp()`,
        [grant.id, grant.revision, grantMachine.next(grant.state, 'begin')],
      );
      return affected === 1 ? tx.findOneByOrFail(Grant, { id: grant.id }) : undefined;
    });
  }

  async #issue(operation: Operation, grant: Grant): Promise<Issued> {
    const { name, provider, access, entitlement, revision } = await this.work.reach.target(grant);
    await this.#assertApproved(grant, revision);
    const ref = await this.work.reach.ref(grant.id);
    const { now } = this;
    const fence = async (server?: string): Promise<void> => {
      await this.work.operations.renew(operation);
      if (server !== undefined) await this.#assertThere(grant, server);
    };
    const step = grant.state === 'active' ? 'replace' : 'issue';
    return this.work.speak(operation, { name, step }, () =>
      provider.issue(access, { grant: ref, entitlement, endsAt: grant.endsAt, now, fence }),
    );
  }

  /** What was just read, and will run, is what was approved: a change in between is seen by the revision. */
  async #assertApproved(grant: Grant, revision: number): Promise<void> {
    const isChanged = await this.#isChanged(grant);
    const target = await this.work.database.manager.findOneByOrFail(Target, { id: grant.targetId });
    if (isChanged || target.revision !== revision) throw new ScopeMoved();
  }

  /** Where an attempt was, its answer may have been lost: the next one goes nowhere else, and the end is proven there. */
  async #assertThere(grant: Grant, server: string): Promise<void> {
    const [, affected] = await this.work.database.query<[unknown[], number]>(
      'UPDATE grants SET made_on = $2 WHERE id = $1 AND (made_on IS NULL OR made_on = $2)',
      [grant.id, server],
    );
    if (affected !== 1) throw new AnotherServer();
  }

  #activate(operation: Operation, grant: Grant, issued: Issued): Promise<void> {
    return this.work.commit(operation, async (tx) => {
      await Operations.finish(tx, operation);
      const [, affected] = await tx.query<[unknown[], number]>(
        `UPDATE grants SET state = $3, revision = revision + 1, activated_at = clock_timestamp()
         WHERE id = $1 AND revision = $2 AND ends_at > clock_timestamp()`,
        [grant.id, grant.revision, grantMachine.next('activating', 'activate')],
      );
      // Its end was decided while it was made: that work removes what was made.
      if (affected !== 1) throw new LeaseLost(operation.id);
      await this.#store(tx, grant.id, 1, issued);
      failpoint('activation.written');
    });
  }

  async #store(tx: Transaction, grantId: string, version: number, issued: Issued): Promise<void> {
    const text = new Secret(JSON.stringify(issued.credential.reveal() satisfies Credential));
    await tx.insert(GrantCredential, {
      grantId,
      version,
      sealed: await this.sealers.readable.seal(text, sealedContext(grantId, version)),
      proofSealed: await this.sealers.proof.seal(text, proofContext(grantId, version)),
    });
    await tx.insert(Evidence, { grantId, kind: 'issue', body: { ...issued.receipt } });
  }

  /** It will not begin. Whatever an earlier attempt may have made is ended like any other grant. */
  async #give(operation: Operation, grant: Grant, reason: 'policy' | 'failed', failure: string): Promise<void> {
    await this.work.commit(operation, async (tx) => {
      await Operations.hold(tx, operation, 'refused');
      await endGrant(tx, grant.id, reason, failure);
    });
    failpoint('activation.given_up');
  }
}
