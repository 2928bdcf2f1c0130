import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GrantsAt, type InUse } from '../support/grants-at';
import { sampled } from '../support/kills';
import { leave } from '../support/postgres-stage';
import { SlowLine } from '../support/slow-line';
import { TargetServer } from '../support/target-server';

const quoted = pg.escapeIdentifier;

interface ByHand {
  readonly what: string;
  /** What an administrator of the target does to the role of a live grant. */
  readonly sql: (role: string) => string[];
  /** What takes it back, where only they can. */
  readonly undone?: (role: string) => string[];
}

const BY_HAND = sampled<ByHand>(
  [
    { what: 'dropped', sql: (role) => [`DROP OWNED BY ${role}`, `DROP ROLE ${role}`] },
    {
      what: 'given another password, for ever',
      sql: (role) => [`ALTER ROLE ${role} PASSWORD 'theirs' VALID UNTIL 'infinity'`],
    },
    { what: 'locked and let in again', sql: (role) => [`ALTER ROLE ${role} NOLOGIN`, `ALTER ROLE ${role} LOGIN`] },
    {
      what: 'given attributes',
      sql: (role) => [`ALTER ROLE ${role} CREATEDB CREATEROLE BYPASSRLS CONNECTION LIMIT -1`],
    },
    {
      what: 'renamed',
      sql: (role) => [`ALTER ROLE ${role} VALID UNTIL 'infinity'`, `ALTER ROLE ${role} RENAME TO "ada; --"`],
    },
    {
      what: 'made a superuser',
      sql: (role) => [`ALTER ROLE ${role} SUPERUSER VALID UNTIL 'infinity'`],
      undone: (role) => [`ALTER ROLE ${role} NOSUPERUSER`],
    },
  ],
  2,
);

/** After so many messages of ours the answer is lost, and then our account is refused. */
const HALF_WAY = sampled([2, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16], 2);

describe('a PostgreSQL target', () => {
  let server: TargetServer;
  let line: SlowLine;
  let at: GrantsAt;
  beforeAll(async () => {
    server = await TargetServer.start();
    line = await SlowLine.to(server);
    at = await GrantsAt.a(server, { port: line.port });
  });
  afterAll(async () => {
    await at?.close();
    await line?.close();
    await server?.stop();
  });

  const refused = async ({ credential, session }: InUse): Promise<void> => {
    await expect(at.target.use(credential)).rejects.toThrow('password authentication failed');
    await leave(session);
  };

  it('is stopped across a deadline, and for longer than anybody tries at first: its own deadline holds, and the end is proven later', async () => {
    const used = await at.use(3);
    await server.down();
    await at.until(used.id, 'stuck');
    await server.up();
    await refused(used);
    const { endReason, evidence } = await at.until(used.id, 'ended');
    expect([endReason, evidence.map(({ kind }) => kind)]).toEqual(['expired', ['issue', 'end', 'proof']]);
    expect(await at.broken()).toEqual([]);
  }, 120_000);

  it.each([...HALF_WAY.chosen])(
    `refuses our account after message %i of a beginning (${HALF_WAY.words})`,
    async (messages) => {
      const id = await at.ask();
      await halfWay(messages);
      expect((await at.look(id)).state).toMatch(/^(activating|active)$/);
      await letUsIn(true);
      await at.until(id, 'active');
      const session = await at.target.use(await at.pickUp(id));
      await at.release(id);
      await at.until(id, 'ended');
      await leave(session);
      expect(await at.broken()).toEqual([]);
    },
    120_000,
  );

  it.each([...HALF_WAY.chosen])(
    `refuses our account after message %i of an end (${HALF_WAY.words})`,
    async (messages) => {
      const used = await at.use();
      await at.release(used.id);
      await halfWay(messages);
      expect(await at.until(used.id, 'stuck')).toMatchObject({ failure: 'target.account_refused' });
      await letUsIn(true);
      await at.until(used.id, 'ended');
      await refused(used);
      expect(await at.broken()).toEqual([]);
    },
    120_000,
  );

  it.each([...BY_HAND.chosen])(
    `has a role that somebody has $what (${BY_HAND.words}): the grant ends`,
    async ({ sql, undone }) => {
      const used = await at.use();
      const role = quoted(used.role);
      const oids = await at.target.sql<{ oid: number }>(`SELECT oid FROM pg_roles WHERE rolname = '${used.role}'`);
      expect(oids).toHaveLength(1);
      await at.target.sql(...sql(role));
      await at.release(used.id);
      const failure = undone && (await at.until(used.id, 'stuck')).failure;
      expect(failure).toBe(undone && 'target.right_missing');
      await at.target.sql(...(undone?.(role) ?? []));
      await at.until(used.id, 'ended');
      expect(await at.target.sql(`SELECT rolname FROM pg_roles WHERE oid = ${oids[0]!.oid}`)).toEqual([]);
      for (const user of [used.role, 'ada; --']) {
        for (const password of ['theirs', used.credential.reveal().fields['password']!])
          await expect(server.connect(at.target.database, { user, password })).rejects.toThrow('authentication failed');
      }
      await leave(used.session);
      expect(await at.broken()).toEqual([]);
    },
    120_000,
  );

  /** The answer to that message is lost, and from then on our account is refused: it is tried in vain. */
  async function halfWay(messages: number): Promise<void> {
    line.breaksAfter = messages;
    await at.house.work();
    expect(line.breaksAfter, 'the line broke in the midst of it').toBeUndefined();
    await letUsIn(false);
    await at.house.work();
  }

  function letUsIn(isLetIn: boolean): Promise<unknown> {
    return at.target.sql(`ALTER ROLE ${quoted(at.target.admin)} ${isLetIn ? 'LOGIN' : 'NOLOGIN'}`);
  }
});
