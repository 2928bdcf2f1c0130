import { escapeIdentifier } from 'pg';
import type { Account } from './account';
import { mayPass, sqlState } from './postgres.errors';
import type { Session } from './session';
import { usableByOthers, type Usable } from './strip-rights';

/** What others can do with what a role without any power owns. */
export interface Served {
  readonly usable: readonly (Usable & { readonly database: string })[];
  /** The databases that we looked into. */
  readonly seen: readonly string[];
  /** Those of which nothing can be said: they are closed to us, or did not answer. */
  readonly closed: readonly string[];
  readonly unanswered: readonly string[];
}

interface Place {
  readonly database: string;
  /** Somebody was given rights there by name: what can be seen of it from outside. */
  readonly named: boolean;
}

/** Looks into each database in which the role owns something. It changes nothing. */
export async function whatItServes(account: Account, role: string, applicationName: string): Promise<Served> {
  const { owner, places } = await account.with(applicationName, (session) => placesOf(session, role));
  const usable: (Usable & { database: string })[] = [];
  const seen: string[] = [];
  const closed: string[] = [];
  const unanswered: string[] = [];
  for (const { database, named } of places) {
    const within = escapeIdentifier(database);
    try {
      const there = await account.with(applicationName, (session) => usableByOthers(session, owner), database);
      usable.push(...there.map((one) => ({ ...one, database })));
      seen.push(within);
    } catch (error) {
      if (named) usable.push({ what: 'somebody was given rights', sql: null, database });
      else if (mayPass(error) || sqlState(error) === undefined) unanswered.push(within);
      else closed.push(within);
    }
  }
  return { usable, seen, closed, unanswered };
}

async function placesOf(session: Session, role: string): Promise<{ owner: number; places: Place[] }> {
  const places = await session.query<Place & { owner: number }>(
    `SELECT r.oid AS owner, d.datname::text AS database,
            bool_or(EXISTS (SELECT FROM pg_shdepend a
                             WHERE a.dbid = s.dbid AND a.classid = s.classid AND a.objid = s.objid AND a.deptype = 'a')) AS named
       FROM pg_roles r JOIN pg_shdepend s ON s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.deptype = 'o'
            JOIN pg_database d ON d.oid = s.dbid
      WHERE r.rolname = $1 AND s.classid <> 'pg_default_acl'::regclass GROUP BY 1, 2 ORDER BY 2`,
    [role],
  );
  return { owner: places[0]?.owner ?? 0, places };
}
