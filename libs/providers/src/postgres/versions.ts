import type { PostgresConnection } from './postgres.schemas';

/** From here on an account with CREATEROLE rules over the roles that were given to it, and over no others. */
export const SAFE_CREATEROLE = 16;
/** From here on, when somebody accepts what that means. */
export const ACCEPTABLE = 15;

export const WHY_NOT_15 =
  'on PostgreSQL 15 an account with CREATEROLE can make itself anything but a superuser by name: it may grant itself ' +
  'pg_execute_server_program and change every other role’s password';

/** Major version of `server_version_num`. */
export const majorOf = (versionNumber: number): number => Math.floor(versionNumber / 10_000);

/** Why grants are not made on such a server, or `undefined` where they are. */
export function refusalOf(major: number, connection: PostgresConnection): string | undefined {
  if (major >= SAFE_CREATEROLE) return undefined;
  if (major < ACCEPTABLE) return `PostgreSQL ${major} is too old: 16 or later is needed`;
  return connection.acceptCreateroleOn15 ? undefined : WHY_NOT_15;
}
