import { afterAll, beforeAll, expect, it } from 'vitest';
import { objectName } from '@app/providers';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage, type Begun } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

describeOnPostgres('a mass ending', (binaries) => {
  let server: TargetServer;
  let stage: Stage;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    stage = await Stage.on(server);
  });
  afterAll(() => server?.stop());

  const endMany = async (...begun: Begun[]): Promise<string[]> => {
    const { ended } = await stage.provider.endMany(
      stage.target.access,
      begun.map(({ grant }) => grant),
    );
    return [...ended.keys()];
  };
  /** What is left out is shut all the same, and `end` does the rest. */
  const isShut = async (begun: Begun, free: Begun, byWhom: () => Promise<unknown>): Promise<void> => {
    expect(await stage.verdict(free.grant, free.credential)).toBe('ended');
    expect(await stage.roleExists(begun.grant)).toBe(true);
    await expect(stage.target.use(begun.credential)).rejects.toThrow('password authentication failed');
    await byWhom();
    await stage.end(begun.grant);
    expect(await stage.verdict(begun.grant, begun.credential)).toBe('ended');
  };

  it('leaves out who owns something, and destroys nothing of it', async () => {
    const [owner, free] = [await stage.begin(), await stage.begin()];
    await owner.session.query('CREATE TABLE kept_by_many AS SELECT generate_series(1, 3)');
    expect(await endMany(owner, free)).toEqual([free.grant.grantId]);
    await isShut(owner, free, async () => undefined);
    expect(await stage.countOf('kept_by_many')).toBe(3);
    await leave(owner.session, free.session);
  });

  it('closes the login also of those whose time is over: one that began before and dawdles would be let in', async () => {
    const owner = await stage.begin();
    await owner.session.query('CREATE TABLE kept_beyond_its_time AS SELECT 1');
    await stage.target.sql(`ALTER ROLE ${owner.role} VALID UNTIL 'yesterday'`);
    expect(await endMany(owner)).toEqual([]);
    const name = objectName(owner.grant);
    const login = `SELECT rolcanlogin AS login FROM pg_roles WHERE rolname = '${name}'`;
    expect(await stage.target.sql(login)).toEqual([{ login: false }]);
    await stage.end(owner.grant);
    await leave(owner.session);
  });

  it('leaves out who has a prepared transaction, which keeps its owner’s name', async () => {
    const [preparer, free] = [await stage.begin(), await stage.begin()];
    await preparer.session.query(`BEGIN; SELECT count(*) FROM orders; PREPARE TRANSACTION 'of a mass'`);
    expect(await endMany(preparer, free)).toEqual([free.grant.grantId]);
    await isShut(preparer, free, () => stage.target.sql(`ROLLBACK PREPARED 'of a mass'`));
    await leave(preparer.session, free.session);
  });

  it('leaves out whose row somebody holds, and does not wait for them', async () => {
    const [held, free] = [await stage.begin(), await stage.begin()];
    const dba = await server.connect(stage.target.database);
    await dba.query(`BEGIN; ALTER ROLE ${held.role} CONNECTION LIMIT 7`);
    expect(await endMany(held, free)).toEqual([free.grant.grantId]);
    await dba.query('ROLLBACK');
    await stage.end(held.grant);
    expect(await stage.verdict(held.grant, held.credential)).toBe('ended');
    await leave(held.session, free.session, dba);
  });

  it('drops nobody while somebody hides: let in before the doors closed, and shown by the server only later', async () => {
    const [hiding, free] = [await stage.begin(), await stage.begin()];
    const hidden = await stage.hide(hiding.credential, 15);
    expect(await endMany(hiding, free)).toEqual([]);
    await stage.end(hiding.grant);
    await stage.end(free.grant);
    expect(await stage.verdict(hiding.grant, hiding.credential)).toBe('ended');
    await hidden.entered;
    await expect(hidden.client.query('SELECT 1')).rejects.toThrow(/terminat|not queryable|closed/);
    await leave(hiding.session, free.session, hidden.client);
  });

  it('takes the power of those at once whose session hears nothing, in the midst of a long computation', async () => {
    const [busy, free] = [await stage.begin(), await stage.begin()];
    const terms = Array.from({ length: 150 }, (_, n) => `x * x > ${n}`).join(' AND ');
    const computing = busy.session
      .query(`SELECT ${terms} FROM (SELECT repeat('9', 65000)::numeric AS x OFFSET 0) AS it`)
      .catch(() => undefined);
    expect(await endMany(busy, free)).toEqual([free.grant.grantId]);
    const [left] = await stage.target.sql(
      `SELECT (SELECT count(*)::int FROM pg_auth_members WHERE member = r.oid) AS memberships,
              (SELECT count(*)::int FROM pg_stat_activity WHERE usesysid = r.oid) AS sessions
         FROM pg_roles r WHERE rolname = '${objectName(busy.grant)}'`,
    );
    expect(left).toEqual({ memberships: 0, sessions: 1 });
    await computing;
    await stage.end(busy.grant);
    expect(await stage.verdict(busy.grant, busy.credential)).toBe('ended');
    await leave(busy.session, free.session);
  }, 60_000);

  it('ends the sessions of many, also of those that come while it looks', async () => {
    const begun = [await stage.begin(), await stage.begin(), await stage.begin()];
    const more = await Promise.all(begun.map(({ credential }) => stage.target.use(credential)));
    expect((await endMany(...begun)).length).toBe(3);
    const rows = await stage.target.sql(`SELECT FROM pg_stat_activity WHERE usename LIKE 'curfew-%'`);
    expect(rows).toEqual([]);
    await leave(...more, ...begun.map(({ session }) => session));
  });
});
