import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Proof } from '@app/providers';
import { describeOnPostgres } from '../../../../test/support/postgres-versions';
import { leave, Stage } from '../../../../test/support/postgres-stage';
import { TargetServer } from '../../../../test/support/target-server';

const quoted = pg.escapeIdentifier;
const CONTROL = 'control: our own account sees roles and sessions, on a server that takes changes';
const ROLE = 'the role is absent, or has neither login nor membership';
const SESSIONS = 'no session of the role is live';
const STARTS = 'no unfinished start of ours is connected';

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
