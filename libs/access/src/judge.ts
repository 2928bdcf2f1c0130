import type { EntityManager } from 'typeorm';
import { Commitments } from '@app/audit';
import { countsAs, peopleOf, seenInGroups, type ClaimedGroup } from '@app/identity';
import { Clock } from '@app/kernel';
import type { ActContext, GroupsFile, PolicySet, RequestFacts, Verdict } from '@app/policy';
import { Asked } from './asked-facts';
import type { Offered } from './asked';
import { contextOf, entitlementFacts, groupsOf, memberOf, principalOf, targetFacts, type Asker } from './facts';
import { PoliciesService } from './policies.service';
import type { Request } from './request.entity';
import { ENOUGH_MEMBERS, samePeopleWhoApprove } from './same-people';
import type { Sight } from './sight';
import type { StandingPath } from './standing-path';
import type { Target } from './target.entity';

const INSTALLATION = { type: 'installation' } as const;

/** Either of them lets somebody see everything. */
const OVERSEES = ['audit', 'administer'] as const;

export type Others = Required<Pick<RequestFacts, 'alsoRequester' | 'seenMembers' | 'samePeople'>>;

/** Asks the policies about people and rows: the one place where rows become facts. */
export class Judge {
  constructor(
    readonly policies: PoliciesService,
    private readonly commitments: Commitments,
    private readonly clock: Clock,
  ) {}

  askFacts(policies: PolicySet, asker: Asker, offered: Offered, durationSeconds: number): RequestFacts {
    return {
      principal: principalOf(asker, policies),
      resource: entitlementFacts(offered),
      context: { ...this.#now(asker), durationSeconds },
    };
  }

  /** What is known of others when this person asks: who counts as they do, whom sign-ins have shown in claimed groups, and who is who. */
  async others(manager: EntityManager, policies: PolicySet, { identityId }: Asker): Promise<Others> {
    const accounts = await peopleOf(manager, [...(await countsAs(manager, identityId))]);
    const seen = await seenMembers(manager, policies.groups);
    return {
      alsoRequester: [...accounts.values()].map(memberOf),
      seenMembers: seen,
      samePeople: await samePeopleWhoApprove(manager, policies, seen),
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
    return this.#mayBy(await this.policies.current(manager), asker, action);
  }

  async mayAdminister(manager: EntityManager, asker: Asker, target: Target): Promise<Verdict> {
    const policies = await this.policies.current(manager);
    const principal = principalOf(asker, policies);
    return policies.may('administer', { principal, resource: targetFacts(target), context: this.#now(asker) });
  }

  /** What this person may see in lists. */
  async sight(manager: EntityManager, asker: Asker): Promise<Sight> {
    return this.sightBy(await this.policies.current(manager), asker);
  }

  /** The same, by policies that were read before. */
  sightBy(policies: PolicySet, asker: Asker): Sight {
    return {
      identityId: asker.identityId,
      groups: groupsOf(asker, policies.groups),
      everything: OVERSEES.some((action) => this.#mayBy(policies, asker, action).allowed),
    };
  }

  #mayBy(policies: PolicySet, asker: Asker, action: 'administer' | 'audit'): Verdict {
    const principal = principalOf(asker, policies);
    return policies.may(action, { principal, resource: INSTALLATION, context: this.#now(asker) });
  }

  #now(asker: Asker): ActContext {
    return contextOf({ signedInAt: asker.signedInAt, at: this.clock.now(), address: asker.address });
  }
}

async function seenMembers(manager: EntityManager, { groups }: GroupsFile): Promise<Others['seenMembers']> {
  const claimed = [...groups].flatMap(([name, group]) => (group.source === 'claim' ? [{ name, ...group }] : []));
  const seen = await seenInGroups(manager, claimed satisfies ClaimedGroup[], ENOUGH_MEMBERS);
  const members = claimed.map(({ name, connection }, place): [string, string[]] => [
    name,
    (seen[place] ?? []).map((subject) => memberOf({ connection, subject })),
  ]);
  return Object.fromEntries(members.filter(([, found]) => found.length < ENOUGH_MEMBERS));
}
