import type { EntityManager } from 'typeorm';
import { personOf } from '@app/identity';
import { compilePolicyFiles, PolicyInvalid, type Explanation, type PolicyFiles, type PolicyProblem } from '@app/policy';
import { NotFound, NotPermitted } from './access.errors';
import { offeredByName } from './asked';
import type { Asker } from './facts';
import { Judge } from './judge';
import { AppliedPolicySet } from './policy-set.entity';
import { isHidden } from './sight';

export interface PolicyQuestion {
  readonly entitlement: string;
  readonly durationSeconds: number;
  /** Somebody else, for those who oversee. */
  readonly identityId?: string | undefined;
}

/** What applies, what would, and why. */
export class PoliciesView {
  constructor(private readonly judge: Judge) {}

  async current(manager: EntityManager): Promise<{ version: string; appliedAt: Date }> {
    const { version, createdAt } = await manager.findOneByOrFail(AppliedPolicySet, { state: 'applied' });
    return { version, appliedAt: createdAt };
  }

  /** Whether files would be taken. Nothing is applied. */
  check(files: PolicyFiles): { ok: boolean; version?: string; problems: PolicyProblem[] } {
    try {
      return { ok: true, version: compilePolicyFiles(files).version, problems: [] };
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
