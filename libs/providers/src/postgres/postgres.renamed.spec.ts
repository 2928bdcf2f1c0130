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
    expect(before.checks.at(-1)).toMatchObject({ verdict: 'alive', answer: `logged in; tried as ${theirs}` });
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

  it('is alive by its sessions alone, though they bear the other name and the door is shut', async () => {
    const { target } = stage;
    const by = target.major >= 16 ? ` GRANTED BY ${pg.escapeIdentifier(target.admin)}` : '';
    await target.sql(
      `ALTER ROLE ${theirs} NOLOGIN`,
      `REVOKE ${pg.escapeIdentifier(target.maker)} FROM ${theirs}${by} CASCADE`,
    );
    const { checks } = await stage.prove(begun.grant);
    expect(checks.filter(({ verdict }) => verdict !== 'ended')).toEqual([
      { check: 'no session of the role is live', verdict: 'alive', answer: '1 live' },
    ]);
    await stage.end(begun.grant);
    expect(await stage.verdict(begun.grant, begun.credential)).toBe('ended');
    await leave(begun.session);
  });

  it('is refused under the name that it bears when it stays as a tombstone', async () => {
    await begun.session.query('CREATE VIEW of_a_renamed_role AS SELECT 1 AS one');
    expect((await stage.end(begun.grant)).leftovers).not.toEqual([]);
    const tried = async () => {
      const { verdict, checks } = await stage.prove(begun.grant, begun.credential);
      return [verdict, checks.at(-1)?.verdict, checks.at(-1)?.answer];
    };
    const refused = `refused: 28P01, password authentication failed; tried as ${theirs}`;
    expect(await tried()).toEqual(['ended', 'ended', refused]);
    // By whatever name: it is the one that a holder of the password would use.
    const { password } = begun.credential.reveal().fields;
    await stage.target.sql(`ALTER ROLE ${theirs} LOGIN PASSWORD '${password}'`);
    expect(await tried()).toEqual(['alive', 'alive', `let in, but not into the database: 42501; tried as ${theirs}`]);
    await stage.target.sql('DROP VIEW of_a_renamed_role');
    expect((await stage.end(begun.grant)).leftovers).toEqual([]);
    expect((await tried()).slice(0, 2)).toEqual(['ended', 'ended']);
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
    const { verdict, checks } = await stage.prove(begun.grant, begun.credential);
    const tried = checks.filter(({ answer }) => answer.includes('tried as'));
    expect([verdict, tried]).toEqual([
      'alive',
      expect.arrayContaining([
        expect.objectContaining({ verdict: 'alive', answer: `logged in; tried as ${theirs}` }),
        expect.objectContaining({ verdict: 'unknown', answer: expect.stringContaining(`tried as ${begun.role}`) }),
      ]),
    ]);
    expect((await stage.end(begun.grant)).leftovers).toEqual([]);
    expect([await names(), await stage.verdict(begun.grant, begun.credential)]).toEqual([[], 'ended']);
    await leave(begun.session);
  });
});
