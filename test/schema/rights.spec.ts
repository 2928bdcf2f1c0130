import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Secret } from '@app/kernel';
import { BullBell } from '@app/platform/queue';
import { aDatabase, type TestDatabase } from '../support/postgres';

const PROCESSES = ['curfew_api', 'curfew_worker', 'curfew_timekeeper'];

/** Everything that is granted to a process or to everybody: on the database, its schemas, tables, columns, sequences, functions and types of ours. */
const RIGHTS = `
WITH ours AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'),
granted AS (
  SELECT acl.grantee, 1 AS sort, 'database' AS what, NULL::text AS "column", acl.privilege_type
    FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) acl WHERE d.datname = current_database()
  UNION ALL
  SELECT acl.grantee, 2, 'schema ' || n.nspname, NULL, acl.privilege_type
    FROM ours n JOIN pg_namespace USING (oid), aclexplode(coalesce(nspacl, acldefault('n', nspowner))) acl
  UNION ALL
  SELECT acl.grantee, CASE c.relkind WHEN 'S' THEN 4 ELSE 3 END,
         CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || n.nspname || '.' || c.relname, NULL, acl.privilege_type
    FROM pg_class c JOIN ours n ON n.oid = c.relnamespace,
         aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner))) acl
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION ALL
  SELECT acl.grantee, 3, 'table ' || n.nspname || '.' || c.relname, a.attname, acl.privilege_type
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ours n ON n.oid = c.relnamespace, aclexplode(a.attacl) acl
  UNION ALL
  SELECT acl.grantee, 5, 'function ' || n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', NULL, acl.privilege_type
    FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl
  UNION ALL
  SELECT acl.grantee, 6, 'type ' || n.nspname || '.' || t.typname, NULL, acl.privilege_type
    FROM pg_type t JOIN ours n ON n.oid = t.typnamespace, aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) acl
    WHERE t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')
), rights AS (
  SELECT grantee, sort, what, privilege_type || coalesce(' (' || string_agg("column", ', ' ORDER BY "column") || ')', '') AS "right"
  FROM granted GROUP BY grantee, sort, what, privilege_type, "column" IS NULL
)
SELECT coalesce(r.rolname, 'PUBLIC') AS grantee, what, array_agg("right" ORDER BY "right") AS rights
FROM rights LEFT JOIN pg_roles r ON r.oid = grantee WHERE grantee = 0 OR r.rolname = ANY($1)
GROUP BY r.rolname, sort, what ORDER BY r.rolname NULLS FIRST, sort, what`;

/** One line each; what is BullMQ's own, in one line where all of it is the same. */
function linesOf(rows: readonly { what: string; rights: string[] }[]): string[] {
  const lines = rows.map(({ what, rights }) => {
    const [, kind, schema] = /^(\w+) (\w+)\./.exec(what) ?? [];
    return { name: schema === 'bullmq' ? `each ${kind} of bullmq` : what, rights: rights.join(', ') };
  });
  const counted = Map.groupBy(lines, ({ name, rights }) => `  ${name}: ${rights}`);
  return [...counted].map(([line, same]) => (same.length > 1 ? `${line} (${same.length})` : line));
}

describe('the rights of the processes', () => {
  let database: TestDatabase;
  const clients = new Map<string, pg.Client>();
  const as = (who: keyof TestDatabase['urls']): pg.Client => clients.get(who)!;
  beforeAll(async () => {
    database = await aDatabase();
    for (const [who, url] of Object.entries(database.urls)) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      clients.set(who, client);
    }
  });
  afterAll(async () => {
    await Promise.all([...clients.values()].map((client) => client.end()));
    await database.drop();
  });

  it('are exactly those of rights.txt', async () => {
    const { rows } = await as('owner').query<{ grantee: string; what: string; rights: string[] }>(RIGHTS, [PROCESSES]);
    const of = Map.groupBy(rows, (row) => row.grantee);
    const text = ['PUBLIC', ...PROCESSES].map((grantee) => {
      const lines = linesOf(of.get(grantee) ?? []);
      return [grantee, ...(lines.length > 0 ? lines : ['  nothing'])].join('\n');
    });
    await expect(`${text.join('\n\n')}\n`).toMatchFileSnapshot('rights.txt');
  });

  it('are not those of an owner, and lead to nobody else', async () => {
    const { rows: owned } = await as('owner').query(
      `SELECT r.rolname, d.classid::regclass, d.objid FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
       WHERE d.deptype = 'o' AND r.rolname = ANY($1)`,
      [PROCESSES],
    );
    expect(owned).toEqual([]);
    const { rows: memberships } = await as('owner').query(
      `SELECT r.rolname, m.rolname AS of FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.member JOIN pg_roles m ON m.oid = a.roleid
       WHERE r.rolname = ANY($1)`,
      [PROCESSES],
    );
    expect(memberships).toEqual([]);
    const { rows: able } = await as('owner').query(
      `SELECT rolname FROM pg_roles WHERE rolname = ANY($1) AND rolcanlogin
         AND NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls) ORDER BY 1`,
      [PROCESSES],
    );
    expect(able.map(({ rolname }) => rolname)).toEqual(PROCESSES.toSorted());
    const { rows: owner } = await as('owner').query(
      `SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'curfew_owner'`,
    );
    expect(owner).toEqual([{ rolcanlogin: false, rolsuper: false }]);
  });

  it.each(['api', 'worker', 'timekeeper'] as const)('let the %s ring the bell', async (who) => {
    const errors: unknown[] = [];
    const bell = new BullBell({
      databaseUrl: new Secret(database.urls[who]),
      onError: (error) => void errors.push(error),
    });
    const id = randomUUID();
    await bell.ring([{ id, fence: '1' }]);
    await expect
      .poll(async () => (await as('owner').query('SELECT FROM bullmq.job WHERE id = $1', [`${id}-1`])).rowCount)
      .toBe(1);
    await bell.close();
    expect(errors).toEqual([]);
  });

  it.each([
    ['api', 'SELECT proof_sealed FROM credentials'],
    ['api', 'SELECT * FROM credentials'],
    ['api', 'UPDATE credentials SET proof_sealed = NULL RETURNING proof_sealed'],
    ['api', 'UPDATE grants SET ends_at = ends_at'],
    ['api', 'UPDATE grants SET activate_by = activate_by'],
    ['api', 'UPDATE requests SET scope_hash = scope_hash'],
    ['api', 'UPDATE decisions SET state = state'],
    ['api', 'DELETE FROM decisions'],
    ['api', 'UPDATE operations SET finished_at = clock_timestamp()'],
    ['api', 'DELETE FROM grants'],
    ['worker', 'SELECT FROM signing_keys'],
    ['worker', 'SELECT FROM refresh_tokens'],
    ['worker', 'SELECT FROM sign_ins'],
    ['worker', 'INSERT INTO grants DEFAULT VALUES'],
    ['worker', 'UPDATE requests SET state = state'],
    ['worker', 'INSERT INTO decisions DEFAULT VALUES'],
    ['timekeeper', 'SELECT FROM targets'],
    ['timekeeper', 'SELECT password_sealed FROM targets'],
    ['timekeeper', 'SELECT FROM credentials'],
    ['timekeeper', 'SELECT sealed FROM credentials'],
    ['timekeeper', 'SELECT device_code_sealed FROM sign_ins'],
    ['timekeeper', 'SELECT FROM audit_values'],
    ['timekeeper', 'UPDATE grants SET ends_at = ends_at'],
    ['timekeeper', 'UPDATE grants SET ended_at = ended_at'],
    ['timekeeper', 'DELETE FROM operations'],
    ['timekeeper', 'UPDATE operations SET finished_at = clock_timestamp()'],
  ] as const)('do not let the %s do: %s', async (who, sql) => {
    await expect(as(who).query(sql)).rejects.toMatchObject({ code: '42501' });
  });

  it.each(['api', 'worker', 'timekeeper'] as const)(
    'do not let the %s become anybody else, or give what it has',
    async (who) => {
      const { superuser } = inject('postgres');
      for (const role of ['curfew_owner', superuser, ...PROCESSES.filter((name) => name !== `curfew_${who}`)])
        await expect(as(who).query(`SET ROLE ${role}`), role).rejects.toMatchObject({ code: '42501' });
      await expect(as(who).query(`SET SESSION AUTHORIZATION ${superuser}`)).rejects.toMatchObject({ code: '42501' });
      await expect(as(who).query('CREATE ROLE mine')).rejects.toMatchObject({ code: '42501' });
      await expect(as(who).query('CREATE TABLE bullmq.mine ()')).rejects.toMatchObject({ code: '42501' });
      await expect(as(who).query('CREATE TEMPORARY TABLE mine ()')).rejects.toMatchObject({ code: '42501' });
    },
  );
});
