import { In, type EntityManager } from 'typeorm';
import { linksAmong, peopleAmong, type Link } from '@app/identity';
import { approvalsOf } from './approval';
import { withEntitlements, type Offered } from './asked';
import type { Asked } from './asked-facts';
import { Decision } from './decision.entity';
import type { Grant } from './grant.entity';
import type { Judge } from './judge';
import { Request, RequestPath } from './request.entity';
import { Target } from './target.entity';

/** What grants rest on: what was asked, by which rules, and who approved. */
interface Grounds {
  readonly asked: Asked;
  readonly requests: readonly Request[];
  readonly offered: readonly Offered[];
  readonly paths: readonly RequestPath[];
  readonly approvals: readonly Decision[];
  readonly links: readonly Link[];
}

/** Whether what was approved is allowed still: under the policies and facts of now, by the approvals that were given. */
export class Warrants {
  constructor(private readonly judge: Judge) {}

  /** @returns those of the grants that are not allowed any more */
  async lapsed(manager: EntityManager, grants: readonly Grant[]): Promise<Grant[]> {
    const grounds = await this.#grounds(manager, grants);
    return grants.filter((grant) => !stands(grant, grounds));
  }

  async #grounds(manager: EntityManager, grants: readonly Grant[]): Promise<Grounds> {
    const requestId = In(grants.map((grant) => grant.requestId));
    const targets = await manager.findBy(Target, { id: In(grants.map((grant) => grant.targetId)) });
    const requests = await manager.findBy(Request, { id: requestId });
    const approvals = await manager.findBy(Decision, { requestId, verdict: 'approve' });
    return {
      asked: await this.judge.asked(manager, requests),
      requests,
      offered: await withEntitlements(manager, targets),
      paths: await manager.findBy(RequestPath, { requestId }),
      approvals,
      links: await linksAmong(manager, idsOf([...requests, ...approvals])),
    };
  }
}

function stands(grant: Grant, { asked, requests, offered, paths, approvals, links }: Grounds): boolean {
  const request = requests.find(({ id }) => id === grant.requestId);
  const mine = offered.find(({ entitlement }) => entitlement.id === grant.entitlementId);
  if (!request || !mine) throw new Error(`grant ${grant.id} has no request or no entitlement`);
  const all = approvals.filter(({ requestId }) => requestId === request.id);
  // That two accounts are one person's may have come out since.
  const own = new Set([request.identityId, ...linkedWith(request.identityId, links)]);
  const given = all.filter(({ identityId }) => identityId === null || !own.has(identityId));
  const people = peopleAmong(idsOf(given), links);
  const recorded = paths.filter(({ requestId }) => requestId === request.id);
  return asked
    .standing(request, mine, recorded)
    .some((path) => approvalsOf(path, given, people) >= path.approvalsNeeded);
}

const idsOf = (by: readonly { identityId: string | null }[]): string[] =>
  by.flatMap(({ identityId }) => identityId ?? []);

const linkedWith = (id: string, links: readonly Link[]): string[] =>
  links.flatMap(([one, other]) => (one === id ? [other] : other === id ? [one] : []));
