import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { MigrationsChanged, NotThisDatabase, openDatabase, SCHEMA_VERSION, WrongSchemaVersion } from '@app/platform';
import { PostgresProvider } from '@app/providers';
import { migrateDatabase } from '../../apps/migrate/src/migrate';
import { holding } from '../support/contention';
import { anOrder, aPostgresTarget, ON_LOOPBACK } from '../support/postgres-target';
import { TargetServer } from '../support/target-server';

const PASSWORDS = { api: new Secret('api'), worker: new Secret('worker'), timekeeper: new Secret('timekeeper') };
const FOLDER = 'migrations';

describe('migrating', () => {
  let server: TargetServer;
  let folder: string;
  beforeAll(async () => {
    server = await TargetServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'curfew-migrations-'));
    cpSync(FOLDER, folder, { recursive: true });
    await server.sql('postgres', 'DROP DATABASE IF EXISTS curfew WITH (FORCE)', 'CREATE DATABASE curfew');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const urlOf = (database: string): string =>
    `postgres://${server.superuser}:${server.superuserPassword}@${server.host}:${server.port}/${database}`;
  const migrate = (database = 'curfew') =>
    migrateDatabase({ ownerUrl: new Secret(urlOf(database)), passwords: PASSWORDS, folder });
  const open = () =>
    openDatabase({
      url: new Secret(`postgres://curfew_api:api@${server.host}:${server.port}/curfew`),
      applicationName: 'test',
      entities: [],
      connections: 1,
      onError: () => undefined,
    });
  /** All that there is, its rights and its data of ours, but for random ids. */
  const everything = () =>
    server.sql(
      'curfew',
      `SELECT 'relation' AS kind, n.nspname || '.' || c.relname AS name, c.relacl::text AS rights, pg_get_userbyid(c.relowner) AS owner FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'bullmq')
       UNION ALL SELECT 'function', p.oid::regprocedure::text, p.proacl::text || md5(p.prosrc), pg_get_userbyid(p.proowner) FROM pg_proc p
         JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('public', 'bullmq')
       UNION ALL SELECT 'version', version::text, md5 || run_at::text, '' FROM schema_version
       UNION ALL SELECT 'installation', id::text, '', '' FROM installation
       UNION ALL SELECT 'database', datname, datacl::text, '' FROM pg_database WHERE datname = 'curfew' ORDER BY 1, 2`,
    );

  it('brings a database to the version of this build, which is the last file', async () => {
    const numbers = readdirSync(FOLDER).map((file) => Number(/^(\d{3})\.do\.[a-z-]+\.sql$/.exec(file)?.[1]));
    expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index + 1));
    expect(Math.max(...numbers)).toBe(SCHEMA_VERSION);
    await migrate();
    const database = await open();
    await database.destroy();
  });

  it('changes nothing when it is done already', async () => {
    await migrate();
    const before = await everything();
    await migrate();
    expect(before.length).toBeGreaterThan(50);
    expect(await everything()).toEqual(before);
  });

  it('refuses a file that was changed after it ran, and a new one that does not go through, and has changed nothing then', async () => {
    await migrate();
    const before = await everything();
    const last = readdirSync(folder).toSorted().at(-1)!;
    const text = readFileSync(join(folder, last), 'utf8');
    writeFileSync(join(folder, last), `${text}\n-- a word\n`);
    await expect(migrate()).rejects.toBeInstanceOf(MigrationsChanged);
    writeFileSync(join(folder, last), text);
    writeFileSync(join(folder, '999.do.broken.sql'), 'CREATE TABLE half (id int);\nSELECT 1 / 0;\n');
    await expect(migrate()).rejects.toBeInstanceOf(MigrationsChanged);
    expect(await everything()).toEqual(before);
  });

  it('refuses a version that this build does not know, and leaves the database as it was', async () => {
    await migrate();
    const before = await everything();
    writeFileSync(
      join(folder, `${String(SCHEMA_VERSION + 1).padStart(3, '0')}.do.future.sql`),
      'CREATE TABLE future (id int);',
    );
    await expect(migrate()).rejects.toBeInstanceOf(MigrationsChanged);
    expect(await everything()).toEqual(before);
  });

  it('runs two at once one after the other', async () => {
    const gate = await holding(urlOf('curfew'), 'SELECT pg_advisory_lock(4729533)');
    const both = [migrate(), migrate()];
    await gate.blocked(2);
    await gate.release();
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(await server.sql('curfew', 'SELECT version FROM schema_version WHERE version > 0')).toHaveLength(
      SCHEMA_VERSION,
    );
  });

  it('says of work that was there before which target it is at', async () => {
    const before = join(
      folder,
      readdirSync(folder).find((file) => file.startsWith('005'))!,
    );
    // Rows past what guards them, in the midst of the migration: as the database was then.
    const rows = `
      RESET ROLE; SET LOCAL session_replication_role = replica;
      INSERT INTO grants (request_id, scope_hash, identity_id, target_id, entitlement_id, duration_seconds, activate_by, ends_at)
      SELECT gen_random_uuid(), sha256('x'), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, now(), now() FROM generate_series(1, 2);
      INSERT INTO operations (kind, subject_id, correlation, finished_at)
      SELECT 'begin', id, 'c', CASE WHEN ctid > '(0,1)' THEN now() END FROM grants UNION ALL SELECT 'reevaluate', gen_random_uuid(), 'c', NULL;
      SET LOCAL session_replication_role = origin; SET LOCAL ROLE curfew_owner;`;
    writeFileSync(before, readFileSync(before, 'utf8') + rows);
    await migrate();
    expect(
      await server.sql(
        'curfew',
        `SELECT o.kind, o.target_id = g.target_id AS same FROM operations o LEFT JOIN grants g ON g.id = o.subject_id ORDER BY 1`,
      ),
    ).toEqual([
      { kind: 'begin', same: true },
      { kind: 'begin', same: true },
      { kind: 'reevaluate', same: null },
    ]);
  });

  it('refuses a second Curfew in the same server, and does not touch the roles of the first', async () => {
    await migrate();
    await server.sql('postgres', 'DROP DATABASE IF EXISTS second WITH (FORCE)', 'CREATE DATABASE second');
    const roles = `SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'curfew%' ORDER BY 1`;
    const before = await server.sql('postgres', roles);
    await expect(migrate('second')).rejects.toBeInstanceOf(NotThisDatabase);
    expect(await server.sql('postgres', roles)).toEqual(before);
    expect(
      await server.sql('second', `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`),
    ).toEqual([]);
    await server.sql('postgres', 'DROP DATABASE second');
  });

  it('takes the roles of a Curfew whose database is gone', async () => {
    await server.sql('postgres', 'DROP DATABASE IF EXISTS moved WITH (FORCE)');
    await migrate();
    await server.sql('postgres', 'DROP DATABASE curfew', 'CREATE DATABASE moved');
    await expect(migrate('moved')).resolves.toBeUndefined();
    await server.sql('postgres', 'DROP DATABASE moved');
  });

  it.each([
    ['older', `DELETE FROM schema_version WHERE version = ${SCHEMA_VERSION}`],
    [
      'newer',
      `INSERT INTO schema_version (version, name, md5, run_at) VALUES (${SCHEMA_VERSION + 1}, 'future', '', now())`,
    ],
    ['none', 'DROP TABLE schema_version'],
  ])('is not done by a process, which refuses to start on another version: %s', async (_, sql) => {
    await migrate();
    await server.sql('curfew', sql);
    await expect(open()).rejects.toBeInstanceOf(WrongSchemaVersion);
  });

  it('lets nobody in whom it did not make: not the role of a grant on a target in the same server', async () => {
    await migrate();
    const target = await aPostgresTarget(server);
    const { credential } = await new PostgresProvider(ON_LOOPBACK).issue(target.access, anOrder(target.read));
    const session = await target.use(credential);
    expect((await session.query('SELECT count(*)::int AS count FROM orders')).rows).toEqual([{ count: 10 }]);
    await session.end();
    const { username = '', password = '' } = credential.reveal().fields;
    const enter = async () => {
      const client = new pg.Client({
        host: server.host,
        port: server.port,
        database: 'curfew',
        user: username,
        password,
      });
      await client.connect();
      await client.end();
    };
    await expect(enter()).rejects.toMatchObject({ code: '42501', message: 'permission denied for database "curfew"' });
  });
});
