import { AppError } from '@app/kernel';

/** Curfew's own database does not answer. Nothing was decided. */
export class DatabaseAway extends AppError {
  constructor(cause: unknown) {
    super({
      kind: 'unavailable',
      code: 'platform.database_away',
      message: 'the service cannot reach its database',
      advice: 'Try again in a moment. Nothing was changed; what has a deadline keeps it.',
      cause,
    });
  }
}

// PostgreSQL's classes 08 (connection), 28 (our role may not log in), 3D (the database is not there under its name),
// 53 (resources), 57P (shutdown), 57014 (statement timeout), 25P03 (a transaction in which nothing happened), 25006 (a
// standby: it takes no changes); Node's network errors.
const CODES =
  /^(08...|28...|3D...|53...|57P0.|57014|25P03|25006|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN)$/;
/** What pg and its pool say without a code. */
const WORDS =
  /^(Connection terminated|Query read timeout|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/;

/**
 * Where the server looks whether a new connection may enter the database: closed to all (55000), to us (42501). These codes
 * mean other things elsewhere, and the words are in the server's language.
 */
const AT_THE_DOOR = 'CheckMyDatabase';

/** Of an error of our own database, never of a target's: those are errors of ours by then. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, driverError, routine } = error as { code?: unknown; driverError?: unknown; routine?: unknown };
  if (driverError instanceof Error && driverError !== error) return isDatabaseAway(driverError);
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  if (routine === AT_THE_DOOR) return true;
  return (typeof code === 'string' && CODES.test(code)) || WORDS.test(error.message);
}
