import { effectiveGroups, assertUuid, toCedarRequest } from './entities';
import { PreparsedPolicies, type CedarAnswer, type CedarRequest } from './cedar';
import { explainRequest, type Explanation } from './explain';
import type { ActFacts, ApproveFacts, RequestFacts } from './facts';
import type { GroupsFile } from './groups';
import { InvalidFacts } from './policy.errors';
import { approversOf, failureOf, judgeRequest, type Rulebook } from './request-judge';
import type { Rule } from './rule';
import type { Action } from './schema';
import type { PathDescription, Refusal, RefusalCode, RequestVerdict, Verdict } from './verdict';

// In every set, and in no file: what @approval says is checked in code, and only a `forbid` can take it away.
// Its name is none that an @id can have.
const APPROVERS = '@approval';
const APPROVE = 'permit (principal, action == Action::"approve", resource);';

/**
 * Compiled policies and groups: what they say at one moment, and does not change. Several may live side by side.
 *
 * All questions are answered within a millisecond and without I/O, and whatever cannot be evaluated is answered with no.
 * Facts that cannot be true (an id that is no UUID, a negative age) throw {@link InvalidFacts}.
 */
export class PolicySet implements Rulebook {
  readonly #policies: PreparsedPolicies;

  constructor(
    /** SHA-256 in hex over all files' content: the name of this set in each decision. */
    readonly version: string,
    readonly groups: GroupsFile,
    readonly rules: readonly Rule[],
  ) {
    const texts = rules.map(({ id, source }) => [id, source.text] as const);
    this.#policies = new PreparsedPolicies(new Map([...texts, [APPROVERS, APPROVE]]));
  }

  /** May they ask for this, for so long, and who must agree? */
  request(facts: RequestFacts): RequestVerdict {
    return judgeRequest(this, facts);
  }

  /**
   * May this person approve on this path? Never one who counts as the requester, whatever the policies say; only
   * members of the path's group; and no `forbid` on `approve` may speak against it.
   */
  mayApprove(facts: ApproveFacts): Verdict {
    if (facts.requesterIdentityIds.length === 0) throw new InvalidFacts('requesterIdentityIds');
    for (const id of facts.requesterIdentityIds) assertUuid(id, 'requesterIdentityIds');
    const request = toCedarRequest('approve', facts, this.groups);
    if (facts.requesterIdentityIds.includes(facts.principal.id))
      return refuse('policy.self_approval', 'nobody decides on their own request');
    const { group } = facts.approval;
    if (!effectiveGroups(facts.principal, this.groups).includes(group))
      return refuse('policy.not_an_approver', `members of ${group} decide on this`);
    return this.#verdict(request, 'approve');
  }

  /** May they do this? */
  may(action: Exclude<Action, 'request' | 'approve'>, facts: ActFacts): Verdict {
    return this.#verdict(toCedarRequest(action, facts, this.groups), action);
  }

  /**
   * What they may ask for on this entitlement, for how long, and who would approve: nothing when there is no path.
   * The duration among the facts is not looked at.
   */
  describePaths(facts: RequestFacts): readonly PathDescription[] {
    const shortest = { ...facts.context, durationSeconds: 1 };
    const now = this.request({ ...facts, context: shortest }).paths;
    const open = now.length > 0 ? now : this.request({ ...facts, context: { ...shortest, signInAgeSeconds: 0 } }).paths;
    return open.map((path) => {
      const approvers = approversOf(this, facts, path);
      const description = this.rules.find(({ id }) => id === path.policy)?.description;
      return {
        ...path,
        ...(description !== undefined && { description }),
        ...(approvers && { approvers }),
        needsSignIn: now.length === 0,
      };
    });
  }

  /** Policy by policy, why `request` answers as it does. Slow: some milliseconds. */
  explain(facts: RequestFacts): Explanation {
    return explainRequest(this, facts);
  }

  judge(request: CedarRequest): CedarAnswer {
    return this.#policies.judge(request);
  }

  #verdict(request: CedarRequest, action: Action): Verdict {
    const answer = this.judge(request);
    const failure = failureOf(this, answer);
    if (failure) return { allowed: false, refusal: failure };
    const policies = [...answer.reason].filter((id) => id !== APPROVERS).toSorted();
    if (answer.decision === 'allow') return { allowed: true, policies };
    if (policies.length > 0) return refuse('policy.forbidden', `${policies.join(', ')} forbids this`, policies);
    return refuse('policy.no_rule', `no rule lets you ${action} this`);
  }
}

function refuse(code: RefusalCode, message: string, policies: readonly string[] = []): Verdict & { refusal: Refusal } {
  return { allowed: false, refusal: { code, message, policies } };
}
