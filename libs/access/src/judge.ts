import type { EntityManager } from 'typeorm';
import { Commitments } from '@app/audit';
import { countsAs, peopleOf } from '@app/identity';
import { Clock } from '@app/kernel';
import type { ActContext, PolicySet, RequestFacts, RequestVerdict, Verdict } from '@app/policy';
import { Asked } from './asked-facts';
import type { Offered } from './asked';
import { contextOf, entitlementFacts, groupsOf, principalOf, targetFacts, type Asker } from './facts';
import { PoliciesService } from './policies.service';
import type { Request } from './request.entity';
import type { Sight } from './sight';
import type { StandingPath } from './standing-path';
import type { Target } from './target.entity';

const INSTALLATION = { type: 'installation' } as const;

/** Asks the policies about people and rows: the one place where rows become facts. */
export class Judge {
  constructor(
    readonly policies: PoliciesService,
    private readonly commitments: Commitments,
    private readonly clock: Clock,
  ) {}

  /** May they ask for this now? */
  ask(policies: PolicySet, asker: Asker, offered: Offered, durationSeconds: number): RequestVerdict {
    return policies.request(this.askFacts(policies, asker, offered, durationSeconds));
  }

  askFacts(policies: PolicySet, asker: Asker, offered: Offered, durationSeconds: number): RequestFacts {
    return {
      principal: principalOf(asker, policies),
      resource: entitlementFacts(offered),
      context: { ...this.#now(asker), durationSeconds },
    };
  }

  /** The ways that were open when it was asked and are open now: "asked" facts as they were, live ones as they are. */
  async standing(
    manager: EntityManager,
    request: Request,
    offered: readonly Offered[],
    recorded: readonly StandingPath[],
  ): Promise<StandingPath[]> {
    const asked = await this.asked(manager, [request]);
    return offered.flatMap((each) => asked.standing(request, each, recorded));
  }

  /** The same for many requests at once: what is needed is read first, in a few statements. */
  async asked(manager: EntityManager, requests: readonly Request[]): Promise<Asked> {
    const policies = await this.policies.current(manager);
    const people = await peopleOf(
      manager,
      requests.map((request) => request.identityId),
    );
    const addresses = await this.commitments.open(
      manager,
      requests.flatMap(({ addressCommitment }) => addressCommitment ?? []),
    );
    return new Asked(policies, people, addresses);
  }

  /** Those of the ways on which this person decides. Never the requester, in any disguise. */
  async decidable(
    manager: EntityManager,
    asker: Asker,
    { request, offered, paths }: { request: Request; offered: readonly Offered[]; paths: readonly StandingPath[] },
  ): Promise<StandingPath[]> {
    const policies = await this.policies.current(manager);
    const person = {
      principal: principalOf(asker, policies),
      context: { ...this.#now(asker), durationSeconds: request.durationSeconds },
      requesterIdentityIds: [...(await countsAs(manager, request.identityId))],
    };
    return paths.filter(({ entitlementId, approverGroup, approvalsNeeded }) => {
      const resource = offered.find(({ entitlement }) => entitlement.id === entitlementId);
      if (approverGroup === null || !resource) return false;
      const approval = { count: approvalsNeeded, group: approverGroup };
      return policies.mayApprove({ ...person, resource: entitlementFacts(resource), approval }).allowed;
    });
  }

  /** Ending access is gated by no policy for those who own the target; a policy may let others do it too. */
  async mayRevoke(manager: EntityManager, asker: Asker, offered: Offered): Promise<Verdict> {
    const policies = await this.policies.current(manager);
    const principal = principalOf(asker, policies);
    if (principal.groups.includes(offered.target.ownerGroup)) return { allowed: true, policies: [] };
    return policies.may('revoke', { principal, resource: entitlementFacts(offered), context: this.#now(asker) });
  }

  async may(manager: EntityManager, asker: Asker, action: 'administer' | 'audit'): Promise<Verdict> {
    const policies = await this.policies.current(manager);
    return policies.may(action, {
      principal: principalOf(asker, policies),
      resource: INSTALLATION,
      context: this.#now(asker),
    });
  }

  async mayAdminister(manager: EntityManager, asker: Asker, target: Target): Promise<Verdict> {
    const policies = await this.policies.current(manager);
    const principal = principalOf(asker, policies);
    return policies.may('administer', { principal, resource: targetFacts(target), context: this.#now(asker) });
  }

  /** What this person may see in lists. */
  async sight(manager: EntityManager, asker: Asker): Promise<Sight> {
    const policies = await this.policies.current(manager);
    const everything = await Promise.all([this.may(manager, asker, 'audit'), this.may(manager, asker, 'administer')]);
    return {
      identityId: asker.identityId,
      groups: groupsOf(asker, policies.groups),
      everything: everything.some((verdict) => verdict.allowed),
    };
  }

  #now(asker: Asker): ActContext {
    return contextOf({ signedInAt: asker.signedInAt, at: this.clock.now(), address: asker.address });
  }
}
