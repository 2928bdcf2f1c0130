import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckFinding, CheckReport, EntitlementConfig } from '@app/providers';
import {
  anOrder,
  aPostgresTarget,
  ON_LOOPBACK,
  type PostgresTarget,
  type TargetOptions,
} from '../../../../test/support/postgres-target';
import { describeOnPostgres15 } from '../../../../test/support/postgres-versions';
import { TargetServer } from '../../../../test/support/target-server';
import { PostgresProvider } from './postgres.provider';

const quoted = pg.escapeIdentifier;
const provider = new PostgresProvider(ON_LOOPBACK);

/** Runs the SQL that findings propose, in their order, as the superuser, in the databases that they name. */
async function mend(target: PostgresTarget, ...findings: readonly CheckFinding[]): Promise<void> {
  for (const { sql = [], database } of findings) await target.server.sql(database ?? 'postgres', ...sql);
}
const worse = ({ findings }: CheckReport): CheckFinding[] => findings.filter(({ kind }) => kind !== 'notice');

describe('check, on PostgreSQL 18', () => {
  let server: TargetServer;
  beforeAll(async () => {
    server = await TargetServer.start();
  });
  afterAll(() => server?.stop());

  const check = (target: PostgresTarget, more: EntitlementConfig[] = []): Promise<CheckReport> =>
    provider.check(target.access, [target.read, target.make, ...more]);
  const aTarget = (options?: TargetOptions): Promise<PostgresTarget> => aPostgresTarget(server, options);

  it('finds nothing wrong with what the page tells people to set up', async () => {
    const report = await check(await aTarget());
    expect([report.ok, worse(report), report.version]).toEqual([true, [], expect.stringMatching(/^18\./)]);
  });

  type Spoil = (target: PostgresTarget) => string;
  const missing: [string, Spoil, RegExp][] = [
    ['CREATEROLE', (t) => `ALTER ROLE ${t.admin} NOCREATEROLE`, /may not make roles/],
    ['ADMIN OPTION on a group role', (t) => `REVOKE ADMIN OPTION FOR ${t.reader} FROM ${t.admin}`, /ADMIN OPTION/],
    ['the objectsOwner', (t) => `DROP OWNED BY ${t.objectsOwner}; DROP ROLE ${t.objectsOwner}`, /there is no role/],
    ['membership in the objectsOwner', (t) => `REVOKE ${t.objectsOwner} FROM ${t.admin}`, /cannot give objects/],
    ['its inheritance', (t) => `GRANT ${t.objectsOwner} TO ${t.admin} WITH INHERIT FALSE`, /cannot give objects/],
    ['the right to become it', (t) => `GRANT ${t.objectsOwner} TO ${t.admin} WITH SET FALSE`, /cannot give objects/],
    ["the objectsOwner's CREATE", (t) => `REVOKE CREATE ON SCHEMA public FROM ${t.objectsOwner}`, /cannot take over/],
    [
      'CREATE where holders make schemas',
      (t) => `GRANT CREATE ON DATABASE ${t.database} TO ${t.maker}`,
      /make schemas/,
    ],
    ['CONNECT for a group role', (t) => `REVOKE CONNECT ON DATABASE ${t.database} FROM ${t.reader}`, /may not enter/],
  ];
  it.each(missing)('misses %s, and proposes SQL that mends it', async (_, spoil, words) => {
    const target = await aTarget();
    await target.sql(spoil(target));
    const report = await check(target);
    expect(report.ok).toBe(false);
    expect(worse(report)).toContainEqual(
      expect.objectContaining({ kind: 'missing', message: expect.stringMatching(words) }),
    );
    await mend(target, ...report.findings);
    expect(worse(await check(target))).toEqual([]);
  });

  it('misses a group role, and proposes SQL that makes it', async () => {
    const target = await aTarget();
    const groupRole = `${target.reader}_not_yet`;
    const more = { name: 'new', config: { database: target.database, groupRole } };
    await mend(target, ...(await check(target, [more])).findings);
    expect(worse(await check(target, [more]))).toEqual([]);
  });

  it('misses the way into a database that holders may enter, also one that no entitlement names', async () => {
    const target = await aTarget();
    const closed = `${target.database}_closed`;
    await target.sql(
      `CREATE DATABASE ${closed}`,
      `REVOKE ALL ON DATABASE ${closed} FROM PUBLIC`,
      `GRANT CONNECT ON DATABASE ${closed} TO ${target.reader}`,
    );
    const report = await check(target);
    expect(worse(report)).toEqual([
      expect.objectContaining({ kind: 'missing', message: expect.stringContaining(closed) }),
    ]);
    await mend(target, ...report.findings);
    expect((await check(target)).ok).toBe(true);
    await target.sql(`DROP DATABASE ${closed}`);
  });

  const excess: [string, Spoil, RegExp][] = [
    ['superuser', (t) => `ALTER ROLE ${t.admin} SUPERUSER`, /our account has SUPERUSER/],
    ['BYPASSRLS', (t) => `ALTER ROLE ${t.admin} BYPASSRLS`, /BYPASSRLS/],
    ['REPLICATION', (t) => `ALTER ROLE ${t.admin} REPLICATION`, /REPLICATION/],
    ['CREATEDB', (t) => `ALTER ROLE ${t.admin} CREATEDB`, /CREATEDB/],
    ['a role of the server', (t) => `GRANT pg_signal_backend TO ${t.admin}`, /member of pg_signal_backend/],
    ['an objectsOwner with login', (t) => `ALTER ROLE ${t.objectsOwner} LOGIN`, /LOGIN/],
    [
      'an objectsOwner in a group',
      (t) => `GRANT ${t.reader} TO ${t.objectsOwner}`,
      /left behind would be used with its rights/,
    ],
  ];
  it.each(excess)('finds the excess of %s, and proposes SQL that mends it', async (_, spoil, words) => {
    const target = await aTarget();
    await target.sql(spoil(target));
    const report = await check(target);
    expect(worse(report)).toContainEqual(
      expect.objectContaining({ kind: 'excess', message: expect.stringMatching(words) }),
    );
    await mend(target, ...report.findings);
    expect(worse(await check(target))).toEqual([]);
  });

  it('finds an objectsOwner with rights on the data', async () => {
    const target = await aTarget();
    await target.sql(`GRANT SELECT ON orders TO ${target.objectsOwner}`);
    expect(worse(await check(target))).toEqual([
      expect.objectContaining({
        kind: 'excess',
        message: expect.stringMatching(/has rights on TABLE of public: public.orders in/),
      }),
    ]);
  });

  it('notes that our account has no reserved connections, or the server none, and proposes SQL for what SQL mends', async () => {
    const target = await aTarget();
    const about = ({ findings }: CheckReport): CheckFinding[] =>
      findings.filter(({ message }) => message.includes('connections:'));
    await target.sql(`REVOKE pg_use_reserved_connections FROM ${target.admin}`);
    const report = await check(target);
    expect([report.ok, about(report).map(({ message }) => message)]).toEqual([
      true,
      [expect.stringContaining('our account may not'), expect.stringContaining('the server reserves no')],
    ]);
    await mend(target, ...report.findings);
    expect(about(await check(target))).toEqual([
      expect.objectContaining({ kind: 'notice', remedy: expect.stringContaining('restart') }),
    ]);
    await target.sql(`GRANT pg_use_reserved_connections TO ${target.reader}`);
    expect(worse(await check(target))).toEqual([
      expect.objectContaining({
        kind: 'wrong',
        message: expect.stringContaining('through "pg_use_reserved_connections"'),
      }),
    ]);
  });

  const powerful: [string, string, RegExp][] = [
    ['superuser', 'SUPERUSER', /is a superuser/],
    ['CREATEROLE', 'CREATEROLE', /may create roles/],
    ['CREATEDB', 'CREATEDB', /may create databases/],
    ['REPLICATION', 'REPLICATION', /may replicate/],
    ['BYPASSRLS', 'BYPASSRLS', /bypasses row security/],
  ];
  it.each(powerful)(
    'refuses to lend a group role with %s, its own or inherited: at the check and at the start',
    async (_, attribute, words) => {
      for (const through of [false, true]) {
        const target = await aTarget();
        const role = through ? `${target.reader}_parent` : target.reader;
        if (through) await target.sql(`CREATE ROLE ${role}`, `GRANT ${role} TO ${target.reader}`);
        await target.sql(`ALTER ROLE ${role} ${attribute}`);
        expect(worse(await check(target))).toEqual([
          expect.objectContaining({ kind: 'wrong', message: expect.stringMatching(words) }),
        ]);
        const order = anOrder(target.read);
        await expect(provider.issue(target.access, order)).rejects.toMatchObject({
          code: 'target.group_role_too_powerful',
        });
        expect((await provider.list(target.access, order.grant.installation)).grants).not.toContain(
          order.grant.grantId,
        );
      }
    },
  );

  it.each([
    'pg_execute_server_program',
    'pg_read_server_files',
    'pg_write_server_files',
    'pg_signal_backend',
    'pg_create_subscription',
  ])('refuses to lend %s', async (power) => {
    const target = await aTarget();
    await target.sql(`GRANT ${power} TO ${target.reader}`);
    await expect(provider.issue(target.access, anOrder(target.read))).rejects.toMatchObject({ kind: 'invalid' });
    expect(worse(await check(target))[0]?.message).toContain(power);
  });

  it('refuses to lend a role that may hand on another one, and lends one that reads all data', async () => {
    const target = await aTarget();
    await target.sql(
      `GRANT ${target.maker} TO ${target.reader} WITH ADMIN OPTION`,
      `GRANT pg_read_all_data TO ${target.maker}`,
    );
    expect(worse(await check(target)).map(({ message }) => message)).toEqual([
      expect.stringContaining('may grant the role'),
    ]);
    const order = anOrder(target.make);
    await provider.issue(target.access, order);
    await provider.end(target.access, order.grant);
  });

  it('compares the clocks', async () => {
    const target = await aTarget();
    const at = (offset: number): Promise<CheckReport> =>
      provider.check(target.access, [], new Date(Date.now() + offset));
    expect((await at(-4_000)).ok).toBe(true);
    expect(worse(await at(7_000))).toEqual([
      expect.objectContaining({ kind: 'wrong', message: expect.stringMatching(/[67]\.\d s behind/) }),
    ]);
    expect(worse(await at(-7_000))).toEqual([expect.objectContaining({ message: expect.stringMatching(/ahead/) })]);
  });

  it('finds a server that takes any password', async () => {
    const target = await aTarget({ prefix: 'trusting_' });
    const messages = worse(await check(target)).map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringContaining('lets our account in with a wrong password'),
      expect.stringContaining('asks the roles of grants for no password'),
    ]);
  });

  it('finds a database that takes any password, also when no entitlement names it', async () => {
    const target = await aTarget();
    const other = `trusting_${target.database}`;
    await target.sql(
      `CREATE DATABASE ${other}`,
      `REVOKE ALL ON DATABASE ${other} FROM PUBLIC`,
      `GRANT CONNECT ON DATABASE ${other} TO ${target.admin}`,
    );
    expect(worse(await check(target))).toEqual([]);
    await target.sql(`GRANT CONNECT ON DATABASE ${other} TO ${target.reader}`);
    const found = worse(await check(target)).map(({ message }) => message);
    expect(found).toEqual([
      expect.stringContaining(`lets our account in with a wrong password (database "${other}")`),
      expect.stringContaining(`asks the roles of grants for no password (database "${other}")`),
    ]);
    await target.sql(`DROP DATABASE ${other}`);
  });

  it('finds a server that lets no role of a grant in from here', async () => {
    const target = await aTarget();
    const database = `unreachable_${target.database}`;
    await target.sql(`CREATE DATABASE ${database}`);
    const report = await check(target, [{ name: 'x', config: { database, groupRole: target.reader } }]);
    expect(worse(report).map(({ message }) => message)).toContainEqual(
      expect.stringContaining('pg_hba.conf lets no role'),
    );
    await target.sql(`DROP DATABASE ${database}`);
  });

  it('notes what is not wrong but good to know', async () => {
    const target = await aTarget();
    await target.sql(
      `ALTER TABLE orders OWNER TO ${target.maker}`,
      `GRANT SELECT ON orders TO ${target.reader} WITH GRANT OPTION`,
      `GRANT CONNECT ON DATABASE ${target.database} TO PUBLIC`,
    );
    const report = await check(target);
    expect(worse(report)).toEqual([]);
    const notices = report.findings.map(({ message }) => message).join('\n');
    expect(notices).toMatch(/TLS is switched off/);
    expect(notices).toMatch(/"maker_\w+" owns 1 objects/);
    expect(notices).toMatch(/WITH GRANT OPTION/);
    expect(notices).toMatch(/every role of the server may enter "orders_/);
  });

  it('is worth looking at only when our own account may look', async () => {
    const target = await aTarget();
    await target.sql(`REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC`);
    try {
      const order = anOrder(target.read);
      expect((await provider.prove(target.access, order.grant)).verdict).toBe('unknown');
      await expect(provider.issue(target.access, order)).rejects.toMatchObject({
        kind: 'forbidden',
        code: 'target.right_missing',
      });
      expect(worse(await check(target))).toHaveLength(1);
    } finally {
      await target.sql(`GRANT SELECT ON pg_catalog.pg_roles TO PUBLIC`);
    }
  });
});

describeOnPostgres15('check', (binaries) => {
  let server: TargetServer;
  let target: PostgresTarget;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    target = await aPostgresTarget(server);
  });
  afterAll(() => server?.stop());

  it('refuses it and says why, unless the file accepts it in so many words', async () => {
    const { acceptCreateroleOn15, ...connection } = target.connection;
    expect(acceptCreateroleOn15).toBe(true);
    const access = { ...target.access, connection };
    expect(worse(await provider.check(access, [target.read]))).toEqual([
      expect.objectContaining({
        kind: 'wrong',
        message: expect.stringContaining('pg_execute_server_program'),
        remedy: expect.stringContaining('`curfew targets add -f <file> --replace --accept-createrole-on-15`'),
      }),
    ]);
    await expect(provider.issue(access, anOrder(target.read))).rejects.toMatchObject({
      code: 'target.version_not_accepted',
    });
    const accepted = await provider.check(target.access, [target.read]);
    expect([accepted.ok, accepted.findings.some(({ message }) => message.startsWith('accepted'))]).toEqual([
      true,
      true,
    ]);
  });

  it('finds a group role in whose name holders could leave things that the end does not find', async () => {
    const report = await provider.check(target.access, [target.make]);
    expect(worse(report)).toEqual([
      expect.objectContaining({ message: expect.stringContaining("in the group's name") }),
    ]);
    await mend(target, ...report.findings);
    expect((await provider.check(target.access, [target.make])).ok).toBe(true);
  });

  it('misses membership in the objectsOwner, also when our account does not inherit', async () => {
    await target.sql(`ALTER ROLE ${quoted(target.admin)} NOINHERIT`);
    const report = await provider.check(target.access, [target.read]);
    expect(worse(report)).toEqual([expect.objectContaining({ kind: 'missing' })]);
    await mend(target, ...report.findings);
    expect((await provider.check(target.access, [target.read])).ok).toBe(true);
  });
});
