import { AppError } from './app-error';

type Table = Readonly<Record<string, Readonly<Record<string, string>>>>;

export type StateOf<M> = M extends Machine<infer T> ? Extract<keyof T, string> : never;
export type EventOf<M> = M extends Machine<infer T> ? { [S in keyof T]: Extract<keyof T[S], string> }[keyof T] : never;

export class ImpossibleTransition extends AppError {
  constructor(name: string, state: string, event: string) {
    super({
      kind: 'conflict',
      code: `${name}.impossible_transition`,
      message: `a ${name} in this state does not take this step`,
      advice: `Look at the ${name} again: it has moved on.`,
      details: { state, event },
    });
  }
}

/** A lifecycle as a table: for each state, which event leads where. It does no I/O. */
export interface Machine<T extends Table> {
  readonly name: string;
  readonly initial: Extract<keyof T, string>;
  readonly states: readonly Extract<keyof T, string>[];
  readonly table: T;
  /** Where an event leads. @throws ImpossibleTransition when the state does not take it */
  next(state: Extract<keyof T, string>, event: EventOf<Machine<T>>): Extract<keyof T, string>;
  /** Whether the state takes the event. */
  takes(state: Extract<keyof T, string>, event: EventOf<Machine<T>>): boolean;
  /** The states that take the event: the guard of a set-based `UPDATE`. */
  from(event: EventOf<Machine<T>>): readonly Extract<keyof T, string>[];
  /** Whether nothing comes after the state. */
  isFinal(state: Extract<keyof T, string>): boolean;
}

/**
 * Callers say what happened, the table says where that leads; there is no way to jump to a state. An unknown event does
 * not compile; a target that is no state, or a state that cannot be reached, fails at import.
 */
export function defineMachine<const T extends Table>(
  name: string,
  initial: Extract<keyof T, string>,
  table: T,
): Machine<T> {
  type State = Extract<keyof T, string>;
  const states = Object.keys(table) as State[];
  const follow = (state: string, event: string): State | undefined => {
    const events = table[state];
    return events && Object.hasOwn(events, event) ? (events[event] as State) : undefined;
  };
  assertComplete(name, initial, table);
  return {
    name,
    initial,
    states,
    table,
    next(state, event) {
      const target = follow(state, event);
      if (target === undefined) throw new ImpossibleTransition(name, state, event);
      return target;
    },
    takes: (state, event) => follow(state, event) !== undefined,
    from: (event) => states.filter((state) => follow(state, event) !== undefined),
    isFinal: (state) => Object.keys(table[state] ?? {}).length === 0,
  };
}

function assertComplete(name: string, initial: string, table: Table): void {
  const reached = new Set([initial]);
  for (const state of reached) {
    const events = table[state];
    if (!events) throw new Error(`machine ${name}: "${state}" is not a state`);
    for (const target of Object.values(events)) reached.add(target);
  }
  const lost = Object.keys(table).filter((state) => !reached.has(state));
  if (lost.length > 0) throw new Error(`machine ${name}: unreachable: ${lost.join(', ')}`);
}
