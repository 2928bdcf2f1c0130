import type { EntityManager } from 'typeorm';
import { personOf } from '@app/identity';
import {
  assertDecidable,
  compilePolicyFiles,
  PolicyInvalid,
  type Explanation,
  type PolicyFiles,
  type PolicyProblem,
} from '@app/policy';
import { NotFound, NotPermitted } from './access.errors';
import { offeredByName } from './asked';
import type { Asker } from './facts';
import { Judge } from './judge';
import { AppliedPolicySet } from './policy-set.entity';
import { samePeopleListed } from './same-people';
import { isHidden } from './sight';

export interface PolicyQuestion {
  readonly entitlement: string;
  readonly durationSeconds: number;
  /** Somebody else, for those who oversee. */
  readonly identityId?: string | undefined;
}

export interface PolicyCheck {
  readonly ok: boolean;
  /** Of files that would be taken. */
  readonly version?: string;
  readonly problems: PolicyProblem[];
}

/** What applies, what would, and why. */
export class PoliciesView {
  constructor(private readonly judge: Judge) {}

  async current(manager: EntityManager): Promise<{ version: string; appliedAt: Date }> {
    const { version, createdAt } = await manager.findOneByOrFail(AppliedPolicySet, { state: 'applied' });
    return { version, appliedAt: createdAt };
  }

  /** Whether files would be taken. Nothing is applied. Whose accounts are one person's is told to those who oversee. */
  async check(manager: EntityManager, asker: Asker, files: PolicyFiles): Promise<PolicyCheck> {
    const { everything } = await this.judge.sight(manager, asker);
    try {
      const compiled = compilePolicyFiles(files);
      if (everything) assertDecidable(compiled, await samePeopleListed(manager, compiled));
      return { ok: true, version: compiled.version, problems: [] };
    } catch (error) {
      if (!(error instanceof PolicyInvalid)) throw error;
      return { ok: false, problems: [...error.problems] };
    }
  }

  /** Policy by policy, why a request would be answered as it would. Rules that only forbid are shown too. */
  async explain(manager: EntityManager, asker: Asker, question: PolicyQuestion): Promise<Explanation> {
    const policies = await this.judge.policies.current(manager);
    const sight = this.judge.sightBy(policies, asker);
    // Before anything is looked for: what is refused says nothing about what there is.
    if (question.identityId !== undefined && question.identityId !== asker.identityId && !sight.everything) {
      throw new NotPermitted('explain', 'Only those who oversee may ask about somebody else.');
    }
    const person =
      question.identityId === undefined ? asker : { ...asker, ...(await personOf(manager, question.identityId)) };
    const others = await this.judge.others(manager, policies, person);
    const [asked] = await offeredByName(manager, [question.entitlement]);
    const offered = asked?.found;
    if (!offered) throw new NotFound('entitlement', { entitlement: question.entitlement });
    const facts = this.judge.askFacts(policies, person, offered, question.durationSeconds);
    const explanation = policies.explain({ ...facts, ...others });
    if (isHidden(sight, offered, explanation.verdict))
      throw new NotFound('entitlement', { entitlement: question.entitlement });
    return explanation;
  }
}
