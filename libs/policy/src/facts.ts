import type { SeenMembers } from './approvers';
import type { SamePeople } from './same-people';

/** Who is asking or acting. */
export interface PrincipalFacts {
  readonly kind: 'human';
  /** The identity's id, a UUID in lower case. */
  readonly id: string;
  readonly connection: string;
  readonly subject: string;
  /** Names of the groups that the identity is in now. */
  readonly groups: readonly string[];
}

export interface TargetFacts {
  readonly type: 'target';
  readonly target: string;
  /** The provider's kind: `postgres`, … */
  readonly kind: string;
  /** The name of the group that owns the target. */
  readonly owner: string;
}

export interface EntitlementFacts extends Omit<TargetFacts, 'type'> {
  readonly type: 'entitlement';
  /** Its name on the target: `read`. */
  readonly entitlement: string;
}

export interface InstallationFacts {
  readonly type: 'installation';
}

export type ResourceFacts = EntitlementFacts | TargetFacts | InstallationFacts;

export interface ActContext {
  /** Whole seconds since the person last proved who they are. */
  readonly signInAgeSeconds: number;
  readonly clientAddress?: string;
}

export interface RequestContext extends ActContext {
  /** Whole seconds asked for. */
  readonly durationSeconds: number;
}

export interface RequestFacts {
  readonly principal: PrincipalFacts;
  readonly resource: EntitlementFacts;
  readonly context: RequestContext;
  /** Others who count as the requester, `<connection>/<subject>`: further accounts, owners, delegates. */
  readonly alsoRequester?: readonly string[];
  /** For groups whose members a claim decides: those whom sign-ins have shown. Without it nobody can tell. */
  readonly seenMembers?: SeenMembers;
  /** Accounts of others that are one person's: an approver counts once, whichever they decide with. */
  readonly samePeople?: SamePeople;
}

export interface ApproveFacts {
  /** The approver. */
  readonly principal: PrincipalFacts;
  readonly resource: EntitlementFacts;
  /** The approver's own sign-in and address; the duration asked for. */
  readonly context: RequestContext;
  /** The path's rule, from {@link RequestPath}. */
  readonly approval: { readonly count: number; readonly group: string };
  /** The ids of all who count as the requester; never empty. */
  readonly requesterIdentityIds: readonly string[];
}

export interface ActFacts {
  readonly principal: PrincipalFacts;
  readonly resource: ResourceFacts;
  readonly context: ActContext;
}
