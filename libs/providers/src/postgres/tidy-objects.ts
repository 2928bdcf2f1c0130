import { escapeIdentifier } from 'pg';
import { failpoint } from '@app/kernel';
import type { Leftover } from '../provider';
import { connectionNames } from './account';
import { notPlain, thingsOf, type Things } from './plain';
import type { Ending } from './ending';
import { ConnectionFailed, SQLSTATE, sqlState } from './postgres.errors';
import type { Session } from './session';
import { stripRights, type Usable } from './strip-rights';

const NAMED = 20;
const NAMED_REST = 3;
/** The server holds a lock or more for each thing that is given away, and has no room for many thousands, or for those of others beside them. */
const MOST_AT_ONCE = 500;

// Memberships handed on are dependents too; they are revoked, and named, as memberships.
const DEPENDENTS = `
  FROM pg_shdepend d
 WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = $1 AND d.classid <> 'pg_auth_members'::regclass`;

/** Given away, it would be computed with power over what all holders left. */
class NotPlain extends Error {
  constructor(readonly names: readonly string[]) {
    super();
  }
}

class TooMany extends Error {
  constructor(readonly count: number) {
    super();
  }
}

/**
 * Takes away what others may do with what the role owns, gives it away, and drops the rights that the role has, database by
 * database. Nothing that its holder made is ever dropped; where it cannot be given away it stays, and the role with it.
 */
export async function tidyObjects(ending: Ending): Promise<Leftover[]> {
  const leftovers: Leftover[] = [];
  for (const database of await databasesOf(ending)) {
    try {
      leftovers.push(...(await tidyDatabase(ending, database)));
    } catch (error) {
      leftovers.push(...(await unseen(ending, { database, error })));
    }
  }
  return leftovers;
}

/** Those with something of the role in them. What belongs to the whole server can be tidied from any: from ours. */
async function databasesOf({ account, session, role }: Ending): Promise<string[]> {
  const rows = await session.query<{ database: string }>(
    `SELECT DISTINCT coalesce((SELECT datname FROM pg_database WHERE oid = d.dbid), $2) AS database ${DEPENDENTS}`,
    [role.oid, account.connection.database],
  );
  return rows.map(({ database }) => database);
}

function tidyDatabase(ending: Ending, database: string): Promise<Leftover[]> {
  const { account, grant, role } = ending;
  const work = async (session: Session): Promise<Leftover[]> => {
    const { usable, code } = await stripRights(session, role.oid);
    // What others can use is given to nobody: that end is not over.
    if (usable.length > 0) return usable.slice(0, NAMED).map((one) => stillUsable(one, { database, code }));
    let failure: unknown;
    try {
      const given = await session.transaction(() => giveAway(ending, session));
      if (given > 0)
        ending.steps.push(`gave ${given} object${given === 1 ? '' : 's'} in ${escapeIdentifier(database)} away`);
    } catch (error) {
      failure = error;
    }
    if (failure instanceof ConnectionFailed) throw failure;
    const left = await describeIn(session, role.oid);
    return left.map((what) => ({ what: `${what} in database ${escapeIdentifier(database)}`, why: whyLeft(failure) }));
  };
  return account.with(connectionNames.end(grant), work, database);
}

/**
 * One transaction: the rights are dropped only where everything was given away, for `DROP OWNED` drops what is owned too.
 *
 * @returns how many objects were given away
 */
async function giveAway({ account, role }: Ending, session: Session): Promise<number> {
  const owned = await countOwned(session, role.oid);
  if (owned > MOST_AT_ONCE) throw new TooMany(owned);
  if (owned > 0) {
    const things = await thingsOf(session, role.oid);
    await assertPlain(session, things);
    const to = escapeIdentifier(account.connection.objectsOwner);
    await session.query(`REASSIGN OWNED BY ${escapeIdentifier(role.name)} TO ${to}`);
    // Somebody may have hung a trigger on a table in the meantime. By now they wait for us.
    await assertPlain(session, things);
    const kept = await countOwned(session, role.oid);
    if (kept > 0) return owned - kept;
    failpoint('postgres.objects_given_away');
  }
  await session.query(`DROP OWNED BY ${escapeIdentifier(role.name)}`);
  return owned;
}

async function assertPlain(session: Session, things: Things): Promise<void> {
  const names = await notPlain(session, things);
  if (names.length > 0) throw new NotPlain(names);
}

/** Objects of this database and of the server that hold something. Default privileges and user mappings hold nothing. */
async function countOwned(session: Session, role: number): Promise<number> {
  const { owned } = await session.one<{ owned: number }>(
    `SELECT count(*)::int AS owned ${DEPENDENTS} AND d.deptype = 'o'
        AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND d.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)`,
    [role],
  );
  return owned;
}

async function describeIn(session: Session, role: number): Promise<string[]> {
  const rows = await session.query<{ what: string }>(
    `SELECT CASE d.deptype WHEN 'o' THEN '' ELSE 'rights on ' END || pg_describe_object(d.classid, d.objid, d.objsubid) AS what
     ${DEPENDENTS} AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      ORDER BY 1 LIMIT ${NAMED + 1}`,
    [role],
  );
  return abridged(rows.map(({ what }) => what));
}

/** A database that we could not enter: only the numbers of the objects can be told from outside. */
async function unseen(
  { session, role }: Ending,
  { database, error }: { database: string; error: unknown },
): Promise<Leftover[]> {
  const rows = await session.query<{ what: string }>(
    `SELECT DISTINCT d.classid::regclass || ' ' || d.objid AS what ${DEPENDENTS}
        AND d.dbid = (SELECT oid FROM pg_database WHERE datname = $2) ORDER BY 1 LIMIT ${NAMED + 1}`,
    [role.oid, database],
  );
  const why = `we could not enter the database, or look into it (${sqlState(error) ?? 'no answer'})`;
  return abridged(rows.map(({ what }) => what)).map((what) => ({
    what: `${what} in database ${escapeIdentifier(database)}`,
    why,
  }));
}

const abridged = (names: readonly string[]): string[] =>
  names.length > NAMED ? [...names.slice(0, NAMED), 'more'] : [...names];

const stillUsable = (
  { what, sql }: Usable,
  { database, code }: { database: string; code: string | undefined },
): Leftover => ({
  what: `${what} in database ${escapeIdentifier(database)}`,
  why: `${sql === null ? 'only the owner of that table or a superuser can drop it' : `not revoked (${code ?? 'no effect'})`}; until then nothing is given away there`,
});

function whyLeft(failure: unknown): string {
  if (failure instanceof NotPlain) {
    const more = failure.names.length > NAMED_REST ? ', …' : '';
    const names = failure.names.slice(0, NAMED_REST).join(', ');
    return `not given away: what is no plain data would be computed with power over what all holders left (${names}${more}); look through it, and give it an owner or drop it`;
  }
  if (failure instanceof TooMany)
    return `not given away: ${failure.count} things at once would fill the server's table of locks; give them an owner in parts, or drop them`;
  const code = sqlState(failure);
  if (code === undefined) return 'given by somebody else: our account may not revoke it';
  if (code === SQLSTATE.lockNotAvailable) return 'somebody holds a lock on it (55P03)';
  if (code === SQLSTATE.insufficientPrivilege) return 'our account or its `objectsOwner` lacks a right there (42501)';
  return `the server refused to give it away (${code})`;
}
