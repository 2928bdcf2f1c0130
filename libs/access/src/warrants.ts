import { In, type EntityManager } from 'typeorm';
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
    return {
      asked: await this.judge.asked(manager, requests),
      requests,
      offered: await withEntitlements(manager, targets),
      paths: await manager.findBy(RequestPath, { requestId }),
      approvals: await manager.findBy(Decision, { requestId, verdict: 'approve' }),
    };
  }
}

function stands(grant: Grant, { asked, requests, offered, paths, approvals }: Grounds): boolean {
  const request = requests.find(({ id }) => id === grant.requestId);
  const mine = offered.find(({ entitlement }) => entitlement.id === grant.entitlementId);
  if (!request || !mine) throw new Error(`grant ${grant.id} has no request or no entitlement`);
  const given = approvals.filter(({ requestId }) => requestId === request.id);
  const recorded = paths.filter(({ requestId }) => requestId === request.id);
  return asked.standing(request, mine, recorded).some((path) => approvalsOf(path, given) >= path.approvalsNeeded);
}
