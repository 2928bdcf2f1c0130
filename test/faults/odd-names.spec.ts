import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { GrantsAt } from '../support/grants-at';
import { sampled } from '../support/kills';
import { leave } from '../support/postgres-stage';
import { TargetServer } from '../support/target-server';

const quoted = pg.escapeIdentifier;

/** Before the name of the database, the group roles, the objectsOwner and our account. */
const PREFIXES = sampled(
  [
    { what: 'quotes, semicolons and comments', prefix: `we"ird 'n';--/* "; DROP TABLE orders;` },
    { what: 'backslashes, dollars and percent signs', prefix: `\\o/ $$ %I %s \${x} \\'` },
    {
      what: 'commas, equal signs and what a connection string is made of',
      prefix: 'host=h,port=1 postgres://u:p@h/d?x#',
    },
    { what: 'upper case, spaces and key words', prefix: ' SELECT Public None User ' },
    { what: 'letters from everywhere', prefix: 'Ünï-Çødé 表 \u{1F511} \u202E' },
    { what: 'as many bytes as fit', prefix: 'é'.repeat(23) + 'x' },
  ],
  2,
);

describe('names that people chose at a target', () => {
  let server: TargetServer;
  beforeAll(async () => {
    server = await TargetServer.start();
  });
  afterAll(() => server?.stop());

  it.each([...PREFIXES.chosen])(
    `may have $what: asked, begun, used, ended and proven (${PREFIXES.words})`,
    async ({ prefix }) => {
      const at = await GrantsAt.a(server, { prefix });
      try {
        const { target } = at;
        const schema = `${prefix}s`;
        await target.sql(
          `CREATE SCHEMA ${quoted(schema)}`,
          `GRANT USAGE, CREATE ON SCHEMA ${quoted(schema)} TO ${quoted(target.maker)}, ${quoted(target.objectsOwner)}`,
        );
        const read = await at.use(600, 'read');
        const make = await at.use(600, 'make');
        expect((await read.session.query('SELECT count(*)::int AS n FROM orders')).rows).toEqual([{ n: 10 }]);
        const table = `${quoted(schema)}.${quoted(`${prefix}t`)}`;
        await make.session.query(`CREATE TABLE ${table} AS SELECT 1 AS kept`);
        await expect(read.session.query(`SELECT * FROM ${table}`)).rejects.toThrow('permission denied');
        for (const { id } of [read, make]) await at.release(id);
        for (const { id, session, credential } of [read, make]) {
          expect(await at.until(id, 'ended')).toMatchObject({ leftovers: [] });
          await expect(target.use(credential)).rejects.toThrow('password authentication failed');
          await leave(session);
        }
        expect(await target.sql(`SELECT kept FROM ${table}`)).toEqual([{ kept: 1 }]);
        expect(
          await target.sql(
            `SELECT tableowner::text AS owner FROM pg_tables WHERE schemaname = ${pg.escapeLiteral(schema)}`,
          ),
        ).toEqual([{ owner: target.objectsOwner }]);
        expect(await at.broken()).toEqual([]);
      } finally {
        await at.close();
      }
    },
    60_000,
  );

  describe('that are ours to refuse', () => {
    let at: GrantsAt;
    beforeAll(async () => {
      at = await GrantsAt.a(server);
    });
    afterAll(() => at?.close());

    const add = async (change: (file: ReturnType<typeof aFile>) => object): Promise<void> => {
      const order = { file: change(aFile()), password: new Secret('p') };
      const asker = await at.house.person('root');
      await at.house.as(asker, (tx) => at.house.targets.add(tx, 'demo', order));
    };
    const aFile = () => ({
      name: `odd-${randomUUID().slice(0, 8)}`,
      kind: 'postgres',
      owner: 'owners',
      connection: { ...at.target.connection },
      entitlements: { read: { database: 'd', groupRole: 'g' } } as Record<string, object>,
    });

    const NAMES = [
      '',
      'Upper',
      'a b',
      `a'b`,
      'a"b',
      'a;b',
      'a/b',
      'a\\b',
      'é',
      '-a',
      'a\0',
      'a\n',
      'x'.repeat(64),
      'аdb',
    ];
    const ROLES = ['', 'a\0b', 'x'.repeat(64), 'é'.repeat(32), 'pg_read_all_data', 'pg_', 'public', 'none'];
    const DATABASES = ['', 'a\0b', 'x'.repeat(64), 'é'.repeat(32)];

    it.each(NAMES.map((name) => [JSON.stringify(name), name]))(
      'refuses the target, owner and entitlement %s',
      async (_, name) => {
        const refusal = (path: string) =>
          expect.objectContaining({
            kind: 'invalid',
            code: 'access.invalid_target_file',
            advice: expect.stringContaining(path),
          });
        await expect(add((file) => ({ ...file, name }))).rejects.toEqual(refusal('name: '));
        await expect(add((file) => ({ ...file, owner: name }))).rejects.toEqual(refusal('owner: '));
        const entitlements = { [name]: { database: 'd', groupRole: 'g' } };
        await expect(add((file) => ({ ...file, entitlements }))).rejects.toEqual(refusal('entitlements'));
      },
    );

    it.each([
      ...ROLES.map((role) => ['role', role] as const),
      ...DATABASES.map((database) => ['database', database] as const),
    ])('refuses the %s %j, wherever it stands', async (what, name) => {
      const refused = async (path: string, change: (file: ReturnType<typeof aFile>) => object) =>
        expect(add(change)).rejects.toMatchObject({
          code: 'access.invalid_target_file',
          details: { problems: [expect.objectContaining({ path })] },
        });
      const connection = what === 'role' ? ['user', 'objectsOwner'] : ['database'];
      for (const member of connection)
        await refused(`connection.${member}`, (file) => ({
          ...file,
          connection: { ...file.connection, [member]: name },
        }));
      const member = what === 'role' ? 'groupRole' : 'database';
      await refused(`entitlements.read.${member}`, (file) => ({
        ...file,
        entitlements: { read: { database: 'd', groupRole: 'g', [member]: name } },
      }));
    });

    it('takes a database called pg_…, which is nobody’s but the customer’s', async () => {
      const { target } = at;
      const database = `pg_"odd_${randomUUID().slice(0, 8)}`;
      await server.sql(
        'postgres',
        `CREATE DATABASE ${quoted(database)}`,
        `REVOKE ALL ON DATABASE ${quoted(database)} FROM PUBLIC`,
        `GRANT CONNECT ON DATABASE ${quoted(database)} TO ${quoted(target.admin)}, ${quoted(target.reader)}`,
      );
      const root = await at.house.person('root');
      const entitlements = { read: { database, groupRole: target.reader } };
      const file = { ...aFile(), name: 'real', entitlements };
      await at.house.as(root, (tx) =>
        at.house.targets.replace(tx, 'demo', { name: 'real', file, password: target.access.password }),
      );
      const { id, session } = await at.use(600, 'read');
      expect((await session.query('SELECT current_database() AS it')).rows).toEqual([{ it: database }]);
      await at.release(id);
      await at.until(id, 'ended');
      await leave(session);
      expect(await at.broken()).toEqual([]);
    });

    it('begins nothing when the group role has become too powerful since the approval, through others too', async () => {
      const { target } = at;
      const between = `${target.reader}_between`;
      await target.sql(
        `CREATE ROLE ${between}`,
        `CREATE ROLE ${between}_2`,
        `GRANT ${between} TO ${target.reader}`,
        `GRANT ${between}_2 TO ${between}`,
      );
      for (const attribute of ['CREATEROLE', 'CREATEDB', 'REPLICATION', 'BYPASSRLS', 'SUPERUSER']) {
        const id = await at.ask('read');
        await target.sql(`ALTER ROLE ${between}_2 ${attribute}`);
        const { endReason, failure } = await at.until(id, 'ended');
        expect([attribute, endReason, failure]).toEqual([attribute, 'failed', 'target.group_role_too_powerful']);
        await target.sql(`ALTER ROLE ${between}_2 NO${attribute}`);
      }
      const { id, session } = await at.use(600, 'read');
      await at.release(id);
      await at.until(id, 'ended');
      await leave(session);
      expect(await at.broken()).toEqual([]);
    });
  });
});
