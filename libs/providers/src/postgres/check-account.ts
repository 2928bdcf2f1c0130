import { escapeIdentifier as quoted } from 'pg';
import type { CheckFinding } from '../provider';
import type { Account } from './account';
import type { Checkup, Server } from './checkup';
import type { PostgresConnection } from './postgres.schemas';
import type { Session } from './session';
import { GRANT_ROLE } from './check-memberships';
import { rightsFindings } from './check-rights';
import { ACCEPTABLE, majorOf, refusalOf, SAFE_CREATEROLE, WHY_NOT_15 } from './versions';

const ACCEPT = 'upgrade it, or accept that: `curfew targets add -f <file> --replace --accept-createrole-on-15`';
const CLOCK_TOLERANCE_MS = 5_000;

export async function readServer(session: Session, { connection, budget }: Account): Promise<Server> {
  const row = await session.one<Omit<Server, 'major' | 'readAfterMs'> & { number: number }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
            clock_timestamp() AS clock, pg_is_in_recovery() AS standby, me.oid = 10 AS "isFirst",
            ARRAY(SELECT word FROM (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
                                           ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls)) AS attribute (word, has)
                   WHERE has) AS attributes,
            EXISTS (SELECT FROM pg_roles o WHERE o.rolsuper AND o.rolcanlogin AND o.oid <> me.oid) AS "hasOtherSuperuser",
            (SELECT count(*)::int FROM pg_roles g
              WHERE g.rolname ~ $2 AND NOT EXISTS (SELECT FROM pg_auth_members m
                                                    WHERE m.roleid = g.oid AND m.member = me.oid AND m.admin_option)) AS "grantsOfSuperuser"
       FROM pg_roles me
      WHERE rolname = $1`,
    [connection.user, GRANT_ROLE],
  );
  return { ...row, major: majorOf(row.number), readAfterMs: budget.spent() };
}

/** The server itself and our own account on it. */
export async function accountFindings(checkup: Checkup): Promise<CheckFinding[]> {
  const { server, account, now, memberships } = checkup;
  return [
    ...versionFindings(server, account.connection),
    ...clockFindings(server, now),
    ...(server.standby
      ? [{ kind: 'wrong', message: 'this is a standby: roles are made and seen on the primary' } as const]
      : []),
    ...attributeFindings(server, quoted(account.connection.user)),
    ...memberships.excess,
    ...(await reservedFindings(checkup)),
    ...(await rightsFindings(checkup, { role: account.connection.user, title: 'our account', ownsNothing: true })),
  ];
}

function versionFindings({ major }: Server, connection: PostgresConnection): CheckFinding[] {
  const refusal = refusalOf(major, connection);
  if (refusal !== undefined)
    return [{ kind: 'wrong', message: refusal, remedy: major < ACCEPTABLE ? 'upgrade it' : ACCEPT }];
  return major < SAFE_CREATEROLE ? [{ kind: 'notice', message: `accepted in the target's file: ${WHY_NOT_15}` }] : [];
}

function clockFindings({ clock, readAfterMs }: Server, now: Date | undefined): CheckFinding[] {
  if (!now) return [];
  const ahead = (clock.getTime() - readAfterMs - now.getTime()) / 1_000;
  if (Math.abs(ahead) * 1_000 <= CLOCK_TOLERANCE_MS) return [];
  const message = `its clock is ${Math.abs(ahead).toFixed(1)} s ${ahead > 0 ? 'ahead of' : 'behind'} ours: its own deadline would be as wrong`;
  return [{ kind: 'wrong', message, remedy: 'synchronise the clocks (NTP) of the server and of Curfew’s database' }];
}

/** Whoever fills the server's connections would keep us out, and the sessions that we are to end in. */
async function reservedFindings({ session, server, account }: Checkup): Promise<CheckFinding[]> {
  if (server.major < SAFE_CREATEROLE) return [];
  const { may, reserved } = await session.one<{ may: boolean; reserved: number }>(
    `SELECT pg_has_role(current_user, 'pg_use_reserved_connections', 'USAGE') AS may,
            current_setting('reserved_connections')::int AS reserved`,
  );
  const findings: CheckFinding[] = [];
  const late = 'when all connections are in use, no grant can be ended';
  const sql = [`GRANT pg_use_reserved_connections TO ${quoted(account.connection.user)};`];
  if (!may) findings.push({ kind: 'notice', message: `our account may not use reserved connections: ${late}`, sql });
  if (reserved === 0)
    findings.push({
      kind: 'notice',
      message: `the server reserves no connections: ${late}`,
      remedy: 'reserved_connections = 10 in postgresql.conf (of max_connections); then restart the server',
    });
  return findings;
}

function attributeFindings(server: Server, me: string): CheckFinding[] {
  const { attributes } = server;
  const isSuperuser = attributes.includes('SUPERUSER');
  const findings: CheckFinding[] = [];
  if (isSuperuser) findings.push({ kind: 'excess', message: 'our account has SUPERUSER', ...demotion(server, me) });
  else if (!attributes.includes('CREATEROLE'))
    findings.push({
      kind: 'missing',
      message: 'our account may not make roles',
      sql: [`ALTER ROLE ${me} CREATEROLE;`],
    });
  for (const attribute of attributes.filter((word) => word !== 'CREATEROLE' && word !== 'SUPERUSER')) {
    const message = `our account has ${attribute}`;
    // The server's first role keeps what it has: see what is said of SUPERUSER.
    findings.push({
      kind: 'excess',
      message,
      ...(server.isFirst ? { remedy: ANOTHER_ACCOUNT } : { sql: [`ALTER ROLE ${me} NO${attribute};`] }),
    });
  }
  return findings;
}

const ANOTHER_ACCOUNT =
  'Give Curfew an account of its own: docs/providers/postgres.md has the SQL. `curfew targets add --replace --moved` takes it.';

/** Whoever is left must be able to undo it, and our account to end what lives. */
function demotion(
  { major, isFirst, hasOtherSuperuser, grantsOfSuperuser }: Server,
  me: string,
): Pick<CheckFinding, 'sql' | 'remedy'> {
  if (isFirst || !hasOtherSuperuser) return { remedy: ANOTHER_ACCOUNT };
  const sql = `ALTER ROLE ${me} NOSUPERUSER CREATEROLE;`;
  if (major < SAFE_CREATEROLE || grantsOfSuperuser === 0) return { sql: [sql] };
  return { remedy: `${sql} But not before the grants that were made so have ended: only a superuser can end them.` };
}
