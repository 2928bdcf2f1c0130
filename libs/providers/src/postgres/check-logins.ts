import { Secret } from '@app/kernel';
import { escapeIdentifier as quoted } from 'pg';
import { randomUUID } from 'node:crypto';
import { objectName, type CheckFinding } from '../provider';
import type { Account } from './account';
import type { Checkup } from './checkup';
import { tryLogin, type LoginAttempt } from './login';
import { SQLSTATE, sqlState } from './postgres.errors';
import { randomPassword } from './password';

/** How many databases are tried: each takes two logins, which the server makes slow. */
const MOST = 50;

/**
 * Does the server refuse wrong passwords? Tried as ourselves, and as a role that a grant might have had, for pg_hba.conf
 * may treat them differently: a server that says that there is no such role did not ask that role for a password. In each
 * database that a holder may enter, whichever entitlement names it: pg_hba.conf may treat those differently too.
 */
export async function loginFindings(checkup: Checkup): Promise<CheckFinding[]> {
  const { connection } = checkup.account;
  const findings: CheckFinding[] = [];
  const named = new Set(checkup.entitlements.map(({ database }) => database));
  const open = await openToHolders(checkup);
  const all = [...new Set([connection.database, ...named, ...open])];
  const tried = all.slice(0, Math.max(MOST, named.size + 1));
  if (tried.length < all.length) {
    const message = `${all.length - tried.length} more databases that holders may enter were not tried with a wrong password`;
    findings.push({ kind: 'notice', message });
  }
  for (const database of tried) {
    findings.push(...(await asOurselves(checkup, database)));
    const isNamed = named.has(database);
    if (isNamed || open.includes(database)) findings.push(...(await asAGrant(checkup, { database, isNamed })));
  }
  return findings;
}

const wrongly = ({ connection }: Account, database: string): Omit<LoginAttempt, 'username'> => ({
  connection,
  database,
  password: new Secret(randomPassword()),
  applicationName: 'curfew-check',
});

async function asOurselves({ account }: Checkup, database: string): Promise<CheckFinding[]> {
  const { verdict } = await tryLogin(
    { ...wrongly(account, database), username: account.connection.user },
    account.budget,
  );
  if (verdict !== 'accepted' && verdict !== 'not_into_database') return [];
  return [trusting(database, 'lets our account in with a wrong password')];
}

/** @param place.isNamed an entitlement leads there: where none does nobody has to be let in */
async function asAGrant(
  { account }: Checkup,
  { database, isNamed }: { database: string; isNamed: boolean },
): Promise<CheckFinding[]> {
  const { verdict, error } = await tryLogin(
    { ...wrongly(account, database), username: aGrantNobodyHas() },
    account.budget,
  );
  if (['accepted', 'not_into_database', 'no_login'].includes(verdict))
    return [trusting(database, 'asks the roles of grants for no password')];
  if (verdict === 'too_weak') return [askedInTheClear(database, 'the roles of grants')];
  if (!isNamed || verdict !== 'unclear' || sqlState(error) !== SQLSTATE.invalidAuthorization) return [];
  const message = `pg_hba.conf lets no role of a grant into ${quoted(database)} from here`;
  const remedy = 'hostssl all all <our network> scram-sha-256, in pg_hba.conf; then SELECT pg_reload_conf();';
  return [{ kind: 'wrong', message, remedy }];
}

async function openToHolders({ session, entitlements }: Checkup): Promise<string[]> {
  const rows = await session.query<{ database: string }>(
    `SELECT datname::text AS database FROM pg_database d
      WHERE d.datallowconn AND EXISTS (SELECT FROM pg_roles g
              WHERE g.rolname = ANY ($1::text[]) AND has_database_privilege(g.oid, d.oid, 'CONNECT'))
      ORDER BY 1`,
    [entitlements.map(({ groupRole }) => groupRole)],
  );
  return rows.map(({ database }) => database);
}

/** Found by all who cannot enter a database for it: a check of its own for what `pg_hba.conf` says of it. */
export const askedInTheClear = (database: string, whom: 'our account' | 'the roles of grants'): CheckFinding => ({
  kind: 'wrong',
  message:
    `the server asks ${whom} for the password in the clear, or for an MD5 hash of it (database ${quoted(database)}): ` +
    'without TLS whoever sits between could take it, so it is not sent',
  remedy: 'scram-sha-256 instead of password or md5 in pg_hba.conf; then SELECT pg_reload_conf();',
});

const aGrantNobodyHas = (): string => objectName({ installation: '00000000', grantId: randomUUID() });

const trusting = (database: string, what: string): CheckFinding => ({
  kind: 'wrong',
  message: `the server ${what} (database ${quoted(database)}): a password that expires would change nothing`,
  remedy: 'scram-sha-256 instead of trust, ident, peer or cert in pg_hba.conf; then SELECT pg_reload_conf();',
});
