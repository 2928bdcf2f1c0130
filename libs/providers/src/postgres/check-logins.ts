import { Secret } from '@app/kernel';
import { escapeIdentifier as quoted } from 'pg';
import { randomUUID } from 'node:crypto';
import { objectName, type CheckFinding } from '../provider';
import type { Checkup } from './checkup';
import { tryLogin } from './login';
import { SQLSTATE, sqlState } from './postgres.errors';
import { randomPassword } from './password';

/**
 * Does the server refuse wrong passwords? Tried as ourselves, and as a role that a grant might have had, for pg_hba.conf
 * may treat them differently: a server that says that there is no such role did not ask that role for a password.
 */
export async function loginFindings({ account, entitlements }: Checkup): Promise<CheckFinding[]> {
  const { connection, budget } = account;
  const findings: CheckFinding[] = [];
  for (const database of new Set([connection.database, ...entitlements.map((entitlement) => entitlement.database)])) {
    const probe = { connection, database, password: new Secret(randomPassword()), applicationName: 'curfew-check' };
    const ours = await tryLogin({ ...probe, username: connection.user }, budget);
    if (ours.verdict === 'accepted' || ours.verdict === 'not_into_database')
      findings.push(trusting(database, 'lets our account in with a wrong password'));
    if (!entitlements.some((entitlement) => entitlement.database === database)) continue;
    const grants = await tryLogin({ ...probe, username: aGrantNobodyHas() }, budget);
    if (['accepted', 'not_into_database', 'no_login'].includes(grants.verdict))
      findings.push(trusting(database, 'asks the roles of grants for no password'));
    if (grants.verdict === 'too_weak') findings.push(askedInTheClear(database, 'the roles of grants'));
    if (sqlState(grants.error) === SQLSTATE.invalidAuthorization && grants.verdict === 'unclear')
      findings.push({
        kind: 'wrong',
        message: `pg_hba.conf lets no role of a grant into ${quoted(database)} from here`,
        remedy: 'hostssl all all <our network> scram-sha-256, in pg_hba.conf; then SELECT pg_reload_conf();',
      });
  }
  return findings;
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
