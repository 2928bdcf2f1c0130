import { currentCorrelation, Operations, type Transaction } from '@app/platform';
import { Decision } from './decision.entity';
import { grantMachine } from './grant.machine';
import { settle } from './outcome';
import type { Request } from './request.entity';
import type { StandingPath } from './standing-path';

export interface VerdictOf {
  readonly identityId: string | null;
  readonly policyVersion: string;
  /** The ways that it counts for. */
  readonly paths: readonly Pick<StandingPath, 'entitlementId' | 'policy'>[];
}

/**
 * Approves a request for good: one grant per entitlement, each with its deadline, and the work to make it, all in the
 * caller's transaction.
 *
 * @param activateWithinSeconds how long from now the grants may begin
 */
export async function approve(tx: Transaction, request: Request, activateWithinSeconds: number): Promise<void> {
  await settle(tx, request.id, 'approve');
  const grants = await tx.query<{ id: string; targetId: string }[]>(
    `INSERT INTO grants (request_id, scope_hash, identity_id, target_id, entitlement_id, state, duration_seconds, activate_by, ends_at)
     SELECT r.id, r.scope_hash, r.identity_id, e.target_id, e.id, $2, r.duration_seconds, latest.start,
            latest.start + make_interval(secs => r.duration_seconds)
     FROM requests r
     JOIN request_entitlements re ON re.request_id = r.id
     JOIN entitlements e ON e.id = re.entitlement_id
     CROSS JOIN (SELECT (clock_timestamp() + make_interval(secs => $3))::timestamptz(3) AS start) latest
     WHERE r.id = $1 ORDER BY re.position RETURNING id, target_id AS "targetId"`,
    [request.id, grantMachine.initial, activateWithinSeconds],
  );
  await tx.query(
    `INSERT INTO grant_groups (grant_id, created_at, approver_group)
     SELECT DISTINCT g.id, g.created_at, p.approver_group FROM grants g JOIN request_paths p ON p.request_id = g.request_id
     WHERE g.request_id = $1 AND p.approver_group IS NOT NULL`,
    [request.id],
  );
  const correlation = currentCorrelation() ?? request.id;
  for (const { id, targetId } of grants) {
    await Operations.request(tx, { kind: 'begin', subjectId: id, targetId, correlation });
  }
}

export async function recordVerdict(
  tx: Transaction,
  request: Pick<Request, 'id' | 'scopeHash'>,
  verdict: Decision['verdict'],
  { paths, ...decision }: VerdictOf,
): Promise<void> {
  await tx.insert(Decision, {
    requestId: request.id,
    scopeHash: request.scopeHash,
    verdict,
    ...decision,
    policies: paths.map((path) => path.policy),
    entitlementIds: paths.map((path) => path.entitlementId),
  });
}

/**
 * How many have approved this way. Each is somebody else.
 *
 * @param people who of them is who, where that may have come out since they decided
 */
export function approvalsOf(
  path: Pick<StandingPath, 'entitlementId' | 'policy'>,
  decisions: readonly Pick<Decision, 'policies' | 'entitlementIds' | 'identityId'>[],
  people?: ReadonlyMap<string, string>,
): number {
  const counts = ({ policies, entitlementIds }: Pick<Decision, 'policies' | 'entitlementIds'>) =>
    policies.some((policy, index) => policy === path.policy && entitlementIds[index] === path.entitlementId);
  const by = decisions.filter(counts).flatMap(({ identityId }) => identityId ?? []);
  return new Set(by.map((id) => people?.get(id) ?? id)).size;
}
