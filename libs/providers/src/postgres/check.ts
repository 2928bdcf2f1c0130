import type { CheckFinding, CheckReport, EntitlementConfig } from '../provider';
import { AppError } from '@app/kernel';
import type { Account } from './account';
import { accountFindings, readServer } from './check-account';
import { databaseFindings } from './check-databases';
import { groupFindings } from './check-groups';
import { readMemberships } from './check-memberships';
import { askedInTheClear, loginFindings } from './check-logins';
import { ownerFindings } from './check-objects-owner';
import { excessOfGroup, type Excess } from './group-roles';
import { isNotAllowed, isTooWeak, sqlState, translated } from './postgres.errors';
import { postgresEntitlement } from './postgres.schemas';

const LOOKS = [accountFindings, ownerFindings, groupFindings, databaseFindings, loginFindings];

/** Findings never throw: what cannot be looked at is a finding too. */
export async function check(
  account: Account,
  configs: readonly EntitlementConfig[],
  now: Date | undefined,
): Promise<CheckReport> {
  const entitlements = configs.map(({ config }) => postgresEntitlement.parse(config));
  const findings: CheckFinding[] = tlsFindings(account);
  let version: string | undefined;
  try {
    await account.with('curfew-check', async (session) => {
      const server = await readServer(session, account);
      version = server.version;
      const memberships = await readMemberships(session, { account, server, entitlements });
      const excess = new Map<string, Excess[]>();
      for (const { groupRole } of entitlements) excess.set(groupRole, await excessOfGroup(session, groupRole));
      const checkup = { account, session, server, memberships, excess, entitlements, now };
      // In this order: what is taken away, and roles that are made, before what is given to them.
      for (const look of LOOKS) {
        findings.push(...(await look(checkup)));
      }
    });
  } catch (error) {
    const { database } = account.connection;
    if (isNotAllowed(error)) findings.push(notAllowed(error.cause));
    else findings.push(isTooWeak(error) ? askedInTheClear(database, 'our account') : failureFinding(error));
  }
  const ok = findings.every(({ kind }) => kind === 'notice');
  return { ok, ...(version !== undefined && { version }), findings };
}

function tlsFindings({ connection }: Account): CheckFinding[] {
  if (connection.tls.mode !== 'disable') return [];
  const message = 'TLS is switched off: whoever sits between us and the server can read and change everything';
  return [{ kind: 'notice', message, remedy: "tls: { mode: verify-full } in the target's file" }];
}

const notAllowed = ({ message }: Error): CheckFinding => ({
  kind: 'wrong',
  message,
  remedy: 'ALLOWED_TARGET_NETWORKS of the api and of the worker names it, where it is meant.',
});

const WHAT_FAILED: Readonly<Record<string, string>> = {
  'target.account_refused': 'the server refuses the login of our account: its name, its password or pg_hba.conf',
  'target.peer_not_trusted': 'the server cannot show that it is the one in the file: certificate, name or TLS itself',
  'target.right_missing': 'our account may not look at the catalogue, or not enter the database in the file',
};

function failureFinding(failure: unknown): CheckFinding {
  const error = translated(failure);
  if (!(error instanceof AppError)) throw error;
  const state = sqlState(error.cause);
  const message = WHAT_FAILED[error.code] ?? error.message;
  return { kind: 'wrong', message: state === undefined ? message : `${message} (${state})` };
}
