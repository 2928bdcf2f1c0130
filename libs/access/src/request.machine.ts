import { defineMachine, type EventOf, type StateOf } from '@app/kernel';

/** A request is asked once and decided once. */
export const requestMachine = defineMachine('request', 'pending', {
  pending: { approve: 'approved', deny: 'denied', withdraw: 'withdrawn', lapse: 'lapsed' },
  approved: {},
  denied: {},
  withdrawn: {},
  lapsed: {},
});

export type RequestState = StateOf<typeof requestMachine>;
export type RequestEvent = EventOf<typeof requestMachine>;
