/**
 * What went wrong, in the one vocabulary that decides the HTTP status, the log level and whether a job is tried again.
 */
export const ERROR_KINDS = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not_found',
  'conflict',
  'limited',
  'unavailable',
  'internal',
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

export interface ErrorFacts {
  readonly kind: ErrorKind;
  /** `<area>.<what_is_wrong>`; never changes once published. */
  readonly code: string;
  /** Lower case, without values: values go to `details`. */
  readonly message: string;
  /** What to do next, as a sentence for the person who asked. */
  readonly advice?: string;
  /** Values that explain the error. Shown to the caller: never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** The foreign error. Logged, never sent. */
  readonly cause?: unknown;
}

/** The only error that crosses a boundary of the house. */
export class AppError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly advice: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(facts: ErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = new.target.name;
    this.kind = facts.kind;
    this.code = facts.code;
    this.advice = facts.advice;
    this.details = facts.details ?? {};
  }
}
