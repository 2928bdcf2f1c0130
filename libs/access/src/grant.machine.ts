import { defineMachine, type EventOf, type StateOf } from '@app/kernel';

/**
 * A grant lives from approval until its end is proven. Each attempt to make it begins anew with a deadline of its own; an
 * end that does not get on is stuck, visible and tried for ever.
 */
export const grantMachine = defineMachine('grant', 'scheduled', {
  scheduled: { begin: 'activating', end: 'ending' },
  activating: { begin: 'activating', activate: 'active', end: 'ending' },
  active: { end: 'ending' },
  ending: { prove: 'ended', stall: 'stuck' },
  stuck: { recover: 'ending' },
  ended: {},
});

export type GrantState = StateOf<typeof grantMachine>;
export type GrantEvent = EventOf<typeof grantMachine>;

/** Why a grant ends. */
export const END_REASONS = ['expired', 'released', 'revoked', 'policy', 'owner', 'target', 'failed'] as const;
export type EndReason = (typeof END_REASONS)[number];
