import { AppError } from '@app/kernel';

/** The target did not answer, or said "later". Nothing is known about what happened: look before trying again. */
export class TargetUnavailable extends AppError {
  constructor(code: string, cause?: unknown) {
    super({
      kind: 'unavailable',
      code: `target.${code}`,
      message: 'the target does not answer',
      advice: 'Curfew tries again by itself. `curfew targets check` shows what is wrong.',
      cause,
    });
  }
}

/** The target refused us: our own account lacks a right, or its password is wrong. */
export class TargetForbidden extends AppError {
  constructor(code: string, cause?: unknown) {
    super({
      kind: 'forbidden',
      code: `target.${code}`,
      message: "the target refuses Curfew's own account",
      advice: '`curfew targets check` names the right that is missing.',
      cause,
    });
  }
}

/** The target understood and will never do this: the configuration is wrong. */
export class TargetInvalid extends AppError {
  constructor(code: string, cause?: unknown) {
    super({
      kind: 'invalid',
      code: `target.${code}`,
      message: 'the target cannot do what its configuration says',
      advice: '`curfew targets check` says what to change.',
      cause,
    });
  }
}
