import { Any, In, type EntityManager } from 'typeorm';
import { NotFound } from './access.errors';
import { Request, RequestEntitlement } from './request.entity';
import { scopeHash, type ScopeEntitlement } from './scope';
import { Entitlement, Target } from './target.entity';

/** An entitlement with its target, as their rows are now. */
export interface Offered {
  readonly entitlement: Entitlement;
  readonly target: Target;
  /** `<target>/<entitlement>` */
  readonly name: string;
}

/**
 * Finds entitlements by `<target>/<entitlement>`, in the order of the names: `undefined` for one that does not exist or is no
 * longer offered. Always the same statements, so that whoever says so says it as of one that is not for somebody's eyes.
 */
export async function offeredByName(
  manager: EntityManager,
  names: readonly string[],
): Promise<{ name: string; found: Offered | undefined }[]> {
  const pairs = names.map((name) => name.split('/'));
  const targets = await manager.findBy(Target, { name: In(pairs.map(([target]) => target ?? '')) });
  const offered = await withEntitlements(manager, targets);
  return names.map((name) => ({
    name,
    found: offered.find((candidate) => candidate.name === name && candidate.entitlement.retiredAt === null),
  }));
}

/** The entitlements of a request in the order in which it names them. */
export async function askedFor(manager: EntityManager, requestId: string): Promise<Offered[]> {
  const asked = await manager.find(RequestEntitlement, { where: { requestId }, order: { position: 'ASC' } });
  const entitlements = await manager.findBy(Entitlement, { id: In(asked.map((row) => row.entitlementId)) });
  const targets = await manager.findBy(Target, { id: In(entitlements.map((row) => row.targetId)) });
  return asked.map((row) => {
    const entitlement = entitlements.find((candidate) => candidate.id === row.entitlementId);
    const target = targets.find((candidate) => candidate.id === entitlement?.targetId);
    if (!entitlement || !target) throw new NotFound('entitlement');
    return { entitlement, target, name: `${target.name}/${entitlement.name}` };
  });
}

export async function withEntitlements(manager: EntityManager, targets: readonly Target[]): Promise<Offered[]> {
  const byId = new Map(targets.map((target) => [target.id, target]));
  const entitlements = await manager.find(Entitlement, {
    // One statement, however many they are: that there are none is nobody's to see.
    where: { targetId: Any([...byId.keys()]) },
    order: { name: 'ASC' },
  });
  return entitlements.flatMap((entitlement) => {
    const target = byId.get(entitlement.targetId);
    return target ? [{ entitlement, target, name: `${target.name}/${entitlement.name}` }] : [];
  });
}

/** The hash of what the request would run now; equal to `request.scopeHash` unless a target was changed since. */
export function currentScopeHash(
  request: Pick<Request, 'identityId' | 'durationSeconds' | 'reasonCommitment'>,
  offered: readonly Offered[],
): Buffer {
  return scopeHash({
    identityId: request.identityId,
    durationSeconds: request.durationSeconds,
    reasonCommitment: request.reasonCommitment,
    entitlements: offered.map(({ entitlement, target, name }): ScopeEntitlement => ({
      id: entitlement.id,
      name,
      config: entitlement.config,
      targetHash: target.configHash,
    })),
  });
}

/** Whether what the grant would run now is something else than what was approved. */
export async function isScopeChanged(
  manager: EntityManager,
  { requestId, scopeHash: approved }: { requestId: string; scopeHash: Buffer },
): Promise<boolean> {
  const request = await manager.findOneByOrFail(Request, { id: requestId });
  return !currentScopeHash(request, await askedFor(manager, requestId)).equals(approved);
}

/** What a grant is a grant of. */
export async function grantedEntitlement(
  manager: EntityManager,
  grant: { entitlementId: string; targetId: string },
): Promise<Offered> {
  const entitlement = await manager.findOneByOrFail(Entitlement, { id: grant.entitlementId });
  const target = await manager.findOneByOrFail(Target, { id: grant.targetId });
  return { entitlement, target, name: `${target.name}/${entitlement.name}` };
}
