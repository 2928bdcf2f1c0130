import type { RequestVerdict } from '@app/policy';
import type { Offered } from './asked';
import type { Target } from './target.entity';

/**
 * What people may see, as SQL: mine, those whose rule names a group of mine, those on targets that I own, and everything
 * for auditors and administrators. What you may not see does not exist.
 *
 * Here as a predicate on one row; `newest.ts` says the same for lists. `OFFSET 0` lets the planner ask for this one row, and
 * not read everything that a group may see to look the row up in it.
 */
export interface Sight {
  readonly identityId: string;
  readonly groups: readonly string[];
  readonly everything: boolean;
}

/** Whether they see all that a target offers, also what no rule lets them ask for. */
export const isInside = (sight: Sight, target: Pick<Target, 'ownerGroup'>): boolean =>
  sight.everything || sight.groups.includes(target.ownerGroup);

/** What no rule speaks of does not exist for them, unless they look after it or oversee everything. */
export const isHidden = (sight: Sight, { target }: Offered, verdict: RequestVerdict): boolean =>
  !verdict.allowed && verdict.refusal.code === 'policy.no_rule' && !isInside(sight, target);

/** Over `requests r`. The parameters are places in the statement. */
export const visibleRequest = (identityId: string, groups: string, everything: string): string => `(
  ${everything}::boolean OR r.identity_id = ${identityId}::uuid
  OR EXISTS (SELECT FROM request_paths p WHERE p.request_id = r.id AND p.approver_group = ANY(${groups}::text[]) OFFSET 0)
  OR EXISTS (SELECT FROM request_entitlements re JOIN entitlements e ON e.id = re.entitlement_id JOIN targets t ON t.id = e.target_id
             WHERE re.request_id = r.id AND t.owner_group = ANY(${groups}::text[]) OFFSET 0))`;

/** Over `requests r`. $1 identity, $2 groups, $3 everything. */
export const VISIBLE_REQUEST = visibleRequest('$1', '$2', '$3');

/** Over `grants g JOIN targets t`. $1 identity, $2 groups, $3 everything. */
export const VISIBLE_GRANT = `(
  $3::boolean OR g.identity_id = $1::uuid OR t.owner_group = ANY($2::text[])
  OR EXISTS (SELECT FROM grant_groups p WHERE p.grant_id = g.id AND p.approver_group = ANY($2::text[]) OFFSET 0))`;

/** The first three parameters of a query with one of the predicates. */
export const sightParameters = (sight: Sight): [string, readonly string[], boolean] => [
  sight.identityId,
  sight.groups,
  sight.everything,
];
