import { defineMachine, type StateOf } from '@app/kernel';

/** A credential is picked up once. What nobody picked up is withdrawn when the end begins; the proof copy goes with the proof. */
export const credentialMachine = defineMachine('credential', 'ready', {
  ready: { pick_up: 'picked_up', withdraw: 'withdrawn' },
  picked_up: { refuse: 'picked_up', ask_for_another: 'picked_up', replace: 'replaced', destroy: 'destroyed' },
  replaced: { destroy: 'destroyed' },
  withdrawn: { destroy: 'destroyed' },
  destroyed: {},
});

export type CredentialState = StateOf<typeof credentialMachine>;
