import { AppError } from '@app/kernel';

/** Values that explain a refusal: names, never a secret. */
type Details = Readonly<Record<string, unknown>>;

/** The target did not answer, or said "later". Nothing is known about what happened: look before trying again. */
export class TargetUnavailable extends AppError {
  constructor(code: string, cause?: unknown, details?: Details) {
    super({
      kind: 'unavailable',
      code: `target.${code}`,
      message: 'the target does not answer',
      advice: 'Curfew tries again by itself. `curfew targets check` shows what is wrong.',
      cause,
      ...(details && { details }),
    });
  }
}

/** The target refused us: our own account lacks a right, or its password is wrong. */
export class TargetForbidden extends AppError {
  constructor(code: string, cause?: unknown, details?: Details) {
    super({
      kind: 'forbidden',
      code: `target.${code}`,
      message: "the target refuses Curfew's own account",
      advice: '`curfew targets check` names the right that is missing.',
      cause,
      ...(details && { details }),
    });
  }
}

/** The target understood and will never do this: the configuration is wrong. */
export class TargetInvalid extends AppError {
  constructor(code: string, cause?: unknown, details?: Details) {
    super({
      kind: 'invalid',
      code: `target.${code}`,
      message: 'the target cannot do what its configuration says',
      advice: '`curfew targets check` says what to change.',
      cause,
      ...(details && { details }),
    });
  }
}

/** A grant's reference that is not what names at a target are made of: a mistake of the caller. */
export class MalformedGrant extends AppError {
  constructor() {
    super({ kind: 'internal', code: 'provider.malformed_grant', message: 'not an installation and the id of a grant' });
  }
}

/** A target's file names a kind of target that nobody knows. */
export class UnknownProvider extends AppError {
  constructor(kind: string, known: readonly string[]) {
    super({
      kind: 'invalid',
      code: 'provider.unknown_kind',
      message: 'no such kind of target',
      advice: `Write one of: ${known.join(', ')}.`,
      details: { kind: kind.slice(0, 40), known },
    });
  }
}
