import { defineMachine, type StateOf } from '@app/kernel';

/**
 * Something at a target that bears our name and that no grant answers for. It is reported first, and removed when somebody
 * confirms it or nobody has said anything for ten minutes; cleared when there is nothing to remove after all.
 */
export const strayMachine = defineMachine('stray', 'found', {
  found: { remove: 'removing', clear: 'cleared' },
  removing: { prove: 'removed', clear: 'cleared' },
  removed: {},
  cleared: {},
});

export type StrayState = StateOf<typeof strayMachine>;
