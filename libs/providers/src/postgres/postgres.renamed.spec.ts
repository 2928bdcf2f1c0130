import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage, type Begun } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const THEIRS = 'ada"s own; --';
const theirs = pg.escapeIdentifier(THEIRS);

describeOnPostgres('a role that somebody has called something else', (binaries) => {
  let server: TargetServer;
  let stage: Stage;
  let begun: Begun;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    stage = await Stage.on(server);
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    begun = await stage.begin();
    await stage.target.sql(`ALTER ROLE ${begun.role} RENAME TO ${theirs}`);
  });

  /** With the password that was handed out, under the name that it has now. */
  const getIn = () => {
    const password = begun.credential.reveal().fields['password']!;
    return server.connect(stage.target.database, { user: THEIRS, password });
  };
  const names = () =>
    stage.target.sql(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'curfew-%' OR rolname LIKE 'ada%'`);

  it('is alive, whatever it is called: it is found, ended, and proven', async () => {
    await leave(await getIn());
    const before = await stage.prove(begun.grant, begun.credential);
    expect(before.verdict).toBe('alive');
    expect(before.checks.map(({ answer }) => answer).join()).toContain(`under another name: ${theirs}`);
    expect((await stage.provider.list(stage.target.access, begun.grant.installation)).grants).toEqual([
      begun.grant.grantId,
    ]);
    const { steps, leftovers } = await stage.end(begun.grant);
    expect([steps, leftovers]).toEqual([expect.arrayContaining([expect.stringContaining(theirs)]), []]);
    await expect(begun.session.query('SELECT 1')).rejects.toThrow(/terminat|not queryable/);
    await expect(getIn()).rejects.toThrow('password authentication failed');
    expect([await names(), await stage.verdict(begun.grant, begun.credential)]).toEqual([[], 'ended']);
    await leave(begun.session);
  });

  it('is not one of many that end together', async () => {
    const { provider, target } = stage;
    expect([...(await provider.endMany(target.access, [begun.grant])).ended.keys()]).toEqual([]);
    const proofs = await provider.proveMany(target.access, [{ grant: begun.grant }]);
    expect(proofs.get(begun.grant.grantId)?.verdict).toBe('alive');
    await stage.end(begun.grant);
    await leave(begun.session);
  });

  it('gets its name back at the next start, and the old password opens nothing', async () => {
    const { credential, receipt } = await stage.provider.issue(stage.target.access, begun.order);
    expect(receipt['made']).toBe('new password on the same role');
    await leave(await stage.target.use(credential));
    await expect(getIn()).rejects.toThrow('password authentication failed');
    await expect(stage.target.use(begun.credential)).rejects.toThrow('password authentication failed');
    expect(await names()).toHaveLength(1);
    await stage.end(begun.grant);
    await leave(begun.session);
  });

  it('is ended with the one that bears its name, where there are two; nothing begins then', async () => {
    await stage.target.sql(
      `CREATE ROLE ${begun.role} LOGIN`,
      `GRANT ${begun.role} TO ${pg.escapeIdentifier(stage.target.admin)} WITH ADMIN OPTION`,
    );
    await expect(stage.provider.issue(stage.target.access, begun.order)).rejects.toMatchObject({
      kind: 'invalid',
      code: 'target.role_renamed',
    });
    expect(await stage.verdict(begun.grant)).toBe('alive');
    expect((await stage.end(begun.grant)).leftovers).toEqual([]);
    expect([await names(), await stage.verdict(begun.grant, begun.credential)]).toEqual([[], 'ended']);
    await leave(begun.session);
  });
});
