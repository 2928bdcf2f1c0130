import { credentialMachine, grantMachine, requestMachine, strayMachine } from '@app/access';
import { signInMachine } from '@app/identity';
import { grantOfObject } from '@app/providers';
import type { FakeSystem } from './fake-system';

/** Anything that runs SQL and gives rows: a `DataSource`. */
export interface Asked {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

export interface OracleOptions {
  /** The target's own side. Without it, the target is not looked at. */
  readonly target?: FakeSystem;
  /** A PostgreSQL target, asked as its superuser. */
  readonly server?: Asked;
  /** How late a deadline may be noticed, in milliseconds. */
  readonly graceMs?: number;
}

/** What is remembered of each kind of subject, and the machine it moves along, where it moves. */
const SUBJECTS = [
  { kind: 'request', table: 'requests', machine: requestMachine },
  { kind: 'grant', table: 'grants', machine: grantMachine },
  { kind: 'credential', table: 'credentials', machine: credentialMachine },
  { kind: 'stray', table: 'strays', machine: strayMachine },
  { kind: 'sign_in', table: 'sign_ins', machine: signInMachine },
  { kind: 'decision', table: 'decisions', machine: undefined },
  { kind: 'target', table: 'targets', machine: undefined },
  { kind: 'policy_set', table: 'policy_sets', machine: undefined },
] as const;

interface Told {
  readonly id: string;
  readonly state: string | null;
  readonly revision: number | null;
  readonly events: { sequence: number; from: string | null; to: string }[] | null;
}

interface Rule {
  readonly rule: string;
  readonly sql: string;
}

/** Each finds what must not be. $1: the grace of deadlines, in milliseconds. */
const RULES: readonly Rule[] = [
  {
    rule: 'no grant goes on past its deadline, and none waits for its beginning past it',
    sql: `SELECT id, state FROM grants WHERE state IN ('scheduled', 'activating', 'active')
            AND ends_at < clock_timestamp() - make_interval(secs => $1 / 1000.0)
          UNION ALL SELECT id, state FROM grants WHERE state IN ('scheduled', 'activating')
            AND activate_by < clock_timestamp() - make_interval(secs => $1 / 1000.0)`,
  },
  {
    rule: 'each grant that is under way has one piece of open work, and an active or ended one none but its own',
    sql: `SELECT g.id, g.state, array_agg(o.kind) AS work FROM grants g
          LEFT JOIN operations o ON o.subject_id = g.id AND o.finished_at IS NULL WHERE $1::float8 >= 0
          GROUP BY g.id HAVING CASE
            WHEN g.state IN ('scheduled', 'activating') THEN array_agg(o.kind) <> '{begin}'
            WHEN g.state IN ('ending', 'stuck') THEN array_agg(o.kind) <> '{end}'
            WHEN g.state = 'active' THEN array_agg(o.kind) NOT IN ('{NULL}', '{replace}')
            ELSE array_agg(o.kind) <> CASE WHEN g.leftovers = '[]' THEN '{NULL}'::text[] ELSE '{tidy}' END END`,
  },
  {
    rule: 'no work is for nothing',
    sql: `SELECT o.id, o.kind FROM operations o WHERE $1::float8 >= 0 AND CASE WHEN o.kind = 'reevaluate'
            THEN NOT EXISTS (SELECT id FROM policy_sets WHERE id = o.subject_id UNION ALL SELECT id FROM identities WHERE id = o.subject_id
                             UNION ALL SELECT id FROM targets WHERE id = o.subject_id)
            WHEN o.kind = 'remove' THEN NOT EXISTS (SELECT FROM strays s WHERE s.id = o.subject_id)
            ELSE NOT EXISTS (SELECT FROM grants g WHERE g.id = o.subject_id) END`,
  },
  {
    rule: 'a stray that is there still has one piece of open work, and any other has none',
    sql: `SELECT s.id, s.state, array_agg(o.kind) AS work FROM strays s
          LEFT JOIN operations o ON o.subject_id = s.id AND o.finished_at IS NULL WHERE $1::float8 >= 0
          GROUP BY s.id HAVING array_agg(o.kind) <> CASE WHEN s.state IN ('found', 'removing') THEN '{remove}' ELSE '{NULL}'::text[] END`,
  },
  {
    rule: 'a credential is readable only until it is picked up, and only while its grant lives',
    sql: `SELECT c.id, c.state, g.state AS "grant" FROM credentials c JOIN grants g ON g.id = c.grant_id WHERE $1::float8 >= 0
            AND (c.sealed IS NOT NULL AND (c.state <> 'ready' OR g.state NOT IN ('active', 'ending')))`,
  },
  {
    rule: 'the proof copy is gone when the end is proven',
    sql: `SELECT c.id, c.state FROM credentials c JOIN grants g ON g.id = c.grant_id WHERE $1::float8 >= 0
            AND g.state = 'ended' AND (c.proof_sealed IS NOT NULL OR c.state <> 'destroyed')`,
  },
  {
    rule: 'an active grant has one credential to use, and no other grant has one but until its end is begun',
    sql: `SELECT g.id, g.state FROM grants g WHERE $1::float8 >= 0 AND g.state NOT IN ('ending', 'stuck')
            AND (g.state = 'active') <> EXISTS (SELECT FROM credentials c WHERE c.grant_id = g.id AND c.state IN ('ready', 'picked_up'))`,
  },
  {
    rule: 'an approved request has one grant per entitlement, any other has none',
    sql: `SELECT r.id, r.state FROM requests r WHERE $1::float8 >= 0 AND
            (SELECT count(*) FROM grants g WHERE g.request_id = r.id) <> CASE r.state WHEN 'approved'
              THEN (SELECT count(*) FROM request_entitlements re WHERE re.request_id = r.id) ELSE 0 END`,
  },
  {
    rule: 'a denied request was denied once, any other never',
    sql: `SELECT r.id, r.state FROM requests r WHERE $1::float8 >= 0 AND
            (SELECT count(*) FROM decisions d WHERE d.request_id = r.id AND d.state = 'deny') <> (r.state = 'denied')::int`,
  },
  {
    rule: 'no request waits past its time',
    sql: `SELECT id FROM requests WHERE state = 'pending' AND lapses_at < clock_timestamp() - make_interval(secs => $1 / 1000.0)`,
  },
  {
    rule: 'an ended grant has its end and its proof in evidence',
    sql: `SELECT g.id FROM grants g WHERE $1::float8 >= 0 AND g.state = 'ended' AND
            (SELECT array_agg(kind ORDER BY e.id) FROM evidence e WHERE e.grant_id = g.id AND e.kind IN ('end', 'proof')) IS DISTINCT FROM '{end,proof}'`,
  },
];

/**
 * What is true of Curfew's database and of its target at any moment at which nothing is under way, whatever happened
 * before. @returns what is not; nothing when all is well
 */
export async function broken(database: Asked, options: OracleOptions = {}): Promise<string[]> {
  const found: string[] = [];
  for (const subject of SUBJECTS) found.push(...(await brokenLives(database, subject)));
  found.push(...(await strayEvents(database)));
  for (const { rule, sql } of RULES) {
    const rows = (await database.query(sql, [options.graceMs ?? 0])) as object[];
    found.push(...rows.map((row) => `${rule}: ${JSON.stringify(row)}`));
  }
  if (options.target) found.push(...(await brokenTarget(database, options.target)));
  if (options.server) found.push(...(await brokenServer(database, options.server)));
  return found;
}

/** @throws with what is broken, at the end of any test that moved something */
export async function assertUnbroken(database: Asked, options: OracleOptions = {}): Promise<void> {
  const found = await broken(database, options);
  if (found.length > 0) throw new Error(`broken:\n${found.join('\n')}`);
}

/** The events of each subject, one after the other, lead along the machine to exactly the row that is there. */
async function brokenLives(database: Asked, { kind, table, machine }: (typeof SUBJECTS)[number]): Promise<string[]> {
  const rows = (await database.query(
    `SELECT r.id, r.state, r.revision, (SELECT jsonb_agg(jsonb_build_object('sequence', e.sequence, 'from', e.from_state, 'to', e.to_state) ORDER BY e.sequence)
       FROM audit_events e WHERE e.subject_kind = $1 AND e.subject_id = r.id) AS events FROM ${table} r`,
    [kind],
  )) as Told[];
  return rows.flatMap((row) => {
    const events = row.events ?? [];
    const last = events.at(-1);
    const wrong = [
      ...events.flatMap((event, index) => {
        const before = events[index - 1];
        return event.sequence !== index + 1 || event.from !== (before?.to ?? null) || !leads(machine, event)
          ? [`event ${event.sequence} ${event.from ?? ''}>${event.to}`]
          : [];
      }),
      ...(last?.to === row.state && last.sequence === row.revision
        ? []
        : [`is ${row.state} at ${row.revision}, the record says ${last?.to} at ${last?.sequence}`]),
    ];
    return wrong.map((what) => `one event per state change: ${kind} ${row.id}: ${what}`);
  });
}

type AnyMachine = { readonly initial: string; readonly table: Readonly<Record<string, object>> };

function leads(machine: AnyMachine | undefined, { from, to }: { from: string | null; to: string }): boolean {
  if (!machine) return true;
  if (from === null) return to === machine.initial;
  return Object.values(machine.table[from] ?? {}).includes(to);
}

/** Nothing of which there are events is ever deleted. */
async function strayEvents(database: Asked): Promise<string[]> {
  const there = SUBJECTS.map(({ kind, table }) => `SELECT '${kind}' AS kind, id FROM ${table}`).join(' UNION ALL ');
  const rows = (await database.query(
    `SELECT DISTINCT subject_kind, subject_id FROM audit_events e
     WHERE NOT EXISTS (SELECT FROM (${there}) s WHERE s.kind = e.subject_kind AND s.id = e.subject_id)`,
  )) as object[];
  return rows.map((row) => `an event is about something that is not there: ${JSON.stringify(row)}`);
}

/** At the target there is what lives, until its deadline, and nothing else. */
async function brokenTarget(database: Asked, target: FakeSystem): Promise<string[]> {
  const grants = (await database.query(`SELECT id, state, ends_at, leftovers <> '[]' AS tombstone FROM grants`)) as {
    id: string;
    state: string;
    ends_at: Date;
    tombstone: boolean;
  }[];
  const byId = new Map(grants.map((grant) => [grant.id, grant]));
  const accounts = [...target.accounts].map(([name, account]) => ({
    id: grantOfObject(name)?.grantId ?? name,
    account,
  }));
  const there = new Set(accounts.map(({ id }) => id));
  return [
    ...accounts.flatMap(({ id, account }) => {
      const grant = byId.get(id);
      if (!grant) return [`an account of no grant: ${id}`];
      const dead = grant.state === 'ended' || grant.state === 'scheduled';
      if (dead && !(grant.tombstone && !account.open && account.sessions.size === 0))
        return [`an account of a grant that is ${grant.state}: ${id}`];
      return grant.state === 'active' && account.endsAt.getTime() !== grant.ends_at.getTime()
        ? [`two deadlines: ${id}: ${account.endsAt.toISOString()} at the target, ${grant.ends_at.toISOString()} here`]
        : [];
    }),
    ...grants.flatMap(({ id, state }) =>
      state === 'active' && !there.has(id) ? [`an active grant without an account: ${id}`] : [],
    ),
  ];
}

/** On a PostgreSQL there are the roles of what lives, each with the deadline of its grant, and no other of our name. */
async function brokenServer(database: Asked, server: Asked): Promise<string[]> {
  const [installation] = (await database.query('SELECT id FROM installation')) as { id: string }[];
  const prefix = `curfew-${installation?.id.slice(0, 8)}-`;
  const roles = (await server.query(
    `SELECT rolname AS name, rolcanlogin AS open, rolvaliduntil::timestamptz(3) AS "endsAt" FROM pg_roles WHERE starts_with(rolname, $1)`,
    [prefix],
  )) as { name: string; open: boolean; endsAt: Date | null }[];
  const grants = (await database.query(
    `SELECT id, state, ends_at AS "endsAt", leftovers <> '[]' AS tombstone FROM grants WHERE state <> 'ended' OR leftovers <> '[]'`,
  )) as { id: string; state: string; endsAt: Date; tombstone: boolean }[];
  const expected = new Map(grants.map((grant) => [prefix + grant.id, grant]));
  const there = new Set(roles.map(({ name }) => name));
  return [
    ...roles.flatMap(({ name, open, endsAt }) => {
      const grant = expected.get(name);
      if (!grant) return [`a role of no live grant: ${name}`];
      if (grant.tombstone) return open ? [`a tombstone that can log in: ${name}`] : [];
      return grant.state === 'active' && endsAt?.getTime() !== grant.endsAt.getTime()
        ? [`two deadlines: ${name}: ${endsAt?.toISOString()} at the target, ${grant.endsAt.toISOString()} here`]
        : [];
    }),
    ...grants.flatMap(({ id, state }) =>
      state === 'active' && !there.has(prefix + id) ? [`an active grant without a role: ${id}`] : [],
    ),
  ];
}
