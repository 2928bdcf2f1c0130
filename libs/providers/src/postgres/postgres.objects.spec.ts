import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { objectName } from '@app/providers';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const quoted = pg.escapeIdentifier;
describeOnPostgres('what a holder leaves behind', (binaries) => {
  let server: TargetServer;
  let stage: Stage;
  let target: Stage['target'];
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    stage = await Stage.on(server);
    target = stage.target;
  });
  afterAll(() => server?.stop());

  it('takes the data away from strangers and loses no row, when a holder made tables, views and functions for them', async () => {
    const { order, session, credential } = await stage.begin();
    const stranger = await stage.aStranger();
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

    const { leftovers } = await stage.end(order.grant);
    expect(leftovers).toContainEqual({
      what: `table public.${made}_table in database ${quoted(target.database)}`,
      why: expect.stringContaining(
        `function public.${made}_count(), function public.${made}_write(), materialized view`,
      ),
    });

    const refused = /permission denied/;
    await expect(stranger.ask(`SELECT * FROM ${made}_view`)).rejects.toThrow(refused);
    await expect(stranger.ask(`SELECT ${made}_count()`)).rejects.toThrow(refused);
    await expect(stranger.ask(`SELECT ${made}_write()`)).rejects.toThrow(refused);
    expect(await stage.countOf(`${made}_table`)).toBe(2);
    expect(await stage.countOf(`${made}_copy`)).toBe(2);
    expect(await target.sql(`SELECT convert_from(lo_get(${lo}), 'UTF8') AS text`)).toEqual([
      { text: 'a large object' },
    ]);
    expect(await stage.verdict(order.grant, credential)).toBe('ended');
    // Somebody has looked through what is no plain data.
    await target.sql(
      ...['count', 'write'].map((name) => `ALTER FUNCTION ${made}_${name} OWNER TO CURRENT_USER`),
      `ALTER VIEW ${made}_view OWNER TO CURRENT_USER`,
      `ALTER MATERIALIZED VIEW ${made}_copy OWNER TO CURRENT_USER`,
    );
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    const owners = await target.sql(
      `SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname LIKE '${made}%' AND relkind IN ('r', 'S')`,
    );
    expect(owners).toEqual([{ owner: target.objectsOwner }]);
    expect([await stage.countOf(`${made}_table`), await stage.roleExists(order.grant)]).toEqual([2, false]);
    expect(await stage.verdict(order.grant)).toBe('ended');
    await leave(session);
  });

  it('copes with names that need quoting', async () => {
    const weird = await Stage.on(server, { prefix: `we"ird 'né;--\\` });
    const { order, session, credential } = await weird.begin();
    await session.query('CREATE TABLE "my ""own"" table" (id int)');
    const { findings } = await weird.provider.check(weird.target.access, [weird.target.read]);
    expect(findings.filter(({ kind }) => kind !== 'notice')).toEqual([]);
    expect((await weird.end(order.grant)).leftovers).toEqual([]);
    expect(await weird.verdict(order.grant, credential)).toBe('ended');
    await leave(session);
  });

  it('leaves a powerless tombstone for what is in a database we cannot enter, and tidies it later', async () => {
    const closed = `closed_${Date.now()}`;
    const stranger = await stage.aStranger();
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
    const { order, session, credential } = await stage.begin();
    const { username, password } = credential.reveal().fields;
    const there = await server.connect(closed, { user: username!, password: password! });
    await there.query('CREATE TABLE left_behind AS SELECT 7 AS id');
    await there.query('CREATE VIEW serves AS SELECT * FROM secret; GRANT SELECT ON serves TO PUBLIC');

    const { leftovers } = await stage.end(order.grant);
    expect(leftovers.length).toBeGreaterThanOrEqual(2);
    expect(leftovers[0]).toMatchObject({
      what: expect.stringContaining(closed),
      why: expect.stringContaining('could not enter'),
    });
    const tombstone = await stage.prove(order.grant, credential);
    expect(tombstone.verdict).toBe('ended');
    expect(tombstone.checks[1]?.answer).toContain('present without login');
    expect((await stage.provider.list(target.access, order.grant.installation)).grants).toContain(order.grant.grantId);
    const client = await server.connect(closed, { user: stranger.name.slice(1, -1), password: 'stranger' });
    await expect(client.query('SELECT * FROM serves')).rejects.toThrow('permission denied');
    await client.end();

    await target.sql(`GRANT CONNECT ON DATABASE ${closed} TO ${quoted(target.admin)}`);
    await server.sql(closed, 'DROP VIEW serves');
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    expect(await stage.roleExists(order.grant)).toBe(false);
    expect(await server.sql(closed, 'SELECT id FROM left_behind')).toEqual([{ id: 7 }]);
    await leave(session, there);
  });

  it('destroys nothing where objects cannot be given away, and says which and why', async () => {
    const { order, session } = await stage.begin();
    const table = `kept_${Date.now()}`;
    await session.query(`CREATE TABLE ${table} AS SELECT 1 AS id, 2 AS other`);
    await session.query(`CREATE STATISTICS ${table}_s ON id, other FROM ${table}`); // wants a right in the schema, as a table does not
    await target.sql(`REVOKE CREATE ON SCHEMA public FROM ${quoted(target.objectsOwner)}`);
    const { leftovers } = await stage.end(order.grant);
    expect(leftovers).toContainEqual({
      what: `table public.${table} in database ${quoted(target.database)}`,
      why: expect.stringContaining('42501'),
    });
    expect([await stage.countOf(table), await stage.roleExists(order.grant), await stage.verdict(order.grant)]).toEqual(
      [1, true, 'ended'],
    );
    await target.sql(`GRANT CREATE ON SCHEMA public TO ${quoted(target.objectsOwner)}`);
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    expect([await stage.countOf(table), await stage.roleExists(order.grant)]).toEqual([1, false]);
    await leave(session);
  });

  it('gives nothing away where it is so much that the server would have no room for the locks', async () => {
    const { order, session } = await stage.begin();
    await session.query(`DO $$ BEGIN FOR n IN 1..501 LOOP PERFORM lo_create(0); END LOOP; END $$`);
    const { leftovers } = await stage.end(order.grant);
    expect(leftovers[0]?.why).toContain('501 things at once');
    expect(await stage.verdict(order.grant)).toBe('ended');
    await session.end().catch(() => undefined);
    await target.sql(
      `SELECT lo_unlink(max(m.oid)) FROM pg_largeobject_metadata m JOIN pg_roles r ON r.oid = lomowner WHERE rolname = '${objectName(order.grant)}'`,
    );
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    expect(await stage.roleExists(order.grant)).toBe(false);
  });

  it('waits for nobody who holds a lock on what is to be given away', async () => {
    const { order, session } = await stage.begin();
    const table = `locked_${Date.now()}`;
    await session.query(`CREATE TABLE ${table} (id int)`);
    const locker = await server.connect(target.database);
    await locker.query(`BEGIN; LOCK TABLE ${table}`);
    const { leftovers } = await stage.end(order.grant);
    expect(leftovers).toContainEqual({ what: expect.stringContaining(table), why: expect.stringContaining('lock') });
    expect(await stage.verdict(order.grant)).toBe('ended');
    await locker.query('COMMIT');
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    await leave(session, locker);
  });

  it('does not take an end for done while a right given by hand lives on, and says what would take it away', async () => {
    const { order, session, role } = await stage.begin();
    const stranger = await stage.aStranger();
    const payroll = quoted(`payroll_${Date.now()}`);
    await target.sql(
      `CREATE ROLE ${payroll}`,
      `GRANT ${payroll} TO ${role} WITH ADMIN OPTION`,
      `GRANT ${role} TO ${stranger.name}`,
      `GRANT SELECT ON orders TO ${role}`,
    );
    await session.query(`GRANT ${payroll} TO ${stranger.name}`);
    const { leftovers } = await stage.end(order.grant);
    const members = await target.sql(
      `SELECT pg_get_userbyid(member) AS member FROM pg_auth_members WHERE roleid = '${payroll}'::regrole`,
    );
    expect(members).not.toContainEqual({ member: stranger.name.slice(1, -1) });
    expect(leftovers).toContainEqual({
      what: `rights on table public.orders in database ${quoted(target.database)}`,
      why: 'given by somebody else: our account may not revoke it',
    });
    // From 16 on a membership is its grantor's alone to revoke. On 15 CREATEROLE is enough.
    const given = leftovers.filter(({ why }) => why.includes('granted by "postgres"'));
    const modern = target.major >= 16;
    expect(given.some(({ what }) => what.includes(payroll))).toBe(modern);
    expect(await stage.verdict(order.grant)).toBe(modern ? 'alive' : 'ended');
    await target.sql(
      `REVOKE ALL ON orders FROM ${role}`,
      `REVOKE ${payroll} FROM ${role} CASCADE`,
      `REVOKE ${role} FROM ${stranger.name}`,
    );
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    expect([await stage.verdict(order.grant), await stage.roleExists(order.grant)]).toEqual(['ended', false]);
    await leave(session);
  });

  it('keeps the role, powerless, for a prepared transaction that a superuser must decide about', async () => {
    const { order, session, credential } = await stage.begin();
    const gid = `two-phase ${Date.now()}`;
    await session.query('BEGIN');
    await session.query(`INSERT INTO orders VALUES (${1_000 + Math.floor(performance.now())}, 'prepared')`);
    await session.query(`PREPARE TRANSACTION '${gid}'`);
    const { leftovers } = await stage.end(order.grant);
    expect(leftovers).toEqual([
      {
        what: `prepared transaction '${gid}' in database ${quoted(target.database)}`,
        why: expect.stringContaining('ROLLBACK PREPARED'),
      },
    ]);
    expect(await stage.verdict(order.grant, credential)).toBe('ended');
    await target.sql(`ROLLBACK PREPARED '${gid}'`);
    expect((await stage.end(order.grant)).leftovers).toEqual([]);
    await leave(session);
  });

  it.each([
    // It comes with an extension, and that is its maker's where the database lets them create something.
    ['a language', 'LANGUAGE plpgsql', 'CREATE EXTENSION plpgsql'],
    ['a foreign server', 'FOREIGN SERVER theirs', 'CREATE SERVER theirs FOREIGN DATA WRAPPER lent'],
    // Only a superuser makes one: somebody has made the role one, and taken that back.
    ['a foreign-data wrapper', 'FOREIGN DATA WRAPPER theirs', 'CREATE FOREIGN DATA WRAPPER theirs'],
  ])('takes %s from those to whom it was given, and drops none', async (_, thing, made) => {
    const own = await Stage.on(server);
    const stranger = await own.aStranger();
    const maker = quoted(own.target.maker);
    await own.target.sql(
      `GRANT CREATE ON DATABASE ${quoted(own.target.database)} TO ${maker}`,
      'CREATE FOREIGN DATA WRAPPER lent',
      `GRANT USAGE ON FOREIGN DATA WRAPPER lent TO ${maker}`,
    );
    if (made.endsWith('plpgsql')) await own.target.sql('DROP EXTENSION plpgsql');
    const { grant, role, session } = await own.begin();
    if (thing.startsWith('FOREIGN DATA')) await own.target.sql(`ALTER ROLE ${role} SUPERUSER`);
    await session.query(made);
    await session.query(`GRANT USAGE ON ${thing} TO ${stranger.name}`);
    await own.target.sql(`ALTER ROLE ${role} NOSUPERUSER`);
    const [, kind = '', name] = /^(?:FOREIGN (?=SERVER))?(.*) (\w+)$/.exec(thing) ?? [];
    const mayUse = `SELECT has_${kind.toLowerCase().replaceAll(/\W/g, '_')}_privilege('${name}', 'USAGE')`;
    expect(await stranger.ask(mayUse)).toEqual([true]);
    await own.end(grant);
    expect(await stranger.ask(mayUse)).toEqual([false]);
    expect([await own.verdict(grant), await own.roleExists(grant)]).toEqual(['ended', true]);
    await leave(session);
  });
});
