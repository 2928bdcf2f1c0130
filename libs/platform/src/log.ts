import { AsyncLocalStorage } from 'node:async_hooks';
import pino, { type Logger } from 'pino';
import { AppError } from '@app/kernel';

const correlations = new AsyncLocalStorage<string>();

/** The id that runs from the HTTP request through the operation to the provider's call. */
export function correlated<T>(correlation: string, work: () => T): T {
  return correlations.run(correlation, work);
}

export function currentCorrelation(): string | undefined {
  return correlations.getStore();
}

/** Structured lines on standard output. Errors show kind, code and stack, and never a foreign error's fields: those may quote a secret. */
export function createLogger(name: string, level: string): Logger {
  return pino({
    name,
    level,
    base: { process: name, pid: process.pid },
    mixin: () => {
      const correlation = currentCorrelation();
      return correlation === undefined ? {} : { correlation };
    },
    serializers: { err: describeError, error: describeError },
  });
}

/** What a log may say of an error: an allow-list, cause included. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: 'not an error object', type: typeof error };
  const own =
    error instanceof AppError
      ? { kind: error.kind, code: error.code, details: error.details }
      : 'code' in error
        ? { code: String(error.code) }
        : {};
  return {
    type: error.name,
    message: error.message,
    ...own,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
