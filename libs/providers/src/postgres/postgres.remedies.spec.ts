import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CheckFinding, CheckReport, EntitlementConfig } from '@app/providers';
import { Secret } from '@app/kernel';
import { anOrder, aPostgresTarget, ON_LOOPBACK, type PostgresTarget } from '../../../../test/support/postgres-target';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { TargetServer } from '../../../../test/support/target-server';
import { PostgresProvider } from './postgres.provider';

describeOnPostgres('what check finds of our account', (binaries) => {
  const provider = new PostgresProvider(ON_LOOPBACK);
  let server: TargetServer;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
  });
  afterAll(() => server?.stop());

  const worse = ({ findings }: CheckReport): CheckFinding[] => findings.filter(({ kind }) => kind !== 'notice');
  const check = (target: PostgresTarget, ...more: EntitlementConfig[]): Promise<CheckReport> =>
    provider.check(target.access, [target.read, ...more]);
  /** All that is printed, in the order in which it is, as a superuser. */
  async function runAll({ findings }: CheckReport): Promise<void> {
    for (const { sql = [], database } of findings) await server.sql(database ?? 'postgres', ...sql);
  }
  async function mended(target: PostgresTarget, ...more: EntitlementConfig[]): Promise<CheckReport> {
    const before = await check(target, ...more);
    await runAll(before);
    const after = await check(target, ...more);
    expect(worse(after)).toEqual([]);
    expect(after.findings.filter(({ sql }) => sql !== undefined)).toEqual([]);
    return before;
  }
  const lives = async (target: PostgresTarget): Promise<void> => {
    const order = anOrder(target.read);
    const { credential } = await provider.issue(target.access, order);
    await (await target.use(credential)).end();
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
  };

  type Spoil = (t: PostgresTarget) => string[];
  const role = (t: PostgresTarget, attributes: string): string => `CREATE ROLE ${t.reader}_more ${attributes}`;
  const excess: [string, Spoil, RegExp][] = [
    ...['SUPERUSER', 'REPLICATION', 'CREATEDB', 'BYPASSRLS', 'CREATEROLE'].map((word): [string, Spoil, RegExp] => [
      `membership in a role with ${word}`,
      (t) => [role(t, word), `GRANT ${t.reader}_more TO ${t.admin}`],
      new RegExp(`is a member of "reader_\\w+_more": ${word}`),
    ]),
    [
      'membership in such a role through another one',
      (t) => [
        role(t, 'CREATEDB'),
        `CREATE ROLE ${t.reader}_between`,
        `GRANT ${t.reader}_more TO ${t.reader}_between`,
        `GRANT ${t.reader}_between TO ${t.admin}`,
      ],
      /is a member of "reader_\w+_between": CREATEDB \(through reader_\w+_more\)/,
    ],
    [
      'membership in a role of the server through another one',
      (t) => [role(t, ''), `GRANT pg_read_server_files TO ${t.reader}_more`, `GRANT ${t.reader}_more TO ${t.admin}`],
      /a role of the server's own \(through pg_read_server_files\)/,
    ],
    [
      'rights on data through a role',
      (t) => [role(t, ''), `GRANT SELECT ON orders TO ${t.reader}_more`, `GRANT ${t.reader}_more TO ${t.admin}`],
      /is a member of "reader_\w+_more": rights on 1 things in orders_/,
    ],
    [
      'all rights on a table',
      (t) => [`GRANT ALL ON orders TO ${t.admin}`],
      /rights on TABLE of public: public\.orders/,
    ],
    ['rights on a column', (t) => [`GRANT SELECT (customer) ON orders TO ${t.admin}`], /rights on TABLE of public/],
    [
      'rights that somebody else handed on, and that it handed on itself',
      (t) => [
        role(t, ''),
        `GRANT ALL ON orders TO ${t.reader}_more WITH GRANT OPTION`,
        `SET ROLE ${t.reader}_more`,
        `GRANT ALL ON orders TO ${t.admin} WITH GRANT OPTION`,
        `SET ROLE ${t.admin}`,
        `GRANT SELECT ON orders TO ${t.maker}`,
      ],
      /rights on TABLE of public: public\.orders/,
    ],
    [
      'rights on many tables, a sequence, a function and what will be made',
      (t) => [
        ...Array.from({ length: 12 }, (_, n) => `CREATE TABLE t${n} (n serial)`),
        `CREATE FUNCTION f(int) RETURNS int LANGUAGE sql RETURN 1`,
        `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${t.admin}`,
        `GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${t.admin}`,
        `GRANT EXECUTE ON FUNCTION f, pg_catalog.pg_read_file(text) TO ${t.admin}`,
        `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ${t.admin}`,
        `GRANT SET ON PARAMETER session_replication_role TO ${t.admin}`,
        `GRANT SELECT ON pg_authid TO ${t.admin}`,
      ],
      /public\.t8, … \(13\)[^]*pg_authid[^]*PARAMETER: session_replication_role[^]*default privileges|default privileges/,
    ],
    [
      'a database of its own',
      (t) => [`ALTER DATABASE ${t.database} OWNER TO ${t.admin}`],
      /owns the database "orders_/,
    ],
    [
      'a database that it owns, where holders make schemas',
      (t) => [
        `ALTER DATABASE ${t.database} OWNER TO ${t.admin}`,
        `GRANT CREATE ON DATABASE ${t.database} TO ${t.reader}`,
      ],
      /owns the database "orders_/,
    ],
    [
      'the rights of a group role',
      (t) => [`GRANT ${t.reader} TO ${t.admin}${t.major >= 16 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`],
      /has the rights of "reader_\w+" itself/,
    ],
    [
      'a way in as everybody only',
      (t) => [
        `GRANT CONNECT ON DATABASE ${t.database} TO PUBLIC`,
        `REVOKE CONNECT ON DATABASE ${t.database} FROM ${t.admin}, ${t.reader}, ${t.maker}`,
      ],
      /every role of the server may enter/,
    ],
    [
      'everything at once',
      (t) => [
        role(t, 'SUPERUSER'),
        `GRANT ${t.reader}_more TO ${t.admin}`,
        `ALTER ROLE ${t.admin} SUPERUSER NOCREATEROLE CREATEDB`,
        `REVOKE ${t.objectsOwner} FROM ${t.admin}`,
        `ALTER ROLE ${t.objectsOwner} SUPERUSER`,
        `GRANT ALL ON orders TO ${t.admin}, ${t.objectsOwner}`,
        `GRANT CONNECT ON DATABASE ${t.database} TO PUBLIC`,
        `REVOKE CONNECT ON DATABASE ${t.database} FROM ${t.admin}, ${t.reader}`,
      ],
      /our account has SUPERUSER/,
    ],
  ];
  it.each(excess)('%s: says so, and all its SQL mends all of it', async (_, spoil, words) => {
    const target = await aPostgresTarget(server);
    await runAll(await check(target)); // what is open to everybody on the whole server
    expect(worse(await check(target))).toEqual([]);
    await target.sql(...spoil(target));
    const report = await mended(target);
    expect(report.findings.map(({ message }) => message).join('\n')).toMatch(words);
    await lives(target);
  });

  it('takes nothing for excess that is needed, also while grants live and end', async () => {
    const target = await aPostgresTarget(server);
    const order = anOrder(target.read);
    await provider.issue(target.access, order);
    await target.sql(`GRANT "curfew-${order.grant.installation}-${order.grant.grantId}" TO ${target.admin}`);
    await target.sql(`CREATE ROLE ${target.reader}_plain`, `GRANT ${target.reader}_plain TO ${target.admin}`);
    await target.sql(`GRANT SELECT ON pg_catalog.pg_roles TO ${target.admin}`);
    expect(worse(await check(target))).toEqual([]);
    await provider.end(target.access, order.grant);
  });

  it('locks nobody out who came in as everybody: us, a group role, an application; but for those that no entitlement names', async () => {
    const target = await aPostgresTarget(server);
    const app = `app_${target.database}`;
    await target.sql(
      `CREATE ROLE ${app} LOGIN PASSWORD 'app'`,
      `GRANT CONNECT, TEMPORARY ON DATABASE ${target.database} TO PUBLIC`,
      `REVOKE CONNECT ON DATABASE ${target.database} FROM ${target.admin}, ${target.reader}, ${target.maker}`,
    );
    const { findings } = await mended(target);
    expect(findings.map(({ message }) => message).join('\n')).toContain(`so far "${app}"`);
    const client = await server.connect(target.database, { user: app, password: 'app' });
    await client.query('CREATE TEMPORARY TABLE t ()');
    await client.end();
    const [may] = await target.sql<{ maker: boolean }>(
      `SELECT has_database_privilege('${target.maker}', '${target.database}', 'CONNECT') AS maker`,
    );
    expect(may).toEqual({ maker: false });
    await lives(target);
  });

  it('makes the roles that are missing with all that they need', async () => {
    const target = await aPostgresTarget(server);
    await runAll(await check(target));
    await target.sql(
      `CREATE DATABASE ${target.database}_other`,
      `DROP OWNED BY ${target.objectsOwner}`,
      `DROP ROLE ${target.objectsOwner}`,
      `GRANT CREATE ON SCHEMA public TO ${target.reader}`,
    );
    const config = { database: `${target.database}_other`, groupRole: `${target.reader}_new` };
    const { findings } = await mended(target, { name: 'new', config });
    expect(findings.map(({ message }) => message).join()).toMatch(/there is no role [^]*there is no group role/);
    await target.sql(`DROP DATABASE ${target.database}_other`);
  });

  it('proposes no SQL for a group role that cannot be lent, for that is said in words', async () => {
    const target = await aPostgresTarget(server);
    const su = `su_${target.database}`;
    await target.sql(`CREATE ROLE ${su} SUPERUSER`);
    const { findings } = await check(target, { name: 'su', config: { database: target.database, groupRole: su } });
    const about = findings.filter((finding) => JSON.stringify(finding).includes(`\\"${su}\\"`));
    expect(about).toEqual([
      expect.objectContaining({ kind: 'wrong', remedy: expect.stringContaining('lend another one') }),
    ]);
    expect(about[0]).not.toHaveProperty('sql');
    await target.sql(`DROP ROLE ${su}`);
  });

  it('does not take from the role that the server was made with what it cannot lose', async () => {
    const target = await aPostgresTarget(server);
    const connection = { ...target.connection, user: server.superuser };
    const access = { connection, password: new Secret(server.superuserPassword) };
    const { findings } = await provider.check(access, [target.read]);
    const [superuser] = findings.filter(({ message }) => message.endsWith('has SUPERUSER'));
    expect(superuser).toMatchObject({ remedy: expect.stringContaining('an account of its own') });
    expect(findings.flatMap(({ sql = [] }) => sql).filter((text) => / NO[A-Z]+;/.test(text))).toEqual([]);
  });
});
