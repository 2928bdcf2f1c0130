import { AppError, type ErrorKind } from '@app/kernel';

/** Something that the command line itself finds wrong; its codes begin with `cli.`. */
export class Failure extends AppError {}

/** What was typed is not right. */
export class UsageError extends Failure {
  constructor(message: string, advice?: string) {
    super({ kind: 'invalid', code: 'cli.usage', message, ...(advice !== undefined && { advice }) });
  }
}

export class NotSignedIn extends Failure {
  constructor(message: string) {
    super({ kind: 'unauthenticated', code: 'cli.not_signed_in', message, advice: 'Sign in: `curfew login`.' });
  }
}

/** The service cannot be reached, or what answers there is not Curfew. */
export class ServiceUnavailable extends Failure {
  constructor(message: string, advice: string, cause?: unknown) {
    super({ kind: 'unavailable', code: 'cli.service_unavailable', message, advice, cause });
  }
}

/** Ctrl-C. What it means for what was under way is for whoever was waiting to say. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** An RFC 9457 problem that the service answered with. */
export class ProblemReply extends AppError {
  readonly status: number;
  readonly type: string;
  readonly requestId: string | undefined;

  constructor(problem: {
    type?: string;
    title: string;
    status: number;
    code: string;
    detail?: string;
    requestId?: string;
    details?: Readonly<Record<string, unknown>>;
  }) {
    super({
      kind: kindOf(problem.status),
      code: problem.code,
      message: problem.title,
      ...(problem.detail !== undefined && { advice: problem.detail }),
      ...(problem.details && { details: problem.details }),
    });
    this.status = problem.status;
    this.type = problem.type ?? 'about:blank';
    this.requestId = problem.requestId;
  }
}

const KINDS: Readonly<Record<number, ErrorKind>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  429: 'limited',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

const kindOf = (status: number): ErrorKind => KINDS[status] ?? (status >= 400 && status < 500 ? 'invalid' : 'internal');
