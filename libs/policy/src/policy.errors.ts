import { AppError } from '@app/kernel';

/** What is wrong, and where: `line` counts from 1. */
export interface PolicyProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** The files do not make a policy set. Whoever had one keeps it. `details.problems` is a list of {@link PolicyProblem}. */
export class PolicyInvalid extends AppError {
  readonly problems: readonly PolicyProblem[];

  constructor(problems: readonly PolicyProblem[]) {
    super({
      kind: 'invalid',
      code: 'policy.invalid',
      message: 'the policy files are not valid',
      advice: 'Mend each line listed; until then the policies that were in force stay in force.',
      details: { problems },
    });
    this.problems = problems;
  }
}

/** The folder or a file in it cannot be read. */
export class PoliciesUnreadable extends AppError {
  constructor(path: string, cause: unknown) {
    super({
      kind: 'unavailable',
      code: 'policy.unreadable',
      message: 'the policy files cannot be read',
      advice: 'Check that the folder exists and that this process may read it.',
      details: { path },
      cause,
    });
  }
}

/** A caller described somebody or something that cannot exist. Nothing is decided about it. */
export class InvalidFacts extends AppError {
  constructor(fact: string) {
    super({
      kind: 'invalid',
      code: 'policy.invalid_facts',
      message: 'the policies cannot judge this: a fact about it is malformed',
      details: { fact },
    });
  }
}
