import pg from 'pg';
import { TargetForbidden, TargetInvalid, TargetUnavailable } from '../provider.errors';
import { AddressNotAllowed } from '../target-networks';

/** The connection failed, or never came about: everything that is not an answer of the server. */
export class ConnectionFailed extends Error {
  constructor(cause: unknown) {
    super('the connection failed', { cause });
    this.name = 'ConnectionFailed';
  }
}

/** The server wants the password in a form in which somebody on the way could take it. */
export class AuthenticationTooWeak extends Error {
  constructor() {
    super('without TLS the server must ask for SCRAM-SHA-256');
    this.name = 'AuthenticationTooWeak';
  }
}

/** SQLSTATEs, by the names of https://www.postgresql.org/docs/current/errcodes-appendix.html. */
export const SQLSTATE = {
  uniqueViolation: '23505',
  insufficientPrivilege: '42501',
  undefinedObject: '42704',
  dependentObjectsStillExist: '2BP01',
  invalidGrantOperation: '0LP01',
  invalidPassword: '28P01',
  invalidAuthorization: '28000',
  tooManyConnections: '53300',
  invalidCatalogName: '3D000',
  lockNotAvailable: '55P03',
} as const;

// Lost connections, no room, timeouts, shutdowns, conflicts with a concurrent change: look again later.
const PASSES = /^(08|53|57P|58|40)/;
const PASSING = new Set(['57014', SQLSTATE.lockNotAvailable, '55006', '25P03', '25P04']);
const TLS_CODE = /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|HOSTNAME_MISMATCH)/;

/** Whether it was us who hung up, on a server that wanted a password without protection. */
export function isTooWeak(error: unknown): boolean {
  return error instanceof ConnectionFailed && error.cause instanceof AuthenticationTooWeak;
}

/** Whether we did not even go there. */
export function isNotAllowed(error: unknown): error is ConnectionFailed & { readonly cause: AddressNotAllowed } {
  return error instanceof ConnectionFailed && error.cause instanceof AddressNotAllowed;
}

/** The server's answer, when the error is one: its SQLSTATE. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

/** Whether trying again later may help: an answer of the server that says so, or no answer at all. */
export function mayPass(error: unknown): boolean {
  const code = sqlState(error);
  if (code !== undefined) return PASSES.test(code) || PASSING.has(code) || isConcurrentChange(error);
  return error instanceof ConnectionFailed && !isNotAllowed(error) && !isPeerRefused(error.cause);
}

/**
 * What a failure of our own account's connection means. The error of the driver stays in `cause`; what comes from
 * somewhere else (the caller's fence) passes as it is.
 */
export function translated(error: unknown): unknown {
  if (error instanceof ConnectionFailed) {
    if (isNotAllowed(error))
      return new TargetInvalid('address_not_allowed', error.cause, { network: error.cause.network });
    if (isTooWeak(error)) return new TargetInvalid('authentication_too_weak', error.cause);
    return mayPass(error)
      ? new TargetUnavailable('no_connection', error.cause)
      : new TargetInvalid('peer_not_trusted', error.cause);
  }
  const code = sqlState(error);
  if (code === undefined) return error;
  if (mayPass(error)) return new TargetUnavailable('interrupted', error);
  if (code.startsWith('28')) return new TargetForbidden('account_refused', error);
  if (code === SQLSTATE.insufficientPrivilege) return new TargetForbidden('right_missing', error);
  return new TargetInvalid('refused', error);
}

/** Two at the same catalogue row: an internal error (XX000) by its code, an ordinary conflict by its meaning. */
export function isConcurrentChange(error: unknown): boolean {
  return (
    error instanceof pg.DatabaseError &&
    error.code === 'XX000' &&
    /^simple_heap_|^CatalogTuple/.test(error.routine ?? '')
  );
}

/** The server cannot show that it is the one we mean, or speaks no authentication that we accept. */
function isPeerRefused(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  const { code } = cause as NodeJS.ErrnoException;
  if (cause instanceof AuthenticationTooWeak || TLS_CODE.test(code ?? '')) return true;
  return cause.message.startsWith('SASL') || cause.message.includes('does not support SSL');
}
