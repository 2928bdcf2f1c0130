import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Credential, Issued, IssueOrder, Proof } from '@app/providers';
import type { Secret } from '@app/kernel';
import { waitFor } from '../../../../scripts/waiting';
import { aGrant, anOrder, aPostgresTarget, type PostgresTarget } from '../../../../test/support/postgres-target';
import { TargetServer } from '../../../../test/support/target-server';
import { objectName } from '../provider';
import { PostgresProvider } from './postgres.provider';

const quoted = pg.escapeIdentifier;
const POSTGRES_15 = process.env['CURFEW_TEST_POSTGRES_15_BIN'];

describe('a hostile holder, on PostgreSQL 18', () => hostileCases());
describe.skipIf(!POSTGRES_15)(
  'a hostile holder, on PostgreSQL 15 (left out when CURFEW_TEST_POSTGRES_15_BIN is not set)',
  () => hostileCases(POSTGRES_15),
);

function hostileCases(binaries?: string): void {
  const provider = new PostgresProvider();
  let server: TargetServer;
  let target: PostgresTarget;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    target = await aPostgresTarget(server);
  });
  afterAll(() => server?.stop());

  interface Begun extends Issued {
    readonly order: IssueOrder;
    readonly role: string;
    readonly session: pg.Client;
  }
  const begin = async (on = target, entitlement = on.make): Promise<Begun> => {
    const order = anOrder(entitlement);
    const issued = await provider.issue(on.access, order);
    return { ...issued, order, role: quoted(objectName(order.grant)), session: await on.use(issued.credential) };
  };
  const proof = (order: IssueOrder, copy?: Secret<Credential>): Promise<Proof> =>
    provider.prove(target.access, order.grant, copy);
  const roleExists = async (order: IssueOrder): Promise<boolean> => {
    const rows = await target.sql(`SELECT FROM pg_roles WHERE rolname = '${objectName(order.grant)}'`);
    return rows.length > 0;
  };
  /** Somebody else, with a right to enter the database and no others. */
  const aStranger = async (): Promise<{ name: string; ask(sql: string): Promise<unknown[]> }> => {
    const name = `stranger_${crypto.randomUUID()}`;
    await target.sql(
      `CREATE ROLE ${quoted(name)} LOGIN PASSWORD 'stranger'`,
      `GRANT CONNECT ON DATABASE ${quoted(target.database)} TO ${quoted(name)}`,
    );
    const ask = async (sql: string): Promise<unknown[]> => {
      const client = await server.connect(target.database, { user: name, password: 'stranger' });
      try {
        return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
      } finally {
        await client.end();
      }
    };
    return { name: quoted(name), ask };
  };
  const countOf = async (table: string): Promise<unknown> =>
    (await target.sql<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]?.n;
  /** A client that is cut says nothing. */
  const leave = (...sessions: pg.Client[]): Promise<unknown> =>
    Promise.allSettled(sessions.map((session) => session.end()));

  it('takes the data away from strangers and loses no row, when a holder made tables, views and functions for them', async () => {
    const { order, session, credential } = await begin();
    const stranger = await aStranger();
    const made = `m${Date.now()}`;
    for (const statement of [
      `CREATE TABLE ${made}_table (id int PRIMARY KEY, note text)`,
      `INSERT INTO ${made}_table VALUES (1, 'mine'), (2, 'mine too')`,
      `CREATE VIEW ${made}_view AS SELECT * FROM orders`,
      `CREATE MATERIALIZED VIEW ${made}_copy AS SELECT * FROM ${made}_table`,
      `CREATE FUNCTION ${made}_count() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM public.orders'`,
      `CREATE FUNCTION ${made}_write() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'UPDATE public.orders SET customer = null'`,
      `CREATE TYPE ${made}_type AS (a int)`,
      `CREATE SEQUENCE ${made}_sequence`,
      `ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC`,
      `GRANT SELECT ON ${made}_view TO PUBLIC`,
    ])
      await session.query(statement);
    const [{ lo }] = (await session.query('SELECT lo_from_bytea(0, $1) AS lo', [Buffer.from('a large object')]))
      .rows as [{ lo: number }];
    expect(await stranger.ask(`SELECT count(*)::int FROM ${made}_view`)).toEqual([10]);
    expect(await stranger.ask(`SELECT ${made}_count()::int`)).toEqual([10]);

    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);

    const refused = /permission denied/;
    await expect(stranger.ask(`SELECT * FROM ${made}_view`)).rejects.toThrow(refused);
    await expect(stranger.ask(`SELECT ${made}_count()`)).rejects.toThrow(refused);
    await expect(stranger.ask(`SELECT ${made}_write()`)).rejects.toThrow(refused);
    expect(await countOf(`${made}_table`)).toBe(2);
    expect(await countOf(`${made}_copy`)).toBe(2);
    expect(await target.sql(`SELECT convert_from(lo_get(${lo}), 'UTF8') AS text`)).toEqual([
      { text: 'a large object' },
    ]);
    const owners = await target.sql(
      `SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname LIKE '${made}%'`,
    );
    expect(owners).toEqual([{ owner: target.objectsOwner }]);
    expect([await roleExists(order), (await proof(order, credential)).verdict]).toEqual([false, 'ended']);
    await leave(session);
  });

  it('ends sessions in a transaction, idle, in a query and behind a lock, and rolls their work back', async () => {
    const { order, credential, session } = await begin();
    const others = await Promise.all([1, 2, 3].map(() => target.use(credential)));
    await session.query('BEGIN');
    await session.query(`UPDATE orders SET customer = 'changed' WHERE id = 1`);
    const running = [
      others[0]!.query('SELECT pg_sleep(60)'),
      others[1]!.query('UPDATE orders SET id = 1 WHERE id = 1'),
    ];
    const ends = Promise.allSettled(running);
    await waitFor(async () => {
      const [{ n }] = (await target.sql<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = '${objectName(order.grant)}' AND state = 'active'`,
      )) as [{ n: number }];
      return n === 2 || undefined;
    }, 10_000);
    await provider.end(target.access, order.grant);
    expect((await ends).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(session.query('COMMIT')).rejects.toThrow();
    await expect(others[2]!.query('SELECT 1')).rejects.toThrow();
    expect(await target.sql('SELECT customer FROM orders WHERE id = 1')).toEqual([{ customer: 'customer 1' }]);
    expect((await proof(order, credential)).verdict).toBe('ended');
    await leave(session, ...others);
  });

  it.runIf(!binaries)('does not let a holder become the group role, whose objects would not be found', async () => {
    const { order, session } = await begin();
    await expect(session.query(`SET ROLE ${quoted(target.maker)}`)).rejects.toThrow('permission denied');
    await expect(session.query('GRANT CURRENT_USER TO PUBLIC')).rejects.toThrow();
    await provider.end(target.access, order.grant);
    await leave(session);
  });

  it('ends a role that changed its own password, and does not take the refusal of the old one as proof', async () => {
    const { order, session, credential, role } = await begin();
    await session.query(`ALTER ROLE ${role} PASSWORD 'my own'`);
    await expect(target.use(credential)).rejects.toThrow('password authentication failed');
    const before = await proof(order, credential);
    expect(before.verdict).toBe('alive');
    expect(before.checks.at(-1)).toMatchObject({ verdict: 'unknown', answer: expect.stringContaining('28P01') });
    await provider.end(target.access, order.grant);
    const again = server.connect(target.database, { user: objectName(order.grant), password: 'my own' });
    await expect(again).rejects.toThrow('password authentication failed');
    expect((await proof(order, credential)).verdict).toBe('ended');
    await leave(session);
  });

  it('copes with names that need quoting', async () => {
    const weird = await aPostgresTarget(server, { prefix: `we"ird 'né;--\\` });
    const { order, session, credential } = await begin(weird);
    await session.query('CREATE TABLE "my ""own"" table" (id int)');
    expect((await provider.check(weird.access, [weird.read])).findings.filter(({ kind }) => kind !== 'notice')).toEqual(
      [],
    );
    expect((await provider.end(weird.access, order.grant)).leftovers).toEqual([]);
    expect((await provider.prove(weird.access, order.grant, credential)).verdict).toBe('ended');
    await leave(session);
  });

  it('leaves a powerless tombstone for what is in a database we cannot enter, and tidies it later', async () => {
    const closed = `closed_${Date.now()}`;
    const stranger = await aStranger();
    await target.sql(`CREATE DATABASE ${closed}`, `REVOKE ALL ON DATABASE ${closed} FROM PUBLIC`);
    await target.sql(`GRANT CONNECT ON DATABASE ${closed} TO ${quoted(target.maker)}, ${stranger.name}`);
    await server.sql(
      closed,
      'CREATE TABLE secret (id int)',
      'INSERT INTO secret VALUES (1), (2)',
      `GRANT SELECT ON secret TO ${quoted(target.maker)}`,
      `GRANT CREATE, USAGE ON SCHEMA public TO ${quoted(target.maker)}, ${quoted(target.objectsOwner)}`,
      `GRANT USAGE ON SCHEMA public TO ${stranger.name}`,
    );
    const { order, session, credential } = await begin();
    const { username, password } = credential.reveal().fields;
    const there = await server.connect(closed, { user: username!, password: password! });
    await there.query('CREATE TABLE left_behind AS SELECT 7 AS id');
    await there.query('CREATE VIEW serves AS SELECT * FROM secret; GRANT SELECT ON serves TO PUBLIC');

    const { leftovers } = await provider.end(target.access, order.grant);
    expect(leftovers.length).toBeGreaterThanOrEqual(2);
    expect(leftovers[0]).toMatchObject({
      what: expect.stringContaining(closed),
      why: expect.stringContaining('could not enter'),
    });
    const tombstone = await proof(order, credential);
    expect(tombstone.verdict).toBe('ended');
    expect(tombstone.checks[1]?.answer).toContain('present without login');
    expect(await provider.list(target.access, order.grant.installation)).toContain(order.grant.grantId);
    const client = await server.connect(closed, { user: stranger.name.slice(1, -1), password: 'stranger' });
    await expect(client.query('SELECT * FROM serves')).rejects.toThrow('permission denied');
    await client.end();

    await target.sql(`GRANT CONNECT ON DATABASE ${closed} TO ${quoted(target.admin)}`);
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
    expect(await roleExists(order)).toBe(false);
    expect(await server.sql(closed, 'SELECT id FROM left_behind')).toEqual([{ id: 7 }]);
    await leave(session, there);
  });

  it('destroys nothing where objects cannot be given away, and says which and why', async () => {
    const { order, session } = await begin();
    const table = `kept_${Date.now()}`;
    await session.query(`CREATE TABLE ${table} AS SELECT 1 AS id`);
    await session.query(`CREATE FUNCTION ${table}_f() RETURNS int LANGUAGE sql AS 'SELECT 1'`);
    await target.sql(`REVOKE CREATE ON SCHEMA public FROM ${quoted(target.objectsOwner)}`);
    const { leftovers } = await provider.end(target.access, order.grant);
    expect(leftovers).toContainEqual({
      what: `table public.${table} in database ${quoted(target.database)}`,
      why: expect.stringContaining('42501'),
    });
    expect([await countOf(table), await roleExists(order), (await proof(order)).verdict]).toEqual([1, true, 'ended']);
    await target.sql(`GRANT CREATE ON SCHEMA public TO ${quoted(target.objectsOwner)}`);
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
    expect([await countOf(table), await roleExists(order)]).toEqual([1, false]);
    await leave(session);
  });

  it('waits for nobody who holds a lock on what is to be given away', async () => {
    const { order, session } = await begin();
    const table = `locked_${Date.now()}`;
    await session.query(`CREATE TABLE ${table} (id int)`);
    const locker = await server.connect(target.database);
    await locker.query(`BEGIN; LOCK TABLE ${table}`);
    const { leftovers } = await provider.end(target.access, order.grant);
    expect(leftovers).toContainEqual({ what: expect.stringContaining(table), why: expect.stringContaining('lock') });
    expect((await proof(order)).verdict).toBe('ended');
    await locker.query('COMMIT');
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
    await leave(session, locker);
  });

  it('does not take an end for done while a right given by hand lives on, and says what would take it away', async () => {
    const { order, session, role } = await begin();
    const stranger = await aStranger();
    const payroll = quoted(`payroll_${Date.now()}`);
    await target.sql(
      `CREATE ROLE ${payroll}`,
      `GRANT ${payroll} TO ${role} WITH ADMIN OPTION`,
      `GRANT ${role} TO ${stranger.name}`,
      `GRANT SELECT ON orders TO ${role}`,
    );
    await session.query(`GRANT ${payroll} TO ${stranger.name}`);
    const { leftovers } = await provider.end(target.access, order.grant);
    const members = await target.sql(
      `SELECT pg_get_userbyid(member) AS member FROM pg_auth_members WHERE roleid = '${payroll}'::regrole`,
    );
    expect(members).not.toContainEqual({ member: stranger.name.slice(1, -1) });
    expect(leftovers).toContainEqual({
      what: `rights on table public.orders in database ${quoted(target.database)}`,
      why: 'given by somebody else: our account may not revoke it',
    });
    if (target.major >= 16) {
      expect(leftovers).toContainEqual({
        what: expect.stringContaining(payroll),
        why: expect.stringContaining('granted by "postgres"'),
      });
      expect((await proof(order)).verdict).toBe('alive');
    }
    await expect(target.use((await begin()).credential).then(leave)).resolves.toBeDefined();
    await target.sql(
      `REVOKE ALL ON orders FROM ${role}`,
      `REVOKE ${payroll} FROM ${role} CASCADE`,
      `REVOKE ${role} FROM ${stranger.name}`,
    );
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
    expect([(await proof(order)).verdict, await roleExists(order)]).toEqual(['ended', false]);
    await leave(session);
  });

  it('keeps the role, powerless, for a prepared transaction that a superuser must decide about', async () => {
    const { order, session, credential } = await begin();
    const gid = `two-phase ${Date.now()}`;
    await session.query('BEGIN');
    await session.query(`INSERT INTO orders VALUES (${1_000 + Math.floor(performance.now())}, 'prepared')`);
    await session.query(`PREPARE TRANSACTION '${gid}'`);
    const { leftovers } = await provider.end(target.access, order.grant);
    expect(leftovers).toEqual([
      {
        what: `prepared transaction '${gid}' in database ${quoted(target.database)}`,
        why: expect.stringContaining('ROLLBACK PREPARED'),
      },
    ]);
    expect((await proof(order, credential)).verdict).toBe('ended');
    await target.sql(`ROLLBACK PREPARED '${gid}'`);
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
    await leave(session);
  });

  it('ends what is left when the group role was dropped by hand, and says so at the next start', async () => {
    const other = await aPostgresTarget(server);
    const { order, session } = await begin(other, other.read);
    await other.sql(`DROP OWNED BY ${quoted(other.reader)}`, `DROP ROLE ${quoted(other.reader)}`);
    await expect(provider.issue(other.access, anOrder(other.read))).rejects.toMatchObject({
      kind: 'invalid',
      code: 'target.group_role_missing',
    });
    expect((await provider.end(other.access, order.grant)).leftovers).toEqual([]);
    expect((await provider.prove(other.access, order.grant)).verdict).toBe('ended');
    await leave(session);
  });

  it('ends what is left when the role was dropped by hand under an open session', async () => {
    const { order, session, role } = await begin();
    await target.sql(`DROP OWNED BY ${role}`, `DROP ROLE ${role}`);
    expect(await provider.end(target.access, order.grant)).toEqual({ steps: [], leftovers: [] });
    await expect(session.query('SELECT * FROM orders')).rejects.toThrow('permission denied');
    await leave(session);
  });

  it('catches sessions that are opened during the end', async () => {
    const { order, session, credential } = await begin();
    const opened: pg.Client[] = [session];
    let over = false;
    const knocking = Array.from({ length: 4 }, async () => {
      while (!over) {
        const client = await target.use(credential).catch(() => undefined);
        if (client) opened.push(client);
      }
    });
    await waitFor(() => opened.length > 8 || undefined, 10_000);
    await provider.end(target.access, order.grant);
    over = true;
    await Promise.all(knocking);
    const answers = await Promise.allSettled(opened.map((client) => client.query('SELECT 1')));
    expect(answers.every(({ status }) => status === 'rejected')).toBe(true);
    expect((await proof(order, credential)).verdict).toBe('ended');
    const ghosts = await target.sql(
      `SELECT pid FROM pg_stat_activity WHERE usesysid NOT IN (SELECT oid FROM pg_roles)`,
    );
    expect(ghosts).toEqual([]);
    await leave(...opened);
  });

  it('is not led astray by what a holder calls like a part of the catalogue', async () => {
    const { order, session } = await begin();
    await session.query(`CREATE TABLE public.pg_roles (rolname name, oid oid)`);
    await session.query(`CREATE VIEW public.pg_stat_activity AS SELECT 1 AS pid WHERE false`);
    await session.query(
      `CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'led astray'; END $$`,
    );
    await session.query(`ALTER ROLE CURRENT_USER SET search_path = public, pg_catalog`);
    expect((await proof(order)).verdict).toBe('alive');
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
    expect((await proof(order)).verdict).toBe('ended');
    await target.sql(
      'DROP TABLE public.pg_roles',
      'DROP VIEW public.pg_stat_activity',
      'DROP FUNCTION public.format(text, name, name)',
    );
    await leave(session);
  });

  it("touches neither another Curfew's roles nor those of people", async () => {
    const { order, session } = await begin();
    const theirs = anOrder(target.read, { grant: aGrant('0ddba115') });
    const { credential } = await provider.issue(target.access, theirs);
    const alike = quoted(`${objectName(order.grant)}-x`);
    await target.sql(`CREATE ROLE ${alike} LOGIN`, `CREATE ROLE "curfew-5eedc0de-not-a-grant"`);
    await provider.end(target.access, order.grant);
    const client = await target.use(credential);
    const rows = await target.sql(
      `SELECT rolname FROM pg_roles WHERE rolname IN ('${alike.slice(1, -1)}', 'curfew-5eedc0de-not-a-grant')`,
    );
    expect(rows).toHaveLength(2);
    const listed = await provider.list(target.access, order.grant.installation);
    expect(listed.some((id) => id.includes('not-a-grant') || id.endsWith('-x'))).toBe(false);
    await target.sql(`DROP ROLE ${alike}`, `DROP ROLE "curfew-5eedc0de-not-a-grant"`);
    await leave(client, session);
  });

  it('writes no password into the log of the server', async () => {
    const { credential, order, session } = await begin();
    const { password } = credential.reveal().fields;
    await provider.end(target.access, order.grant);
    const { log } = server;
    const seen = ['SCRAM-SHA-256$4096:', password!, target.access.password.reveal()].map((text) => log.includes(text));
    expect(seen).toEqual([true, false, false]);
    await leave(session);
  });
}
