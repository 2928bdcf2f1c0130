import pg from 'pg';
import type { Secret } from '@app/kernel';
import type { Budget } from './budget';
import { isTooWeak, SQLSTATE, sqlState } from './postgres.errors';
import { Session, type ServerAddress } from './session';

export interface LoginAttempt {
  readonly connection: ServerAddress;
  readonly database: string;
  readonly username: string;
  readonly password: Secret<string>;
  readonly applicationName: string;
}

/**
 * What a login was answered.
 * - `accepted`: the password is right and the role may log in
 * - `not_into_database`: the same, but the database is closed to it or does not exist
 * - `denied`: this password opens nothing (the answers that count are listed in docs/providers/postgres.md)
 * - `no_login`: the server was content with the password, or asked for none, and then found no such role or one that may
 *   not log in
 * - `too_weak`: the server wants the password in a form in which it could be taken on the way, and was not sent it
 * - `unclear`: the answer says nothing about the password
 */
export type LoginVerdict = 'accepted' | 'not_into_database' | 'denied' | 'no_login' | 'too_weak' | 'unclear';

export interface LoginAnswer {
  readonly verdict: LoginVerdict;
  /** For the record: never the password. */
  readonly words: string;
  readonly error?: unknown;
}

/** Tries a login, and judges the answer by what cannot be translated: SQLSTATE and the routine that gave it. */
export async function tryLogin(attempt: LoginAttempt, budget: Budget): Promise<LoginAnswer> {
  const { username: user, ...way } = attempt;
  try {
    await Session.with({ ...way, user }, budget, (session) => session.query('SELECT 1'));
    return { verdict: 'accepted', words: 'logged in' };
  } catch (error) {
    return { ...judge(error), error };
  }
}

function judge(error: unknown): LoginAnswer {
  if (isTooWeak(error)) return { verdict: 'too_weak', words: 'asked for the password in the clear; not sent' };
  const code = sqlState(error);
  if (code === undefined) return { verdict: 'unclear', words: 'no answer' };
  // By then the password was checked and the role may log in: the refusals come in this order.
  const inSession = routineOf(error) === 'InitializeSessionUserId';
  if (code === SQLSTATE.invalidPassword)
    return { verdict: 'denied', words: `refused: ${code}, password authentication failed` };
  if (code === SQLSTATE.invalidAuthorization && inSession)
    return { verdict: 'no_login', words: `refused: ${code}, no such role, or one that may not log in` };
  if (code === SQLSTATE.tooManyConnections && inSession)
    return { verdict: 'accepted', words: `let in, but all of the role’s connections are in use: ${code}` };
  if (code === SQLSTATE.insufficientPrivilege || code === SQLSTATE.invalidCatalogName)
    return { verdict: 'not_into_database', words: `let in, but not into the database: ${code}` };
  return { verdict: 'unclear', words: `answered ${code}` };
}

const routineOf = (error: unknown): string | undefined =>
  error instanceof pg.DatabaseError ? error.routine : undefined;
