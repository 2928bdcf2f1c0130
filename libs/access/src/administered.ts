import type { EntityManager } from 'typeorm';
import { NotFound, TargetNotYours } from './access.errors';
import { withEntitlements, type Offered } from './asked';
import type { Asker } from './facts';
import { Judge } from './judge';
import { Target } from './target.entity';

/**
 * A target, for its owners and for administrators.
 *
 * @throws NotFound for what this person may not see, TargetNotYours for what they may
 */
export async function administeredTarget(
  judge: Judge,
  manager: EntityManager,
  asker: Asker,
  name: string,
): Promise<Target> {
  // In this order, whether it is there or not: what one may not see takes the same statements as what does not exist.
  const sight = await judge.sight(manager, asker);
  const policies = await judge.policies.current(manager);
  const found = await manager.findOneBy(Target, { name });
  const offered = await withEntitlements(manager, found ? [found] : []);
  const target = thereIs(found, name);
  if (sight.groups.includes(target.ownerGroup)) return target;
  const mayAsk = (each: Offered): boolean =>
    each.entitlement.retiredAt === null && policies.describePaths(judge.askFacts(policies, asker, each, 1)).length > 0;
  if (!sight.everything && !offered.some(mayAsk)) throw new NotFound('target', { target: name });
  const { allowed } = await judge.mayAdminister(manager, asker, target);
  if (!allowed) throw new TargetNotYours({ target: name, owner: target.ownerGroup });
  return target;
}

/** @throws NotFound */
export function thereIs(target: Target | null, name: string): Target {
  if (!target) throw new NotFound('target', { target: name });
  return target;
}
