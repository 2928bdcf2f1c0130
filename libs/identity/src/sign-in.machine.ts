import { defineMachine, type EventOf, type StateOf } from '@app/kernel';

/** A sign-in begins at the provider, and once completed carries a family of refresh tokens until it is ended. */
export const signInMachine = defineMachine('sign_in', 'pending', {
  pending: { complete: 'completed', refuse: 'refused', lapse: 'lapsed' },
  completed: { end: 'ended' },
  refused: {},
  lapsed: {},
  ended: {},
});

export type SignInState = StateOf<typeof signInMachine>;
export type SignInEvent = EventOf<typeof signInMachine>;

export const SIGN_IN_END_REASONS = ['signed_out', 'token_reused', 'expired'] as const;
export type SignInEndReason = (typeof SIGN_IN_END_REASONS)[number];
