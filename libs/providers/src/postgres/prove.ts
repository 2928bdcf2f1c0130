import pMap from 'p-map';
import { escapeIdentifier } from 'pg';
import { AppError, failpoint, Secret } from '@app/kernel';
import type { ToProve } from '../ends-many';
import { objectName, type Credential, type GrantRef, type Proof, type ProofCheck } from '../provider';
import { connectionNames, serverIdentity, type Account } from './account';
import { tryLogin, type LoginVerdict } from './login';
import { rolesMarked } from './marks';
import { sqlState, translated } from './postgres.errors';
import type { Session } from './session';
import { whatItServes, type Served } from './tombstones';

/** A target that ends many is not to be flooded with logins that it refuses. */
const LOGINS_AT_ONCE = 8;
/** Of what others can use. */
const NAMED = 5;

/** All that is known of a grant at one moment: one statement, one snapshot. */
interface Sight {
  /** The name that the role was made with. */
  readonly mark: string;
  /** The one that it has; nothing when there is no such role. */
  readonly name: string | null;
  readonly seesItself: boolean;
  readonly standby: boolean;
  readonly login: boolean;
  readonly memberships: readonly string[];
  readonly sessions: number;
  readonly starts: number;
  /** Objects it owns, and rights that somebody gave it by hand: together they might serve something to others. */
  readonly owned: number;
  readonly rights: number;
}

/** Looks at the catalogue, and tries the password that was handed out. It changes nothing. */
export async function prove(account: Account, grant: GrantRef, proofCopy?: Secret<Credential>): Promise<Proof> {
  const proofs = await proveAll(account, [{ grant, ...(proofCopy && { proofCopy }) }], connectionNames.proof(grant));
  return found(proofs, grant.grantId);
}

/** The same for many: one look at the catalogue, and a bounded number of logins at a time. */
export function proveMany(account: Account, grants: readonly ToProve[]): Promise<ReadonlyMap<string, Proof>> {
  return proveAll(account, grants, connectionNames.proveMany(grants.map(({ grant }) => grant)));
}

async function proveAll(
  account: Account,
  asked: readonly ToProve[],
  applicationName: string,
): Promise<ReadonlyMap<string, Proof>> {
  const grants = asked.map(({ grant }) => grant);
  let seen: { server: string; sights: Sight[] };
  try {
    seen = await account.with(applicationName, async (session) => ({
      server: await serverIdentity(session),
      sights: await look(session, grants),
    }));
  } catch (error) {
    const proof = unseen(translated(error));
    return new Map(grants.map(({ grantId }) => [grantId, proof]));
  }
  failpoint('postgres.catalogue_read');
  const { server } = seen;
  const sights = Map.groupBy(seen.sights, ({ mark }) => mark);
  const proofs = await pMap(
    asked,
    async ({ grant, proofCopy }): Promise<[string, Proof]> => {
      const ofGrant = found(sights, objectName(grant));
      const checks = judge(ofGrant, server);
      // What tells nothing of these leaves the verdict as it is.
      const besides: ProofCheck[] = [];
      for (const sight of ofGrant) {
        const { inside, closed } = await servedChecks(account, sight, applicationName);
        checks.push(...inside);
        besides.push(...closed);
      }
      const catalogue = verdictOf(checks);
      if (proofCopy) besides.push(...(await loginChecks(account, { grant, proofCopy, sights: ofGrant, catalogue })));
      const verdict = besides.some((check) => check.verdict === 'alive') ? 'alive' : catalogue;
      return [grant.grantId, { verdict, checks: [...checks, ...besides], server }];
    },
    { concurrency: LOGINS_AT_ONCE },
  );
  return new Map(proofs);
}

function found<T>(seen: ReadonlyMap<string, T>, key: string): T {
  const value = seen.get(key);
  if (value === undefined) throw new Error(`nothing was said of ${key}`);
  return value;
}

const unseen = (error: unknown): Proof => ({ verdict: 'unknown', checks: [notSeen(error)] });

// A role's name is the name of the connections that make it, too.
function look(session: Session, grants: readonly GrantRef[]): Promise<Sight[]> {
  return session.query<Sight>(
    `WITH live AS MATERIALIZED (SELECT pid, usesysid, usename, application_name FROM pg_stat_activity)
     SELECT wanted.mark, role.rolname AS name,
            EXISTS (SELECT FROM live JOIN pg_roles r ON r.oid = live.usesysid
                     WHERE live.pid = pg_backend_pid() AND r.rolname = current_user) AS "seesItself",
            pg_is_in_recovery() AS standby,
            coalesce(role.rolcanlogin, false) AS login,
            ARRAY(SELECT format('%I in %I', pg_get_userbyid(member), pg_get_userbyid(roleid)) FROM pg_auth_members
                   WHERE member = role.oid OR grantor = role.oid
                      OR roleid = role.oid AND member <> (SELECT oid FROM pg_roles WHERE rolname = current_user)) AS memberships,
            (SELECT count(*)::int FROM live WHERE usesysid = role.oid) AS sessions,
            (SELECT count(*)::int FROM live WHERE usename = current_user AND application_name = wanted.mark) AS starts,
            (SELECT count(*)::int FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = role.oid
                AND d.deptype = 'o' AND d.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)) AS owned,
            (SELECT count(*)::int FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = role.oid
                AND d.deptype = 'a') AS rights
       FROM unnest($1::text[]) AS wanted (mark)
       LEFT JOIN (${rolesMarked('$1::text[]')}) AS marked USING (mark) LEFT JOIN pg_roles role ON role.oid = marked.oid`,
    [grants.map(objectName)],
  );
}

/** @param sights one of each role of the grant: more than one when somebody has given one another name */
function judge(sights: readonly Sight[], server: string): ProofCheck[] {
  const sees = sights.every(({ seesItself, standby }) => seesItself && !standby);
  const control: ProofCheck = {
    check: 'control: our own account sees roles and sessions, on a server that takes changes',
    verdict: sees ? 'ended' : 'unknown',
    answer: `${sees ? 'yes' : 'no'}; server ${server}`,
  };
  return [control, ...sights.flatMap((sight) => [roleCheck(sight), sessionsCheck(sight), startsCheck(sight)])];
}

function roleCheck({ mark, name, login, memberships, owned, rights }: Sight): ProofCheck {
  const check = 'the role is absent, or has neither login nor membership';
  if (name === null) return { check, verdict: 'ended', answer: 'absent' };
  const as = name === mark ? '' : `, under another name: ${escapeIdentifier(name)}`;
  if (login) return { check, verdict: 'alive', answer: `it may log in${as}` };
  if (memberships.length > 0)
    return { check, verdict: 'alive', answer: `no login; member: ${memberships.join(', ')}${as}` };
  if (owned > 0 && rights > 0) {
    const answer = `no login, no membership; but it owns ${owned} objects and was given ${rights} rights by hand${as}`;
    return { check, verdict: 'alive', answer };
  }
  return { check, verdict: 'ended', answer: `present without login and membership; it owns ${owned} objects${as}` };
}

interface ServedChecks {
  /** Of the databases that we looked into, or must. */
  readonly inside: readonly ProofCheck[];
  /** Of those that let us in no more: it is said that nobody looked there, and keeps no end up. */
  readonly closed: readonly ProofCheck[];
}

/** Of a role that is left with things in its name. What it owns without login and session changes no more after the first look. */
async function servedChecks(
  account: Account,
  { name, login, owned }: Sight,
  applicationName: string,
): Promise<ServedChecks> {
  if (name === null || login || owned === 0) return { inside: [], closed: [] };
  const check = 'nobody can use what the role still owns';
  let served: Served;
  try {
    served = await whatItServes(account, name, applicationName);
  } catch (error) {
    return { inside: [{ ...notSeen(translated(error)), check }], closed: [] };
  }
  const closed: ProofCheck[] =
    served.closed.length === 0
      ? []
      : [
          {
            check: `${check} in ${served.closed.join(', ')}`,
            verdict: 'unknown',
            answer: 'not looked at: closed to us',
          },
        ];
  return { inside: insideChecks(check, served), closed };
}

function insideChecks(check: string, { usable, seen, closed, unanswered }: Served): ProofCheck[] {
  if (usable.length > 0) return [{ check, verdict: 'alive', answer: namesOf(usable) }];
  if (unanswered.length > 0) return [{ check, verdict: 'unknown', answer: `no answer from ${unanswered.join(', ')}` }];
  if (closed.length === 0) return [{ check, verdict: 'ended', answer: 'nothing' }];
  return seen.length === 0 ? [] : [{ check: `${check} in ${seen.join(', ')}`, verdict: 'ended', answer: 'nothing' }];
}

const namesOf = (usable: Served['usable']): string =>
  [
    ...usable.slice(0, NAMED).map(({ what, database }) => `${what} in ${escapeIdentifier(database)}`),
    ...(usable.length > NAMED ? ['…'] : []),
  ].join('; ');

const sessionsCheck = ({ sessions }: Sight): ProofCheck => ({
  check: 'no session of the role is live',
  verdict: sessions === 0 ? 'ended' : 'alive',
  answer: sessions === 0 ? 'none' : `${sessions} live`,
});

/** A worker that sleeps between its fence and its change would make the role after we looked. */
const startsCheck = ({ starts }: Sight): ProofCheck => ({
  check: 'no unfinished start of ours is connected',
  verdict: starts === 0 ? 'ended' : 'unknown',
  answer: starts === 0 ? 'none' : `${starts} connected`,
});

function verdictOf(checks: readonly ProofCheck[]): Proof['verdict'] {
  const verdicts = new Set(checks.map(({ verdict }) => verdict));
  if (verdicts.has('alive')) return 'alive';
  return verdicts.has('unknown') ? 'unknown' : 'ended';
}

interface Tried {
  readonly grant: GrantRef;
  readonly proofCopy: Secret<Credential>;
  /** What the role is called by now. */
  readonly sights: readonly Sight[];
  /** What the catalogue said. A refused login alone shows nothing: the holder may have changed the password. */
  readonly catalogue: Proof['verdict'];
}

/** The password is tried under each name that a role of the grant bears; under the one that it was made with when there is none. */
async function loginChecks(account: Account, { grant, proofCopy, sights, catalogue }: Tried): Promise<ProofCheck[]> {
  const { database, password } = proofCopy.reveal().fields;
  const check = 'the password that was handed out is refused';
  if (database === undefined || password === undefined)
    return [{ check, verdict: 'unknown', answer: 'not tried: no copy' }];
  const { connection, budget } = account;
  const checks: ProofCheck[] = [];
  for (const { mark, name } of sights) {
    const attempt = {
      connection,
      database,
      username: name ?? mark,
      password: new Secret(password),
      applicationName: connectionNames.proof(grant),
    };
    const { verdict, words } = await tryLogin(attempt, budget);
    const answer = `${words}; tried as ${escapeIdentifier(attempt.username)}`;
    checks.push({ check, verdict: MEANING[verdict](catalogue), answer });
  }
  return checks;
}

const onlyWith = (catalogue: Proof['verdict']): ProofCheck['verdict'] => (catalogue === 'ended' ? 'ended' : 'unknown');

const MEANING: Readonly<Record<LoginVerdict, (catalogue: Proof['verdict']) => ProofCheck['verdict']>> = {
  accepted: () => 'alive',
  not_into_database: () => 'alive',
  denied: onlyWith,
  no_login: onlyWith,
  too_weak: () => 'unknown',
  unclear: () => 'unknown',
};

function notSeen(error: unknown): ProofCheck {
  if (!(error instanceof AppError)) throw error;
  const state = sqlState(error.cause);
  const answer = state === undefined ? error.message : `${error.message} (${state})`;
  return { check: 'our own account looks at roles and sessions', verdict: 'unknown', answer };
}
