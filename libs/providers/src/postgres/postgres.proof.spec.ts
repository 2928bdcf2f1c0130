import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Secret } from '@app/kernel';
import { objectName, type Proof } from '@app/providers';
import { aGrant } from '../../../../test/support/postgres-target';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage, type Begun } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const quoted = pg.escapeIdentifier;
const CONTROL = 'control: our own account sees roles and sessions, on a server that takes changes';
const ROLE = 'the role is absent, or has neither login nor membership';
const SESSIONS = 'no session of the role is live';
const STARTS = 'no unfinished start of ours is connected';
const SERVED = 'nobody can use what the role still owns';

/** As happens when somebody tidies up among the databases. */
const closeTo = ({ target }: Stage, who: string): Promise<unknown> =>
  target.sql(`REVOKE CONNECT ON DATABASE ${quoted(target.database)} FROM ${quoted(who)}`);

describeOnPostgres('the proof of an end', (binaries) => {
  let server: TargetServer;
  let stage: Stage;
  beforeAll(async () => {
    server = await TargetServer.start(binaries);
    stage = await Stage.on(server);
  });
  afterAll(() => server?.stop());

  const verdicts = ({ checks }: Proof): Record<string, string> =>
    Object.fromEntries(checks.map(({ check, verdict }) => [check, verdict]));
  /** The door is shut and the rights are gone; nobody has told those who are in. */
  const shut = async ({ target }: Stage, role: string): Promise<void> => {
    const by = target.major >= 16 ? ` GRANTED BY ${quoted(target.admin)}` : '';
    await target.sql(`ALTER ROLE ${role} NOLOGIN`, `REVOKE ${quoted(target.maker)} FROM ${role}${by} CASCADE`);
  };

  it('is none while a session is live, though the role can do nothing any more', async () => {
    const { grant, role, session } = await stage.begin();
    await shut(stage, role);
    const proof = await stage.prove(grant);
    expect(verdicts(proof)).toEqual({ [CONTROL]: 'ended', [ROLE]: 'ended', [SESSIONS]: 'alive', [STARTS]: 'ended' });
    expect([proof.verdict, proof.checks[2]?.answer]).toEqual(['alive', '1 live']);
    expect(await session.query('SELECT 1 AS one')).toMatchObject({ rows: [{ one: 1 }] });
    await stage.end(grant);
    expect(await stage.verdict(grant)).toBe('ended');
    await leave(session);
  });

  it('is none when the server does not show our account its own session: then it shows none of anybody’s', async () => {
    const hiding = await Stage.on(server);
    const { grant, role, session } = await hiding.begin();
    const sql = (...statements: string[]) => hiding.target.sql('SET allow_system_table_mods = on', ...statements);
    await shut(hiding, role);
    const [{ shown }] = (await hiding.target.sql(
      `SELECT pg_get_viewdef('pg_catalog.pg_stat_activity'::regclass) AS shown`,
    )) as [{ shown: string }];
    const view = (text: string) => `CREATE OR REPLACE VIEW pg_catalog.pg_stat_activity AS ${text}`;
    await sql(view(`SELECT * FROM (${shown.replace(/;\s*$/, '')}) AS everybody WHERE usename = 'postgres'`));
    const blind = await hiding.prove(grant);
    expect(verdicts(blind)).toEqual({ [CONTROL]: 'unknown', [ROLE]: 'ended', [SESSIONS]: 'ended', [STARTS]: 'ended' });
    expect(blind.verdict).toBe('unknown');
    await sql(view(shown));
    expect(await hiding.verdict(grant)).toBe('alive');
    expect((await hiding.end(grant)).leftovers).toEqual([]);
    expect(await hiding.verdict(grant)).toBe('ended');
    await leave(session);
  });

  it('is none while a start of ours is connected, though there is nothing yet', async () => {
    const grant = aGrant();
    const { admin, access, database } = stage.target;
    const start = await server.connect(database, { user: admin, password: access.password.reveal() });
    await start.query(`SET application_name = '${objectName(grant)}'`);
    const proof = await stage.prove(grant);
    expect(verdicts(proof)).toEqual({ [CONTROL]: 'ended', [ROLE]: 'ended', [SESSIONS]: 'ended', [STARTS]: 'unknown' });
    expect([proof.verdict, proof.checks.at(-1)?.answer]).toEqual(['unknown', '1 connected']);
    await leave(start);
    await expect.poll(() => stage.verdict(grant), { timeout: 10_000 }).toBe('ended');
  });

  it.each([
    ['is closed to it', '42501', (of: Stage) => closeTo(of, of.target.maker), (name: string) => name],
    ['does not exist', '3D000', async () => undefined, (name: string) => `${name}_dropped`],
  ])('is none where the password was accepted and only the database %s', async (_, code, close, named) => {
    const closing = await Stage.on(server);
    const { grant, credential, session } = await closing.begin();
    await close(closing);
    const { fields, environment } = credential.reveal();
    const copy = new Secret({ fields: { ...fields, database: named(fields['database']!) }, environment });
    expect((await closing.prove(grant, copy)).checks.at(-1)).toMatchObject({
      verdict: 'alive',
      answer: expect.stringContaining(`let in, but not into the database: ${code}`),
    });
    await closing.end(grant);
    expect(await closing.verdict(grant, copy)).toBe('ended');
    await leave(session);
  });

  it('is none while others have what the role handed on to them', async () => {
    const { grant, role, session } = await stage.begin();
    const friend = await stage.aStranger();
    const lent = `lent_${Date.now()}`;
    await stage.target.sql(`CREATE ROLE ${lent}`, `GRANT ${lent} TO ${role} WITH ADMIN OPTION`);
    await session.query(`GRANT ${lent} TO ${friend.name}`);
    await leave(session);
    await shut(stage, role);
    // From 16 on what was handed on goes with the membership from which it came; before, it stays.
    if (stage.target.major < 16) await stage.target.sql(`REVOKE ${lent} FROM ${role}`);
    const proof = await stage.prove(grant);
    expect(verdicts(proof)[ROLE]).toBe('alive');
    expect(proof.checks.find(({ check }) => check === ROLE)?.answer).toContain(`${friend.name} in ${lent}`);
    await stage.target.sql(`REVOKE ${lent} FROM ${role} CASCADE`);
    expect((await stage.end(grant)).leftovers).toEqual([]);
    expect(await stage.verdict(grant)).toBe('ended');
  });

  /** Ended, and left with a view, which is given to nobody, in the database that is named. */
  const aTombstone = async (on: Stage, database = on.target.database): Promise<Begun> => {
    const begun = await on.begin();
    const { username = '', password = '' } = begun.credential.reveal().fields;
    const there = await server.connect(database, { user: username, password });
    await there.query(`CREATE VIEW left_${Date.now()} AS SELECT 1 AS one`);
    await leave(there, begun.session);
    expect((await on.end(begun.grant)).leftovers).not.toEqual([]);
    expect(await on.verdict(begun.grant)).toBe('ended');
    return begun;
  };
  /** Another database, which holders and our account may enter. */
  const another = async ({ target }: Stage): Promise<string> => {
    const database = `other_${Date.now()}`;
    await target.sql(
      `CREATE DATABASE ${database}`,
      `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`,
      `GRANT CONNECT ON DATABASE ${database} TO ${quoted(target.maker)}, ${quoted(target.admin)}`,
    );
    await server.sql(
      database,
      `GRANT CREATE, USAGE ON SCHEMA public TO ${quoted(target.maker)}, ${quoted(target.objectsOwner)}`,
    );
    return database;
  };

  it('is none of a role that owns something and was given rights by hand: together they may serve somebody', async () => {
    const { grant, role } = await aTombstone(stage);
    await stage.target.sql(`GRANT SELECT ON orders TO ${role}`);
    const proof = await stage.prove(grant);
    expect(verdicts(proof)).toMatchObject({ [ROLE]: 'alive', [SERVED]: 'ended' });
    expect([proof.verdict, proof.checks[1]?.answer]).toEqual([
      'alive',
      'no login, no membership; but it owns 1 objects and was given 1 rights by hand',
    ]);
    await stage.target.sql(`REVOKE SELECT ON orders FROM ${role}`);
    expect(await stage.verdict(grant)).toBe('ended');
  });

  it('is none while a database in which the role owns something does not answer', async () => {
    const database = await another(stage);
    const { grant } = await aTombstone(stage, database);
    await stage.target.sql(`ALTER DATABASE ${database} CONNECTION LIMIT 0`);
    const proof = await stage.prove(grant);
    expect([proof.verdict, proof.checks.at(-1)]).toEqual([
      'unknown',
      { check: SERVED, verdict: 'unknown', answer: `no answer from ${quoted(database)}` },
    ]);
    await stage.target.sql(`ALTER DATABASE ${database} CONNECTION LIMIT -1`);
    expect(await stage.verdict(grant)).toBe('ended');
  });

  it('calls nothing seen of a database that is closed to us; that keeps no end up', async () => {
    const database = await another(stage);
    const { grant, role } = await aTombstone(stage, database);
    await stage.target.sql(`REVOKE CONNECT ON DATABASE ${database} FROM ${quoted(stage.target.admin)}`);
    const notSeen = {
      check: `${SERVED} in ${quoted(database)}`,
      verdict: 'unknown',
      answer: 'not looked at: closed to us',
    };
    const none = await stage.prove(grant);
    expect([none.verdict, none.checks.filter(({ check }) => check.startsWith(SERVED))]).toEqual(['ended', [notSeen]]);

    await stage.target.sql(`CREATE TABLE of_tombstone (id int)`, `ALTER TABLE of_tombstone OWNER TO ${role}`);
    const some = await stage.prove(grant);
    const seen = { check: `${SERVED} in ${quoted(stage.target.database)}`, verdict: 'ended', answer: 'nothing' };
    expect([some.verdict, some.checks.filter(({ check }) => check.startsWith(SERVED))]).toEqual([
      'ended',
      [seen, notSeen],
    ]);
    await stage.target.sql('GRANT SELECT ON of_tombstone TO PUBLIC');
    expect(await stage.verdict(grant)).toBe('alive');
    await stage.target.sql('DROP TABLE of_tombstone');
  });

  // The last: it starts the server again.
  it('is none from a standby, which may not have heard of anything yet', async () => {
    const { grant, credential, session } = await stage.begin();
    await stage.end(grant);
    await leave(session);
    expect(await stage.verdict(grant, credential)).toBe('ended');
    await server.restart({ standby: true });
    const proof = await stage.prove(grant, credential);
    expect(verdicts(proof)).toMatchObject({ [CONTROL]: 'unknown', [ROLE]: 'ended', [SESSIONS]: 'ended' });
    expect(proof.verdict).toBe('unknown');
    await server.restart({ standby: false });
    expect(await stage.verdict(grant, credential)).toBe('ended');
  });
});
