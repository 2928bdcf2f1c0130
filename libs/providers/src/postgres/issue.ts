import { escapeIdentifier, escapeLiteral } from 'pg';
import { failpoint, Secret, type AppError } from '@app/kernel';
import { scramVerifier } from '@app/platform';
import { TargetInvalid, TargetUnavailable } from '../provider.errors';
import { objectName, type GrantRef, type Issued, type IssueOrder } from '../provider';
import { connectionNames, cutOffStarts, serverIdentity, type Account } from './account';
import { credentialOf } from './credential';
import { excessOfGroup } from './group-roles';
import { tryLogin, type LoginAnswer } from './login';
import { markRole, rolesMarked } from './marks';
import { mayPass, SQLSTATE, sqlState } from './postgres.errors';
import { postgresEntitlement, type PostgresEntitlement } from './postgres.schemas';
import { randomPassword } from './password';
import type { Session } from './session';
import { majorOf, refusalOf, SAFE_CREATEROLE } from './versions';

interface Wanted {
  readonly name: string;
  readonly endsAt: Date;
  readonly now: () => Date;
  readonly entitlement: PostgresEntitlement;
  readonly verifier: string;
}

/** Below that, our question on its way and the clocks' own jitter are all that is seen. */
const CLOCK_OFF_MS = 1_000;

/** What the server says before anything is changed. */
interface Ground {
  readonly version: number;
  readonly clock: string;
  /** The deadline on the server's own clock. */
  readonly validUntil: Date;
  readonly late: boolean;
  readonly exists: boolean;
  /** What somebody has called the role since it was made. */
  readonly renamed: string | null;
  readonly group: boolean;
}

/** Makes the grant's role, or gives the one that is there a new password, and tests that it, and nothing else, opens. */
export async function issue(account: Account, order: IssueOrder): Promise<Issued> {
  const name = objectName(order.grant);
  const entitlement = postgresEntitlement.parse(order.entitlement.config);
  const password = randomPassword();
  const wanted: Wanted = {
    name,
    endsAt: order.endsAt,
    now: order.now,
    entitlement,
    verifier: await scramVerifier(new Secret(password)),
  };
  const ground = await account.with(connectionNames.start(order.grant), async (session) => {
    const server = await serverIdentity(session);
    await order.fence(server);
    await cutOffStarts(session, account.budget, order.grant);
    try {
      return { server, ...(await session.transaction(() => make(account, session, wanted))) };
    } catch (error) {
      // What was there a moment ago is not any more: it is looked at again.
      throw sqlState(error) === SQLSTATE.undefinedObject ? new TargetUnavailable('changed_meanwhile', error) : error;
    }
  });
  failpoint('postgres.role_committed');
  const tested = await testLogin(account, wanted, password).catch(async (error: unknown) => {
    throw (await isEnded(account, order.grant)) ? new TargetUnavailable('ended_meanwhile', error) : error;
  });
  return {
    credential: credentialOf(account.connection, entitlement, { username: name, password }),
    receipt: receiptOf(wanted, ground, tested),
  };
}

/** Somebody else was faster, and has closed the login or dropped the role: its refusal says nothing about the target. */
function isEnded(account: Account, grant: GrantRef): Promise<boolean> {
  return account.with(connectionNames.start(grant), async (session) => {
    const live = await session.query('SELECT FROM pg_roles WHERE rolname = $1 AND rolcanlogin', [objectName(grant)]);
    return live.length === 0;
  });
}

async function make(account: Account, session: Session, wanted: Wanted): Promise<Ground> {
  const { name, entitlement } = wanted;
  const ground = await survey(session, wanted);
  const major = majorOf(ground.version);
  await refuseUnsafe(account, session, { major, ground, entitlement });
  if (ground.renamed !== null) await giveNameBack(session, name, ground.renamed);
  await session.query(roleStatement(wanted, ground));
  const options = major >= SAFE_CREATEROLE ? ' WITH INHERIT TRUE, SET FALSE' : '';
  await session.query(
    `GRANT ${escapeIdentifier(entitlement.groupRole)} TO ${escapeIdentifier(name)}${options}; ${markRole(name)}`,
  );
  failpoint('postgres.role_made');
  return ground;
}

async function survey(session: Session, { name, endsAt, now, entitlement }: Wanted): Promise<Ground> {
  const asked = now().getTime();
  const seen = await session.one<Omit<Ground, 'validUntil' | 'late'>>(
    `SELECT current_setting('server_version_num')::int AS version,
            to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS clock,
            EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS exists,
            (SELECT name FROM (${rolesMarked('ARRAY[$1::text]')}) AS marked WHERE name <> $1 LIMIT 1) AS renamed,
            EXISTS (SELECT FROM pg_roles WHERE rolname = $2) AS "group"`,
    [name, entitlement.groupRole],
  );
  const clock = Date.parse(seen.clock);
  const halfway = (now().getTime() - asked) / 2;
  const offset = clock - asked - halfway;
  // On a slow line the answer may have been given at any time in between.
  const isOff = Math.abs(offset) >= CLOCK_OFF_MS + halfway;
  const validUntil = new Date(endsAt.getTime() + (isOff ? Math.round(offset) : 0));
  return { ...seen, validUntil, late: validUntil.getTime() <= clock };
}

interface Circumstances {
  readonly major: number;
  readonly ground: Ground;
  readonly entitlement: PostgresEntitlement;
}

/** What `check` would find, and what must not be true at this moment either. */
async function refuseUnsafe(
  account: Account,
  session: Session,
  { major, ground, entitlement }: Circumstances,
): Promise<void> {
  const { groupRole } = entitlement;
  if (refusalOf(major, account.connection) !== undefined)
    throw new TargetInvalid('version_not_accepted', undefined, { major });
  // Two roles of one grant, and one of them with a password that nobody means any more.
  if (ground.exists && ground.renamed !== null)
    throw new TargetInvalid('role_renamed', undefined, { role: ground.renamed });
  if (ground.late) throw new TargetInvalid('deadline_has_passed', undefined, { targetClock: ground.clock });
  if (!ground.group) throw new TargetInvalid('group_role_missing', undefined, { groupRole });
  const excess = await excessOfGroup(session, groupRole);
  if (excess.length > 0) throw new TargetInvalid('group_role_too_powerful', undefined, { groupRole, excess });
}

/** Somebody has called it something else: left at that, another role would be made, and the old password go on working. */
async function giveNameBack(session: Session, name: string, renamed: string): Promise<void> {
  await session.query(`ALTER ROLE ${escapeIdentifier(renamed)} RENAME TO ${escapeIdentifier(name)}`);
}

// The verifier stands in for the password, and is made of characters that need no escaping; it is escaped all the same.
function roleStatement({ name, entitlement, verifier }: Wanted, { exists, renamed, validUntil }: Ground): string {
  const role = escapeIdentifier(name);
  const settings =
    `LOGIN CONNECTION LIMIT ${entitlement.connectionLimit} PASSWORD ${escapeLiteral(verifier)} ` +
    `VALID UNTIL ${escapeLiteral(validUntil.toISOString())}`;
  if (exists || renamed !== null) return `ALTER ROLE ${role} ${settings}`;
  return `CREATE ROLE ${role} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT ${settings}`;
}

type LoginTest = Readonly<Record<'loginTest' | 'wrongPassword', string>>;

/**
 * The right password opens, and a wrong one does not: where any is taken, a password that is handed over and ends with the
 * grant says nothing about who gets in.
 *
 * @returns what the server answered, for the receipt
 */
async function testLogin(account: Account, { name, entitlement }: Wanted, password: string): Promise<LoginTest> {
  const { connection, budget } = account;
  const { database } = entitlement;
  const attempt = (word: string): Promise<LoginAnswer> =>
    tryLogin({ connection, database, username: name, password: new Secret(word), applicationName: name }, budget);
  const right = await attempt(password);
  if (right.verdict !== 'accepted') throw notTested(right, { database });
  const wrong = await attempt(randomPassword());
  if (wrong.verdict === 'denied') return { loginTest: right.words, wrongPassword: wrong.words };
  if (wrong.verdict === 'unclear' || wrong.verdict === 'too_weak') throw notTested(wrong, { database });
  throw new TargetInvalid('asks_for_no_password', wrong.error, { database, answer: wrong.words });
}

function notTested({ verdict, words, error }: LoginAnswer, { database }: { database: string }): AppError {
  if (verdict === 'too_weak') return new TargetInvalid('authentication_too_weak', error, { database });
  if (verdict === 'unclear' && mayPass(error)) return new TargetUnavailable('login_not_tested', error);
  return new TargetInvalid('login_refused', error, { database, answer: words });
}

function receiptOf(
  { name, entitlement }: Wanted,
  ground: Ground & { server: string },
  tested: LoginTest,
): Issued['receipt'] {
  return {
    role: name,
    groupRole: entitlement.groupRole,
    database: entitlement.database,
    validUntil: ground.validUntil.toISOString(),
    connectionLimit: String(entitlement.connectionLimit),
    server: ground.server,
    targetClock: ground.clock,
    made: ground.exists || ground.renamed !== null ? 'new password on the same role' : 'new role',
    ...tested,
  };
}
