import type { ErrorKind } from '@app/kernel';

/** What the exit code says. Printed by `--help` and in docs/cli.md; numbers never change. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notSignedIn: 3,
  refused: 4,
  notFound: 5,
  conflict: 6,
  unavailable: 7,
  notGranted: 8,
  found: 9,
  grantEnded: 124,
  cannotExecute: 126,
  commandNotFound: 127,
  interrupted: 130,
} as const;

export const EXIT_MEANINGS: readonly (readonly [number, string])[] = [
  [EXIT.ok, 'it is done'],
  [EXIT.error, 'something went wrong, or the question was answered with no'],
  [EXIT.usage, 'what was typed is not right'],
  [EXIT.notSignedIn, 'not signed in, or no longer'],
  [EXIT.refused, 'refused: the policies do not allow it'],
  [EXIT.notFound, 'there is no such thing, or you may not see it'],
  [EXIT.conflict, 'it has moved on meanwhile: decided, ended or picked up before'],
  [EXIT.unavailable, 'the service does not answer, or cannot now'],
  [EXIT.notGranted, 'the request was denied, withdrawn, lapsed, or its grant did not begin'],
  [EXIT.found, 'a check found something'],
  [EXIT.grantEnded, 'exec: the grant ended, and the command with it'],
  [EXIT.cannotExecute, 'exec: the command cannot be executed'],
  [EXIT.commandNotFound, 'exec: there is no such command'],
  [EXIT.interrupted, 'interrupted by Ctrl-C'],
];

const OF_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: EXIT.usage,
  unauthenticated: EXIT.notSignedIn,
  forbidden: EXIT.refused,
  not_found: EXIT.notFound,
  conflict: EXIT.conflict,
  limited: EXIT.unavailable,
  unavailable: EXIT.unavailable,
  internal: EXIT.error,
};

export const exitCodeOf = (kind: ErrorKind): number => OF_KIND[kind];
