import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import type { Account } from './account';
import type { Checkup, Server } from './checkup';
import type { PostgresConnection } from './postgres.schemas';
import type { Session } from './session';
import { majorOf, refusalOf, SAFE_CREATEROLE, WHY_NOT_15 } from './versions';

const CLOCK_TOLERANCE_MS = 5_000;

export async function readServer(session: Session, { connection, budget }: Account): Promise<Server> {
  const row = await session.one<Omit<Server, 'major' | 'readAfterMs'> & { number: number }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
            clock_timestamp() AS clock, pg_is_in_recovery() AS standby,
            ARRAY(SELECT word FROM (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
                                           ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls)) AS attribute (word, has)
                   WHERE has) AS attributes,
            ARRAY(SELECT rolname::text FROM pg_roles
                   WHERE rolname LIKE 'pg\\_%' AND rolname <> 'pg_database_owner' AND NOT me.rolsuper
                     AND (pg_has_role(me.oid, oid, 'USAGE') OR pg_has_role(me.oid, oid, become.mode))) AS powers
       FROM pg_roles me,
            (SELECT CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END) AS become (mode)
      WHERE rolname = $1`,
    [connection.user],
  );
  return { ...row, major: majorOf(row.number), readAfterMs: budget.spent() };
}

/** The server itself and our own account on it. */
export function accountFindings({ server, account, now }: Checkup): CheckFinding[] {
  return [
    ...versionFindings(server, account.connection),
    ...clockFindings(server, now),
    ...(server.standby
      ? [{ kind: 'wrong', message: 'this is a standby: roles are made and seen on the primary' } as const]
      : []),
    ...rightFindings(server, quoted(account.connection.user)),
  ];
}

function versionFindings({ major }: Server, connection: PostgresConnection): CheckFinding[] {
  const refusal = refusalOf(major, connection);
  if (refusal !== undefined)
    return [{ kind: 'wrong', message: refusal, remedy: 'upgrade, or accept it: --accept-createrole-on-15' }];
  return major < SAFE_CREATEROLE ? [{ kind: 'notice', message: `accepted in the target's file: ${WHY_NOT_15}` }] : [];
}

function clockFindings({ clock, readAfterMs }: Server, now: Date | undefined): CheckFinding[] {
  if (!now) return [];
  const ahead = (clock.getTime() - readAfterMs - now.getTime()) / 1_000;
  if (Math.abs(ahead) * 1_000 <= CLOCK_TOLERANCE_MS) return [];
  const message = `its clock is ${Math.abs(ahead).toFixed(1)} s ${ahead > 0 ? 'ahead of' : 'behind'} ours: its own deadline would be as wrong`;
  return [{ kind: 'wrong', message, remedy: 'synchronise the clocks (NTP) of the server and of Curfew’s database' }];
}

function rightFindings({ attributes, powers }: Server, me: string): CheckFinding[] {
  const findings: CheckFinding[] = [];
  const superuser = attributes.includes('SUPERUSER');
  if (!superuser && !attributes.includes('CREATEROLE'))
    findings.push({
      kind: 'missing',
      message: 'our account may not make roles',
      remedy: `ALTER ROLE ${me} CREATEROLE;`,
    });
  for (const attribute of attributes.filter((word) => word !== 'CREATEROLE'))
    findings.push({
      kind: 'excess',
      message: `our account has ${attribute}`,
      remedy: `ALTER ROLE ${me} NO${attribute};`,
    });
  for (const power of powers)
    findings.push({
      kind: 'excess',
      message: `our account is a member of ${power}`,
      remedy: `REVOKE ${power} FROM ${me};`,
    });
  return findings;
}
