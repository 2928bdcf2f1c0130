import { STATUS_CODES } from 'node:http';
import { AppError, type ErrorKind } from '@app/kernel';

/** RFC 9457, with the members that every problem of Curfew has. */
export interface Problem {
  /** `urn:curfew:problem:<code>`; codes never change. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  /** What to do next. */
  readonly detail?: string;
  /** The id that is in the log and in the record. */
  readonly requestId: string;
  /** Values that explain the problem. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  limited: 429,
  unavailable: 503,
  internal: 500,
};

/** An internal error says nothing but the id that is in the log. */
export function problemOf(error: AppError, requestId: string): Problem {
  const status = STATUS_OF_KIND[error.kind];
  if (status === 500) return { ...plainProblem(500, requestId), detail: 'The log has more under this id.' };
  return {
    type: `urn:curfew:problem:${error.code}`,
    title: error.message,
    status,
    code: error.code,
    ...(error.advice === undefined ? {} : { detail: error.advice }),
    requestId,
    ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }),
  };
}

/** For what the framework itself refuses: no such route, a body that is no JSON or too large. */
export function plainProblem(status: number, requestId: string): Problem {
  const title = (STATUS_CODES[status] ?? 'error').toLowerCase();
  return { type: 'about:blank', title, status, code: `http.${title.replace(/[^a-z]+/g, '_')}`, requestId };
}
