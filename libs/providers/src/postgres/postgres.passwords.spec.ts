import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CheckFinding, EntitlementConfig, TargetAccess } from '@app/providers';
import { anOrder, aPostgresTarget, ON_LOOPBACK, type PostgresTarget } from '../../../../test/support/postgres-target';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { TargetServer, TEST_AUTHORITY } from '../../../../test/support/target-server';
import { PostgresProvider } from './postgres.provider';

/** What `pg_hba.conf` of the test's server asks for: nothing in one database, the password itself in the other. */
const [TRUST, PASSWORD] = ['trusting', 'cleartext'];

describeOnPostgres('a server that does not ask for SCRAM', (binaries) => {
  const provider = new PostgresProvider(ON_LOOPBACK);
  let server: TargetServer;
  /** Two customers of the server: what one of them may enter is no concern of the other's. */
  let target: PostgresTarget;
  let other: PostgresTarget;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    [target, other] = [await aPostgresTarget(server), await aPostgresTarget(server)];
    for (const [database, { reader, admin }] of [
      [TRUST, target],
      [PASSWORD, other],
    ] as const)
      await server.sql(
        'postgres',
        `CREATE DATABASE ${database}`,
        `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`,
        `GRANT CONNECT ON DATABASE ${database} TO ${admin}, ${reader}`,
      );
  });
  afterAll(() => server?.stop());

  const into = (database: string): EntitlementConfig => ({
    name: 'read',
    config: { database, groupRole: (database === TRUST ? target : other).reader },
  });
  const over = (connection: Record<string, unknown>): TargetAccess => ({
    ...other.access,
    connection: { ...other.connection, ...connection },
  });
  const wrong = async (access: TargetAccess, ...entitlements: EntitlementConfig[]): Promise<CheckFinding[]> =>
    (await provider.check(access, entitlements)).findings.filter(({ kind }) => kind === 'wrong');

  it('begins no grant where any password is taken, and leaves nothing there when that is ended', async () => {
    const order = anOrder(into(TRUST));
    await expect(provider.issue(target.access, order)).rejects.toMatchObject({
      kind: 'invalid',
      code: 'target.asks_for_no_password',
      details: { database: TRUST },
    });
    expect((await provider.end(target.access, order.grant)).leftovers).toEqual([]);
    expect((await provider.prove(target.access, order.grant)).verdict).toBe('ended');
  });

  it('says of a start that the right password was taken, and that a wrong one was not', async () => {
    const order = anOrder(target.read);
    const { receipt } = await provider.issue(target.access, order);
    expect(receipt).toMatchObject({ loginTest: 'logged in', wrongPassword: expect.stringContaining('refused: 28P01') });
    await provider.end(target.access, order.grant);
  });

  it('finds that any password is taken', async () => {
    expect((await wrong(target.access, into(TRUST))).map(({ message }) => message)).toEqual([
      expect.stringContaining('lets our account in with a wrong password'),
      expect.stringContaining('asks the roles of grants for no password'),
    ]);
  });

  it('begins no grant where the password would be sent in the clear', async () => {
    const order = anOrder(into(PASSWORD));
    await expect(provider.issue(other.access, order)).rejects.toMatchObject({
      kind: 'invalid',
      code: 'target.authentication_too_weak',
    });
    await provider.end(other.access, order.grant);
    expect((await provider.prove(other.access, order.grant)).verdict).toBe('ended');
  });

  const asked = {
    message: expect.stringContaining('for the password in the clear'),
    remedy: expect.stringContaining('scram-sha-256 instead of password'),
  };

  it('finds whose password is asked for in the clear, and where', async () => {
    const findings = await wrong(other.access, into(PASSWORD));
    expect(findings).toEqual([expect.objectContaining(asked), expect.objectContaining(asked)]);
    expect(findings.map(({ message }) => /asks (.*) for the .* \(database (.*)\)/.exec(message)?.slice(1))).toEqual([
      ['our account', `"${PASSWORD}"`],
      ['the roles of grants', `"${PASSWORD}"`],
    ]);
  });

  it('finds that our own password is asked for in the clear, and calls it nothing else', async () => {
    expect(await wrong(over({ database: PASSWORD }), other.read)).toEqual([expect.objectContaining(asked)]);
  });

  it('may ask for it through TLS, where nobody on the way sees it', async () => {
    const tls = { mode: 'verify-full', ca: TEST_AUTHORITY, serverName: 'db.curfew.test' };
    const order = anOrder(into(PASSWORD));
    await provider.issue(over({ tls }), order);
    await provider.end(over({ tls }), order.grant);
    expect(await wrong(over({ tls, database: PASSWORD }), into(PASSWORD))).toEqual([]);
  });
});
