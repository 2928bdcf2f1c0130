import { StandardSchemaValidationPipe } from '@nestjs/common';
import { AppError } from '@app/kernel';

export class InvalidInput extends AppError {
  constructor(problems: readonly { path: string; problem: string }[]) {
    super({
      kind: 'invalid',
      code: 'http.invalid_input',
      message: 'the input is not right',
      advice: problems.map(({ path, problem }) => (path ? `${path}: ${problem}` : problem)).join('; '),
      details: { problems },
    });
  }
}

/** At most this many complaints about one input. */
const MAX_PROBLEMS = 20;

/**
 * Nest's own deletes `__proto__`, `prototype` and `constructor` from the input before the schema sees them: a wish that goes
 * unheard. Our schemas refuse what they do not name, and copy what they do.
 */
class Validation extends StandardSchemaValidationPipe {
  protected override stripProtoKeys(): void {
    // Nothing is taken out of what was sent.
  }
}

/** Every body, query and path parameter against the schema beside it; what comes out is what the schema made of it. */
export function inputValidation(): StandardSchemaValidationPipe {
  return new Validation({
    exceptionFactory: (issues) =>
      new InvalidInput(
        issues.slice(0, MAX_PROBLEMS).map(({ path = [], message }) => ({
          path: path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
          problem: message,
        })),
      ),
  });
}
