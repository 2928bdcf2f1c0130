import type { RequestPath as OpenPath } from '@app/policy';

/** One way in which one entitlement of a request may be approved. */
export interface StandingPath {
  readonly entitlementId: string;
  /** The rule's `@id`. */
  readonly policy: string;
  /** 0: nobody is needed. */
  readonly approvalsNeeded: number;
  readonly approverGroup: string | null;
}

/** What is left of the ways that were open when it was asked, under the policies of now: the stricter answer wins. */
export function standingPaths(recorded: readonly StandingPath[], now: readonly OpenPath[]): StandingPath[] {
  return recorded.flatMap((path) => {
    const open = now.find((candidate) => candidate.policy === path.policy);
    if (!open) return [];
    const today = ruleOf(open);
    // The rule names another group now: what was agreed to is gone.
    if (today.group !== null && path.approverGroup !== null && today.group !== path.approverGroup) return [];
    const approvalsNeeded = Math.max(path.approvalsNeeded, today.count);
    return [{ ...path, approvalsNeeded, approverGroup: path.approverGroup ?? today.group }];
  });
}

export function ruleOf({ approval }: OpenPath): { count: number; group: string | null } {
  return approval === 'none' ? { count: 0, group: null } : approval;
}
